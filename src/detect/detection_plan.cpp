#include <algorithm>

#include "base/error.h"
#include "detect/detection.h"

namespace refocus {

namespace {

void plan_stimulus(const EvalModel& model, std::int64_t context, DetectionPlan& plan) {
  const StimulusSettings& stimulus = plan.settings.stimulus;
  const std::int64_t before = std::ssize(model.tokenizer.prompt_prefix());
  if (before + 2 * stimulus.length > context) {
    throw input_error("--stimulus-length",
                      "expected at most {}, so that twice as many fit into the context, got {}",
                      (context - before) / 2, stimulus.length);
  }
  plan.stimulus = repeated_sequences(model.tokenizer, model.transformer.config().vocab_size, stimulus);
}

void check_labels(const Plan& plan) {
  for (const Question& question : plan.questions) {
    const Item& item = *question.item;
    if (item.label) continue;
    throw input_error(
        "heads",
        "expected items whose right option is known, got {} item {} without; choose a task with labels",
        printable(item.subject), item.index);
  }
}

// A needle's prompt as tokens, in a conversation where one was asked for.
NeedlePrompt needle_prompt(const EvalModel& model, const EvalSettings& asking, const Needle& needle,
                           const Prompt& pieces) {
  Question question{};
  question.pieces = pieces;
  if (asking.chat) {
    ChatMessage message;
    message.role = "user";
    message.content = pieces;
    ask_as_chat(model.tokenizer, *asking.chat, {message}, question);
  }
  const EncodedPrompt encoded =
      encode_prompt(model.tokenizer, question.pieces, asking.chat ? PromptEnds::kBegin : PromptEnds::kModel);
  NeedlePrompt out{encoded.tokens, 0, 0, needle.answer};
  for (std::size_t t = 0; t < encoded.tokens.size(); ++t) {
    const std::int32_t piece = encoded.pieces[t];
    if (piece < 0 || question.pieces[static_cast<std::size_t>(piece)].origin.field != kNeedleField) continue;
    if (out.end == 0) out.begin = static_cast<std::int64_t>(t);
    out.end = static_cast<std::int64_t>(t) + 1;
  }
  if (out.end == 0) {
    throw input_error("--needles",
                      "expected answers of at least one token of their own, got {}; use a longer one",
                      printable(needle.answer));
  }
  return out;
}

// One length, depth and needle.
DetectionPlan::NeedlePlace place_of(const EvalModel& model, const EvalSettings& asking,
                                    const NeedleSettings& settings, const Haystack& haystack,
                                    NeedleOutcome outcome) {
  const Needle& needle = settings.needles[outcome.needle];
  const auto prompt_with = [&](std::int64_t hay) {
    return needle_prompt(model, asking, needle,
                         haystack.prompt(needle, hay, outcome.depth / 100, settings.question));
  };
  // What stands around the hay takes its tokens too.
  const std::int64_t bare = std::ssize(prompt_with(0).tokens);
  DetectionPlan::NeedlePlace out;
  out.prompt = prompt_with(std::max<std::int64_t>(0, outcome.length - bare));
  out.outcome = std::move(outcome);
  out.outcome.tokens = std::ssize(out.prompt.tokens);
  return out;
}

void plan_needles(const EvalModel& model, const EvalSettings& asking, std::int64_t context,
                  DetectionPlan& plan) {
  const NeedleSettings& settings = *plan.settings.needles;
  const Haystack haystack(model.tokenizer, settings.haystack);
  for (const std::int64_t length : settings.lengths) {
    for (const double depth : settings.depths) {
      for (std::size_t n = 0; n < settings.needles.size(); ++n) {
        plan.needles.push_back(place_of(model, asking, settings, haystack, {n, length, depth, 0, {}}));
        const std::int64_t tokens = plan.needles.back().outcome.tokens;
        if (tokens + settings.max_new_tokens <= context) continue;
        throw input_error("--needle-lengths",
                          "expected prompts that leave room for {} tokens in the context of {}, got one of "
                          "{}; use shorter ones",
                          settings.max_new_tokens, context, tokens);
      }
    }
  }
}

}  // namespace

DetectionPlan plan_detection(const EvalModel& model, const EvalSettings& asking,
                             const DetectionSettings& settings) {
  const std::int64_t context =
      asking.context > 0 ? asking.context : model.transformer.config().context_length();
  DetectionPlan out;
  out.settings = settings;
  plan_stimulus(model, context, out);
  if (settings.plan != nullptr) check_labels(*settings.plan);
  if (settings.needles) plan_needles(model, asking, context, out);
  return out;
}

}  // namespace refocus
