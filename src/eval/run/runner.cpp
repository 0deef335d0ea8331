#include "eval/run/runner.h"

#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "eval/journal/fingerprint.h"
#include "eval/journal/journal.h"
#include "eval/journal/run_directory.h"
#include "eval/run/answer_warning.h"
#include "eval/run/asking.h"
#include "eval/run/plan.h"
#include "eval/run/shared_asking.h"
#include "eval/task/file_names.h"
#include "eval/text/sha256.h"
#include "intervene/grammar/head_draw.h"
#include "model/partition.h"
#include "prompt/answer_end.h"

namespace refocus {

namespace {

using nlohmann::ordered_json;

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
  out.details = session_json(settings.session, model.in_bf16());
  out.details["model_path"] = model.path;
  out.details["model"] = model.name;
  if (is_scored(settings)) out.details["seam"] = {{"options", plan.options}, {"over_seam", plan.over_seam}};
  if (!is_scored(settings)) {
    out.details["profile"] = settings.profile.name;
    out.details["extraction"] = rules_name(settings.rules);
  }
  if (settings.sweep) {
    for (const SweepFamily& family : settings.sweep->sweep.families) {
      for (const SweepAxis& axis : family.axes) out.details["sweep"][axis.name()] = axis.values;
    }
    if (settings.sweep->sweep.budget) out.details["budget"] = *settings.sweep->sweep.budget;
    out.details["interventions"] = settings.sweep->written;
    out.details["layers"] = model.transformer.config().num_hidden_layers;
  }
  const ModelConfig& config = model.transformer.config();
  for (const NamedIntervention& one : settings.interventions) {
    for (const auto& [part, heads] :
         drawn_heads(one.spec, config.num_hidden_layers, config.num_attention_heads)) {
      out.details["drawn_heads"][part] = heads;
    }
  }
  if (!settings.shard.is_whole()) out.details["shard"] = settings.shard.text();
  out.details["threads"] = model.transformer.pool().size();
  out.details["batch"] = settings.batch;
  if (const ModelPartition* partition = model.transformer.partition()) {
    out.details["pipeline"] = partition->stages();
    out.details["tensor"] = partition->places();
  }
  return out;
}

void tell_seams(const EvalSettings& settings, const Plan& plan) {
  if (plan.over_seam == 0) return;
  spdlog::info("{} of {} options share a token with the end of their question; {}", plan.over_seam,
               plan.options,
               settings.seam == Seam::kDifference ? "it is scored as the option's"
                                                  : "it is left out, as lm-evaluation-harness does");
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

ReportPlan report_plan(const EvalModel& model, const EvalSettings& settings, const Plan& plan) {
  ReportPlan out{settings.tasks, {}, std::nullopt, settings.shots, model.name, settings.harness,
                 settings.sweep};
  for (const PlannedArm& arm : plan.arms) out.arms.push_back({arm.name, arm.arm});
  if (!is_scored(settings)) out.rules = settings.rules;
  out.layers = model.transformer.config().num_hidden_layers;
  return out;
}

}  // namespace

void check_weights(const EvalModel& model, const Plan& plan) {
  KvPool pool =
      kv_pool_of(model.transformer, kv_bytes(model.transformer.config(), 1, model.transformer.kv_type()));
  KvSequence sequence(pool);
  REFOCUS_CHECK(sequence.reserve(1));
  const SequenceInput input{&sequence, std::span(plan.questions.front().tokens).first(1), 1, nullptr,
                            LogitRows::kLast};
  model.transformer.forward({&input, 1});
}

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
                                            const RunSettings& settings, const Shard& shard) {
  // Keys in alphabetical order: that of the fields must not matter.
  const nlohmann::json sorted = parse_json(json_text(without_growth(settings.identity)), {"settings"});
  std::string name;
  for (const std::string& task : tasks) name += task + "-";
  name += model.substr(0, 100);
  for (char& c : name) {
    if (!is_safe_file_name(std::string("x") + c)) c = '-';
  }
  name += "-" + sha256_hex(json_text(sorted)).substr(0, 8);
  if (!shard.is_whole()) name += fmt::format("-{}of{}", shard.index, shard.count);
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
  return run_evaluation(model, settings, make_plan(model, settings));
}

EvalOutcome run_evaluation(const EvalModel& model, const EvalSettings& settings, const Plan& plan) {
  const RunSettings recorded = with_details(model, settings, plan);
  std::filesystem::path directory = settings.run_directory;
  if (directory.empty()) {
    std::vector<std::string> tasks;
    for (const Task& task : settings.tasks) tasks.push_back(task.name);
    directory = default_run_directory(tasks, model.name, recorded, settings.shard);
  }
  if (!std::filesystem::exists(directory / "run.json")) {
    if (model.transformer.partition() == nullptr) check_weights(model, plan);
    check_memory(model, settings, plan);
  }
  RunDirectory run = RunDirectory::open(directory, recorded);
  Journal journal(run);
  const OpenAnswers open = count_open(settings, plan, journal);
  run.note(kToAsk, open.in_shard);
  tell_resumed(run, journal.count());
  tell_seams(settings, plan);
  keep_questions(settings, plan, journal);
  ask(model, settings, plan, journal);
  if (settings.share != nullptr) run.note(kRanks, ranks_json(*settings.share));
  warn_of_unmatched(plan, journal);
  expect_not_overwritten(model.files);
  EvalOutcome outcome = write_reports(run, journal, report_plan(model, settings, plan));
  warn_of_answers(model, settings, outcome.scores);
  return outcome;
}

}  // namespace refocus
