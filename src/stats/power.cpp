#include "stats/power.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "stats/mcnemar.h"

namespace refocus {
namespace {

// P(X <= c), X ~ Binomial(m, q), for one c and m that step on together: an addition or two a step, where the
// incomplete beta function would take hundreds.
class LowerTail {
 public:
  LowerTail(std::int64_t m, std::int64_t c, double q) : q_(q) {
    if (c < 0) return;
    const boost::math::binomial count(static_cast<double>(m), q);
    below_ = boost::math::cdf(count, static_cast<double>(c));
    at_ = boost::math::pdf(count, static_cast<double>(c));
  }
  double probability() const { return below_; }

  // To m + 1, from m, with c as it is. X of m + 1 stays at most c but where it was c and rose.
  void add_trial(std::int64_t m, std::int64_t c) {
    if (c < 0) return;
    below_ = std::max(0.0, below_ - q_ * at_);
    at_ *= (1 - q_) * static_cast<double>(m + 1) / static_cast<double>(m + 1 - c);
  }
  // The same to m + 1 and c + 1.
  void add_trial_and_raise(std::int64_t m, std::int64_t c) {
    const double before = at_;
    add_trial(m, c);
    at_ = c < 0 ? std::pow(1 - q_, static_cast<double>(m + 1))
                : before * q_ * static_cast<double>(m + 1) / static_cast<double>(c + 1);
    below_ = std::min(1.0, below_ + at_);
  }

 private:
  double q_, below_ = 0, at_ = 0;  // at_: P(X = c)
};

// Whether the test rejects c of m changes on one side. `p` is its p but for rounding, which decides where
// that is near: near ties (level 0.0625, 5 changes) the answer is that of the test itself.
bool rejects(std::int64_t m, std::int64_t c, double p, double level) {
  if (std::fabs(p - level) > 1e-8 * level) return p < level;
  return mcnemar_exact_p(c, m - c) <= level;
}

// The largest c whose p with m changes is at most the level; -1 where none is.
std::int64_t critical_count(std::int64_t m, double level) {
  std::int64_t rejected = -1, kept = m / 2 + 1;
  while (kept - rejected > 1) {
    const std::int64_t middle = rejected + (kept - rejected) / 2;
    (mcnemar_exact_p(middle, m - middle) <= level ? rejected : kept) = middle;
  }
  return rejected;
}

// The power given that m pairs changed, for one m after another. The test rejects up to c and from m - c on;
// with one more change c stays or rises by one, since X of m + 1 is X of m or one more.
class ConditionalPower {
 public:
  ConditionalPower(std::int64_t m, double up, double level)
      : m_(m),
        c_(critical_count(m, level)),
        level_(level),
        null_(m, c_, 0.5),
        fixed_(m, c_, up),
        broken_(m, c_, 1 - up) {}

  double value() const { return std::min(1.0, fixed_.probability() + broken_.probability()); }

  void next() {
    LowerTail raised = null_;
    raised.add_trial_and_raise(m_, c_);
    const bool rises = rejects(m_ + 1, c_ + 1, 2 * raised.probability(), level_);
    for (LowerTail* tail : {&null_, &fixed_, &broken_}) {
      if (rises) {
        tail->add_trial_and_raise(m_, c_);
      } else {
        tail->add_trial(m_, c_);
      }
    }
    if (rises) ++c_;
    ++m_;
  }

 private:
  std::int64_t m_, c_;
  double level_;
  LowerTail null_, fixed_, broken_;
};

// P(M = m) for m = first, first + 1, ..., M ~ Binomial(n, changed); their sum is 1. What is 1e-17 of the
// likeliest is left out, and with it less than 1e-12 of M.
struct Weights {
  std::int64_t first = 0;
  std::vector<double> of;
};

Weights weights_of(std::int64_t n, double changed) {
  constexpr double kLeast = 1e-17;
  const auto pairs = static_cast<double>(n);
  const auto mode = std::min(n, static_cast<std::int64_t>((pairs + 1) * changed));
  std::vector<double> down;
  double sum = 1;
  for (std::int64_t m = mode; m > 0; --m) {
    const double before = down.empty() ? 1 : down.back();
    const double weight =
        before * static_cast<double>(m) * (1 - changed) / (static_cast<double>(n - m + 1) * changed);
    if (weight < kLeast) break;
    down.push_back(weight);
    sum += weight;
  }
  Weights out{mode - std::ssize(down), {down.rbegin(), down.rend()}};
  out.of.push_back(1);
  for (std::int64_t m = mode; m < n; ++m) {
    const double weight =
        out.of.back() * static_cast<double>(n - m) * changed / (static_cast<double>(m + 1) * (1 - changed));
    if (weight < kLeast) break;
    out.of.push_back(weight);
    sum += weight;
  }
  for (double& weight : out.of) weight /= sum;
  return out;
}

// Values by number of changes that are made as far as they are asked for.
class PowerTable {
 public:
  PowerTable(double up, double level) : at_(0, up, level) {}

  double mean(const Weights& weights) { return mean_of(values_, weights); }
  // Of the largest value up to each m. It never falls with m, so that this mean never falls with n, and it is
  // never below the power: a bound by which all smaller n are ruled out at once.
  double bound(const Weights& weights) { return mean_of(highest_, weights); }

 private:
  double mean_of(const std::vector<double>& values, const Weights& weights) {
    while (std::ssize(values_) < weights.first + std::ssize(weights.of)) {
      const double value = at_.value();
      highest_.push_back(highest_.empty() ? value : std::max(value, highest_.back()));
      values_.push_back(value);
      at_.next();
    }
    double out = 0;
    for (std::size_t i = 0; i < weights.of.size(); ++i)
      out += weights.of[i] * values[static_cast<std::size_t>(weights.first) + i];
    return out;
  }

  ConditionalPower at_;
  std::vector<double> values_, highest_;
};

bool is_aim(const TestAim& aim) { return 0 < aim.level && aim.level < aim.power && aim.power < 1; }

}  // namespace

double mcnemar_power(std::int64_t pairs, double changed, double difference, double level) {
  REFOCUS_CHECK(pairs >= 1 && pairs <= kMostPairs && changed > 0 && changed <= 1);
  REFOCUS_CHECK(std::fabs(difference) <= changed && level > 0 && level < 1);
  const Weights weights = weights_of(pairs, changed);
  ConditionalPower conditional(weights.first, (1 + difference / changed) / 2, level);
  double out = 0;
  for (const double weight : weights.of) {
    out += weight * conditional.value();
    conditional.next();
  }
  return out;
}

std::optional<double> smallest_difference(std::int64_t pairs, double changed, const TestAim& aim) {
  REFOCUS_CHECK(is_aim(aim));
  if (mcnemar_power(pairs, changed, changed, aim.level) < aim.power) return std::nullopt;
  // The power without a difference is at most the level, and it rises strictly from there.
  double low = 0, high = changed;
  while (high - low > 1e-12) {
    const double middle = low + (high - low) / 2;
    (mcnemar_power(pairs, changed, middle, aim.level) < aim.power ? low : high) = middle;
  }
  return high;
}

std::optional<std::int64_t> pairs_needed(double changed, double difference, const TestAim& aim) {
  REFOCUS_CHECK(is_aim(aim) && changed > 0 && changed <= 1 && difference > 0 && difference <= changed);
  PowerTable table((1 + difference / changed) / 2, aim.level);
  const auto may_reach = [&](std::int64_t n) { return table.bound(weights_of(n, changed)) >= aim.power; };
  std::int64_t low = 0, high = 1;  // low: ruled out with all below it
  while (!may_reach(high)) {
    if (high == kMostPairs) return std::nullopt;
    low = high;
    high = std::min(kMostPairs, 2 * high);
  }
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (may_reach(middle) ? high : low) = middle;
  }
  for (; high <= kMostPairs; ++high) {
    if (table.mean(weights_of(high, changed)) >= aim.power) return high;
  }
  return std::nullopt;
}

}  // namespace refocus
