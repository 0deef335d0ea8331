// The items of a task file, from its data.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "base/error.h"
#include "eval/extract/short_answer.h"
#include "eval/task/data_table.h"
#include "eval/task/file_names.h"
#include "eval/task/prompt_template.h"
#include "eval/task/scoring.h"
#include "eval/task/transcript.h"
#include "eval/tasks/task_data.h"
#include "eval/tasks/task_file.h"

namespace refocus {

namespace {

constexpr const char* kCategory = "category";
constexpr const char* kTurns = "turns";

bool is_blank(const std::string& text) { return normalised_answer(text).empty(); }

// All fields of any row, in the order of their first appearance.
std::vector<std::string> field_names(const std::vector<DataRow>& rows) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (const DataRow& row : rows) {
    for (const auto& [name, value] : row.fields) {
      if (seen.insert(name).second) names.push_back(name);
    }
  }
  return names;
}

// Refuses templates that name none of the fields `known`; gives the fields that they do name.
std::set<std::string> check_templates(const TaskFile& file, std::vector<std::string> known) {
  if (file.kind.type == AnswerType::kChoice && std::ranges::find(known, "options") == known.end()) {
    known.emplace_back("options");
  }
  std::set<std::string> used;
  for (const TemplateUse& use : file.templates) {
    if (use.is_template) {
      check_template(use.text, use.key, known, use.where);
      for (const TemplatePiece& piece : parse_template(use.text, use.where)) {
        if (piece.is_field) used.insert(piece.text);
      }
      continue;
    }
    for (const std::string& name : known) {
      if (use.text.find("{" + name + "}") == std::string::npos) continue;
      throw input_error(use.where,
                        "expected no placeholder in {}, got '{{{}}}'; only body is a template: move it there",
                        use.key, printable(name));
    }
  }
  if (file.kind.type == AnswerType::kChoice) used.erase("options");
  return used;
}

// The same of data, where the answer is in a field too, which would give it away.
std::set<std::string> check_templates(const TaskFile& file, const std::vector<DataRow>& rows) {
  std::vector<std::string> known = field_names(rows);
  for (const std::string& field : {file.answer_field, file.corrupted_answer_field}) {
    if (!field.empty() && std::ranges::find(known, field) == known.end()) rows.front().text(field);
  }
  std::erase(known, file.answer_field);
  std::erase(known, file.corrupted_answer_field);
  return check_templates(file, std::move(known));
}

std::vector<std::string> options_of(const OptionSource& source, const DataRow& row) {
  std::vector<std::string> options;
  if (source.kind == OptionSource::Kind::kTexts) return source.names;
  if (source.kind == OptionSource::Kind::kListField) {
    const std::string& name = source.names.front();
    const DataValue* value = row.find(name);
    if (value == nullptr || value->kind != DataValue::Kind::kList) {
      throw input_error(row.where,
                        "expected a list of options in field '{}', got {}; write a list, or list the fields "
                        "as options: [A, B]",
                        printable(name), value == nullptr ? "no such field" : "something else");
    }
    options = value->list;
  } else {
    // A question with fewer options leaves the last ones empty, null or out.
    for (const std::string& name : source.names) {
      const DataValue* value = row.find(name);
      const bool none = value == nullptr || value->kind == DataValue::Kind::kNull;
      options.push_back(none ? "" : row.text(name));
    }
    while (!options.empty() && is_blank(options.back())) options.pop_back();
  }
  if (options.size() < 2 || options.size() > 26) {
    throw input_error(row.where, "expected 2 to 26 options, got {}; correct the row", options.size());
  }
  for (std::size_t k = 0; k < options.size(); ++k) {
    if (!is_blank(options[k])) continue;
    throw input_error(row.where, "expected a text as option {}, got an empty one; correct the row",
                      option_letter(k));
  }
  return options;
}

// Of the option that a row's `field` says is right.
std::size_t place_of_answer(const TaskFile& file, const std::string& field, const DataRow& row,
                            const std::vector<std::string>& options) {
  const std::string& answer = row.text(field);
  const std::string& where = row.where;
  const std::size_t count = options.size();
  const auto refuse = [&](const std::string& expected) {
    return input_error(where, "expected {} in field '{}', got '{}'; correct the row or answer_format",
                       expected, printable(field), printable(answer));
  };
  if (file.answer_format == AnswerFormat::kText) {
    const auto found = std::ranges::find(options, answer);
    if (found == options.end()) throw refuse("the text of one of the options");
    if (std::find(found + 1, options.end(), answer) != options.end()) {
      throw refuse("the text of one option, not of two,");
    }
    return static_cast<std::size_t>(found - options.begin());
  }
  if (file.answer_format == AnswerFormat::kLetter) {
    const char letter = answer.size() == 1 ? answer[0] : '\0';
    const char upper = letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
    if (upper < 'A' || upper >= static_cast<char>('A' + count)) {
      throw refuse(fmt::format("a letter from A to {}", option_letter(count - 1)));
    }
    return static_cast<std::size_t>(upper - 'A');
  }
  const std::size_t first = file.answer_format == AnswerFormat::kIndex1 ? 1 : 0;
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(answer.data(), answer.data() + answer.size(), number);
  if (error != std::errc() || end != answer.data() + answer.size() || number < first ||
      number >= first + count) {
    throw refuse(fmt::format("a number from {} to {}", first, first + count - 1));
  }
  return number - first;
}

void add_short_answers(const TaskFile& file, const DataRow& row, Item& item) {
  const DataValue* value = row.find(file.answer_field);
  const bool list = value != nullptr && value->kind == DataValue::Kind::kList;
  item.answers = list ? value->list : std::vector<std::string>{row.text(file.answer_field)};
  const bool numeric = file.kind.short_answer.metric == ShortMetric::kNumeric;
  if (item.answers.empty()) {
    throw input_error(row.where,
                      "expected at least one right answer in field '{}', got an empty list; add one",
                      printable(file.answer_field));
  }
  for (const std::string& answer : item.answers) {
    if (!numeric && !is_blank(answer)) continue;
    if (numeric && whole_number_text(answer)) continue;
    throw input_error(row.where, "expected a {} in field '{}', got '{}'; correct the row",
                      numeric ? "number" : "text", printable(file.answer_field), printable(answer));
  }
}

// A subject gives its name to files and groups.
const std::string& checked_subject(const std::string& subject, const std::string& where) {
  if (is_safe_file_name(subject) && subject.size() <= 80 && !is_group_name(subject)) return subject;
  throw input_error(where,
                    "expected a subject fit for a file name (letters, digits and _.=+-~, at most 80) that is "
                    "no group's, got '{}'; write it otherwise",
                    printable(subject));
}

class ItemReader {
 public:
  ItemReader(const TaskFile& file, std::vector<DataRow> rows) : file_(file), rows_(std::move(rows)) {}

  // All items of one subject after the other.
  Task read(std::span<const std::string> wanted) {
    Task task;
    task.name = file_.kind.name;
    TaskKind kind = file_.kind;
    if (kind.type == AnswerType::kTranscript) {
      kind.has_subjects = rows_.front().find(kCategory) != nullptr;
      has_subjects_ = kind.has_subjects;
      for (const DataRow& row : rows_) add_turns(row);
    } else {
      has_subjects_ = kind.has_subjects;
      used_ = check_templates(file_, rows_);
      for (const DataRow& row : rows_) add_question(row);
    }
    check_wanted(wanted);
    for (const std::string& subject : order_) {
      if (!wanted.empty() && std::ranges::find(wanted, subject) == wanted.end()) continue;
      task.subjects.push_back(subject);
      std::ranges::move(items_[subject], std::back_inserter(task.items));
    }
    task.own = std::make_shared<const TaskKind>(std::move(kind));
    return task;
  }

 private:
  Item begin_item(const std::string& subject_field, const DataRow& row) {
    Item item;
    item.subject = has_subjects_ ? checked_subject(row.text(subject_field), row.where) : file_.kind.name;
    return item;
  }

  void keep(Item item) {
    std::vector<Item>& list = items_[item.subject];
    if (list.empty()) order_.push_back(item.subject);
    item.index = static_cast<int>(list.size());
    list.push_back(std::move(item));
  }

  void add_question(const DataRow& row) {
    Item item = begin_item(file_.subject_field, row);
    for (const std::string& name : used_) row.text(name);
    for (const auto& [name, value] : row.fields) item.fields.emplace_back(name, value.text);
    if (file_.kind.type == AnswerType::kShort) {
      add_short_answers(file_, row, item);
    } else {
      item.choices = options_of(file_.options, row);
      if (!file_.answer_field.empty()) {
        item.label = option_letter(place_of_answer(file_, file_.answer_field, row, item.choices));
      }
      add_corrupted_label(row, item);
    }
    keep(std::move(item));
  }

  void add_corrupted_label(const DataRow& row, Item& item) const {
    const std::string& field = file_.corrupted_answer_field;
    if (field.empty()) return;
    item.corrupted_label = option_letter(place_of_answer(file_, field, row, item.choices));
    if (item.corrupted_label != item.label) return;
    throw input_error(
        row.where, "expected in field '{}' another option than the right one, got the same; correct the row",
        printable(field));
  }

  void add_turns(const DataRow& row) {
    const std::string& id = row.text(kQuestionId);
    if (!ids_.insert(id).second) {
      throw input_error(row.where, "expected a question_id of its own, got '{}' again; change it",
                        printable(id));
    }
    const DataValue* turns = row.find(kTurns);
    if (turns == nullptr || turns->kind != DataValue::Kind::kList || turns->list.empty()) {
      throw input_error(row.where, "expected a list of texts in field '{}', got {}; correct the row", kTurns,
                        turns == nullptr ? "none" : "something else or an empty list");
    }
    for (std::size_t t = 0; t < turns->list.size(); ++t) {
      if (is_blank(turns->list[t])) {
        throw input_error(row.where, "expected a text as turn {}, got an empty one; correct the row", t + 1);
      }
      Item item = begin_item(kCategory, row);
      item.turn = static_cast<int>(t);
      item.fields.emplace_back(kQuestionId, id);
      if (has_subjects_) item.fields.emplace_back(kCategory, item.subject);
      item.fields.emplace_back(kTurnField, turns->list[t]);
      keep(std::move(item));
    }
  }

  void check_wanted(std::span<const std::string> wanted) const {
    for (const std::string& subject : wanted) {
      if (items_.contains(subject)) continue;
      throw usage_error(file_.kind.name, "unknown subject '{}'; known subjects: {}", printable(subject),
                        printable(fmt::format("{}", fmt::join(order_, ", ")), 1000));
    }
  }

  const TaskFile& file_;
  std::vector<DataRow> rows_;
  bool has_subjects_ = false;
  std::set<std::string> used_;  // fields that templates name
  std::set<std::string> ids_;
  std::vector<std::string> order_;  // subjects by first appearance
  std::map<std::string, std::vector<Item>> items_;
};

}  // namespace

Task load_own_task(const TaskFile& file, std::span<const std::string> subjects,
                   const std::filesystem::path& data) {
  if (!file.questions.empty()) {
    check_templates(file, task_kind(file.questions).placeholders);
    Task task = load_task(file.questions, data, subjects);
    task.name = file.kind.name;
    task.own = std::make_shared<const TaskKind>(file.kind);
    if (file.kind.has_subjects) return task;
    task.subjects = {task.name};
    for (Item& item : task.items) item.subject = task.name;
    return task;
  }
  if (!std::filesystem::is_regular_file(file.dataset)) {
    throw input_error(file.dataset_where,
                      "expected a data file, got no such file: {}; give its path relative to the task file",
                      printable(file.dataset.string(), 300));
  }
  return ItemReader(file, read_data_table(file.dataset)).read(subjects);
}

}  // namespace refocus
