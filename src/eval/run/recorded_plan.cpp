#include "eval/run/recorded_plan.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/json_node.h"
#include "base/json_reader.h"
#include "eval/journal/sessions.h"
#include "eval/task/task_kind.h"
#include "eval/tasks/task_file.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;
using Node = JsonNode<ordered_json>;

constexpr const char* kRemedy = "restore a copy of the run";

// The kinds of tasks of a user's own, from what their files said.
void read_kinds(const ordered_json& identity, const std::string& where, RecordedPlan& out) {
  const auto files = identity.find("task_files");
  if (files == identity.end() || !files->is_object()) return;
  for (Task& task : out.tasks) {
    const auto definition = files->find(task.name);
    if (definition == files->end()) continue;
    if (definition->contains("num_fewshot")) {  // as tasks of lm-evaluation-harness have it, and no others
      out.needs_task_files = true;
      continue;
    }
    const std::filesystem::path file = std::filesystem::path(where) / (task.name + ".json");
    TaskKind kind = parse_task_file(json_text(*definition), file).kind;
    if (task.own) kind.has_subjects = task.own->has_subjects;  // which of transcripts the data say
    task.own = std::make_shared<const TaskKind>(std::move(kind));
    if (task.own->type != AnswerType::kShort) continue;
    if (std::ranges::all_of(task.items, [](const Item& item) { return item.answers.empty(); })) {
      throw input_error(
          where,
          "expected a journal that holds the right answers of {}, got one of an earlier version; "
          "give the eval command of the run once more, which adds them",
          printable(task.name));
    }
  }
}

// The sweep of the newest session that has one, from the options that it was given.
void read_sweep(const RunRecord& record, const std::string& where, RecordedPlan& out) {
  const ordered_json* session = newest_session_with(record, "sweep");
  if (session == nullptr) return;
  const Node node(*session, {where, kRemedy});
  const auto layers = node.find("layers");
  const auto written = node.find("interventions");
  if (!layers || !written) {
    out.left_out = "the sweep was asked for by an earlier version of the program";
    return;
  }
  std::vector<std::string> axes, interventions;
  for (const auto& [axis, values] : node.at("sweep").object().items()) {
    std::vector<std::string> texts;
    for (const Node& value : Node(values, {where, kRemedy}).items()) texts.push_back(value.text());
    axes.push_back(fmt::format("{}={}", axis, fmt::join(texts, ",")));
  }
  for (const Node& text : written->items()) interventions.push_back(text.text());
  const auto budget = node.find("budget");
  out.layers = layers->whole();
  try {
    out.sweep = expand_sweep(
        parse_sweep(axes, budget ? std::optional(static_cast<std::size_t>(budget->whole())) : std::nullopt),
        interventions);
  } catch (const InputError& error) {  // a file of an intervention that is not here
    out.left_out = error.what();
  }
}

}  // namespace

RecordedPlan read_plan(const RunRecord& record, Questions questions, const std::string& where) {
  RecordedPlan out;
  out.tasks = std::move(questions.tasks);
  out.arms = std::move(questions.arms);
  read_kinds(record.identity, where, out);
  const Node identity(record.identity, {where, kRemedy});
  if (const auto scored = identity.find("loglikelihood")) {
    out.shots = static_cast<int>(scored->at("shots").whole());
  } else if (const ordered_json* session = newest_session_with(record, "extraction")) {
    out.rules = parse_rules(Node(*session, {where, kRemedy}).at("extraction").text());
  } else {
    throw input_error(where, "expected the rules that letters are read by in its sessions, got none; {}",
                      kRemedy);
  }
  if (const ordered_json* session = newest_session_with(record, "model")) {
    out.model = Node(*session, {where, kRemedy}).at("model").text();
  }
  read_sweep(record, where, out);
  return out;
}

}  // namespace refocus
