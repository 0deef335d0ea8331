// The methods that look at one row of weights at a time; formulas and sources are in docs/interventions.md.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "intervene/file_steps.h"
#include "intervene/own_step.h"
#include "intervene/patch_steps.h"
#include "intervene/rebalance.h"
#include "intervene/row_step.h"
#include "intervene/surveyed_steps.h"
#include "kernels/weight_row.h"

namespace refocus {

double EditedRow::total() const { return sum_of_weights(row.weights.data(), keys()); }

void EditedRow::keep_mass(double before) {
  const double now = total();
  if (now != 0 && before != 0) row.sum = static_cast<float>(row.sum * (now / before));
}

namespace {

// Weights of chosen keys times a factor: scale, boost, guide, pasta, knockout and nosink.
class Scale : public RowStep {
 public:
  enum class Sum {
    kOfSoftmax,  // a change of scores, before softmax
    kKept,       // rows keep the sum that they had (InstABoost)
    kChanged     // rows are not normalised again
  };
  Scale(std::size_t part, Sum sum) : part_(part), sum_(sum) {}

  bool is_idle() const override {
    return std::ranges::all_of(groups_, [](const Group& g) { return g.factor == 1 || g.keys.empty(); });
  }
  bool acts_on_scores() const override { return sum_ == Sum::kOfSoftmax; }

  void change_scores(std::int64_t first_key, std::span<float> scores) const override {
    for (const Group& group : groups_) {
      group.keys.within(first_key, first_key + std::ssize(scores), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t j = begin; j < end; ++j) {
          scores[static_cast<std::size_t>(j - first_key)] += group.log_factor;
        }
      });
    }
  }

  void change_weights(std::int64_t, EditedRow& row) override {
    const double before = sum_ == Sum::kChanged ? 0 : row.total();
    for (const Group& group : groups_) {
      group.keys.within(row.row.first_key, row.keys(), [&](std::int64_t begin, std::int64_t end) {
        float* weights = row.weights().data();
        for (std::int64_t j = begin; j < end; ++j) weights[j] *= group.factor;
        row.changed = true;
      });
    }
    if (row.changed && sum_ != Sum::kChanged) row.keep_mass(before);
  }

 protected:
  struct Group {
    KeyRanges keys;
    float factor, log_factor;  // -infinity for 0
  };
  void set_groups(std::vector<std::pair<KeyRanges, double>> groups) {
    groups_.clear();
    for (auto& [keys, factor] : groups) {
      groups_.push_back({std::move(keys), static_cast<float>(factor), static_cast<float>(std::log(factor))});
    }
  }
  const KeyRanges& keys_of(const InterventionTarget* target) const { return target->keys[part_]; }

 private:
  std::size_t part_;
  Sum sum_;
  std::vector<Group> groups_;
};

// Chosen keys by one factor.
class ScaleKeys : public Scale {
 public:
  ScaleKeys(std::size_t part, double factor, Sum sum) : Scale(part, sum), factor_(factor) {}
  void aim(const InterventionTarget* target) override { set_groups({{keys_of(target), factor_}}); }

 private:
  double factor_;
};

// The prompt's other keys by alpha, or by 1 / alpha with mode=include. As published, each span of chosen keys
// once: of m spans, keys of one by alpha^(m - 1), others by alpha^m.
class Pasta : public Scale {
 public:
  Pasta(const InterventionPart& part, std::size_t index)
      : Scale(index, Sum::kOfSoftmax),
        factor_(part.word("mode") == "include" ? 1 / part.number("alpha") : part.number("alpha")),
        by_span_(part.word("variant") == "published" && part.word("mode") == "exclude") {}

  void aim(const InterventionTarget* target) override {
    const KeyRanges& keys = keys_of(target);
    if (keys.empty()) return set_groups({});  // nothing to emphasise
    const auto spans = by_span_ ? static_cast<double>(keys.ranges.size()) : 1.0;
    KeyRanges inside;
    keys.within(0, target->prompt, [&](std::int64_t begin, std::int64_t end) { inside.append(begin, end); });
    set_groups({{keys.complement(target->prompt), std::pow(factor_, spans)},
                {inside, std::pow(factor_, spans - 1)}});
  }

 private:
  double factor_;
  bool by_span_;
};

// Chosen keys share at least `target` of the row's mass: where they have c < target, their weights times
// target (1 - c) / (c (1 - target)), and the row keeps its mass.
class Spotlight : public RowStep {
 public:
  Spotlight(std::size_t part, double share) : part_(part), share_(share) {}
  void aim(const InterventionTarget* target) override { keys_ = &target->keys[part_]; }
  bool is_idle() const override { return keys_->empty(); }

  void change_weights(std::int64_t, EditedRow& row) override {
    const double before = row.total();
    double chosen = 0;
    float* weights = row.weights().data();
    keys_->within(row.row.first_key, row.keys(), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t j = begin; j < end; ++j) chosen += double{weights[j]};
    });
    const double c = before != 0 ? chosen / before : 0;
    if (c <= 0 || c >= share_) return;
    const auto factor = static_cast<float>(share_ * (1 - c) / (c * (1 - share_)));
    keys_->within(row.row.first_key, row.keys(), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t j = begin; j < end; ++j) weights[j] *= factor;
    });
    row.changed = true;
    row.keep_mass(before);
  }

 private:
  std::size_t part_;
  double share_;
  const KeyRanges* keys_ = nullptr;
};

// Scores divided by tau: weights to the power of 1 / tau.
class Temperature : public RowStep {
 public:
  explicit Temperature(double tau) : inverse_(static_cast<float>(1 / tau)) {}
  bool is_idle() const override { return inverse_ == 1; }
  bool acts_on_scores() const override { return true; }
  void change_scores(std::int64_t, std::span<float> scores) const override {
    for (float& score : scores) score *= inverse_;
  }
  void change_weights(std::int64_t, EditedRow& row) override {
    const double before = row.total();
    for (float& weight : row.weights()) {
      weight = std::copysign(std::pow(std::abs(weight), inverse_), weight);
    }
    row.changed = true;
    row.keep_mass(before);
  }

 private:
  float inverse_;
};

// Every key that the query sees has the same weight.
class Uniform : public RowStep {
 public:
  bool acts_on_scores() const override { return true; }
  void change_scores(std::int64_t, std::span<float> scores) const override {
    std::ranges::fill(scores, 0.0f);
  }
  void change_weights(std::int64_t, EditedRow& row) override {
    const double before = row.total();
    std::ranges::fill(row.weights().subspan(static_cast<std::size_t>(row.row.first_key)), 1.0f);
    row.changed = true;
    row.keep_mass(before);
  }
};

class Zero : public RowStep {
 public:
  void change_weights(std::int64_t, EditedRow& row) override {
    std::ranges::fill(row.weights(), 0.0f);
    row.changed = true;
  }
};

}  // namespace

std::unique_ptr<RowStep> make_step(const InterventionPart& part, std::size_t index,
                                   const InterventionShape& shape) {
  using Sum = Scale::Sum;
  switch (part.method->id) {
    case MethodId::kRebalance:
      return std::make_unique<Rebalance>(part.rebalance(), shape);
    case MethodId::kScale:
      return std::make_unique<ScaleKeys>(index, part.number("factor"),
                                         part.word("renormalise") == "yes" ? Sum::kKept : Sum::kChanged);
    case MethodId::kPasta:
      return std::make_unique<Pasta>(part, index);
    case MethodId::kBoost:
      return std::make_unique<ScaleKeys>(index, part.number("factor"), Sum::kKept);
    case MethodId::kGuide:
      return std::make_unique<ScaleKeys>(index, std::exp(part.number("delta")), Sum::kOfSoftmax);
    case MethodId::kKnockout:
    case MethodId::kNoSink:
      return std::make_unique<ScaleKeys>(index, 0, Sum::kOfSoftmax);
    case MethodId::kSpotlight:
      if (part.word("scope") == "layer") {
        return std::make_unique<SpotlightLayer>(index, part.number("target"), shape);
      }
      return std::make_unique<Spotlight>(index, part.number("target"));
    case MethodId::kTemperature:
      return std::make_unique<Temperature>(part.number("tau"));
    case MethodId::kZero:
      return std::make_unique<Zero>();
    case MethodId::kUniform:
      return std::make_unique<Uniform>();
    case MethodId::kMean:
      return std::make_unique<Mean>(part, shape);
    case MethodId::kAct:
      return std::make_unique<AttentionCalibration>(part.number("beta"), part.number("theta"), shape);
    case MethodId::kSeka:
      return std::make_unique<Seka>(part, index, shape);
    case MethodId::kOwn:
      return std::make_unique<OwnStep>(part, index);
    case MethodId::kPatch:
      return std::make_unique<GiveOutputs>();
    case MethodId::kTake:
      return std::make_unique<TakeOutputs>();
  }
  REFOCUS_CHECK(false);
  return nullptr;
}

}  // namespace refocus
