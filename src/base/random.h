// Random numbers that are a function of seed and place, the same everywhere: SplitMix64 (Steele, Lea & Flood
// 2014).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <utility>
#include <vector>

namespace refocus {

class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // In (0, 1].
  double uniform() { return static_cast<double>((next() >> 11) + 1) * 0x1p-53; }
  // In [0, bound): the bias of a remainder is below bound / 2^64.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  // Standard normal, by Box and Muller's transform.
  double normal() {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }

 private:
  std::uint64_t state_;
};

// A seed that belongs to `place` among all that `seed` begins: for one seed, other places have others.
inline std::uint64_t seed_of(std::uint64_t seed, std::uint64_t place) {
  return SplitMix64(SplitMix64(seed).next() + place).next();
}

// `count` of 0 .. size - 1 without replacement, at most all, each set as likely as any other: [size], true
// where drawn. Floyd's sampling (Bentley & Floyd 1987): count numbers, however large the size.
inline std::vector<bool> drawn_of(std::size_t size, std::size_t count, SplitMix64 random) {
  std::vector<bool> out(size, false);
  for (std::size_t last = size - std::min(size, count); last < size; ++last) {
    const auto number = static_cast<std::size_t>(random.below(last + 1));
    out[out[number] ? last : number] = true;
  }
  return out;
}

// 0 .. size - 1 in an order that seed and epoch decide.
inline std::vector<std::uint32_t> shuffled(std::size_t size, std::uint64_t seed, std::uint64_t epoch) {
  SplitMix64 mix(seed);
  SplitMix64 random(mix.next() + epoch);
  std::vector<std::uint32_t> order(size);
  for (std::size_t i = 0; i < size; ++i) order[i] = static_cast<std::uint32_t>(i);
  for (std::size_t i = size; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

}  // namespace refocus
