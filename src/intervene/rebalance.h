// Re-balancing with sparse masks; the method and its formula are in intervene/spec.h.
//
// Since rows of A_0 sum to 1, at most 1 / threshold entries of a row exceed the threshold: M is kept as a
// short list of keys for each (row, head) of the current call, made in layer 0 and read in the later layers
// of the same call. There the weights of M's keys are multiplied after softmax and before the values are
// added.
#pragma once

#include <cstdint>
#include <vector>

#include "intervene/spec.h"
#include "kernels/attention.h"

namespace refocus {

class Rebalance {
 public:
  Rebalance(const RebalanceSpec& spec, std::int64_t layers, std::int64_t heads, std::int64_t max_rows);
  Rebalance(const Rebalance&) = delete;
  Rebalance& operator=(const Rebalance&) = delete;

  const std::vector<AttentionHooks>& hooks() const { return hooks_; }

  // Keys of M of one (row, head) of the last call, ascending; empty with mode=self.
  const std::vector<std::int32_t>& mask(std::int64_t row, std::int64_t head) const {
    return masks_[static_cast<std::size_t>(row * heads_ + head)];
  }

 private:
  struct Layer {
    Rebalance* owner;
    float excess;
  };

  static RowRewrite observe(void* context, const SoftmaxRow& row);
  static RowRewrite boost_mask(void* context, const SoftmaxRow& row);
  static RowRewrite boost_all(void* context, const SoftmaxRow& row);

  float threshold_;
  std::int64_t heads_;
  std::vector<Layer> layers_;
  std::vector<AttentionHooks> hooks_;
  std::vector<std::vector<std::int32_t>> masks_;  // [max_rows, heads]
};

}  // namespace refocus
