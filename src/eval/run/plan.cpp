#include "eval/run/plan.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "eval/task/likelihood_prompt.h"
#include "eval/task/transcript.h"

namespace refocus {

namespace {

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

void plan_generation(const EvalModel& model, const EvalSettings& settings, const Task& task, PromptKind kind,
                     std::vector<Question>& questions) {
  const TaskKind& own = kind_of(task);
  const PromptParts parts = prompt_parts(settings.profile, task, kind);
  const std::vector<std::int32_t> prefix =
      encode_prompt(model.tokenizer, {template_piece(parts.instruction)}).tokens;
  for (const Item& item : task.items) {
    Question question{&item, &own, kind, {}, {}, 0, {}, {}, parts.instruction};
    if (item.turn > 0) {
      questions.push_back(std::move(question));
      continue;
    }
    const Item* turns[] = {&item};
    question.pieces = own.type == AnswerType::kTranscript
                          ? transcript_prompt(own, parts.instruction, turns, {})
                          : make_prompt(parts, item);
    question.tokens = encode_prompt(model.tokenizer, question.pieces).tokens;
    if (question.tokens.empty()) {
      throw input_error(
          "eval", "expected prompts of at least one token, got an empty one ({} item {}); check --profile",
          printable(item.subject), item.index);
    }
    question.shared_prefix = common_prefix(prefix, question.tokens);
    questions.push_back(std::move(question));
  }
}

void plan_likelihoods(const EvalModel& model, const EvalSettings& settings, const Task& task, Plan& plan) {
  const TaskKind& wording = kind_of(task);
  std::string subject;
  Prompt beginning;
  std::vector<std::int32_t> prefix;
  for (const Item& item : task.items) {
    if (item.subject != subject) {
      subject = item.subject;
      const auto examples = settings.examples.find(subject);
      beginning = likelihood_prefix(
          wording, subject,
          examples == settings.examples.end() ? std::span<const Item>() : std::span(examples->second));
      prefix = encode_prompt(model.tokenizer, beginning).tokens;
    }
    Question question{&item, &wording, PromptKind::kLoglikelihood, beginning, {}, 0, {}, {}, ""};
    append(question.pieces, likelihood_context(wording, item));
    const std::string where = fmt::format("{} item {}", printable(subject), item.index);
    EncodedOptions encoded = encode_options(model.tokenizer, question.pieces,
                                            likelihood_continuations(wording, item), settings.seam, where);
    question.tokens = std::move(encoded.context);
    question.options = std::move(encoded.options);
    question.leads = std::move(encoded.leads);
    plan.options += std::ssize(question.options);
    plan.over_seam += encoded.over_seam;
    question.shared_prefix = common_prefix(prefix, question.tokens);
    plan.questions.push_back(std::move(question));
  }
}

// The length of the longest question. InputError where there is none, or where one does not fit.
std::int64_t check_lengths(const std::vector<Question>& questions, std::int64_t context) {
  const auto longest =
      std::max_element(questions.begin(), questions.end(),
                       [](const Question& a, const Question& b) { return a.length() < b.length(); });
  if (longest == questions.end())
    throw input_error("eval", "expected at least one item, got none; see --subjects and --limit");
  const std::int64_t most = longest->length();
  const bool scored = !longest->options.empty();
  if (scored ? most <= context : most < context) return most;
  const auto prompt = static_cast<std::int64_t>(longest->tokens.size());
  const std::string item = fmt::format("{} item {}", printable(longest->item->subject), longest->item->index);
  const std::int64_t enough = (most + 511) / 256 * 256;
  if (scored && prompt < context) {
    throw input_error(
        "eval",
        "expected a question with an option of at most {} tokens (the context), got {} and {} ({}); choose "
        "other subjects, or go beyond what the model was trained for with --context {}",
        context, prompt, most - prompt + 1, item, enough);
  }
  throw input_error("eval",
                    "expected prompts of fewer than {} tokens (the context), got up to {} ({}); choose other "
                    "subjects{}, or go beyond what the model was trained for with --context {}",
                    context, prompt, item, scored ? " or fewer --shots" : "", enough);
}

}  // namespace

std::int64_t common_prefix(const std::vector<std::int32_t>& prefix, const std::vector<std::int32_t>& tokens) {
  const auto common = std::mismatch(prefix.begin(), prefix.end(), tokens.begin(), tokens.end());
  return common.first - prefix.begin();
}

std::int64_t Question::length() const {
  std::size_t most = 1;  // an option's last token is not computed
  for (const auto& option : options) most = std::max(most, option.size());
  return static_cast<std::int64_t>(tokens.size() + most - 1);
}

Plan make_plan(const EvalModel& model, const EvalSettings& settings) {
  const ModelConfig& config = model.transformer.config();
  Plan plan;
  plan.context = settings.context > 0 ? settings.context : config.context_length();
  plan.arms = plan_arms(settings, config.num_hidden_layers);
  for (const Task& task : settings.tasks) {
    for (const PromptKind kind : settings.prompts) {
      if (kind == PromptKind::kLoglikelihood) {
        plan_likelihoods(model, settings, task, plan);
      } else {
        plan_generation(model, settings, task, kind, plan.questions);
      }
    }
  }
  plan.longest = check_lengths(plan.questions, plan.context);
  return plan;
}

}  // namespace refocus
