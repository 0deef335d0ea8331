// A map from pairs of token ids to small values: open addressing, so that most look-ups touch one slot.
// Encoding spends most of its time here.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace refocus {

template <class Value>
class PairMap {
 public:
  // A map that takes up to `pairs` pairs.
  explicit PairMap(std::size_t pairs) : slots_(std::bit_ceil(2 * pairs + 2)), mask_(slots_.size() - 1) {}

  // Sets the value of a pair of ids, which are not negative; replaces the one it had.
  void set(std::int32_t left, std::int32_t right, const Value& value) {
    const std::uint64_t key = key_of(left, right);
    std::uint64_t at = mix(key) & mask_;
    while (slots_[at].key != kEmpty && slots_[at].key != key) at = (at + 1) & mask_;
    slots_[at] = {key, value};
  }

  // The pair's value, or null.
  const Value* find(std::int32_t left, std::int32_t right) const {
    const std::uint64_t key = key_of(left, right);
    for (std::uint64_t at = mix(key) & mask_; slots_[at].key != kEmpty; at = (at + 1) & mask_) {
      if (slots_[at].key == key) return &slots_[at].value;
    }
    return nullptr;
  }

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};  // no pair of ids
  struct Slot {
    std::uint64_t key = kEmpty;
    Value value{};
  };

  static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return (std::uint64_t{static_cast<std::uint32_t>(left)} << 32) | static_cast<std::uint32_t>(right);
  }
  static std::uint64_t mix(std::uint64_t x) {
    x ^= x >> 32;
    x *= 0x9E3779B97F4A7C15ULL;
    return x ^ (x >> 29);
  }

  std::vector<Slot> slots_;
  std::uint64_t mask_;
};

}  // namespace refocus
