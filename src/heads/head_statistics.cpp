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

RandomEffect draw_levels(double none, double set, std::span<const double> draws) {
  REFOCUS_CHECK(!draws.empty());
  const auto count = static_cast<double>(draws.size());
  RandomEffect out;
  out.low = out.high = draws.front();
  std::int64_t as_far = 0;
  for (const double draw : draws) {
    out.mean += draw / count;
    out.low = std::min(out.low, draw);
    out.high = std::max(out.high, draw);
    as_far += set < none ? draw <= set : draw >= set;
  }
  out.rank_p = static_cast<double>(1 + as_far) / (1 + count);
  return out;
}

RandomEffect random_effect(const ArmAnswers& none, const ArmAnswers& set,
                           std::span<const ArmAnswers* const> draws) {
  const std::int64_t count = std::ssize(draws);
  std::vector<double> levels;
  for (const ArmAnswers* draw : draws) levels.push_back(draw->accuracy());
  RandomEffect out = draw_levels(none.accuracy(), set.accuracy(), levels);
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
  out.beyond.interval = paired_bootstrap_interval(differences, kResamples, kResampleSeed);
  const std::vector<double> zeros(differences.size(), 0.0);
  if (const auto p = sign_flip_exact_p(whole)) {
    out.beyond.p = *p;
  } else {
    out.beyond.p = paired_difference(zeros, differences).p;  // so many items that t is as good
  }
  return out;
}

}  // namespace refocus
