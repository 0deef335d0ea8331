#include "eval/run/runner.h"

#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "eval/extract/short_answer.h"
#include "eval/journal/fingerprint.h"
#include "eval/journal/journal.h"
#include "eval/journal/likelihood_answer.h"
#include "eval/journal/run_directory.h"
#include "eval/report/comparison_files.h"
#include "eval/report/html_report.h"
#include "eval/report/sweep_files.h"
#include "eval/run/answer_warning.h"
#include "eval/run/asking.h"
#include "eval/run/plan.h"
#include "eval/score/arm_report.h"
#include "eval/task/file_names.h"
#include "eval/task/scoring.h"
#include "eval/text/sha256.h"
#include "prompt/answer_end.h"

namespace refocus {

namespace {

using nlohmann::ordered_json;

// Refuses weights that do not compute, before anything is written.
void check_weights(const EvalModel& model, const Question& question) {
  KvPool pool =
      kv_pool_of(model.transformer, kv_bytes(model.transformer.config(), 1, model.transformer.kv_type()));
  KvSequence sequence(pool);
  REFOCUS_CHECK(sequence.reserve(1));
  const SequenceInput input{&sequence, std::span(question.tokens).first(1), 1, nullptr, LogitRows::kLast};
  model.transformer.forward({&input, 1});
}

ordered_json profile_texts(const EvalSettings& settings, const Task& task) {
  const TaskPrompts& p = settings.profile.prompts(task.name);
  ordered_json out = {{"cot_instruction", p.cot_instruction},
                      {"direct_instruction", p.direct_instruction},
                      {"body", p.body},
                      {"cot_suffix", p.cot_suffix},
                      {"direct_suffix", p.direct_suffix}};
  if (settings.chat && p.chat_direct_instruction) out["chat_direct_instruction"] = *p.chat_direct_instruction;
  if (settings.chat && p.chat_direct_suffix) out["chat_direct_suffix"] = *p.chat_direct_suffix;
  return out;
}

// Of the worked examples, by subject.
ordered_json examples_json(const EvalSettings& settings) {
  ordered_json out = ordered_json::object();
  for (const auto& [subject, items] : settings.examples) out[subject] = items_fingerprint(items);
  return out;
}

RunSettings with_details(const EvalModel& model, const EvalSettings& settings, const Plan& plan) {
  RunSettings out = run_settings(model, settings, plan);
  out.details = {{"version", settings.version}, {"model_path", model.path}};
  if (is_scored(settings)) out.details["seam"] = {{"options", plan.options}, {"over_seam", plan.over_seam}};
  if (!is_scored(settings)) {
    out.details["profile"] = settings.profile.name;
    out.details["extraction"] = rules_name(settings.rules);
  }
  if (!settings.command.empty()) out.details["command"] = settings.command;
  if (settings.sweep) {
    for (const SweepFamily& family : settings.sweep->sweep.families) {
      for (const SweepAxis& axis : family.axes) out.details["sweep"][axis.name()] = axis.values;
    }
    if (settings.sweep->sweep.budget) out.details["budget"] = *settings.sweep->sweep.budget;
  }
  out.details["threads"] = model.transformer.pool().size();
  out.details["batch"] = settings.batch;
  return out;
}

void tell_resumed(const RunDirectory& run, const Journal& journal) {
  if (!run.resumed()) return;
  spdlog::info("going on with the run in {}, {} answers are there{}", printable(run.path().string(), 400),
               journal.count(), run.growth().empty() ? "" : "; new: " + run.growth());
  if (const auto version = run.changed_detail("version")) {
    spdlog::warn("answers so far are of program version {}, new ones of {}", version->before, version->now);
  }
}

void tell_seams(const EvalSettings& settings, const Plan& plan) {
  if (plan.over_seam == 0) return;
  spdlog::info("{} of {} options share a token with the end of their question; {}", plan.over_seam,
               plan.options,
               settings.seam == Seam::kDifference ? "it is scored as the option's"
                                                  : "it is left out, as lm-evaluation-harness does");
}

// The numbers of an arm as lm-evaluation-harness names them, in the arm's results_harness.json.
harness::ArmResults report_harness(const harness::LoadedSet& set, const RunDirectory& run,
                                   const PlannedArm& arm, const std::vector<Response>& responses) {
  harness::ArmResults out{arm.name, harness::harness_results(set, responses)};
  write_file_atomically(run.arm_directory(arm.name) / "results_harness.json",
                        json_text(harness::harness_results_json(out.results), 2) + "\n");
  return out;
}

ArmScores report(const EvalModel& model, const EvalSettings& settings, const RunDirectory& run,
                 const PlannedArm& arm, const Journal& journal, EvalOutcome& outcome) {
  std::vector<Response> responses;
  journal.for_each(arm.name, [&](Response response) { responses.push_back(std::move(response)); });
  if (settings.harness) outcome.harness.push_back(report_harness(*settings.harness, run, arm, responses));
  const bool scored = is_scored(settings);
  const Verdicts verdicts(journal.verdicts());
  const std::vector<TaskAnswers> answers =
      judge(settings.tasks, std::move(responses),
            scored ? Judge(judge_likelihoods) : judge_with(settings.rules, verdicts));
  const auto rules = scored ? std::nullopt : std::optional(settings.rules);
  return write_arm_report(run, {{arm.name, arm.arm}, rules, settings.shots, false, model.name}, answers);
}

// By task, the special tokens that its `until` names, each with its id; null where there are none.
ordered_json end_tokens(const EvalModel& model, const EvalSettings& settings) {
  ordered_json out;
  for (const Task& task : settings.tasks) {
    const AnswerEnds ends(model.tokenizer, kind_of(task).until);
    for (const std::int32_t id : ends.tokens()) {
      out[task.name][model.tokenizer.piece(id)] = id;
    }
  }
  return out;
}

// So that the run can be judged without its data.
void keep_questions(const EvalSettings& settings, const Plan& plan, Journal& journal) {
  Questions questions{{}, settings.tasks};
  for (const PlannedArm& arm : plan.arms) questions.arms.push_back({arm.name, arm.arm});
  journal.keep(questions);
}

}  // namespace

RunSettings run_settings(const EvalModel& model, const EvalSettings& settings, const Plan& plan) {
  constexpr int kLikelihoodPrompts =
      2;  // raised when src/eval/task/likelihood_prompt.cpp words them otherwise
  ordered_json prompts, task_files, arm_names = ordered_json::array(), tasks = ordered_json::array(),
                                    subjects = ordered_json::array();
  std::int64_t items = 0;
  const bool scored = is_scored(settings);
  for (const Task& task : settings.tasks) {
    tasks.push_back(task.name);
    for (const std::string& subject : task.subjects) subjects.push_back(subject);
    items += static_cast<std::int64_t>(task.items.size());
    if (const TaskKind& kind = kind_of(task); kind.is_own()) {
      task_files[task.name] = parse_ordered_json(kind.definition, {task.name});
    } else if (!scored) {
      prompts[task.name] = profile_texts(settings, task);
    }
  }
  for (const PlannedArm& arm : plan.arms) arm_names.push_back(arm.name);
  QuestionHashes questions = question_hashes(settings.tasks);
  ordered_json identity = {{kModelFiles, model.hashes},
                           {"tasks", tasks},
                           {"subjects", subjects},
                           {"items", items},
                           {"questions", questions_json(questions)}};
  if (!settings.left_out.empty()) identity["left_out_long"] = settings.left_out;
  if (!prompts.is_null()) identity["prompts"] = prompts;
  if (!task_files.is_null()) identity["task_files"] = task_files;
  identity["arms"] = arm_names;
  for (const PlannedArm& arm : plan.arms) {
    if (!arm.arm.label.empty()) identity["named_arms"][arm.arm.label] = arm.arm.intervention;
  }
  const char* how = scored ? "loglikelihood" : "generation";
  if (scored) {
    identity[how] = {
        {"prompts", kLikelihoodPrompts}, {"shots", settings.shots}, {"seam", name_of(settings.seam)}};
    if (settings.shots > 0) identity[how]["examples"] = examples_json(settings);
  } else {
    identity[how] = {
        {"max_new_tokens", settings.max_new_tokens}, {"context", plan.context}, {"temperature", 0}};
    identity[how]["special_tokens"] = "templates";  // read there, and not in data
    if (ordered_json ends = end_tokens(model, settings); !ends.is_null()) {
      identity[how]["until_tokens"] = std::move(ends);
    }
  }
  if (settings.chat) {
    const ChatAsking& chat = *settings.chat;
    ordered_json& how_chat = identity[how]["chat"];
    how_chat = {{"template_sha256", sha256_hex(chat.chat_template->source())}, {"system", chat.system}};
    if (settings.shots > 0) how_chat["shots_as"] = chat.shots_as_turns ? "turns" : "text";
    if (!chat.settings.arguments.is_null()) how_chat["arguments"] = chat.settings.arguments;
    if (chat.settings.date) {
      const std::tm& date = *chat.settings.date;
      how_chat["date"] = fmt::format("{:04}-{:02}-{:02}", date.tm_year + 1900, date.tm_mon + 1, date.tm_mday);
    }
  }
  if (const DType type = model.transformer.kv_type(); type != DType::kF32) {
    identity[how]["kv_type"] = name_of(type);
  }
  if (const Activations activations = model.transformer.activations(); activations != Activations::kInt8) {
    identity[how]["activations"] = name_of(activations);
  }
  if (const Device* device = model.transformer.device()) identity[how]["device"] = device->facts().name;
  return {std::move(identity), std::move(questions), {}};
}

std::filesystem::path default_run_directory(const std::vector<std::string>& tasks, const std::string& model,
                                            const RunSettings& settings) {
  // Keys in alphabetical order: that of the fields must not matter.
  const nlohmann::json sorted = parse_json(json_text(without_growth(settings.identity)), {"settings"});
  std::string name;
  for (const std::string& task : tasks) name += task + "-";
  name += model.substr(0, 100);
  for (char& c : name) {
    if (!is_safe_file_name(std::string("x") + c)) c = '-';
  }
  name += "-" + sha256_hex(json_text(sorted)).substr(0, 8);
  for (int number = 1;; ++number) {
    const auto path =
        std::filesystem::path("runs") / (number == 1 ? name : fmt::format("{}-{}", name, number));
    if (!std::filesystem::exists(path / "run.json") || RunDirectory::goes_on(path, settings)) return path;
  }
}

// One line, for the first arm that there is something to say of.
void warn_of_answers(const EvalModel& model, const EvalSettings& settings,
                     const std::vector<ArmScores>& scores) {
  const AskedHow how{settings.refused_chat && !model.tokenizer.chat_templates().empty(),
                     settings.max_new_tokens};
  std::string first;
  int arms = 0;
  for (const ArmScores& arm : scores) {
    Tally all;
    for (const TaskScores& task : arm.tasks) all.add(task.all);
    const auto warning = answer_warning(arm.arm, all, how);
    if (warning && ++arms == 1) first = *warning;
  }
  if (arms == 0) return;
  spdlog::warn("{}{}", first, arms > 1 ? fmt::format(" ({} arms in all)", arms) : "");
}

// In how many questions the keys= of each arm's parts chose nothing: by the arm's name and the selectors'
// text.
using Unmatched = std::map<std::pair<std::string, std::string>, std::int64_t>;

// One line, for the first arm whose keys= chose nothing in some question.
void warn_of_unmatched(const Plan& plan, const Journal& journal) {
  Unmatched unmatched;
  for (const PlannedArm& arm : plan.arms) {
    for (const auto& [item, selectors] : journal.unmatched_keys(arm.name)) {
      for (const std::string& keys : selectors) ++unmatched[{arm.name, keys}];
    }
  }
  if (unmatched.empty()) return;
  const auto& [what, count] = *unmatched.begin();
  const std::string others =
      unmatched.size() > 1 ? fmt::format(" ({} such selectors in all)", unmatched.size()) : "";
  spdlog::warn("keys={} chose nothing in {} of {} questions of {}{}", printable(what.second), count,
               plan.questions.size(), printable(what.first, 200), others);
}

EvalOutcome run_evaluation(const EvalModel& model, const EvalSettings& settings) {
  const Plan plan = make_plan(model, settings);
  const RunSettings recorded = with_details(model, settings, plan);
  std::filesystem::path directory = settings.run_directory;
  if (directory.empty()) {
    std::vector<std::string> tasks;
    for (const Task& task : settings.tasks) tasks.push_back(task.name);
    directory = default_run_directory(tasks, model.name, recorded);
  }
  if (!std::filesystem::exists(directory / "run.json")) {
    check_weights(model, plan.questions.front());
    check_memory(model, settings, plan);
  }
  const RunDirectory run = RunDirectory::open(directory, recorded);
  Journal journal(run);
  tell_resumed(run, journal);
  tell_seams(settings, plan);
  keep_questions(settings, plan, journal);
  ask(model, settings, plan, journal);
  warn_of_unmatched(plan, journal);
  expect_not_overwritten(model.files);
  EvalOutcome outcome{directory, {}, {}, {}, {}};
  for (const PlannedArm& arm : plan.arms) {
    outcome.scores.push_back(report(model, settings, run, arm, journal, outcome));
  }
  warn_of_answers(model, settings, outcome.scores);
  if (plan.arms.size() > 1) outcome.comparison = write_comparison(run.path());
  if (settings.sweep) {
    outcome.sweep =
        sweep_report(*settings.sweep, model.transformer.config().num_hidden_layers, *outcome.comparison);
    write_sweep(run.path(), *outcome.sweep);
  }
  write_run_report(run.path(), outcome.comparison ? &*outcome.comparison : nullptr);
  return outcome;
}

}  // namespace refocus
