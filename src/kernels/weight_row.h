// What is computed from one row of attention weights: sums, entropies, the largest weights.
//
// Rows are float32 [n]; those that logarithms are taken of (sum_weights, sum_of_mixture) are not negative.
// "Padded" ones are readable to padded(n) (kernels/matmul.h), with zeros beyond n, which add nothing to any
// sum. Products and logarithms are float32; sums of at most 256 terms a lane are float32, and those of such
// sums float64, in an order that depends on n alone.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace refocus {

// More classes of keys than there will be; see RowSums.
inline constexpr std::size_t kKeyClasses = 8;

struct RowSums {
  double sum = 0;                                 // of w
  double w_log_w = 0;                             // of w ln w, with 0 ln 0 = 0
  std::array<double, kKeyClasses> of_class = {};  // of the w of each class
};

// The classes of a text's keys, so prepared that no work is done for classes that it has no key of.
struct KeyClasses {
  const std::int32_t* of_key = nullptr;  // padded, each in [0, kKeyClasses)
  std::array<std::int32_t, kKeyClasses> counted = {};
  int count = 0;          // of `counted`
  std::int32_t rest = 0;  // the class with the most keys, not counted: its sum is what the others leave
};
KeyClasses prepare_classes(const std::int32_t* of_key, std::int64_t n);

// out[j] = weights[j] / sum, and zeros to padded(n); all zeros where sum is 0. `weights` need not be padded.
void normalise_weights(const float* weights, float sum, std::int64_t n, float* out);

// Of a padded row of the text's keys.
RowSums sum_weights(const float* w, std::int64_t n, const KeyClasses& classes);

// The sum alone.
double sum_of_weights(const float* w, std::int64_t n);

// The sum of |w|, which need not be padded: of every sixteenth weight in float64, and of those sums by
// halves, so that every instruction set gives the same bits.
double sum_of_sizes(const float* w, std::int64_t n);

// sum m ln m for m = (a w + b v) / 2, of two padded rows.
double sum_of_mixture(const float* w, float a, const float* v, float b, std::int64_t n);

// sums[j] += w[j], w rounded to a multiple of 2^-36 unit, padded; `unit` is a power of two. As long as w
// stays below 2^15 units and a sum below 2^17, in size, it is exact, and so the same in whatever order rows
// are added.
void add_exactly(const float* w, std::int64_t n, double* sums, double unit = 1);

// A unit in which sums of `keys` weights of up to `factor` in size are exact (add_exactly).
constexpr double exact_unit(double factor, std::int64_t keys) {
  double unit = 1;
  while (factor > 0x1p15 * unit || factor * static_cast<double>(keys) > 0x1p17 * unit) unit *= 2;
  return unit;
}

// Whether any w is below 0.
bool any_negative(const float* w, std::int64_t n);

// What a row is made of, w = above - below, neither negative, padded: above[j] = max(w[j], 0), below[j] =
// max(-w[j], 0), size[j] = |w[j]|.
void split_signs(const float* w, std::int64_t n, float* above, float* below, float* size);

// How many w exceed the bound.
std::int64_t count_above(const float* w, std::int64_t n, float bound);

// A size of the scratch memory of largest_weights that suffices for k.
constexpr std::size_t largest_scratch(std::int64_t k) { return static_cast<std::size_t>(4 * k + 192); }

// The k largest weights of a padded row in size (without sign), by falling size, equal ones by rising key,
// with their keys. Returns how many there are: k, or n where that is less. `scratch`: [largest_scratch(k)].
std::int64_t largest_weights(const float* w, std::int64_t n, std::int64_t k, std::uint64_t* scratch,
                             std::int32_t* keys, float* weights);

namespace reference {
// The plain twins, in double.
RowSums sum_weights(const float* w, std::int64_t n, const std::int32_t* classes);
double sum_of_mixture(const float* w, float a, const float* v, float b, std::int64_t n);
std::int64_t largest_weights(const float* w, std::int64_t n, std::int64_t k, std::int32_t* keys,
                             float* weights);
}  // namespace reference

}  // namespace refocus
