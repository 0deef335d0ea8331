#include "analyze/row_statistics.h"

#include <algorithm>
#include <cmath>

#include "kernels/weight_row.h"

namespace refocus {

namespace {

static_assert(kTokenClasses <= kKeyClasses);

// Size of T ∩ M over size of T ∪ M, with T the other keys whose share exceeds the threshold.
double jaccard(const CapturedRow& row, float bound) {
  std::int64_t common = 0;
  for (const std::int32_t j : row.mask) common += row.after[j] > bound;
  const std::int64_t either =
      count_above(row.after, row.position, bound) + static_cast<std::int64_t>(row.mask.size()) - common;
  return either == 0 ? 1 : static_cast<double>(common) / static_cast<double>(either);
}

}  // namespace

std::string_view row_statistic_name(std::size_t statistic) {
  constexpr std::string_view kNames[kRowStatistics] = {"entropy",
                                                       "mass_first",
                                                       "mass_self",
                                                       "mass_previous",
                                                       "mass_window",
                                                       "mass_special",
                                                       "mass_punctuation",
                                                       "mass_white_space",
                                                       "mass_function_word",
                                                       "mass_number",
                                                       "mass_content",
                                                       "mass_unknown",
                                                       "mass_non_semantic",
                                                       "jaccard_layer0",
                                                       "divergence_layer0",
                                                       "mask_size",
                                                       "mass_mask_before",
                                                       "mass_mask_after",
                                                       "row_sum"};
  return kNames[statistic];
}

RowValues measure_row(const CapturedRow& row, const RowSettings& settings, const KeyClasses& classes,
                      Layer0Row& layer0) {
  const std::int64_t keys = row.position + 1;
  const RowSums sums = sum_weights(row.after, keys, classes);
  // Every key was biased away: a row of zeros.
  const double share = sums.sum > 0 ? 1 / sums.sum : 0;
  const double entropy = sums.sum > 0 ? std::log(sums.sum) - sums.w_log_w * share : 0;
  if (row.layer == 0) layer0 = {sums.sum, entropy};

  RowValues out = {};
  const auto shared = [&](std::int64_t key) { return double{row.after[key]} * share; };
  out[kEntropy] = entropy;
  out[kMassFirst] = shared(0);
  out[kMassSelf] = shared(row.position);
  if (row.position > 0) out[kMassPrevious] = shared(row.position - 1);
  double window = 0;
  for (std::int64_t j = std::max<std::int64_t>(0, keys - settings.window); j < keys; ++j)
    window += double{row.after[j]};
  out[kMassWindow] = window * share;
  for (std::size_t c = 0; c < kTokenClasses; ++c) {
    out[kMassOfClass + c] = sums.of_class[c] * share;
    if (is_non_semantic(static_cast<TokenClass>(c))) out[kMassNonSemantic] += out[kMassOfClass + c];
  }
  const double scale =
      row.rewritten ? sums.sum : 1;  // else 1 but for rounding: M is to be found again in layer 0
  out[kJaccardLayer0] = jaccard(row, static_cast<float>(double{settings.threshold} * scale));
  if (row.layer != 0 && sums.sum > 0 && layer0.sum > 0) {
    const double mixture = sum_of_mixture(row.after, static_cast<float>(share), row.layer0,
                                          static_cast<float>(1 / layer0.sum), keys);
    out[kDivergenceLayer0] = std::max(0.0, -mixture - (entropy + layer0.entropy) / 2);
  }
  out[kMaskSize] = static_cast<double>(row.mask.size());
  for (const std::int32_t j : row.mask) {
    out[kMassMaskBefore] += double{row.before[j]};
    out[kMassMaskAfter] += double{row.after[j]};
  }
  out[kRowSum] = sums.sum;
  return out;
}

}  // namespace refocus
