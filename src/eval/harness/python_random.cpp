#include "eval/harness/python_random.h"

#include <bit>
#include <numeric>
#include <unordered_set>

#include "base/error.h"

namespace refocus::harness {

PythonRandom::PythonRandom(std::uint32_t seed) {
  // init_genrand(19650218), and then init_by_array with the key [seed].
  state_[0] = 19650218;
  for (std::uint32_t i = 1; i < kWords; ++i) {
    state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  }
  std::size_t i = 1;
  const auto step = [&] {
    if (++i == kWords) {
      state_[0] = state_[kWords - 1];
      i = 1;
    }
  };
  for (std::size_t k = 0; k < kWords; ++k) {
    state_[i] = (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1664525u)) + seed;
    step();
  }
  for (std::size_t k = 0; k + 1 < kWords; ++k) {
    state_[i] =
        (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1566083941u)) - static_cast<std::uint32_t>(i);
    step();
  }
  state_[0] = 0x80000000u;
}

void PythonRandom::refill() {
  for (std::size_t i = 0; i < kWords; ++i) {
    const std::uint32_t joined = (state_[i] & 0x80000000u) | (state_[(i + 1) % kWords] & 0x7fffffffu);
    state_[i] = state_[(i + kMiddle) % kWords] ^ (joined >> 1) ^ ((joined & 1) != 0 ? 0x9908b0dfu : 0u);
  }
  used_ = 0;
}

std::uint32_t PythonRandom::next_word() {
  if (used_ == kWords) refill();
  std::uint32_t word = state_[used_++];
  word ^= word >> 11;
  word ^= (word << 7) & 0x9d2c5680u;
  word ^= (word << 15) & 0xefc60000u;
  return word ^ (word >> 18);
}

std::size_t PythonRandom::below(std::size_t bound) {
  REFOCUS_CHECK(bound > 0 && bound < (std::size_t{1} << 32));
  const int bits = std::bit_width(bound);
  std::size_t out = 0;
  do {
    out = next_word() >> (32 - bits);
  } while (out >= bound);
  return out;
}

std::vector<std::size_t> PythonRandom::sample(std::size_t population, std::size_t count) {
  REFOCUS_CHECK(count <= population);
  // Up to this size a list of all is cheaper than a set of those chosen; the two draw differently.
  std::size_t set_size = 21;
  if (count > 5) {
    std::size_t power = 1;
    while (power < 3 * count) power *= 4;
    set_size += power;
  }
  std::vector<std::size_t> out;
  if (population <= set_size) {
    std::vector<std::size_t> pool(population);
    std::iota(pool.begin(), pool.end(), std::size_t{0});
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t at = below(population - i);
      out.push_back(pool[at]);
      pool[at] = pool[population - i - 1];
    }
    return out;
  }
  std::unordered_set<std::size_t> chosen;
  while (out.size() < count) {
    const std::size_t at = below(population);
    if (chosen.insert(at).second) out.push_back(at);
  }
  return out;
}

}  // namespace refocus::harness
