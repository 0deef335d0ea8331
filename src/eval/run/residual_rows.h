// The residual stream of a request's tokens before one layer, so that computing can begin there: what lies
// below a head, or below the layers of an intervention, does not change with it.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "kernels/kv_block.h"
#include "model/transformer.h"

namespace refocus {

// Of the tokens of one block at the beginning of a context; what begins the same way has it in common.
struct ResidualBlockRows {
  std::vector<float> rows;  // [kKeyBlock, hidden]
  std::int64_t filled = 0;  // of the rows, from the first on
};
using ResidualBlock = std::shared_ptr<ResidualBlockRows>;

// Blocks of beginnings, by the tokens up to the block's end.
class ResidualPrefixes {
 public:
  // Of the blocks of `prefix`, whole ones; those that are new are there to be filled.
  std::vector<ResidualBlock> blocks(std::span<const std::int32_t> prefix, std::int64_t hidden);

  // Forgets blocks that nobody else has.
  void forget_unused();

 private:
  std::map<std::vector<std::int32_t>, ResidualBlock> blocks_;
};

class ResidualRows {
 public:
  // `prefix`: of the context's first blocks. The other rows, of the context's `context` tokens and of as many
  // after it as `options` says of each option, are this object's own.
  ResidualRows(std::int64_t hidden, std::vector<ResidualBlock> prefix, std::int64_t context,
               std::span<const std::int64_t> options);

  // For tokens beyond the context that all options begin with: they are written to each, and read of the
  // first.
  static constexpr std::size_t kEveryOption = std::numeric_limits<std::size_t>::max();

  // [hidden], of the token at `position`: of the context, or of an option that follows it.
  float* row(std::int64_t position, std::size_t option);

  void read(std::int64_t position, std::size_t option, std::int64_t rows, float* out);
  void write(std::int64_t position, std::size_t option, std::int64_t rows, const float* x,
             std::int64_t stride);

  // How many of the prefix's blocks, from the first on, have all their rows.
  std::int64_t filled_prefix_blocks() const;

 private:
  std::int64_t hidden_, context_, prefix_rows_;
  std::vector<ResidualBlock> prefix_;
  std::vector<float> rest_;                  // of the context
  std::vector<std::vector<float>> options_;  // [options]
};

// Takes the residual stream before a layer, which is not the call's first one.
struct RecordedRows {
  std::int64_t layer = 0;
  std::shared_ptr<ResidualRows> rows;
};

// The inputs of one call of a model from layer `first_layer` on, with the rows that they begin from and those
// that are recorded.
class ResidualCall {
 public:
  ResidualCall(std::int64_t hidden, std::int64_t first_layer) : hidden_(hidden), first_layer_(first_layer) {}
  ResidualCall(const ResidualCall&) = delete;
  ResidualCall& operator=(const ResidualCall&) = delete;

  // `option`: that the tokens beyond the context are of. `start` may be null where the call begins with layer
  // 0. `records` must outlive the call.
  void add(SequenceInput input, std::size_t option, ResidualRows* start,
           std::span<const RecordedRows> records);

  std::span<const SequenceInput> inputs() const { return inputs_; }

 private:
  struct Recording {
    std::span<const RecordedRows> records;
    std::int64_t position, count;
    std::size_t option;
  };
  static void record_rows(void* context, std::int64_t layer, const float* x, std::int64_t stride);

  std::int64_t hidden_, first_layer_;
  std::vector<SequenceInput> inputs_;
  std::deque<std::vector<float>> saved_;
  std::deque<Recording> recordings_;
  std::deque<ResidualTap> taps_;
};

}  // namespace refocus
