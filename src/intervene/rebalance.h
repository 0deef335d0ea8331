// Re-balancing with sparse masks; the method and its formula are in intervene/spec.h.
//
// Since rows of A_0 sum to 1, at most 1 / threshold entries of a row exceed the threshold: M is kept as a
// short list of keys for each (row, head) of the current call, made in layer 0 and read in the later layers
// of the same call. There the weights of M's keys are multiplied after softmax and before the values are
// added.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "intervene/grammar/spec.h"
#include "intervene/row_step.h"

namespace refocus {

class Rebalance : public RowStep {
 public:
  Rebalance(const RebalanceSpec& spec, const InterventionShape& shape);

  // Keys of M of one (row, head) of the last call, ascending; empty with mode=self. With mode=random those
  // that were drawn in its place.
  const std::vector<std::int32_t>& mask(std::int64_t row, std::int64_t head) const {
    return masks_[static_cast<std::size_t>(row * heads_ + head)];
  }

  bool all() const { return all_; }                  // mode=self
  bool random() const { return seed_.has_value(); }  // mode=random
  float threshold() const { return threshold_; }
  float excess(std::int64_t layer) const { return excess_[static_cast<std::size_t>(layer)]; }

  bool is_idle() const override { return idle_; }
  bool changes(std::int64_t layer) const override { return excess_[static_cast<std::size_t>(layer)] != 0; }
  bool observes(std::int64_t layer) const override { return layer == 0 && !all_; }
  void observe(const EditableRow& row) override;
  void change_weights(std::int64_t layer, EditedRow& row) override;
  // The masks.
  void save_rows(std::int64_t rows, std::vector<std::byte>& out) const override;
  std::size_t load_rows(std::int64_t rows, std::span<const std::byte> saved) override;

 private:
  void draw_mask(const AttentionRow& at, std::int64_t first_key, std::vector<std::int32_t>& mask) const;

  bool idle_, all_;                    // all_: mode=self
  std::optional<std::uint64_t> seed_;  // mode=random
  float threshold_;
  std::int64_t heads_;
  std::vector<float> excess_;                     // [layers]
  std::vector<std::vector<std::int32_t>> masks_;  // [max_rows, heads]
};

}  // namespace refocus
