// What a study keeps beside the answers: the tokens that were generated, and what was measured of them.
// Programs of before these tables pass them over; each is made when something is first kept in it.
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "eval/journal/journal.h"
#include "eval/journal/row_reader.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

constexpr const char* kTokensTable =
    "CREATE TABLE IF NOT EXISTS answer_tokens (arm TEXT NOT NULL, subject TEXT NOT NULL, item INTEGER NOT "
    "NULL, tokens TEXT NOT NULL, UNIQUE (arm, subject, item))";
constexpr const char* kMeasuresTable =
    "CREATE TABLE IF NOT EXISTS measures (arm TEXT NOT NULL, subject TEXT NOT NULL, item INTEGER NOT NULL, "
    "model TEXT NOT NULL, numbers BLOB NOT NULL, UNIQUE (arm, subject, item, model))";
constexpr const char* kNamesTable = "CREATE TABLE IF NOT EXISTS measure_names (names TEXT NOT NULL)";

ItemKey key_of(const RowReader& row) { return {row.text(0), row.index(1)}; }

// float64, as they lie in memory.
std::vector<double> numbers_of(const RowReader& row, int column) {
  const std::string bytes = row.text(column);
  std::vector<double> out(bytes.size() / sizeof(double));
  if (bytes.size() % sizeof(double) != 0) row.damaged("numbers of 8 bytes", bytes);
  if (!out.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

}  // namespace

// Before the answer itself: an answer that is there has them.
void Journal::put_tokens(const Response& response) {
  database_->run(kTokensTable);
  SqliteStatement row(
      *database_,
      "INSERT OR REPLACE INTO answer_tokens (arm, subject, item, tokens) VALUES (?1, ?2, ?3, ?4)");
  row.bind(1, response.arm);
  row.bind(2, response.subject);
  row.bind(3, response.index);
  row.bind(4, json_text(ordered_json(response.tokens)));
  row.step();
}

std::map<ItemKey, std::vector<std::int32_t>> Journal::tokens(const std::string& arm) const {
  std::map<ItemKey, std::vector<std::int32_t>> out;
  if (!has_table("answer_tokens")) return out;
  RowReader rows(*database_, "SELECT subject, item, tokens FROM answer_tokens WHERE arm = ?1");
  rows.bind(1, arm);
  while (rows.step()) {
    const ordered_json list = rows.json(2);
    std::vector<std::int32_t>& tokens = out[key_of(rows)];
    if (!list.is_array()) rows.damaged("a list of tokens", rows.text(2));
    for (const ordered_json& token : list) {
      if (!token.is_number_unsigned() || token > std::numeric_limits<std::int32_t>::max()) {
        rows.damaged("a list of tokens", rows.text(2));
      }
      tokens.push_back(token.get<std::int32_t>());
    }
  }
  return out;
}

void Journal::put(const Measures& measures) {
  database_->run(kMeasuresTable);
  std::string bytes(measures.values.size() * sizeof(double), '\0');
  if (!bytes.empty()) std::memcpy(bytes.data(), measures.values.data(), bytes.size());
  SqliteStatement row(
      *database_, "INSERT INTO measures (arm, subject, item, model, numbers) VALUES (?1, ?2, ?3, ?4, ?5)");
  row.bind(1, measures.arm);
  row.bind(2, measures.subject);
  row.bind(3, measures.index);
  row.bind(4, measures.model);
  row.bind(5, bytes);
  row.step();
}

std::map<ItemKey, std::vector<double>> Journal::measures(const std::string& arm,
                                                         const std::string& model) const {
  std::map<ItemKey, std::vector<double>> out;
  if (!has_table("measures")) return out;
  RowReader rows(*database_, "SELECT subject, item, numbers FROM measures WHERE arm = ?1 AND model = ?2");
  rows.bind(1, arm);
  rows.bind(2, model);
  while (rows.step()) out[key_of(rows)] = numbers_of(rows, 2);
  return out;
}

std::vector<std::string> Journal::measure_names() const {
  if (!has_table("measure_names")) return {};
  RowReader rows(*database_, "SELECT names FROM measure_names");
  if (!rows.step()) return {};  // it was killed before it wrote them
  return rows.json_texts(0, ordered_json::value_t::array).get<std::vector<std::string>>();
}

void Journal::keep_measure_names(const std::vector<std::string>& names) {
  const std::vector<std::string> kept = measure_names();
  if (kept == names) return;
  if (!kept.empty()) {
    throw input_error(
        database_->path().string(),
        "expected the {} statistics that it was begun with, got {} of this version of the program; "
        "choose another -o directory",
        kept.size(), names.size());
  }
  database_->run(kNamesTable);
  SqliteStatement row(*database_, "INSERT INTO measure_names (names) VALUES (?1)");
  row.bind(1, json_text(ordered_json(names)));
  row.step();
}

}  // namespace refocus
