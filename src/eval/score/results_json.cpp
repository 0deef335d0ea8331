// results_refocus.json: the aggregated numbers in the layout of lm-evaluation-harness.
#include "base/error.h"
#include "base/json_reader.h"
#include "eval/score/results.h"
#include "eval/task/file_names.h"
#include "eval/task/likelihood_prompt.h"
#include "eval/task/task_kind.h"
#include "eval/text/json_values.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

// The version of how this project asks and scores a task; raised when either changes.
constexpr int kTaskVersion = 1;

ordered_json metric(std::string_view name) {
  return {{"metric", name}, {"aggregation", "mean"}, {"higher_is_better", true}};
}

ordered_json entry(const TaskKind& kind, const Tally& tally, const std::string& alias, bool loglikelihood) {
  ordered_json e;
  e["alias"] = alias;
  if (tally.accuracy()) {
    e[fmt::format("{},none", kind.metric())] = *tally.accuracy();
    e[fmt::format("{}_stderr,none", kind.metric())] = or_null(tally.standard_error());
  }
  if (tally.mean_f1()) {
    e["f1,none"] = *tally.mean_f1();
    e["f1_stderr,none"] = or_null(tally.standard_error_of_f1());
  }
  if (tally.accuracy_by_length()) {
    e["acc_norm,none"] = *tally.accuracy_by_length();
    e["acc_norm_stderr,none"] = or_null(tally.standard_error_by_length());
  }
  e["n"] = tally.answered;
  e["correct"] = tally.labelled > 0 ? ordered_json(tally.correct) : ordered_json();
  if (tally.unmatched > 0) e["unmatched"] = tally.unmatched;
  if (loglikelihood) return e;
  if (kind.type != AnswerType::kTranscript) e["unparsed"] = tally.unparsed;
  e["truncated"] = tally.truncated;
  e["stopped"] = tally.stopped;
  if (kind.type != AnswerType::kTranscript) {
    e["read_unfinished"] = tally.read_unfinished;
    e["read_unfinished_correct"] =
        tally.labelled > 0 ? ordered_json(tally.read_unfinished_correct) : ordered_json();
  }
  e["empty"] = tally.empty;
  e["manual"] = tally.manual;
  if (tally.reasoned > 0) {
    e["with_reasoning"] = tally.reasoned;
    e["mean_reasoning_characters"] = or_null(tally.mean_reasoning_characters());
  }
  e["generated_tokens"] = tally.generated_tokens;
  e["mean_generated_tokens"] = or_null(tally.mean_generated_tokens());
  return e;
}

class ResultsBuilder {
 public:
  explicit ResultsBuilder(const ReportOptions& options) : options_(options) {
    for (const char* key : {"results", "groups", "group_subtasks", "configs", "versions", "n-shot",
                            "higher_is_better", "n-samples", "config"}) {
      file_[key] = ordered_json::object();
    }
    if (options.config.is_object()) file_["config"] = options.config;
    file_["arm"] = options.arm;
  }

  void add(const TaskScores& scores) {
    const Task& task = *scores.task;
    const TaskKind& kind = kind_of(task);
    if (scores.groups.empty() && (!kind.has_subjects || (!kind.is_own() && !find_task_kind(task.name)))) {
      for (const SubjectScore& subject : scores.subjects) add_leaf(task, subject, "");
      return;
    }
    // A group lists its parts: the task its categories, another group its subjects. Groups that are no
    // categories overlap these and are therefore no part of the task.
    std::vector<std::string> categories, not_stem;
    for (const GroupScore& group : scores.groups) {
      if (group.kind != GroupKind::kCategory) continue;
      categories.push_back(group_name(task, group));
      if (group.name != "stem") not_stem.push_back(group_name(task, group));
    }
    for (const SubjectScore& subject : scores.subjects) {
      if (subject.category.empty()) categories.push_back(harness_task_name(task, subject.subject));
    }
    add_group(kind, task.name, task.name, scores.all, categories);
    for (const GroupScore& group : scores.groups) {
      const std::string alias = " - " + group.name;
      if (group.kind == GroupKind::kNonStem) {
        add_group(kind, group_name(task, group), alias, group.tally, not_stem);
        continue;
      }
      std::vector<std::string> leaves;
      for (const std::string& subject : group.subjects) leaves.push_back(harness_task_name(task, subject));
      add_group(kind, group_name(task, group), alias, group.tally, leaves);
      if (group.kind != GroupKind::kCategory) continue;
      for (const SubjectScore& subject : scores.subjects) {
        if (subject.category == group.name) add_leaf(task, subject, "  - ");
      }
    }
    for (const SubjectScore& subject : scores.subjects) {
      if (subject.category.empty()) add_leaf(task, subject, "  - ");
    }
  }

  ordered_json take() { return std::move(file_); }

 private:
  static std::string group_name(const Task& task, const GroupScore& group) {
    return task.name + "_" + group.name;
  }

  void add_common(const TaskKind& kind, const std::string& name, const Tally& tally) {
    file_["versions"][name] = kTaskVersion;
    file_["n-shot"][name] = options_.num_fewshot;
    file_["higher_is_better"][name] = ordered_json::object();
    if (tally.accuracy()) file_["higher_is_better"][name][std::string(kind.metric())] = true;
    if (tally.mean_f1()) file_["higher_is_better"][name]["f1"] = true;
    if (tally.accuracy_by_length()) file_["higher_is_better"][name]["acc_norm"] = true;
  }

  void add_group(const TaskKind& kind, const std::string& name, const std::string& alias, const Tally& tally,
                 const std::vector<std::string>& parts) {
    file_["results"][name] = entry(kind, tally, alias, options_.loglikelihood);
    file_["groups"][name] = entry(kind, tally, alias, options_.loglikelihood);
    file_["group_subtasks"][name] = parts;
    add_common(kind, name, tally);
  }

  void add_leaf(const Task& task, const SubjectScore& subject, const std::string& indent) {
    const std::string name = harness_task_name(task, subject.subject);
    const TaskKind& kind = kind_of(task);
    file_["results"][name] =
        entry(kind, subject.tally, indent.empty() ? name : indent + subject.subject, options_.loglikelihood);
    if (indent.empty()) file_["group_subtasks"][name] = ordered_json::array();
    ordered_json config;
    config["task"] = name;
    config["dataset_name"] = subject.subject;
    config["output_type"] = options_.loglikelihood ? "multiple_choice" : "generate_until";
    config["num_fewshot"] = options_.num_fewshot;
    if (!options_.loglikelihood) {
      config["generation_kwargs"] = options_.generation_kwargs;
      if (!kind.until.empty()) config["generation_kwargs"]["until"] = kind.until;
    }
    config["repeats"] = 1;
    config["metric_list"] = ordered_json::array();
    if (!kind.metric().empty()) config["metric_list"].push_back(metric(kind.metric()));
    if (kind.has_f1()) config["metric_list"].push_back(metric("f1"));
    if (options_.loglikelihood && is_length_normalised(kind)) {
      config["metric_list"].push_back(metric("acc_norm"));
    }
    config["metadata"] = {{"version", kTaskVersion}};
    if (kind.is_own()) config["metadata"]["type"] = type_name(kind.type);
    file_["configs"][name] = std::move(config);
    file_["n-samples"][name] = {{"original", subject.tally.items}, {"effective", subject.tally.answered}};
    add_common(kind, name, subject.tally);
  }

  const ReportOptions& options_;
  ordered_json file_;
};

}  // namespace

std::string results_json(const std::vector<TaskScores>& scores, const ReportOptions& options) {
  ResultsBuilder builder(options);
  for (const TaskScores& task : scores) builder.add(task);
  return json_text(builder.take(), 2) + "\n";
}

}  // namespace refocus
