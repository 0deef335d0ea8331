// A model on several ranks, for one that is too large for a machine or too slow on it.
//
// Layers lie in stages, one after the other (pipeline parallelism: Huang et al. 2019, arXiv 1811.06965); the
// outputs of a stage's matrices, and its heads, on the ranks of the stage (tensor parallelism, of which
// Shoeybi et al. 2019, arXiv 1909.08053, is the usual form; here no sum is cut, and what ranks have is put
// together instead of added up). So every number is computed by one rank, from the same numbers and in the
// same order as by a process alone, and has the same bits.
//
// All ranks run the same program on the same input and call Transformer::forward in step; each computes its
// own part of it, and all have the logits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "model/transformer.h"
#include "model/weight_share.h"

namespace refocus {

class ModelPartition {
 public:
  // `group`: the ranks of one model, stage by stage: rank = stage * tensor + place. Collective. UsageError,
  // by the names of the options, where the group is not of pipeline * tensor ranks; InputError where their
  // processors compute with different instruction sets, whose sums may differ in the last bits.
  ModelPartition(std::unique_ptr<Communicator> group, std::int64_t pipeline, std::int64_t tensor);

  std::int64_t stage() const { return group_->rank() / tensor_; }
  std::int64_t stages() const { return pipeline_; }
  std::int64_t place() const { return group_->rank() % tensor_; }  // in the stage
  std::int64_t places() const { return tensor_; }
  bool is_first() const { return stage() == 0; }
  bool is_last() const { return stage() == pipeline_ - 1; }
  // Ranks of the group on this machine.
  std::int64_t ranks_here() const { return ranks_here_; }

  // This rank's share of a model. UsageError where the model cannot be cut so: more stages than layers, more
  // ranks than key/value heads, or norms over the rows of several ranks.
  WeightShare share_of(const ModelConfig& config, const WeightMap& weights) const;

  // The least of what the ranks have. Collective.
  std::int64_t least(std::int64_t own) const;

  // InputError, on all ranks, where they do not have the same number, which stands for `what`. Collective.
  void expect_same(std::uint64_t number, const char* what) const;

  // What the first rank of the group has. Collective.
  std::string text_of_first(const std::string& text) const { return broadcast_text(*group_, 0, text); }

  // Of `rows` rows of x, `stride` bytes apart, the place-th rank of the stage has bytes [parts[place].first,
  // + count); afterwards all have all. Collective in the stage.
  void gather_columns(std::byte* x, std::int64_t rows, std::int64_t stride,
                      std::span<const ShareRange> parts);

  // The rows of a call on their way from stage to stage. What is sent arrives while others compute; MPI sees
  // to that within its calls alone, so that it wants one now and then.
  void send_on(std::span<const std::byte> bytes);
  std::vector<std::byte> receive();
  void keep_sending();

  // What a rank says at the end of a call: that it computed the same as the others, and what went wrong there
  // (empty: nothing). The same error on all ranks: InputError for what went wrong on the first of them, or
  // where they did not compute the same. Stopped where a rank was told to. Collective.
  void agree(std::uint64_t fingerprint, const std::string& failure, bool told_to_stop = false);
  [[noreturn]] static void refuse_other_calls();

  // From the first rank of the last stage to all. Collective.
  void broadcast_rows(std::span<float> rows);

 private:
  std::unique_ptr<Communicator> group_, stage_;
  std::int64_t pipeline_, tensor_, ranks_here_ = 1;
  std::vector<std::byte> own_columns_, all_columns_;  // reused
};

// Where stages of about the same bytes begin, and the end of the last: [stages + 1]. `bytes`: of each layer.
// Each stage has a layer at least.
std::vector<std::int64_t> stage_bounds(std::span<const std::int64_t> bytes, std::int64_t stages);

// Cuts a call into parts that flow through the stages one after the other, of about the same rows: whole
// sequences where that will do, or the rows of one, which keep their order. A sequence whose intervention
// looks at all rows of a call (AttentionHooks::surveys) is not cut.
std::vector<std::vector<SequenceInput>> cut_call(std::span<const SequenceInput> sequences,
                                                 std::int64_t layers, std::int64_t stages);

// A number for what a call computes, on from that of the calls before it.
std::uint64_t call_fingerprint(std::uint64_t before, std::span<const SequenceInput> sequences);

}  // namespace refocus
