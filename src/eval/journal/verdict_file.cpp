#include "eval/journal/verdict_file.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "eval/text/json_values.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

// Verdicts are ordered by their times as texts.
bool is_time(std::string_view text) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00Z";
  return text.size() == kShape.size() && std::ranges::equal(text, kShape, [](char c, char shape) {
           return shape == '0' ? c >= '0' && c <= '9' : c == shape;
         });
}

class VerdictReader {
 public:
  VerdictReader(const ordered_json& line, const std::string& where) : line_(line), where_(where) {}

  Verdict read() const {
    if (!line_.is_object()) fail("a JSON object");
    Verdict verdict;
    verdict.arm = text("arm");
    verdict.subject = text("subject");
    const ordered_json index = line_.value("item", ordered_json());
    if (!index.is_number_unsigned() || index > std::numeric_limits<int>::max()) fail("a number 'item'");
    verdict.index = index;
    verdict.letter = letter("letter");
    const ordered_json withdrawn = line_.value("withdrawn", ordered_json(false));
    if (!withdrawn.is_boolean()) fail("true or false in 'withdrawn'");
    verdict.withdrawn = withdrawn;
    verdict.anchored = letter("anchored");
    verdict.published = letter("published");
    verdict.reviewer = text("reviewer");
    verdict.time = text("time");
    if (!is_time(verdict.time)) fail("a 'time' as \"2026-01-31T12:00:00Z\"");
    verdict.response_hash = text("response_hash");
    return verdict;
  }

 private:
  [[noreturn]] void fail(std::string_view expected) const {
    throw input_error(where_, "expected {}, got '{}'; give a file of --export-verdicts", expected,
                      printable(json_text(line_)));
  }
  std::string text(const char* key) const {
    const ordered_json value = line_.value(key, ordered_json());
    if (!value.is_string() || value.get_ref<const std::string&>().empty())
      fail(fmt::format("a text '{}'", key));
    return value;
  }
  std::optional<char> letter(const char* key) const {
    const ordered_json value = line_.value(key, ordered_json());
    if (value.is_null() && line_.contains(key)) return std::nullopt;
    const std::string letter = value.is_string() ? value.get<std::string>() : "";
    if (letter.size() != 1 || letter[0] < 'A' || letter[0] > 'Z') {
      fail(fmt::format("a letter or null in '{}'", key));
    }
    return letter[0];
  }

  const ordered_json& line_;
  const std::string& where_;
};

// How many options each item has, where the journal says it.
using Choices = std::map<std::pair<std::string, int>, std::size_t>;

Choices choices_of(const Journal& journal) {
  Choices choices;
  const std::optional<Questions> questions = journal.questions();
  if (!questions) return choices;
  for (const Task& task : questions->tasks) {
    for (const Item& item : task.items) choices[{item.subject, item.index}] = item.choices.size();
  }
  return choices;
}

void check_letter(const Verdict& verdict, const Choices& choices, const std::string& where) {
  const auto known = choices.find({verdict.subject, verdict.index});
  if (!verdict.letter || known == choices.end()) return;
  if (static_cast<std::size_t>(*verdict.letter - 'A') < known->second) return;
  throw input_error(where, "expected a letter of the item's {} options, got '{}'; correct it", known->second,
                    *verdict.letter);
}

using Hashes = std::map<std::tuple<std::string, std::string, int>, std::string>;

}  // namespace

std::string verdict_line(const Verdict& verdict) {
  ordered_json line = {{"arm", verdict.arm},
                       {"subject", verdict.subject},
                       {"item", verdict.index},
                       {"letter", or_null(verdict.letter)}};
  if (verdict.withdrawn) line["withdrawn"] = true;
  line["anchored"] = or_null(verdict.anchored);
  line["published"] = or_null(verdict.published);
  line["reviewer"] = verdict.reviewer;
  line["time"] = verdict.time;
  line["response_hash"] = verdict.response_hash;
  return json_text(line);
}

void export_verdicts(const Journal& journal, const std::filesystem::path& path) {
  std::string lines;
  for (const Verdict& verdict : journal.verdicts()) lines += verdict_line(verdict) + "\n";
  write_file_atomically(path, lines);
}

ImportedVerdicts import_verdicts(const std::filesystem::path& path, Journal& journal) {
  const std::string text = read_text_file(path);
  Hashes hashes;
  for (const std::string& arm : journal.arms()) {
    journal.for_each(arm, [&](const Response& response) {
      hashes[{arm, response.subject, response.index}] = response_hash(response.text);
    });
  }
  const Choices choices = choices_of(journal);
  std::set<std::string> known_lines;
  for (const Verdict& kept : journal.verdicts()) known_lines.insert(verdict_line(kept));
  std::vector<Verdict> added;
  ImportedVerdicts counts;
  for (const JsonLine& line : json_lines(text, path.string(), BlankLines::kAtEnd)) {
    const std::string where = fmt::format("{}:{}", path.string(), line.number);
    const auto json = parse_ordered_json(line.text, {where, "give a file of --export-verdicts", true});
    Verdict verdict = VerdictReader(json, where).read();
    const auto response = hashes.find({verdict.arm, verdict.subject, verdict.index});
    if (response == hashes.end() || response->second != verdict.response_hash) {
      throw input_error(
          where,
          "expected a verdict on a response of this run, got one on {} of '{}', subject '{}', item "
          "{}; give verdicts on a copy of it",
          response == hashes.end() ? "no answer" : "another text", printable(verdict.arm),
          printable(verdict.subject), verdict.index);
    }
    check_letter(verdict, choices, where);
    const bool known = !known_lines.insert(verdict_line(verdict)).second;
    ++(known ? counts.known : counts.added);
    if (!known) added.push_back(std::move(verdict));
  }
  journal.put(added);
  return counts;
}

}  // namespace refocus
