#include "heads/head_statistics.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "stats/bootstrap.h"
#include "stats/mcnemar.h"
#include "stats/mean_difference.h"
#include "stats/sign_flip.h"
#include "stats/tango.h"

namespace refocus {

namespace {

constexpr std::int64_t kResamples = 10000;
constexpr std::uint64_t kSeed = 0;

}  // namespace

double ArmAnswers::accuracy() const {
  const auto right = std::accumulate(correct.begin(), correct.end(), std::int64_t{0});
  return static_cast<double>(right) / static_cast<double>(correct.size());
}

double ArmAnswers::mean_likelihood() const {
  return std::accumulate(likelihood.begin(), likelihood.end(), 0.0) / static_cast<double>(likelihood.size());
}

PairedEffect paired_effect(const ArmAnswers& before, const ArmAnswers& after) {
  REFOCUS_CHECK(before.correct.size() == after.correct.size() && !before.correct.empty());
  PairedEffect out;
  for (std::size_t i = 0; i < before.correct.size(); ++i) {
    out.fixed += !before.correct[i] && after.correct[i];
    out.broken += before.correct[i] && !after.correct[i];
  }
  const std::int64_t pairs = std::ssize(before.correct);
  out.difference = static_cast<double>(out.fixed - out.broken) / static_cast<double>(pairs);
  out.interval = tango_interval(out.fixed, out.broken, pairs);
  out.p = mcnemar_exact_p(out.fixed, out.broken);
  return out;
}

RandomEffect random_effect(const ArmAnswers& none, const ArmAnswers& set,
                           std::span<const ArmAnswers* const> draws) {
  REFOCUS_CHECK(!draws.empty());
  const std::int64_t count = std::ssize(draws);
  RandomEffect out;
  out.low = 1;
  const double change = set.accuracy() - none.accuracy();
  std::int64_t as_far = 0;
  for (const ArmAnswers* draw : draws) {
    const double accuracy = draw->accuracy();
    out.mean += accuracy / static_cast<double>(count);
    out.low = std::min(out.low, accuracy);
    out.high = std::max(out.high, accuracy);
    const double its = accuracy - none.accuracy();
    as_far += change < 0 ? its <= change : its >= change;
  }
  out.rank_p = static_cast<double>(1 + as_far) / static_cast<double>(1 + count);
  std::vector<std::int64_t> whole;  // the differences times the number of draws
  std::vector<double> differences;
  for (std::size_t i = 0; i < set.correct.size(); ++i) {
    std::int64_t d = set.correct[i] * count;
    for (const ArmAnswers* draw : draws) d -= draw->correct[i];
    whole.push_back(d);
    differences.push_back(static_cast<double>(d) / static_cast<double>(count));
  }
  out.beyond.difference =
      std::accumulate(differences.begin(), differences.end(), 0.0) / static_cast<double>(differences.size());
  out.beyond.interval = paired_bootstrap_interval(differences, kResamples, kSeed);
  const std::vector<double> zeros(differences.size(), 0.0);
  if (const auto p = sign_flip_exact_p(whole)) {
    out.beyond.p = *p;
  } else {
    out.beyond.p = paired_difference(zeros, differences).p;  // so many items that t is as good
  }
  return out;
}

}  // namespace refocus
