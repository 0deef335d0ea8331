// What the targets of weight files have in common.
#pragma once

#include "target.h"
#include "tensor/weight_map.h"

namespace refocus::fuzz {

// Reads every byte of every tensor, so that a view which leaves its file is found.
inline void touch(const WeightMap& weights) {
  unsigned sum = 0;
  for (const auto& [name, entry] : weights.entries()) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(entry.view.data);
    for (std::size_t i = 0; i < static_cast<std::size_t>(entry.view.bytes()); ++i) sum += bytes[i];
  }
  volatile unsigned kept = sum;
  (void)kept;
}

}  // namespace refocus::fuzz
