#include "detect/detection.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "eval/run/common_prefix.h"
#include "eval/text/progress.h"

namespace refocus {

namespace {

constexpr std::int64_t kCallRows = 256;

struct ScoreName {
  AttentionScore score;
  const char *name, *title;
};
constexpr ScoreName kPatternScores[] = {
    {kPreviousToken, "previous_token", "previous token"},
    {kDuplicateToken, "duplicate_token", "duplicate token"},
    {kInduction, "induction", "induction"},
    {kPreviousTokenMul, "previous_token_mul", "previous token, of all weight"},
    {kDuplicateTokenMul, "duplicate_token_mul", "duplicate token, of all weight"},
    {kInductionMul, "induction_mul", "induction, of all weight"}};
constexpr ScoreName kTextScores[] = {{kSinkMass, "sink_mass", "sink mass"},
                                     {kRowEntropy, "entropy", "entropy (nats)"},
                                     {kReceivedMean, "received_mean", "received, mean"},
                                     {kReceivedMax, "received_max", "received, largest"}};
constexpr ScoreName kAnswerScores[] = {{kLookback, "lookback", "lookback ratio"}};

void take_scores(const AttentionDetectors& from, std::span<const ScoreName> names, MeasuredOn on,
                 std::vector<Detector>& out) {
  for (const ScoreName& one : names) {
    std::vector<double> scores = from.scores(one.score);
    if (std::isnan(scores.front())) continue;  // texts too short for it, of every head alike
    out.push_back({one.name, one.title, on, std::move(scores)});
  }
}

std::vector<AttentionHooks> hooks_for(const Transformer& model) {
  return std::vector<AttentionHooks>(static_cast<std::size_t>(model.config().num_hidden_layers));
}

void measure_stimulus(const EvalModel& model, const DetectionPlan& plan, Detection& out) {
  Transformer& transformer = model.transformer;
  const std::int64_t length = std::ssize(plan.stimulus.front());
  const std::int64_t rows = std::min(kCallRows, transformer.max_rows());
  AttentionDetectors detectors(transformer, rows, length, {plan.settings.sink_keys, true});
  std::vector<AttentionHooks> hooks = hooks_for(transformer);
  detectors.watch_with(hooks);
  const Watch watch{hooks.data(), nullptr, nullptr, [&](std::int64_t first, std::int64_t count) {
                      detectors.end_call(transformer.pool(), first, count);
                    }};
  for (const std::vector<std::int32_t>& tokens : plan.stimulus) {
    detectors.begin_text(tokens, length);
    WatchedText(transformer, length, rows).add(tokens, length, watch);
    detectors.end_text();
  }
  out.prefix_tokens = std::ssize(model.tokenizer.prompt_prefix());
  take_scores(detectors, kPatternScores, MeasuredOn::kStimulus, out.detectors);
  if (plan.settings.plan == nullptr)
    take_scores(detectors, kTextScores, MeasuredOn::kStimulus, out.detectors);
}

// Where an item's options part: the right one's token there, and those of the others that have another.
struct Parting {
  std::int64_t place = 0;  // among the options' tokens
  std::int32_t right = 0;
  std::vector<std::int32_t> others;
};

Parting parting_of(const Question& question) {
  const auto& right = question.options[static_cast<std::size_t>(*question.item->label - 'A')];
  Parting out;
  out.place = std::ssize(right);
  for (const auto& option : question.options) {
    if (&option != &right) out.place = std::min(out.place, common_prefix(right, option));
  }
  const auto same = static_cast<std::size_t>(out.place);
  if (same == right.size()) return out;
  out.right = right[same];
  for (const auto& option : question.options) {
    if (option.size() > same && option[same] != out.right) out.others.push_back(option[same]);
  }
  return out;
}

void add_to_mean(const Attribution& one, Attribution& sum) {
  const auto add = [](const std::vector<double>& from, std::vector<double>& to) {
    to.resize(from.size());
    for (std::size_t i = 0; i < from.size(); ++i) to[i] += from[i];
  };
  add(one.heads, sum.heads);
  add(one.attention_bias, sum.attention_bias);
  add(one.mlps, sum.mlps);
  sum.embedding += one.embedding;
  sum.bias += one.bias;
  sum.total += one.total;
}

void divide(Attribution& sum, std::int64_t items) {
  const auto count = static_cast<double>(items);
  for (std::vector<double>* part : {&sum.heads, &sum.attention_bias, &sum.mlps}) {
    for (double& one : *part) one /= count;
  }
  for (double* part : {&sum.embedding, &sum.bias, &sum.total}) *part /= count;
}

// A task's items, each with its right option behind it.
class TaskPass {
 public:
  TaskPass(const EvalModel& model, const DetectionSettings& settings)
      : model_(model.transformer),
        plan_(*settings.plan),
        rows_(std::min(kCallRows, model_.max_rows())),
        detectors_(model_, rows_, longest(plan_), {settings.sink_keys, false}),
        attribution_(model_),
        hooks_(hooks_for(model_)) {
    detectors_.watch_with(hooks_);
    attribution_.watch_with(hooks_);
  }

  void run(Detection& out) {
    Progress progress("heads: detecting on the task", std::ssize(plan_.questions), 0);
    for (const Question& question : plan_.questions) {
      measure(question);
      progress.advance(std::ssize(question.tokens));
    }
    out.items = std::ssize(plan_.questions);
    take_scores(detectors_, kTextScores, MeasuredOn::kTask, out.detectors);
    take_scores(detectors_, kAnswerScores, MeasuredOn::kTask, out.detectors);
    if (means_.items > 0) {
      divide(means_.mean, means_.items);
      out.detectors.push_back(
          {"logit_attribution", "direct logit attribution", MeasuredOn::kTask, means_.mean.heads, true});
    }
    out.attribution = std::move(means_);
  }

 private:
  // Of a question with its right option, whole.
  static std::int64_t longest(const Plan& plan) {
    std::int64_t out = 1;
    for (const Question& question : plan.questions) out = std::max(out, question.length() + 1);
    return out;
  }

  void measure(const Question& question) {
    const auto& option = question.options[static_cast<std::size_t>(*question.item->label - 'A')];
    const Parting parting = parting_of(question);
    std::vector<std::int32_t> tokens = question.tokens;
    tokens.insert(tokens.end(), option.begin(), option.end());
    const std::int64_t whole = std::ssize(tokens), position = std::ssize(question.tokens) - 1 + parting.place;
    detectors_.begin_text(tokens, std::ssize(question.tokens));
    attribution_.begin_text(position);
    const Watch watch{
        hooks_.data(), attribution_.tap(),
        [&](std::int64_t first, std::int64_t count) { attribution_.begin_call(first, count); },
        [&](std::int64_t first, std::int64_t count) { detectors_.end_call(model_.pool(), first, count); }};
    WatchedText text(model_, whole, rows_);
    // Up to the row whose logits are wanted, and then the rest, of which there is at least a token but where
    // the right option ends before the others part from it.
    const auto first = std::min(static_cast<std::size_t>(position + 1), tokens.size());
    attribute(parting, text.add(std::span(tokens).first(first), whole, watch));
    if (first < tokens.size()) text.add(std::span(tokens).subspan(first), whole, watch);
    detectors_.end_text();
  }

  void attribute(const Parting& parting, std::span<const float> logits) {
    if (parting.others.empty()) {
      ++means_.left_out;
      return;
    }
    const double measured = attribution_.difference_of(logits, parting.right, parting.others);
    const Attribution one = attribution_.attribute(parting.right, parting.others);
    means_.largest_error = std::max(means_.largest_error, std::abs(one.total - measured));
    add_to_mean(one, means_.mean);
    ++means_.items;
  }

  Transformer& model_;
  const Plan& plan_;
  std::int64_t rows_;
  AttentionDetectors detectors_;
  LogitAttribution attribution_;
  std::vector<AttentionHooks> hooks_;
  AttributionMeans means_;
};

void measure_needles(const EvalModel& model, const DetectionPlan& plan, Detection& out) {
  const RetrievalSettings how{plan.settings.needles->max_new_tokens, model.eos_ids};
  Progress progress("heads: needles", std::ssize(plan.needles), 0);
  std::vector<RetrievalReply> replies;
  for (const DetectionPlan::NeedlePlace& one : plan.needles) {
    replies.push_back(measure_retrieval(model.transformer, model.tokenizer, one.prompt, how));
    out.needles.push_back(one.outcome);
    out.needles.back().reply = replies.back();
    progress.advance(one.outcome.tokens);
  }
  out.asked = plan.settings.needles;
  std::vector<double> scores = mean_retrieval(replies, static_cast<std::size_t>(out.layers * out.heads));
  if (std::isnan(scores.front())) return;  // no needle was repeated
  out.detectors.push_back({"retrieval", "retrieval", MeasuredOn::kNeedles, std::move(scores)});
}

}  // namespace

std::string_view name_of(MeasuredOn what) {
  return what == MeasuredOn::kStimulus ? "stimulus" : what == MeasuredOn::kTask ? "task" : "needles";
}

const Detector* Detection::find(std::string_view name) const {
  const auto at = std::ranges::find(detectors, name, &Detector::name);
  return at == detectors.end() ? nullptr : &*at;
}

Detection detect_heads(const EvalModel& model, const DetectionPlan& plan) {
  const ModelConfig& config = model.transformer.config();
  Detection out;
  out.layers = config.num_hidden_layers;
  out.heads = config.num_attention_heads;
  out.stimulus = plan.settings.stimulus;
  out.sink_keys = plan.settings.sink_keys;
  measure_stimulus(model, plan, out);
  if (plan.settings.plan != nullptr) TaskPass(model, plan.settings).run(out);
  if (plan.settings.needles) measure_needles(model, plan, out);
  return out;
}

}  // namespace refocus
