#include "intervene/file_steps.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"

namespace refocus {

Mean::Mean(const InterventionPart& part, const InterventionShape& shape)
    : file_(part.file), heads_(shape.heads) {
  REFOCUS_CHECK(file_ != nullptr);  // check_intervention has refused it
  means_ = file_->tensor("means", std::array{shape.layers, shape.heads, shape.head_dim});
}

void Mean::change_output(std::int64_t layer, const AttentionRow& at, std::span<float> out) const {
  std::ranges::copy(
      means_.subspan(static_cast<std::size_t>(layer * heads_ + at.head) * out.size(), out.size()),
      out.begin());
}

Seka::Seka(const InterventionPart& part, std::size_t index, const InterventionShape& shape)
    : file_(part.file),
      part_(index),
      gain_(static_cast<float>(part.number("gain"))),
      negative_(static_cast<float>(part.number("negative"))),
      kv_heads_(shape.kv_heads),
      first_kv_head_(shape.first_kv_head),
      head_dim_(shape.head_dim) {
  REFOCUS_CHECK(file_ != nullptr);  // check_intervention has refused it
  const std::array all{shape.layers, shape.kv_heads, shape.head_dim, shape.head_dim};
  positives_ = file_->tensor("positive", all);
  if (file_->has("negative")) negatives_ = file_->tensor("negative", all);
}

void Seka::change_keys(std::int64_t layer, std::int64_t position, std::span<float> keys) const {
  const bool chosen = target_->keys[part_].contains(position);
  const std::span<const float> all = chosen ? positives_ : negatives_;
  const float gain = chosen ? gain_ : negative_;
  if (gain == 0 || all.empty() || (!chosen && position >= target_->prompt)) return;
  const auto dim = static_cast<std::size_t>(head_dim_);
  std::vector<float> key(dim);
  for (std::int64_t head = 0; head < std::ssize(keys) / head_dim_; ++head) {
    float* k = keys.data() + head * head_dim_;
    std::copy_n(k, dim, key.begin());
    const float* row = all.data() + (layer * kv_heads_ + first_kv_head_ + head) * head_dim_ * head_dim_;
    for (std::size_t i = 0; i < dim; ++i, row += dim) {
      float sum = 0;
      for (std::size_t j = 0; j < dim; ++j) sum += row[j] * key[j];
      k[i] += gain * sum;
    }
  }
}

}  // namespace refocus
