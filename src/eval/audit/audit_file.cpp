#include "eval/audit/audit_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "base/utf8.h"
#include "eval/text/csv_reader.h"
#include "eval/text/text_limit.h"

namespace refocus {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// One line or row.
struct SavedAnswer {
  Item item;
  std::string response;
  bool has_record = false;
  std::optional<char> recorded;
  std::string finish_reason;
};

// "B", "(B)", or a number from 0 as lm-evaluation-harness has some targets; nothing for anything else.
std::optional<char> letter_of(const ordered_json& value, std::size_t choices) {
  const auto numbered = [&](std::uint64_t number) -> std::optional<char> {
    if (number >= choices) return std::nullopt;
    return static_cast<char>('A' + number);
  };
  if (value.is_number_unsigned()) return numbered(value.get<std::uint64_t>());
  if (!value.is_string()) return std::nullopt;
  std::string text = value;
  if (text.size() == 3 && text.front() == '(' && text.back() == ')') text = text.substr(1, 1);
  if (text.size() != 1) return std::nullopt;
  if (text[0] >= '0' && text[0] <= '9') return numbered(static_cast<std::uint64_t>(text[0] - '0'));
  return text[0] >= 'A' && static_cast<std::size_t>(text[0] - 'A') < choices ? std::optional(text[0])
                                                                             : std::nullopt;
}

class LineReader {
 public:
  LineReader(const ordered_json& line, std::string where) : line_(line), where_(std::move(where)) {}

  SavedAnswer read() {
    SavedAnswer answer;
    if (line_.contains("resps")) {
      read_sample(answer);
    } else {
      answer.response = text("response");
      answer.item.choices = choices(line_, "choices");
      for (const char* key : {"answer", "target"}) read_label(key, answer.item);
    }
    const ordered_json subject = line_.value("subject", ordered_json());
    if (subject.is_string()) answer.item.subject = subject;
    for (const char* key : {"doc_id", "id", "index"}) {
      const ordered_json id = line_.value(key, ordered_json());
      if (id.is_number_unsigned() && id <= std::numeric_limits<int>::max()) answer.item.index = id;
    }
    const ordered_json question = line_.value("question", ordered_json());
    if (question.is_string()) answer.item.fields.emplace_back("question", question);
    check_field_size(answer.response, where_, "the response");
    for (const auto& [name, text] : answer.item.fields) {
      check_field_size(text, where_, "field '" + printable(name) + "'");
    }
    for (const std::string& choice : answer.item.choices) check_field_size(choice, where_, "an option");
    return answer;
  }

 private:
  [[noreturn]] void fail(std::string_view expected, std::string_view got, std::string_view remedy) const {
    throw input_error(where_, "expected {}, got {}; {}", expected, got, remedy);
  }

  std::string text(const char* key) const {
    const auto at = line_.find(key);
    if (at == line_.end() || !at->is_string()) {
      fail(fmt::format("a text '{}'", key), at == line_.end() ? "none" : at->type_name(),
           "see docs/audit.md for the kinds of files");
    }
    return *at;
  }

  std::vector<std::string> choices(const ordered_json& object, const char* key) const {
    const auto at = object.find(key);
    const bool list = at != object.end() && at->is_array() && !at->empty() && at->size() <= 26 &&
                      std::ranges::all_of(*at, [](const ordered_json& c) { return c.is_string(); });
    if (!list) {
      fail(fmt::format("a list '{}' of 1 to 26 texts", key), at == object.end() ? "none" : "something else",
           "add the options in their order");
    }
    return *at;
  }

  void read_label(const char* key, Item& item) const {
    const auto at = line_.find(key);
    if (at == line_.end() || at->is_null()) return;
    item.label = letter_of(*at, item.choices.size());
    if (!item.label) {
      fail(fmt::format("the letter of an option in '{}'", key), "'" + printable(json_text(*at)) + "'",
           "correct it, or leave it out");
    }
  }

  // Responses to a multiple-choice question are [[text]]; log-likelihoods [[[number, greedy]], ...].
  void read_sample(SavedAnswer& answer) const {
    const ordered_json& resps = line_.at("resps");
    const bool one = resps.is_array() && resps.size() == 1 && resps[0].is_array() && !resps[0].empty();
    if (!one || !resps[0][0].is_string()) {
      fail("a response in words in 'resps'", "log-likelihoods or several", "give samples of generated texts");
    }
    answer.response = resps[0][0];
    const ordered_json doc = line_.value("doc", ordered_json());
    if (!doc.is_object()) fail("an object 'doc'", "none", "give a samples file as it was written");
    for (const auto& [name, value] : doc.items()) {
      if (value.is_string()) answer.item.fields.emplace_back(name, value);
    }
    answer.item.choices = choices_of_fields(answer.item.fields);
    if (answer.item.choices.empty()) answer.item.choices = choices(doc, "choices");
    read_label("target", answer.item);
    const ordered_json doc_subject = doc.value("subject", ordered_json());
    if (doc_subject.is_string()) answer.item.subject = doc_subject;
    const ordered_json filtered = line_.value("filtered_resps", ordered_json());
    if (filtered.is_array() && filtered.size() == 1) {
      answer.has_record = true;
      if (filtered[0].is_string()) answer.recorded = letter_of(filtered[0], answer.item.choices.size());
    }
    const ordered_json finish = line_.value("finish_reason", ordered_json());
    if (finish.is_string()) answer.finish_reason = finish;
  }

  const ordered_json& line_;
  std::string where_;
};

std::vector<SavedAnswer> read_lines(const fs::path& path) {
  const std::string text = read_text_file(path);
  std::vector<SavedAnswer> answers;
  for (const JsonLine& line : json_lines(text, path.string(), BlankLines::kSkip)) {
    const std::string where = fmt::format("{}:{}", path.string(), line.number);
    const ordered_json json = parse_ordered_json_object(line.text, {where, "write one object a line", true});
    SavedAnswer answer = LineReader(json, where).read();
    const bool numbered = json.contains("doc_id") || json.contains("id") || json.contains("index");
    if (!numbered) answer.item.index = line.number - 1;
    answers.push_back(std::move(answer));
  }
  return answers;
}

// Where the columns of a CSV are; a letter's column is an option.
struct Columns {
  std::vector<std::size_t> options;
  std::size_t question = kNone, answer = kNone, output = kNone, response = kNone, width = 0;
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  explicit Columns(const std::vector<std::string>& header) : width(header.size()) {
    const auto find = [&](std::string_view name) {
      const auto at = std::ranges::find(header, name);
      return at == header.end() ? kNone : static_cast<std::size_t>(at - header.begin());
    };
    question = find("question");
    answer = find("answer");
    output = find("model_output");
    response = find("model_response");
    for (char c = 'A'; c <= 'Z' && find(std::string(1, c)) != kNone; ++c) {
      options.push_back(find(std::string(1, c)));
    }
  }
};

// How many options there are at least, by the right one's letter.
std::size_t option_count(const std::string& answer, std::size_t most) {
  const auto letter = letter_of(answer, most);
  return letter ? static_cast<std::size_t>(*letter - 'A') + 1 : 1;
}

std::vector<SavedAnswer> read_published_csv(const fs::path& path) {
  std::vector<CsvRow> rows;
  read_csv(read_text_file(path), path.string(), ',', [&](CsvRow&& row) {
    if (!std::ranges::all_of(row.cells, is_valid_utf8)) {
      throw input_error(path.string(), "line {}: expected UTF-8, got other bytes; convert the file",
                        row.line);
    }
    rows.push_back(std::move(row));
  });
  const Columns columns(rows.empty() ? std::vector<std::string>() : rows.front().cells);
  if (columns.response == Columns::kNone || columns.options.empty()) {
    throw input_error(
        path.string(),
        "expected a header question,A,B,C,D,answer,model_output,model_response,correctness, got "
        "'{}'; give the CSV of a subject",
        rows.empty() ? "" : printable(fmt::format("{}", fmt::join(rows[0].cells, ",")), 120));
  }
  std::vector<SavedAnswer> answers;
  for (std::size_t r = 1; r < rows.size(); ++r) {
    const std::vector<std::string>& fields = rows[r].cells;
    const std::string where = fmt::format("{}:{}", path.string(), rows[r].line);
    if (fields.size() != columns.width) {
      throw input_error(where, "expected {} fields as in the header, got {}; quote fields that hold commas",
                        columns.width, fields.size());
    }
    SavedAnswer answer;
    answer.item.subject = path.stem().string();
    answer.item.index = static_cast<int>(r - 1);
    if (columns.question != Columns::kNone)
      answer.item.fields.emplace_back("question", fields[columns.question]);
    for (const std::size_t option : columns.options) answer.item.choices.push_back(fields[option]);
    // Questions with fewer options leave the last columns empty.
    const std::size_t at_least =
        columns.answer == Columns::kNone ? 1 : option_count(fields[columns.answer], columns.options.size());
    while (answer.item.choices.size() > at_least && answer.item.choices.back().empty()) {
      answer.item.choices.pop_back();
    }
    const std::size_t choices = answer.item.choices.size();
    if (columns.answer != Columns::kNone && !fields[columns.answer].empty()) {
      answer.item.label = letter_of(fields[columns.answer], choices);
      if (!answer.item.label) {
        throw input_error(where, "expected the letter of an option in 'answer', got '{}'; correct it",
                          printable(fields[columns.answer]));
      }
    }
    answer.response = fields[columns.response];
    if (columns.output != Columns::kNone) {
      answer.has_record = true;
      answer.recorded = letter_of(fields[columns.output], choices);
    }
    answers.push_back(std::move(answer));
  }
  return answers;
}

}  // namespace

Audit audit_file(const fs::path& path) {
  std::vector<SavedAnswer> answers = path.extension() == ".csv" ? read_published_csv(path) : read_lines(path);
  if (answers.empty()) throw input_error(path.string(), "expected responses, got none; give another file");
  const bool records = std::ranges::all_of(answers, &SavedAnswer::has_record);
  Task task{"file", {}, {}};
  SavedArm arm{{"file", {}}, {}};
  std::set<ItemKey> seen;
  for (SavedAnswer& answer : answers) {
    Item& item = answer.item;
    if (item.subject.empty()) item.subject = "responses";
    if (!seen.emplace(item.subject, item.index).second) {
      throw input_error(path.string(),
                        "expected one response a question, got two of subject '{}', number {}; give the "
                        "samples of one task and arm at a time",
                        printable(item.subject), item.index);
    }
    if (std::ranges::find(task.subjects, item.subject) == task.subjects.end()) {
      task.subjects.push_back(item.subject);
    }
    Response response;
    response.arm = arm.asked.name;
    response.subject = item.subject;
    response.index = item.index;
    response.text = std::move(answer.response);
    response.finish_reason = answer.finish_reason;
    arm.responses.push_back(std::move(response));
    if (records) arm.recorded.push_back(answer.recorded);
    task.items.push_back(std::move(item));
  }
  Audit audit;
  audit.name = path.string();
  audit.items = std::ssize(task.items);
  audit.tasks = std::make_unique<const std::vector<Task>>(1, std::move(task));
  std::vector<SavedArm> arms;
  arms.push_back(std::move(arm));
  audit.arms = read_by_both_rules(*audit.tasks, std::move(arms));
  audit.verdicts = std::make_unique<const Verdicts>();
  return audit;
}

}  // namespace refocus
