#include "analyze/row_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "kernels/matmul.h"
#include "kernels/weight_row.h"

namespace refocus {

namespace {

static_assert(kTokenClasses <= kKeyClasses);

// Less is a row of zeros: its weights would be divided by what float32 cannot tell from 0.
constexpr double kLeastSum = std::numeric_limits<float>::min();

// Size of T ∩ M over size of T ∪ M, with T the other keys of positive weight whose share exceeds the
// threshold.
double jaccard(const CapturedRow& row, float bound) {
  std::int64_t common = 0;
  for (const std::int32_t j : row.mask) common += row.after[j] > bound;
  const std::int64_t either =
      count_above(row.after, row.position, bound) + static_cast<std::int64_t>(row.mask.size()) - common;
  return either == 0 ? 1 : static_cast<double>(common) / static_cast<double>(either);
}

// sum m ln m of the mixture m of the row's p and layer 0's, each key counting as two, one for either sign: a
// negative weight shares nothing with the positive one of layer 0.
double mixture_of(const CapturedRow& row, double share, const SignedRow& parts, double layer0_sum) {
  const std::int64_t keys = row.position + 1;
  const auto a = static_cast<float>(share), b = static_cast<float>(1 / layer0_sum);
  if (!row.negative) return sum_of_mixture(row.after, a, row.layer0, b, keys);
  return sum_of_mixture(parts.above.data(), a, row.layer0, b, keys) +
         sum_of_mixture(parts.below.data(), a, parts.below.data(), 0, keys);
}

// Of a row of zeros there is no p. What is said of the weights themselves stays.
void remove_shares(RowValues& values) {
  for (std::size_t s = 0; s < kRowStatistics; ++s) {
    if (is_of_shares(s)) values[s] = std::numeric_limits<double>::quiet_NaN();
  }
}

// Takes away what rounding put beyond the bounds of the definitions. Rows without negative weights keep it,
// as their numbers have been published so.
void keep_bounds(std::int64_t keys, RowValues& values) {
  values[kEntropy] = std::clamp(values[kEntropy], 0.0, std::log(static_cast<double>(keys)));
  values[kDivergenceLayer0] = std::min(values[kDivergenceLayer0], std::numbers::ln2);
  for (std::size_t s = kMassFirst; s <= kMassNonSemantic; ++s) values[s] = std::min(values[s], 1.0);
  values[kMassNegative] = std::min(values[kMassNegative], 1.0);
}

}  // namespace

void SignedRow::split(const float* w, std::int64_t n) {
  for (std::vector<float>* part : {&above, &below, &size}) part->resize(static_cast<std::size_t>(padded(n)));
  split_signs(w, n, above.data(), below.data(), size.data());
}

std::string_view row_statistic_name(std::size_t statistic) {
  constexpr std::string_view kNames[kRowStatistics] = {
      "entropy",           "mass_first",       "mass_self",
      "mass_previous",     "mass_window",      "mass_special",
      "mass_punctuation",  "mass_white_space", "mass_function_word",
      "mass_number",       "mass_content",     "mass_unknown",
      "mass_non_semantic", "jaccard_layer0",   "divergence_layer0",
      "mask_size",         "mass_mask_before", "mass_mask_after",
      "row_sum",           "mass_negative"};
  return kNames[statistic];
}

bool is_row_statistic(std::string_view name) {
  for (std::size_t s = 0; s < kRowStatistics; ++s) {
    if (row_statistic_name(s) == name) return true;
  }
  return false;
}

RowValues measure_row(const CapturedRow& row, const RowSettings& settings, const KeyClasses& classes,
                      const SignedRow& parts, Layer0Row& layer0) {
  const std::int64_t keys = row.position + 1;
  const float* const size = row.negative ? parts.size.data() : row.after;
  const RowSums sums = sum_weights(size, keys, classes);
  const bool has_shares = sums.sum >= kLeastSum;
  const double share = has_shares ? 1 / sums.sum : 0;
  const double entropy = has_shares ? std::log(sums.sum) - sums.w_log_w * share : 0;
  if (row.layer == 0) layer0 = {sums.sum, entropy};

  RowValues out = {};
  const auto shared = [&](std::int64_t key) { return double{size[key]} * share; };
  out[kEntropy] = entropy;
  out[kMassFirst] = shared(0);
  out[kMassSelf] = shared(row.position);
  if (row.position > 0) out[kMassPrevious] = shared(row.position - 1);
  double window = 0;
  for (std::int64_t j = std::max<std::int64_t>(0, keys - settings.window); j < keys; ++j)
    window += double{size[j]};
  out[kMassWindow] = window * share;
  for (std::size_t c = 0; c < kTokenClasses; ++c) {
    out[kMassOfClass + c] = sums.of_class[c] * share;
    if (is_non_semantic(static_cast<TokenClass>(c))) out[kMassNonSemantic] += out[kMassOfClass + c];
  }
  const double scale =
      row.rewritten ? sums.sum : 1;  // else 1 but for rounding: M is to be found again in layer 0
  out[kJaccardLayer0] = jaccard(row, static_cast<float>(double{settings.threshold} * scale));
  if (row.layer != 0 && has_shares && layer0.sum >= kLeastSum) {
    const double mixture = mixture_of(row, share, parts, layer0.sum);
    out[kDivergenceLayer0] = std::max(0.0, -mixture - (entropy + layer0.entropy) / 2);
  }
  out[kMaskSize] = static_cast<double>(row.mask.size());
  for (const std::int32_t j : row.mask) {
    out[kMassMaskBefore] += double{row.before[j]};
    out[kMassMaskAfter] += double{row.after[j]};
  }
  out[kRowSum] = row.negative ? sum_of_weights(row.after, keys) : sums.sum;
  if (row.negative) {
    out[kMassNegative] = sum_of_weights(parts.below.data(), keys) * share;
    keep_bounds(keys, out);
  }
  if (!has_shares) remove_shares(out);
  return out;
}

}  // namespace refocus
