#include "eval/runner.h"

#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "eval/comparison_files.h"
#include "eval/extraction.h"
#include "eval/file_names.h"
#include "eval/fingerprint.h"
#include "eval/html_report.h"
#include "eval/journal.h"
#include "eval/likelihood_answer.h"
#include "eval/likelihood_scorer.h"
#include "eval/plan.h"
#include "eval/progress.h"
#include "eval/results.h"
#include "eval/run_directory.h"
#include "eval/scoring.h"
#include "eval/sha256.h"

namespace refocus {

namespace {

using nlohmann::ordered_json;

bool is_scored(const EvalSettings& settings) {
  return settings.prompts.front() == PromptKind::kLoglikelihood;
}

// Refuses weights that do not compute, before anything is written.
void check_weights(const EvalModel& model, const Question& question) {
  KvPool pool(model.transformer.config(),
              kv_bytes(model.transformer.config(), 1, model.transformer.kv_type()),
              model.transformer.kv_type());
  KvSequence sequence(pool);
  REFOCUS_CHECK(sequence.reserve(1));
  const SequenceInput input{&sequence, std::span(question.tokens).first(1), 1, nullptr, LogitRows::kLast};
  model.transformer.forward({&input, 1});
}

// Refuses a cache that could not hold the longest sequence to the end: better now than after hours.
void check_memory(const EvalModel& model, const EvalSettings& settings, const Plan& plan) {
  constexpr std::int64_t kMiB = 1 << 20;
  const bool scored = is_scored(settings);
  // Beside the longest question, an option's copy of its last block.
  const std::int64_t tokens =
      scored ? plan.longest + kKeyBlock : std::min(plan.context, plan.longest + settings.max_new_tokens);
  const std::int64_t needed = kv_bytes(model.transformer.config(), tokens, model.transformer.kv_type());
  if (settings.kv_bytes == 0 || needed <= settings.kv_bytes) return;
  throw input_error("cache",
                    "expected memory for sequences of {} tokens ({} MiB), got {} MiB; raise it with "
                    "--kv-memory {}{}",
                    tokens, (needed + kMiB - 1) / kMiB, settings.kv_bytes / kMiB, (needed + kMiB - 1) / kMiB,
                    scored ? "" : ", or use a smaller --max-new-tokens");
}

ordered_json profile_texts(const EvalSettings& settings, const Task& task) {
  const TaskPrompts& p = settings.profile.prompts(task.name);
  return {{"cot_instruction", p.cot_instruction},
          {"direct_instruction", p.direct_instruction},
          {"body", p.body},
          {"cot_suffix", p.cot_suffix},
          {"direct_suffix", p.direct_suffix}};
}

// Of the worked examples, in the order of the subjects' names.
std::string examples_fingerprint(const EvalSettings& settings) {
  Task all{"examples", {}, {}};
  for (const auto& [subject, items] : settings.examples) {
    all.items.insert(all.items.end(), items.begin(), items.end());
  }
  return data_fingerprint({all});
}

ordered_json identity_of(const EvalModel& model, const EvalSettings& settings, const Plan& plan) {
  constexpr int kLikelihoodPrompts = 1;  // raised when src/eval/likelihood_prompt.cpp words them otherwise
  ordered_json prompts, arm_names = ordered_json::array(), tasks = ordered_json::array(),
                        subjects = ordered_json::array();
  std::int64_t items = 0;
  const bool scored = is_scored(settings);
  for (const Task& task : settings.tasks) {
    tasks.push_back(task.name);
    for (const std::string& subject : task.subjects) subjects.push_back(subject);
    items += static_cast<std::int64_t>(task.items.size());
    if (!scored) prompts[task.name] = profile_texts(settings, task);
  }
  for (const PlannedArm& arm : plan.arms) arm_names.push_back(arm.name);
  ordered_json identity = {{"model_fingerprint", model.fingerprint},
                           {"tasks", tasks},
                           {"subjects", subjects},
                           {"items", items},
                           {"data_fingerprint", data_fingerprint(settings.tasks)}};
  if (!scored) identity["prompts"] = prompts;
  identity["arms"] = arm_names;
  const char* how = scored ? "loglikelihood" : "generation";
  if (scored) {
    identity[how] = {{"prompts", kLikelihoodPrompts}, {"shots", settings.shots}};
    if (settings.shots > 0) identity[how]["examples_fingerprint"] = examples_fingerprint(settings);
  } else {
    identity[how] = {
        {"max_new_tokens", settings.max_new_tokens}, {"context", plan.context}, {"temperature", 0}};
  }
  if (const DType type = model.transformer.kv_type(); type != DType::kF32) {
    identity[how]["kv_type"] = name_of(type);
  }
  return identity;
}

RunSettings run_settings(const EvalModel& model, const EvalSettings& settings, const Plan& plan) {
  RunSettings out;
  out.identity = identity_of(model, settings, plan);
  out.details = {{"version", settings.version}, {"model_path", model.path}};
  if (!is_scored(settings)) {
    out.details["profile"] = settings.profile.name;
    out.details["extraction"] = rules_name(settings.rules);
  }
  out.details["threads"] = model.transformer.pool().size();
  out.details["batch"] = settings.batch;
  return out;
}

std::string stripped(const std::string& text) {
  constexpr const char* kWhite = " \t\n\v\f\r";
  const std::size_t begin = text.find_first_not_of(kWhite);
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(kWhite) - begin + 1);
}

using Work = std::vector<std::pair<std::size_t, std::size_t>>;

// What is still to be asked: (question, arm), item by item, so that an interrupted run has pairs.
Work open_work(const Plan& plan, const Journal& journal) {
  std::vector<std::set<ItemKey>> done;
  for (const PlannedArm& arm : plan.arms) done.push_back(journal.done(arm.name));
  Work work;
  for (std::size_t q = 0; q < plan.questions.size(); ++q) {
    const Question& question = plan.questions[q];
    for (std::size_t a = 0; a < plan.arms.size(); ++a) {
      if (plan.arms[a].arm.prompt != question.kind) continue;
      if (!done[a].contains({question.item->subject, question.item->index})) work.emplace_back(q, a);
    }
  }
  return work;
}

void generate(const EvalModel& model, const EvalSettings& settings, const Plan& plan, const Work& work,
              const std::function<void(std::size_t, Response)>& on_response) {
  Scheduler scheduler(model.transformer, {settings.batch, plan.context, settings.kv_bytes});
  std::size_t next = 0;
  const auto source = [&]() -> std::optional<GenerationRequest> {
    if (next == work.size()) return std::nullopt;
    const auto& [q, a] = work[next];
    GenerationRequest request;
    request.id = next++;
    request.prompt = plan.questions[q].tokens;
    request.shared_prefix = plan.questions[q].shared_prefix;
    request.max_new_tokens = settings.max_new_tokens;
    request.intervention = plan.arms[a].intervention;
    request.stop_tokens = model.eos_ids;
    return request;
  };
  scheduler.run(source, [&](GenerationResult&& result) {
    Response response;
    response.generated_tokens = static_cast<std::int64_t>(result.tokens.size());
    if (result.stopped) result.tokens.pop_back();
    response.text = stripped(model.tokenizer.decode(result.tokens));
    response.finish_reason = result.stopped ? "eos" : "length";
    on_response(result.id, std::move(response));
  });
}

void score_options(const EvalModel& model, const EvalSettings& settings, const Plan& plan, const Work& work,
                   const std::function<void(std::size_t, Response)>& on_response) {
  LikelihoodScorer scorer(model.transformer, {settings.batch, plan.context, settings.kv_bytes});
  std::size_t next = 0;
  const auto source = [&]() -> std::optional<LikelihoodRequest> {
    if (next == work.size()) return std::nullopt;
    const auto& [q, a] = work[next];
    const Question& question = plan.questions[q];
    return LikelihoodRequest{next++, question.tokens, question.options, question.shared_prefix,
                             plan.arms[a].intervention};
  };
  scorer.run(source, [&](LikelihoodResult&& result) {
    Response response;
    response.text = likelihoods_text(result.options);
    response.finish_reason = kLikelihoodRule;
    on_response(result.id, std::move(response));
  });
}

void ask(const EvalModel& model, const EvalSettings& settings, const Plan& plan, Journal& journal) {
  const Work work = open_work(plan, journal);
  const auto total = static_cast<std::int64_t>(plan.questions.size() * settings.interventions.size());
  if (work.empty()) return;
  check_memory(model, settings, plan);
  Progress progress("eval", total, total - static_cast<std::int64_t>(work.size()));
  const bool scored = is_scored(settings);
  const auto keep = [&](std::size_t place, Response response) {
    const auto& [q, a] = work[place];
    const Question& question = plan.questions[q];
    response.arm = plan.arms[a].name;
    response.subject = question.item->subject;
    response.index = question.item->index;
    response.prompt = question.prompt;
    response.prompt_tokens = static_cast<std::int64_t>(question.tokens.size());
    journal.put(response);
    progress.advance(scored ? response.prompt_tokens : response.generated_tokens);
  };
  (scored ? score_options : generate)(model, settings, plan, work, keep);
}

void tell_resumed(const RunDirectory& run, const Journal& journal) {
  if (!run.resumed()) return;
  fmt::print(stderr, "eval: going on with the run in {}, {} answers are there\n",
             printable(run.path().string(), 400), journal.count());
  if (const auto version = run.changed_detail("version")) {
    fmt::print(stderr, "eval: warning: answers so far are of program version {}, new ones of {}\n",
               version->before, version->now);
  }
}

ArmScores report(const EvalSettings& settings, const RunDirectory& run, const PlannedArm& arm,
                 const Journal& journal) {
  std::vector<Response> responses;
  journal.for_each(arm.name, [&](Response response) { responses.push_back(std::move(response)); });
  const bool scored = is_scored(settings);
  const auto extractor = [&](const Item& item, const std::string& text) {
    return extract(settings.rules, item.choices, text);
  };
  const std::vector<TaskAnswers> answers =
      scored ? judge(settings.tasks, std::move(responses), judge_likelihoods)
             : judge(settings.tasks, std::move(responses), extractor);
  std::vector<TaskScores> scores;
  for (const TaskAnswers& task : answers) scores.push_back(score(task));
  ReportOptions options;
  options.arm = arm.name;
  options.config = run.record().identity;
  options.config["intervention"] = arm.arm.intervention;
  options.config["prompt"] = prompt_kind_name(arm.arm.prompt);
  options.config["extraction"] = scored ? kLikelihoodRule : rules_name(settings.rules);
  options.loglikelihood = scored;
  options.num_fewshot = settings.shots;
  if (!scored) options.generation_kwargs = {{"max_gen_toks", settings.max_new_tokens}, {"do_sample", false}};
  write_arm_reports(run.arm_directory(arm.name), answers, scores, options);
  return {arm.name, scores};
}

}  // namespace

std::filesystem::path default_run_directory(const std::vector<std::string>& tasks, const std::string& model,
                                            const ordered_json& identity) {
  constexpr auto kReplace = ordered_json::error_handler_t::replace;
  // Keys in alphabetical order: that of the fields must not matter.
  const nlohmann::json sorted = nlohmann::json::parse(identity.dump(-1, ' ', false, kReplace));
  std::string name;
  for (const std::string& task : tasks) name += task + "-";
  name += model.substr(0, 100);
  for (char& c : name) {
    if (!is_safe_file_name(std::string("x") + c)) c = '-';
  }
  return std::filesystem::path("runs") / (name + "-" + sha256_hex(sorted.dump()).substr(0, 8));
}

EvalOutcome run_evaluation(const EvalModel& model, const EvalSettings& settings) {
  const Plan plan = make_plan(model, settings);
  const RunSettings recorded = run_settings(model, settings, plan);
  std::filesystem::path directory = settings.run_directory;
  if (directory.empty()) {
    std::vector<std::string> tasks;
    for (const Task& task : settings.tasks) tasks.push_back(task.name);
    directory = default_run_directory(tasks, model.name, recorded.identity);
  }
  if (!std::filesystem::exists(directory / "run.json")) {
    check_weights(model, plan.questions.front());
    check_memory(model, settings, plan);
  }
  const RunDirectory run = RunDirectory::open(directory, recorded);
  Journal journal(run);
  tell_resumed(run, journal);
  ask(model, settings, plan, journal);
  EvalOutcome outcome{directory, {}, {}};
  for (const PlannedArm& arm : plan.arms) outcome.scores.push_back(report(settings, run, arm, journal));
  if (plan.arms.size() > 1) outcome.comparison = write_comparison(run.path());
  write_run_report(run.path(), outcome.comparison ? &*outcome.comparison : nullptr);
  return outcome;
}

}  // namespace refocus
