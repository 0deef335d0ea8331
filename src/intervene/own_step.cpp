#include "intervene/own_step.h"

#include <algorithm>
#include <limits>

#include "kernels/weight_row.h"

namespace refocus {

void OwnRows::put_back(std::int64_t r) const {
  const float nothing = sums != nullptr ? 0 : -std::numeric_limits<float>::infinity();
  std::fill(row(r), row(r) + first_key(r), nothing);
  std::fill(row(r) + first_position + r + 1, row(r) + keys, nothing);
}

double OwnRows::total(std::int64_t r) const {
  put_back(r);
  return sum_of_weights(row(r), first_position + r + 1);
}

void OwnRows::keep_mass(std::int64_t r, double before) const {
  const double now = total(r);
  if (now != 0 && before != 0) sums[r] = static_cast<float>(sums[r] * (now / before));
}

void OwnStep::change_block(std::int64_t layer, const RowBlock& block) const {
  OwnRows rows;
  rows.layer = layer;
  rows.head = block.first.head;
  rows.first_position = block.first.position;
  rows.rows = block.rows;
  rows.keys = block.keys();
  rows.values = block.values;
  rows.stride = block.stride;
  rows.sums = block.sums;
  rows.window = block.shape->window;
  rows.sequence = sequence_;
  rows.target = target_;
  if (has_keys_) rows.chosen = &target_->keys[index_];
  change_->change(rows);
  for (std::int64_t r = 0; r < rows.rows; ++r) rows.put_back(r);
}

}  // namespace refocus
