#include "eval/runner.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "eval/comparison_files.h"
#include "eval/extraction.h"
#include "eval/file_names.h"
#include "eval/fingerprint.h"
#include "eval/journal.h"
#include "eval/progress.h"
#include "eval/results.h"
#include "eval/run_directory.h"
#include "eval/scoring.h"
#include "eval/sha256.h"

namespace refocus {

namespace {

using nlohmann::ordered_json;

// A prompt of one item, ready to be sent in every arm of its kind.
struct Question {
  const Item* item;
  PromptKind kind;
  std::string prompt;
  std::vector<std::int32_t> tokens;
  std::int64_t shared_prefix;  // tokens that are the instruction's
};

struct PlannedArm {
  Arm arm;
  std::string name;
  InterventionSpec intervention;
};

// All that is known before anything is asked.
struct Plan {
  std::vector<PlannedArm> arms;
  std::vector<Question> questions;
  std::int64_t context = 0;
  std::int64_t longest_prompt = 0;  // in tokens
};

std::string_view kind_name(PromptKind kind) { return kind == PromptKind::kCot ? "cot" : "direct"; }

std::vector<PlannedArm> plan_arms(const EvalSettings& settings, std::int64_t layers) {
  std::vector<PlannedArm> arms;
  std::set<std::string> names;
  for (const PromptKind kind : settings.prompts) {
    for (const InterventionSpec& spec : settings.interventions) {
      const Arm arm{kind, spec.canonical(layers)};
      if (!names.insert(arm.name()).second) {
        throw usage_error("--intervene", "expected different arms, got {} twice", arm.intervention);
      }
      arms.push_back({arm, arm.name(), spec});
    }
  }
  return arms;
}

std::vector<Question> plan_questions(const EvalModel& model, const EvalSettings& settings) {
  std::vector<Question> questions;
  for (const Task& task : settings.tasks) {
    for (const PromptKind kind : settings.prompts) {
      const std::vector<std::int32_t> prefix =
          model.tokenizer.encode_prompt(prompt_prefix(settings.profile, task.name, kind));
      for (const Item& item : task.items) {
        Question question{&item, kind, make_prompt(settings.profile, task.name, item, kind), {}, 0};
        question.tokens = model.tokenizer.encode_prompt(question.prompt);
        if (question.tokens.empty()) {
          throw input_error(
              "eval",
              "expected prompts of at least one token, got an empty one ({} item {}); check --profile",
              printable(item.subject), item.index);
        }
        const auto common =
            std::mismatch(prefix.begin(), prefix.end(), question.tokens.begin(), question.tokens.end());
        question.shared_prefix = common.first - prefix.begin();
        questions.push_back(std::move(question));
      }
    }
  }
  return questions;
}

// The longest prompt's tokens. InputError where there is no prompt, or none of an answer would fit.
std::int64_t check_lengths(const std::vector<Question>& questions, std::int64_t context) {
  const auto longest = std::max_element(
      questions.begin(), questions.end(),
      [](const Question& a, const Question& b) { return a.tokens.size() < b.tokens.size(); });
  if (longest == questions.end())
    throw input_error("eval", "expected at least one item, got none; see --subjects and --limit");
  const auto most = static_cast<std::int64_t>(longest->tokens.size());
  if (most < context) return most;
  throw input_error(
      "eval",
      "expected prompts of fewer than {} tokens (the context), got up to {} ({} item {}); choose other "
      "subjects, or go beyond what the model was trained for with --context {}",
      context, most, printable(longest->item->subject), longest->item->index, (most + 511) / 256 * 256);
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
  const std::int64_t tokens = std::min(plan.context, plan.longest_prompt + settings.max_new_tokens);
  const std::int64_t needed = kv_bytes(model.transformer.config(), tokens, model.transformer.kv_type());
  if (settings.kv_bytes == 0 || needed <= settings.kv_bytes) return;
  throw input_error("cache",
                    "expected memory for sequences of {} tokens ({} MiB), got {} MiB; raise it with "
                    "--kv-memory {}, or use a smaller --max-new-tokens",
                    tokens, (needed + kMiB - 1) / kMiB, settings.kv_bytes / kMiB, (needed + kMiB - 1) / kMiB);
}

RunSettings run_settings(const EvalModel& model, const EvalSettings& settings, const Plan& plan) {
  RunSettings out;
  ordered_json prompts, arm_names = ordered_json::array(), tasks = ordered_json::array(),
                        subjects = ordered_json::array();
  for (const Task& task : settings.tasks) {
    tasks.push_back(task.name);
    for (const std::string& subject : task.subjects) subjects.push_back(subject);
    const TaskPrompts& p = settings.profile.prompts(task.name);
    prompts[task.name] = {{"cot_instruction", p.cot_instruction},
                          {"direct_instruction", p.direct_instruction},
                          {"body", p.body},
                          {"cot_suffix", p.cot_suffix},
                          {"direct_suffix", p.direct_suffix}};
  }
  std::int64_t items = 0;
  for (const Task& task : settings.tasks) items += static_cast<std::int64_t>(task.items.size());
  for (const PlannedArm& arm : plan.arms) arm_names.push_back(arm.name);
  out.identity = {
      {"model_fingerprint", model.fingerprint},
      {"tasks", tasks},
      {"subjects", subjects},
      {"items", items},
      {"data_fingerprint", data_fingerprint(settings.tasks)},
      {"prompts", prompts},
      {"arms", arm_names},
      {"generation",
       {{"max_new_tokens", settings.max_new_tokens}, {"context", plan.context}, {"temperature", 0}}}};
  if (const DType type = model.transformer.kv_type(); type != DType::kF32) {
    out.identity["generation"]["kv_type"] = name_of(type);
  }
  out.details = {{"version", settings.version},
                 {"model_path", model.path},
                 {"profile", settings.profile.name},
                 {"extraction", rules_name(settings.rules)},
                 {"threads", model.transformer.pool().size()},
                 {"batch", settings.batch}};
  return out;
}

std::string stripped(const std::string& text) {
  constexpr const char* kWhite = " \t\n\v\f\r";
  const std::size_t begin = text.find_first_not_of(kWhite);
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(kWhite) - begin + 1);
}

// What is still to be asked: (question, arm), item by item, so that an interrupted run has pairs.
std::vector<std::pair<std::size_t, std::size_t>> open_work(const Plan& plan, const Journal& journal) {
  std::vector<std::set<ItemKey>> done;
  for (const PlannedArm& arm : plan.arms) done.push_back(journal.done(arm.name));
  std::vector<std::pair<std::size_t, std::size_t>> work;
  for (std::size_t q = 0; q < plan.questions.size(); ++q) {
    const Question& question = plan.questions[q];
    for (std::size_t a = 0; a < plan.arms.size(); ++a) {
      if (plan.arms[a].arm.prompt != question.kind) continue;
      if (!done[a].contains({question.item->subject, question.item->index})) work.emplace_back(q, a);
    }
  }
  return work;
}

void ask(const EvalModel& model, const EvalSettings& settings, const Plan& plan, Journal& journal) {
  const auto work = open_work(plan, journal);
  const auto total = static_cast<std::int64_t>(plan.questions.size() * settings.interventions.size());
  if (work.empty()) return;
  check_memory(model, settings, plan);
  Progress progress("eval", total, total - static_cast<std::int64_t>(work.size()));
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
    const auto& [q, a] = work[result.id];
    const auto generated = static_cast<std::int64_t>(result.tokens.size());
    if (result.stopped) result.tokens.pop_back();
    journal.put({plan.arms[a].name, plan.questions[q].item->subject, plan.questions[q].item->index,
                 plan.questions[q].prompt, stripped(model.tokenizer.decode(result.tokens)),
                 result.stopped ? "eos" : "length", result.prompt_tokens, generated});
    progress.advance(generated);
  });
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
  const auto extractor = [&](const Item& item, const std::string& text) {
    return extract(settings.rules, item.choices, text);
  };
  const std::vector<TaskAnswers> answers = judge(settings.tasks, std::move(responses), extractor);
  std::vector<TaskScores> scores;
  for (const TaskAnswers& task : answers) scores.push_back(score(task));
  const RunRecord& record = run.record();
  ReportOptions options{
      arm.name, record.identity, {{"max_gen_toks", settings.max_new_tokens}, {"do_sample", false}}, 0};
  options.config["intervention"] = arm.arm.intervention;
  options.config["prompt"] = kind_name(arm.arm.prompt);
  options.config["extraction"] = rules_name(settings.rules);
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
  const LlamaConfig& config = model.transformer.config();
  const std::int64_t context = settings.context > 0 ? settings.context : config.context_length();
  Plan plan;
  plan.context = context;
  plan.arms = plan_arms(settings, config.num_hidden_layers);
  plan.questions = plan_questions(model, settings);
  plan.longest_prompt = check_lengths(plan.questions, context);
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
  return outcome;
}

}  // namespace refocus
