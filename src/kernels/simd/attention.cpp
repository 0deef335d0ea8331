// Grouped-query causal attention; see kernels/attention.h.
//
// A tile is up to kTile query vectors that read the same keys: rows of one head, or the heads of a group, or
// both. Its scores of all keys are computed first, with lanes along the keys (K lies transposed), then each
// row's softmax, then the weighted values with lanes along head_dim, so that neither product needs a sum over
// lanes. Keys and values are read once a pass of kPass queries; 16-bit ones are widened in registers.
#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/aligned_buffer.h"
#include "base/error.h"
#include "kernels/matmul.h"
#include "kernels/simd/amx.h"
#include "kernels/simd/attention_task.h"
#include "kernels/simd/fetch.h"
#include "tensor/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/attention.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#include "kernels/simd/bf16_lanes-inl.h"
#include "kernels/simd/kv_lanes-inl.h"

// After it:
#include "kernels/simd/attention_softmax-inl.h"

// After both:
#include "kernels/simd/attention_tile-inl.h"

template <class Kv>
void run_steps(const AttentionTask& task) {
  Tile<Kv> tile(task);
  if (task.step == AttentionStep::kAll) return tile.run();
  tile.run_part();
}

template <class Kv>
void run_typed(const AttentionTask& task) {
  if (task.shape->bf16 && !task.by_amx) return run_steps<RoundedKv<Kv>>(task);
  run_steps<Kv>(task);
}

void run_tile(const AttentionTask& task) {
  switch (task.sequence->type) {
    case DType::kF16:
      return run_typed<PlainKv<hwy::float16_t>>(task);
    case DType::kQ8_0:
      return run_typed<QuantizedKv>(task);
    default:
      return run_typed<PlainKv<float>>(task);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {

std::int64_t attention_scratch_floats(std::int64_t keys, std::int64_t head_dim) {
  return TileMemory::shared_floats(keys, padded(head_dim)) + TileMemory::own_floats(keys, padded(head_dim));
}

namespace {
HWY_EXPORT(run_tile);

// The tiles of all sequences' heads, numbered.
class Tiles {
 public:
  Tiles(const AttentionShape& shape, std::span<const AttentionSequence> sequences,
        const AttentionBuffers& buffers)
      : shape_(shape), sequences_(sequences), buffers_(buffers), group_(shape.heads / shape.kv_heads) {
    for (const AttentionSequence& s : sequences) {
      count_ += tiles(s) * shape.kv_heads;
      longest_ = std::max(longest_, s.position + s.rows);
      has_output_ = has_output_ || s.hooks.output != nullptr;
    }
    shared_ = TileMemory::shared_floats(longest_, padded(shape.head_dim));
    by_amx_ = shape.bf16 && amx_bf16_in_use();
  }

  std::int64_t count() const { return count_; }
  std::int64_t longest() const { return longest_; }  // keys
  std::int64_t shared() const { return shared_; }    // floats that a tile's parts share, at most
  bool has_output() const { return has_output_; }    // hooks on what heads put out

  AttentionTask task(std::int64_t number, int thread) const {
    const AttentionSequence* s = sequences_.data();
    for (; number >= tiles(*s) * shape_.kv_heads; ++s) number -= tiles(*s) * shape_.kv_heads;
    // The last rows have the most keys: they go first, so that the threads end together.
    const std::int64_t tile = tiles(*s) - 1 - number / shape_.kv_heads, kv_head = number % shape_.kv_heads;
    float* scratch = buffers_.scratch + thread * buffers_.scratch_stride;
    return {&shape_,
            s,
            &buffers_,
            kv_head,
            tile * kTile,
            std::min((tile + 1) * kTile, s->rows * group_),
            thread,
            scratch,
            scratch + shared_,
            AttentionStep::kAll,
            0,
            1,
            by_amx_};
  }

 private:
  std::int64_t tiles(const AttentionSequence& s) const { return (s.rows * group_ + kTile - 1) / kTile; }

  const AttentionShape& shape_;
  std::span<const AttentionSequence> sequences_;
  const AttentionBuffers& buffers_;
  std::int64_t group_, count_ = 0, longest_ = 0, shared_ = 0;
  bool has_output_ = false;
  bool by_amx_ = false;
};

// What a task reads first.
const std::byte* first_block(const AttentionTask& task) {
  return task.sequence->blocks[first_block_key(task) / kKeyBlock] + head_offset(task);
}

// Fewer tiles than keep all threads busy, of many keys: each step is cut by what its sums do not run along,
// scores by keys, softmax by rows and values by columns, so that no bit changes.
void run_in_parts(ThreadPool& pool, const Tiles& tiles, std::int64_t head_dim) {
  thread_local AlignedBuffer<float> kept;
  const auto floats = static_cast<std::size_t>(tiles.count() * tiles.shared());
  if (kept.size() < floats) kept = AlignedBuffer<float>(floats);
  float* const memory = kept.data();
  const auto run = &HWY_DYNAMIC_DISPATCH(run_tile);
  constexpr std::int64_t kLeastKeys = 128;
  const std::int64_t key_parts = std::min((std::int64_t{4} * pool.size() + tiles.count() - 1) / tiles.count(),
                                          tiles.longest() / kLeastKeys);
  for (const auto& [step, parts] :
       {std::pair{AttentionStep::kScores, key_parts}, std::pair{AttentionStep::kSoftmax, kTile},
        std::pair{AttentionStep::kValues, std::max<std::int64_t>(1, padded(head_dim) / kColumns)}}) {
    pool.parallel_for(tiles.count() * parts, [&, step = step, parts = parts](std::int64_t i, int thread) {
      AttentionTask task = tiles.task(i / parts, thread);
      task.shared = memory + i / parts * tiles.shared();
      task.step = step;
      task.part = i % parts;
      task.parts = parts;
      run(task);
    });
  }
}

}  // namespace

void attention(ThreadPool& pool, const AttentionShape& shape, std::span<const AttentionSequence> sequences,
               const AttentionBuffers& buffers) {
  constexpr std::int64_t kManyKeys = 512;
  const Tiles tiles(shape, sequences, buffers);
  const bool uneven = tiles.count() % pool.size() != 0 && tiles.count() < std::int64_t{4} * pool.size();
  if (uneven && tiles.longest() >= kManyKeys && !tiles.has_output())
    return run_in_parts(pool, tiles, shape.head_dim);
  const auto run = &HWY_DYNAMIC_DISPATCH(run_tile);
  pool.parallel_for(tiles.count(), [&](std::int64_t i, int thread) {
    AttentionTask task = tiles.task(i, thread);
    if (i + 1 < tiles.count()) task.after = first_block(tiles.task(i + 1, thread));
    run(task);
  });
}

}  // namespace refocus
#endif  // HWY_ONCE
