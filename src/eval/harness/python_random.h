// CPython's random.Random for a whole number as seed, as far as few-shot sampling needs it, number for
// number.
//
// The generator is the Mersenne Twister MT19937 (M. Matsumoto, T. Nishimura, ACM TOMACS 8 (1998), 3-30),
// seeded by its init_by_array with the one word of the seed; sample() is that of CPython 3.11
// (Lib/random.py).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace refocus::harness {

class PythonRandom {
 public:
  explicit PythonRandom(std::uint32_t seed);

  // The places, out of `population` many, of `count` different items in the order in which sample() gives
  // them; `count` is at most `population`.
  std::vector<std::size_t> sample(std::size_t population, std::size_t count);

  // From 0 to bound - 1; `bound` is at least 1 and below 2^32.
  std::size_t below(std::size_t bound);

  std::uint32_t next_word();

 private:
  static constexpr std::size_t kWords = 624, kMiddle = 397;

  void refill();

  std::array<std::uint32_t, kWords> state_ = {};
  std::size_t used_ = kWords;
};

}  // namespace refocus::harness
