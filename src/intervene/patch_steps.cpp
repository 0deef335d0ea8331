#include "intervene/patch_steps.h"

#include <algorithm>

#include "intervene/head_outputs.h"

namespace refocus {

void TakeOutputs::change_output(std::int64_t layer, const AttentionRow& at, std::span<float> out) const {
  HeadOutputs& taken = *target_->taken;
  if (!taken.has(at.position, target_->prompt)) return;
  std::ranges::copy(out, taken.at(layer, at.head, at.position, target_->prompt).begin());
}

void GiveOutputs::change_output(std::int64_t layer, const AttentionRow& at, std::span<float> out) const {
  const HeadOutputs& given = *target_->given;
  if (!given.has(at.position, target_->prompt)) return;
  std::ranges::copy(given.at(layer, at.head, at.position, target_->prompt), out.begin());
}

}  // namespace refocus
