// What a study keeps beside the answers: the tokens that were generated, and what was measured of them.
// Programs of before these tables pass them over; each is made when something is first kept in it.
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "eval/journal/journal.h"

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

[[noreturn]] void damaged(const SqliteDatabase& database, const char* expected) {
  throw input_error(database.path().string(),
                    "expected {} in its tables, got another; the file is damaged: restore a copy", expected);
}

ItemKey key_of(const SqliteDatabase& database, const SqliteStatement& row) {
  const std::int64_t item = row.integer(1);
  if (item < 0 || item > std::numeric_limits<int>::max()) damaged(database, "an item index");
  return {row.text(0), static_cast<int>(item)};
}

// float64, as they lie in memory.
std::vector<double> numbers_of(const SqliteDatabase& database, const std::string& bytes) {
  std::vector<double> out(bytes.size() / sizeof(double));
  if (bytes.size() % sizeof(double) != 0) damaged(database, "numbers of 8 bytes");
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
  SqliteStatement select(*database_, "SELECT subject, item, tokens FROM answer_tokens WHERE arm = ?1");
  select.bind(1, arm);
  while (select.step()) {
    const ordered_json list = parse_ordered_json(
        select.text(2), {database_->path().string() + ", tables", "the file is damaged: restore a copy"});
    std::vector<std::int32_t>& tokens = out[key_of(*database_, select)];
    if (!list.is_array()) damaged(*database_, "a list of tokens");
    for (const ordered_json& token : list) {
      if (!token.is_number_unsigned() || token > std::numeric_limits<std::int32_t>::max()) {
        damaged(*database_, "a list of tokens");
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
  SqliteStatement select(*database_,
                         "SELECT subject, item, numbers FROM measures WHERE arm = ?1 AND model = ?2");
  select.bind(1, arm);
  select.bind(2, model);
  while (select.step()) out[key_of(*database_, select)] = numbers_of(*database_, select.text(2));
  return out;
}

std::vector<std::string> Journal::measure_names() const {
  if (!has_table("measure_names")) return {};
  const std::string names = database_->text("SELECT names FROM measure_names");
  if (names.empty()) return {};  // it was killed before it wrote them
  const ordered_json list = parse_ordered_json(
      names, {database_->path().string() + ", tables", "the file is damaged: restore a copy"});
  std::vector<std::string> out;
  if (!list.is_array()) damaged(*database_, "a list of names");
  for (const ordered_json& name : list) {
    if (!name.is_string()) damaged(*database_, "a list of names");
    out.push_back(name.get<std::string>());
  }
  return out;
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
