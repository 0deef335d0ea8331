#include "eval/task/task_kind.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/nearest_word.h"

namespace refocus {

namespace {

// The wordings are those of lm-evaluation-harness (facts only: its tasks mmlu, piqa and social_iqa;
// docs/loglikelihood.md).
TaskKind lettered(const char* name, const char* description) {
  TaskKind kind{name, 4, true, {"question", "A", "B", "C", "D"}};
  kind.likelihood = {description, "{question}\n{options}\nAnswer:", " {letter}", false, true};
  return kind;
}

TaskKind piqa() {
  TaskKind kind{"piqa", 2, false, {"goal", "sol1", "sol2"}};
  kind.likelihood = {"", "Question: {goal}\nAnswer:", " {option}", true, false};
  kind.published_predictions = true;
  return kind;
}

TaskKind siqa() {
  TaskKind kind{"siqa", 3, false, {"context", "question", "answerA", "answerB", "answerC"}};
  kind.likelihood = {"", "Q: {context} {question}\nA:", " {option}", false, false};
  kind.report_name = "social_iqa";
  kind.published_predictions = true;
  return kind;
}

constexpr std::array<std::pair<AnswerType, std::string_view>, 3> kTypes = {
    {{AnswerType::kChoice, "multiple_choice"},
     {AnswerType::kShort, "short_answer"},
     {AnswerType::kTranscript, "transcript"}}};

}  // namespace

std::string_view TaskKind::metric() const {
  if (type == AnswerType::kTranscript) return "";
  if (type == AnswerType::kChoice) return "acc";
  return short_answer.metric == ShortMetric::kNumeric ? "numeric" : "exact_match";
}

std::string_view TaskKind::metric_title() const {
  if (type == AnswerType::kTranscript) return "";
  if (type == AnswerType::kChoice) return "accuracy";
  return short_answer.metric == ShortMetric::kNumeric ? "right" : "exact match";
}

std::span<const TaskKind> task_kinds() {
  static const std::vector<TaskKind> kinds = {
      lettered("mmlu", "The following are multiple choice questions (with answers) about {subject}.\n\n"),
      piqa(), siqa(), lettered("worlds", "")};
  return kinds;
}

const TaskKind* find_task_kind(std::string_view name) {
  const auto kinds = task_kinds();
  const auto found = std::ranges::find(kinds, name, &TaskKind::name);
  return found == kinds.end() ? nullptr : &*found;
}

const TaskKind& task_kind(std::string_view name) {
  const TaskKind* kind = find_task_kind(name);
  if (kind == nullptr) {
    std::vector<std::string_view> names;
    for (const TaskKind& known : task_kinds()) names.push_back(known.name);
    throw usage_error("eval",
                      "unknown task '{}'; known tasks: {}; a task of your own is a file that ends in .yaml "
                      "or .json{}",
                      printable(name), task_names(), did_you_mean(name, names));
  }
  return *kind;
}

const TaskKind& kind_of(const Task& task) {
  static const TaskKind kSingle{}, kSubjects{"", 0, true};
  if (task.own) return *task.own;
  const TaskKind* kind = find_task_kind(task.name);
  if (kind != nullptr) return *kind;
  return task.subjects.size() > 1 ? kSubjects : kSingle;
}

std::string_view type_name(AnswerType type) {
  return std::ranges::find(kTypes, type, [](const auto& t) { return t.first; })->second;
}

std::optional<AnswerType> parse_type(std::string_view name) {
  const auto found = std::ranges::find(kTypes, name, [](const auto& t) { return t.second; });
  return found == kTypes.end() ? std::nullopt : std::optional(found->first);
}

std::string task_names(bool only_with_subjects) {
  std::string names;
  for (const TaskKind& kind : task_kinds()) {
    if (only_with_subjects && !kind.has_subjects) continue;
    names += names.empty() ? "" : ", ";
    names += kind.name;
  }
  return names;
}

}  // namespace refocus
