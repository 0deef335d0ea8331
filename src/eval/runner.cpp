#include "eval/runner.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "eval/extraction.h"
#include "eval/fingerprint.h"
#include "eval/journal.h"
#include "eval/mmlu_categories.h"
#include "eval/progress.h"
#include "eval/results.h"
#include "eval/run_directory.h"
#include "eval/scoring.h"

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
        const auto common =
            std::mismatch(prefix.begin(), prefix.end(), question.tokens.begin(), question.tokens.end());
        question.shared_prefix = common.first - prefix.begin();
        questions.push_back(std::move(question));
      }
    }
  }
  return questions;
}

void check_lengths(const std::vector<Question>& questions, std::int64_t context) {
  const auto longest = std::max_element(
      questions.begin(), questions.end(),
      [](const Question& a, const Question& b) { return a.tokens.size() < b.tokens.size(); });
  if (longest == questions.end())
    throw input_error("eval", "expected at least one item, got none; see --subjects and --limit");
  const auto most = static_cast<std::int64_t>(longest->tokens.size());
  if (most < context) return;
  throw input_error(
      "eval",
      "expected prompts of fewer than {} tokens (the context), got up to {} ({} item {}); choose other "
      "subjects, or go beyond what the model was trained for with --context {}",
      context, most, printable(longest->item->subject), longest->item->index, (most + 511) / 256 * 256);
}

RunSettings run_settings(const EvalModel& model, const EvalSettings& settings, std::int64_t context,
                         const std::vector<PlannedArm>& arms) {
  RunSettings out;
  ordered_json prompts, arm_names = ordered_json::array(), tasks = ordered_json::array();
  for (const Task& task : settings.tasks) {
    tasks.push_back(task.name);
    const TaskPrompts& p = settings.profile.prompts(task.name);
    prompts[task.name] = {{"cot_instruction", p.cot_instruction},
                          {"direct_instruction", p.direct_instruction},
                          {"body", p.body},
                          {"cot_suffix", p.cot_suffix},
                          {"direct_suffix", p.direct_suffix}};
  }
  std::int64_t items = 0;
  for (const Task& task : settings.tasks) items += static_cast<std::int64_t>(task.items.size());
  for (const PlannedArm& arm : arms) arm_names.push_back(arm.name);
  out.identity = {{"model", model.fingerprint},
                  {"tasks", tasks},
                  {"items", items},
                  {"data", data_fingerprint(settings.tasks)},
                  {"prompts", prompts},
                  {"arms", arm_names},
                  {"generation",
                   {{"max_new_tokens", settings.max_new_tokens}, {"context", context}, {"temperature", 0}}}};
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
std::vector<std::pair<std::size_t, std::size_t>> open_work(const std::vector<Question>& questions,
                                                           const std::vector<PlannedArm>& arms,
                                                           const Journal& journal) {
  std::vector<std::set<ItemKey>> done;
  for (const PlannedArm& arm : arms) done.push_back(journal.done(arm.name));
  std::vector<std::pair<std::size_t, std::size_t>> work;
  for (std::size_t q = 0; q < questions.size(); ++q) {
    for (std::size_t a = 0; a < arms.size(); ++a) {
      if (arms[a].arm.prompt != questions[q].kind) continue;
      if (!done[a].contains({questions[q].item->subject, questions[q].item->index})) work.emplace_back(q, a);
    }
  }
  return work;
}

void ask(const EvalModel& model, const EvalSettings& settings, const SchedulerOptions& options,
         const std::vector<Question>& questions, const std::vector<PlannedArm>& arms, Journal& journal) {
  const auto work = open_work(questions, arms, journal);
  const auto total = static_cast<std::int64_t>(questions.size() * settings.interventions.size());
  if (work.empty()) return;
  Progress progress("eval", total, total - static_cast<std::int64_t>(work.size()));
  Scheduler scheduler(model.transformer, options);
  std::size_t next = 0;
  const auto source = [&]() -> std::optional<GenerationRequest> {
    if (next == work.size()) return std::nullopt;
    const auto& [q, a] = work[next];
    GenerationRequest request;
    request.id = next++;
    request.prompt = questions[q].tokens;
    request.shared_prefix = questions[q].shared_prefix;
    request.max_new_tokens = settings.max_new_tokens;
    request.intervention = arms[a].intervention;
    request.stop_tokens = model.eos_ids;
    return request;
  };
  scheduler.run(source, [&](GenerationResult&& result) {
    const auto& [q, a] = work[result.id];
    const auto generated = static_cast<std::int64_t>(result.tokens.size());
    if (result.stopped) result.tokens.pop_back();
    journal.put({arms[a].name, questions[q].item->subject, questions[q].item->index, questions[q].prompt,
                 stripped(model.tokenizer.decode(result.tokens)), result.stopped ? "eos" : "length",
                 result.prompt_tokens, generated});
    progress.advance(generated);
  });
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
  for (const TaskAnswers& task : answers) {
    scores.push_back(score(task, [](const std::string& subject) {
      const auto category = mmlu_category(subject);
      return category ? std::string(category_name(*category)) : std::string();
    }));
  }
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

std::vector<ArmScores> run_evaluation(const EvalModel& model, const EvalSettings& settings) {
  const LlamaConfig& config = model.transformer.config();
  const std::int64_t context = settings.context > 0 ? settings.context : config.context_length();
  const std::vector<PlannedArm> arms = plan_arms(settings, config.num_hidden_layers);
  const std::vector<Question> questions = plan_questions(model, settings);
  check_lengths(questions, context);
  const RunDirectory run =
      RunDirectory::open(settings.run_directory, run_settings(model, settings, context, arms));
  Journal journal(run);
  ask(model, settings, {settings.batch, context, settings.kv_bytes}, questions, arms, journal);
  std::vector<ArmScores> scores;
  for (const PlannedArm& arm : arms) scores.push_back(report(settings, run, arm, journal));
  return scores;
}

}  // namespace refocus
