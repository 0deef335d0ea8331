// packed_matmul.cpp's products by AMX: tiles of int8, whose exact sums of 32 inputs are scaled with AVX-512,
// so that results have the bits of every other instruction set. x86 only.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "kernels/simd/amx.h"
#include "kernels/simd/packed_task.h"
#include "tensor/half.h"

#include <hwy/highway.h>

#if HWY_ARCH_X86
#include <immintrin.h>

#define REFOCUS_INT8 REFOCUS_INT8_VNNI

HWY_PUSH_ATTRIBUTES("avx,avx2,fma,f16c,avx512f,avx512vl,avx512dq,avx512bw,avx512vnni,prfchw")
namespace refocus {
namespace amx {
#include "kernels/simd/int8_lanes-inl.h"
#include "kernels/simd/int8_tables-inl.h"
#include "kernels/simd/packed_output-inl.h"
#include "kernels/simd/packed_run-inl.h"
#include "kernels/simd/packed_weights_amx-inl.h"

// Tiles: 0 to 3 sums, 4 and 7 activations, 5 and 6 weights.
TileShapes shapes(Halves halves) {
  const std::int64_t inputs = halves == Halves::kNone ? kQuantBlock : kQuantBlock / 2;
  TileShapes out;
  for (int tile = 0; tile < 4; ++tile) out.set(tile, kAmxRows, kGroupBytes);
  for (const int tile : {4, 7}) out.set(tile, kAmxRows, inputs);
  for (const int tile : {5, 6}) out.set(tile, inputs / 4, kGroupBytes);
  return out;
}

// Exact sums of two products, [row][output]: of neighbouring blocks, or of both halves of a block where they
// have scales.
struct alignas(64) Exact {
  std::int32_t sums[2][kAmxRows][kPanelOutputs];
};
constexpr int blocks_a_step(Halves halves) { return halves == Halves::kNone ? 2 : 1; }

// What a step's two products take: rows of activations and groups of weights.
struct Step {
  const std::byte *x[2], *quants[2];
};

// Steps with even numbers sum in tiles 0 and 1, others in 2 and 3.
template <int kFirst>
HWY_INLINE void multiply_step(const Step& step) {
  clear<kFirst>();
  clear<kFirst + 1>();
  load<4>(step.x[0], kQuantBlock);
  load<5>(step.quants[0], kGroupBytes);
  load<7>(step.x[1], kQuantBlock);
  load<6>(step.quants[1], kGroupBytes);
  multiply<kFirst, 4, 5>();
  multiply<kFirst + 1, 7, 6>();
}
template <int kFirst>
HWY_INLINE void store_step(Exact& out) {
  amx::store<kFirst>(out.sums[0], kGroupBytes);
  amx::store<kFirst + 1>(out.sums[1], kGroupBytes);
}

HWY_INLINE F exact_float(const std::int32_t* sums) { return to_float(_mm512_load_si512(sums)); }

// The sums of a tile of rows: in registers, which takes indices that compilers know before they look for
// arrays to replace. So rows are counted by packs and not by loops.
using Rows = std::make_index_sequence<kAmxRows>;

template <std::size_t... row>
HWY_INLINE void load_sums(const float* from, bool zero, F* sums, std::index_sequence<row...>) {
  if (zero) {
    ((sums[row] = broadcast(0.0f)), ...);
  } else {
    ((sums[row] = load(from + row * kPanelOutputs)), ...);
  }
}
template <std::size_t... row>
HWY_INLINE void store_sums(const F* sums, float* to, std::index_sequence<row...>) {
  (amx::store(sums[row], to + row * kPanelOutputs), ...);
}

// One row's part of add_exact.
template <PackedForm form>
HWY_INLINE F plus_exact(const PanelChunk& w, std::int64_t b, const float* scale, const std::int32_t* low,
                        const std::int32_t* high, F sum) {
  constexpr Halves kHalves = halves_of(form);
  constexpr Offsets kOffsets = offsets_of(form);
  const float *scaled_sum = scale + kAmxRows, *half_sums = scaled_sum + kAmxRows;
  const F first = times(load(w.scales[b][0]), broadcast(*scale));
  if constexpr (kHalves == Halves::kIntegers) {
    const F part = times(exact_float(low), load(w.half_scales[b][0]));
    sum = fused(fused(exact_float(high), load(w.half_scales[b][1]), part), first, sum);
  } else {
    sum = fused(exact_float(low), first, sum);
  }
  if constexpr (kHalves == Halves::kScales) {
    sum = fused(exact_float(high), times(load(w.scales[b][1]), broadcast(*scale)), sum);
  }
  if constexpr (kOffsets == Offsets::kBlock) {
    sum = fused(load(w.added[b][0]), broadcast(*scaled_sum), sum);
  }
  if constexpr (kOffsets == Offsets::kHalves) {
    sum = fused(load(w.added[b][0]), broadcast(*half_sums), sum);
    sum = fused(load(w.added[b][1]), broadcast(half_sums[kAmxRows]), sum);
  }
  return sum;
}

// Adds the exact sums of block b to those of a tile. x: the block's activations; see TiledRows.
template <PackedForm form, std::size_t... row>
HWY_INLINE void add_exact(const PanelChunk& w, std::int64_t b, const std::byte* x,
                          const std::int32_t (*low)[kPanelOutputs], const std::int32_t (*high)[kPanelOutputs],
                          F* sums, std::index_sequence<row...>) {
  const float* scale = reinterpret_cast<const float*>(x + kAmxRows * kQuantBlock);
  ((sums[row] = plus_exact<form>(w, b, scale + row, low[row], high[row], sums[row])), ...);
}

// A chunk of `count` blocks of several panels times a tile of rows, x, added to `kept`: [panel][kAmxRows]
// vectors, which are taken as 0 where it is the first chunk.
//
// All panels are one run of steps. Storing a tile waits for the products before it, so a step is stored after
// the next one's products have begun, and added after that.
template <PackedForm form>
class ChunkProduct {
 public:
  HWY_INLINE ChunkProduct(const PanelChunk* chunks, std::int64_t count, const std::byte* x,
                          const std::byte* const* ahead)
      : chunks_(chunks), ahead_(ahead), count_(count), steps_((count + kBlocks - 1) / kBlocks), x_(x) {}

  HWY_INLINE void add_to(float* kept, std::int64_t panels, bool first) {
    const std::int64_t all = panels * steps_;
    F sums[kAmxRows];
    load_sums(kept, true, sums, Rows{});
    for (std::int64_t u = 0; u < all + 2; u += 2) {
      advance<0>(u, all, kept, first, sums);
      advance<2>(u + 1, all, kept, first, sums);
    }
  }

 private:
  static constexpr Halves kHalves = halves_of(form);
  static constexpr std::int64_t kBlocks = blocks_a_step(kHalves);
  static constexpr std::int64_t kBlockBytes = TiledRows::block_bytes();

  struct Place {
    std::int64_t panel = 0, step = 0;

    HWY_INLINE void move_on(std::int64_t steps) {
      if (++step < steps) return;
      step = 0;
      ++panel;
    }
  };

  template <int kFirst>
  HWY_INLINE void advance(std::int64_t u, std::int64_t all, float* kept, bool first, F* sums) {
    if (u < all) {
      multiply_step<kFirst>(operands(multiplied_));
      if (ahead_ != nullptr) fetch_ahead(multiplied_);
      multiplied_.move_on(steps_);
    }
    if (u >= 1 && u - 1 < all) store_step<2 - kFirst>(exact_[(u - 1) % kRing]);
    if (u < 2 || u - 2 >= all) return;
    float* of_panel = kept + added_.panel * kAmxRows * kPanelOutputs;
    if (added_.step == 0) load_sums(of_panel, first, sums, Rows{});
    add_step(added_, exact_[(u - 2) % kRing], sums);
    if (added_.step + 1 == steps_) store_sums(sums, of_panel, Rows{});
    added_.move_on(steps_);
  }
  // A step's share of the panel's next chunk.
  HWY_INLINE void fetch_ahead(const Place& place) const {
    constexpr std::int64_t kLine = 64, kSteps = kAmxChunk / kBlocks;
    constexpr std::int64_t kBytes =
        packed_unit(form).bytes() * kAmxChunk * kQuantBlock / packed_unit(form).inputs;
    constexpr std::int64_t kLines = (kBytes / kLine + kSteps - 1) / kSteps;
    const std::byte* from = ahead_[place.panel] + place.step * kLines * kLine;
    for (std::int64_t i = 0; i < kLines; ++i) {
      _mm_prefetch(reinterpret_cast<const char*>(from + i * kLine), _MM_HINT_T1);
    }
  }
  HWY_INLINE Step operands(const Place& place) const {
    const PanelChunk& w = chunks_[place.panel];
    const std::int64_t b = place.step * kBlocks;
    const std::byte *x = x_ + b * kBlockBytes, *quants = w.quants[b];
    if constexpr (kHalves != Halves::kNone) {
      return {{x, x + kQuantBlock / 2}, {quants, quants + 4 * kGroupBytes}};
    } else {
      const std::int64_t second = std::min(b + 1, count_ - 1);  // of an odd number the last twice, used once
      return {{x, x_ + second * kBlockBytes}, {quants, w.quants[second]}};
    }
  }
  HWY_INLINE void add_step(const Place& place, const Exact& exact, F* sums) const {
    const PanelChunk& w = chunks_[place.panel];
    const std::int64_t b = place.step * kBlocks;
    const std::byte* x = x_ + b * kBlockBytes;
    if constexpr (kHalves != Halves::kNone) {
      add_exact<form>(w, b, x, exact.sums[0], exact.sums[1], sums, Rows{});
    } else {
      add_exact<form>(w, b, x, exact.sums[0], exact.sums[0], sums, Rows{});
      if (b + 1 < count_) {
        add_exact<form>(w, b + 1, x + kBlockBytes, exact.sums[1], exact.sums[1], sums, Rows{});
      }
    }
  }

  static constexpr std::int64_t kRing = 4;
  Exact exact_[kRing];
  const PanelChunk* chunks_;
  const std::byte* const* ahead_;  // null: nothing to fetch
  std::int64_t count_, steps_;
  const std::byte* x_;
  Place multiplied_, added_;
};

template <PackedForm form>
void add_chunk(const PanelChunk* chunks, std::int64_t panels, std::int64_t count, const std::byte* x,
               const std::byte* const* ahead, bool first, float* kept) {
  ChunkProduct<form>(chunks, count, x, ahead).add_to(kept, panels, first);
}

constexpr std::int64_t kTileSums = kAmxRows * kPanelOutputs;
constexpr std::int64_t kAmxDepth = 64;  // blocks
static_assert(kAmxDepth % kAmxChunk == 0);

// Where the products of a tile of rows with the panels [panel, panel + panels) go.
struct OutputTile {
  const PackedJob* job;
  std::int64_t panel, panels;
  std::int64_t first_row, rows;

  OutputTile(const PackedTask& task, std::int64_t tile, std::int64_t first_panel, std::int64_t count)
      : job(task.job), panel(first_panel), panels(count) {
    const int shift = task.job->parts == Int8Parts::kTwo ? 1 : 0;  // two parts are a row
    first_row = tile * kAmxRows >> shift;
    rows = std::min(kAmxRows, task.tiled->rows - tile * kAmxRows) >> shift;
  }
};

// Asks for y, which is about to be written: its rows are far apart.
HWY_INLINE void fetch_outputs(const OutputTile& out) {
  const float* y = out.job->y + out.first_row * out.job->y_stride + out.panel * kPanelOutputs;
  for (std::int64_t r = 0; r < out.rows; ++r, y += out.job->y_stride) {
    for (std::int64_t p = 0; p < out.panels; ++p) __builtin_prefetch(y + p * kPanelOutputs, 1);
  }
}

// y from the sums of the tile's rows, or of both parts of each.
void finish_tile(const OutputTile& out, const float* sums) {
  const PackedJob& job = *out.job;
  const bool two = job.parts == Int8Parts::kTwo;
  for (std::int64_t p = 0; p < out.panels; ++p, sums += kTileSums) {
    const std::int64_t n = (out.panel + p) * kPanelOutputs;
    for (std::int64_t r = 0; !two && r < out.rows; ++r) {
      finish(job, out.first_row + r, n, load(sums + r * kPanelOutputs));
    }
    for (std::int64_t r = 0; two && r < out.rows; ++r) {
      const float* both = sums + 2 * r * kPanelOutputs;
      finish(job, out.first_row + r, n, plus(load(both), load(both + kPanelOutputs)));
    }
  }
}

struct Range {
  std::int64_t begin, end;
};

// Where the panels' weights of block `first` on lie; of panels beyond the last, where those of the last do.
template <PackedForm form>
void panel_places(const PackedMatrix& w, std::int64_t panel, std::int64_t first, const std::byte** out) {
  constexpr PackedUnit kUnit = packed_unit(form);
  for (std::int64_t p = 0; p < kAmxPanels; ++p) {
    const std::byte* data = w.data + std::min(panel + p, w.panels() - 1) * w.panel_bytes;
    out[p] = data + first * kQuantBlock / kUnit.inputs * kUnit.bytes();
  }
}

// Panels [panel, panel + panels) times a range of tiles, summed over a range of blocks, and y after the last.
// A tile's activations are read once for all panels, and while the first tile is computed the next chunk's
// weights are fetched.
template <PackedForm form>
void multiply_panels(const PackedTask& task, std::int64_t panel, std::int64_t panels, Range tiles,
                     Range blocks, float* sums) {
  const PackedMatrix& weights = *task.job->weights;
  const TiledRows& x = *task.tiled;
  PanelChunk chunks[kAmxPanels];
  for (std::int64_t first = blocks.begin; first < blocks.end; first += kAmxChunk) {
    const std::int64_t count = std::min(kAmxChunk, x.blocks - first);
    for (std::int64_t p = 0; p < panels; ++p) {
      const std::byte* data = weights.data + (panel + p) * weights.panel_bytes;
      for (std::int64_t b = 0; b < count; ++b) put_block<form>(data, first + b, {&chunks[p], b});
    }
    const std::byte* ahead[kAmxPanels];
    const bool more = first + kAmxChunk < blocks.end;
    panel_places<form>(weights, more ? panel : panel + kAmxPanels, more ? first + kAmxChunk : blocks.begin,
                       ahead);
    const std::byte* activations = x.chunk(first);
    const bool last = first + kAmxChunk >= x.blocks;
    for (std::int64_t t = tiles.begin; t < tiles.end; ++t) {
      const OutputTile out(task, t, panel, panels);
      float* kept = sums + (t - tiles.begin) * kAmxPanels * kTileSums;
      if (last) fetch_outputs(out);
      add_chunk<form>(chunks, panels, count, activations + t * count * TiledRows::block_bytes(),
                      t == tiles.begin ? ahead : nullptr, first == 0, kept);
      if (last) finish_tile(out, kept);
    }
  }
}

// All panels of a task times a range of tiles, by as many blocks at a time as leave the tiles' activations in
// the L2 cache while the panels' weights pass by.
template <PackedForm form>
void multiply_tiles(const PackedTask& task, Range tiles, float* sums) {
  for (std::int64_t first = 0; first < task.tiled->blocks; first += kAmxDepth) {
    const Range blocks = {first, std::min(first + kAmxDepth, task.tiled->blocks)};
    float* kept = sums;
    for (std::int64_t panel = task.begin; panel < task.end; panel += kAmxPanels) {
      multiply_panels<form>(task, panel, std::min(kAmxPanels, task.end - panel), tiles, blocks, kept);
      kept += (tiles.end - tiles.begin) * kAmxPanels * kTileSums;
    }
  }
}

template <PackedForm form>
void run_form(const PackedTask& task) {
  const TiledRows& x = *task.tiled;
  constexpr std::int64_t kBytes = std::int64_t{1} << 19;  // a quarter of the L2 cache
  const std::int64_t tiles =
      std::max<std::int64_t>(1, kBytes / (std::min(kAmxDepth, x.blocks) * TiledRows::block_bytes()));
  thread_local AlignedBuffer<float> sums;
  const std::int64_t groups = (task.end - task.begin + kAmxPanels - 1) / kAmxPanels;
  const auto floats = static_cast<std::size_t>(groups * std::min(tiles, x.tiles()) * kAmxPanels * kTileSums);
  if (sums.size() < floats) sums = AlignedBuffer<float>(floats);
  configure(shapes(halves_of(form)));
  for (std::int64_t begin = 0; begin < x.tiles(); begin += tiles) {
    multiply_tiles<form>(task, {begin, std::min(begin + tiles, x.tiles())}, sums.data());
  }
  release();
}
}  // namespace amx

void run_packed_amx(const PackedTask& task) { amx::run_packed(task); }

}  // namespace refocus
HWY_POP_ATTRIBUTES
#else
namespace refocus {
void run_packed_amx(const PackedTask&) { REFOCUS_CHECK(false); }
}  // namespace refocus
#endif
