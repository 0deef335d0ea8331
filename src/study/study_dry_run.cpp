#include "study/study_dry_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "study/text_measurer.h"

namespace refocus {

namespace {

struct Looked {
  std::int64_t texts = 0, tokens = 0;
  double seconds = 0;
};

// Texts that the dry run has answers of, until the time is over.
Looked look(const EvalModel& model, const StudySettings& settings, const Plan& plan, Transformer* before,
            std::size_t arm, const std::vector<Response>& answers) {
  const TextMeasurer now(model.transformer, model.tokenizer, settings);
  std::optional<TextMeasurer> earlier;
  if (before != nullptr) earlier.emplace(*before, model.tokenizer, settings);
  const PlannedArm& planned = plan.arms[arm];
  Looked out;
  for (const Response& answer : answers) {
    const auto question = std::ranges::find_if(plan.questions, [&](const Question& q) {
      return q.kind == planned.arm.prompt && q.item->subject == answer.subject &&
             q.item->index == answer.index;
    });
    REFOCUS_CHECK(question != plan.questions.end());
    const AskedText text = asked_text(model, settings.eval, plan, arm, *question, answer);
    std::vector<std::string> names;
    const auto begin = std::chrono::steady_clock::now();
    now.measure(planned, text, names);
    if (earlier) earlier->measure(planned, text, names);
    out.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    out.tokens += std::ssize(text.tokens);
    ++out.texts;
    if (out.seconds > kMeasuredSeconds) break;
  }
  return out;
}

}  // namespace

DryRun dry_run_study(const EvalModel& model, const StudySettings& settings, const Plan& plan,
                     Transformer* before) {
  DryRun out = dry_run(model, settings.eval, plan);
  for (const DryRun::Measured& measured : out.measured) {
    const auto at = std::ranges::find(plan.arms, measured.arm, &PlannedArm::name);
    REFOCUS_CHECK(at != plan.arms.end());
    const Looked looked = look(model, settings, plan, before,
                               static_cast<std::size_t>(at - plan.arms.begin()), measured.answers);
    const double seconds =
        looked.seconds / static_cast<double>(std::max<std::int64_t>(looked.tokens, 1));  // of a token
    DryRun::Further further;
    further.how = fmt::format("{}: {} texts looked at, {:.0f} tokens a second", measured.arm, looked.texts,
                              1 / seconds);
    for (const DryRun::Arm& arm : out.arms) {
      const auto planned = std::ranges::find(plan.arms, arm.name, &PlannedArm::name);
      if (planned->arm.prompt != at->arm.prompt) continue;
      const auto tokens = [&](double of_answer) {
        return static_cast<double>(arm.prompt_tokens) + static_cast<double>(arm.questions) * of_answer;
      };
      further.least_seconds += seconds * tokens(measured.least_tokens);
      further.most_seconds += seconds * tokens(measured.most_tokens);
    }
    out.further.push_back(std::move(further));
  }
  return out;
}

}  // namespace refocus
