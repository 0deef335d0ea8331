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
#include "kernels/simd/int8_upper_bits-inl.h"
#include "kernels/simd/packed_output-inl.h"
#include "kernels/simd/packed_run-inl.h"
#include "kernels/simd/packed_weights_amx-inl.h"

#include "kernels/simd/packed_steps_amx-inl.h"

// Where the products of tiles, from `first_tile` on, with panels, from `panel` on, go.
struct Outputs {
  const PackedJob* job;
  std::int64_t panel, first_tile, tiled_rows;

  // Whether two rows of a tile are the parts of one.
  bool two() const { return job->parts == Int8Parts::kTwo; }
  std::int64_t first_row(std::int64_t tile) const {
    return (first_tile + tile) * kAmxRows >> (two() ? 1 : 0);
  }
  std::int64_t rows(std::int64_t tile) const {
    return std::min(kAmxRows, tiled_rows - (first_tile + tile) * kAmxRows) >> (two() ? 1 : 0);
  }
  std::int64_t output(std::int64_t p) const { return (panel + p) * kPanelOutputs; }
};

// y from a tile's sums of one panel, in registers: of 16 rows of one part, all outputs valid.
template <std::size_t... row>
HWY_INLINE void finish_whole(const PackedJob& job, std::int64_t first_row, std::int64_t n, const F* sums,
                             std::index_sequence<row...>) {
  (finish_lanes(job, first_row + static_cast<std::int64_t>(row), n, sums[row]), ...);
}

// Any others, from memory.
void finish_part(const Outputs& out, std::int64_t tile, std::int64_t panel, const float* sums) {
  const std::int64_t first = out.first_row(tile), rows = out.rows(tile), n = out.output(panel);
  for (std::int64_t r = 0; !out.two() && r < rows; ++r) {
    finish(*out.job, first + r, n, load(sums + r * kPanelOutputs));
  }
  for (std::int64_t r = 0; out.two() && r < rows; ++r) {
    const float* both = sums + 2 * r * kPanelOutputs;
    finish(*out.job, first + r, n, plus(load(both), load(both + kPanelOutputs)));
  }
}

// A chunk of blocks of several panels, and the tiles of rows that it is multiplied with.
struct ChunkRun {
  const PanelChunk* chunks;
  const std::byte* const* ahead;  // what to fetch for the next: of each panel
  std::int64_t panels, count;     // count: of blocks
  const std::byte* x;             // of the first tile; the others' follow
  std::int64_t tiles;
  float* kept;             // sums, [tile][kAmxPanels][kAmxRows] vectors
  bool first;              // they begin at 0
  const Outputs* outputs;  // where they go, or null: back to `kept`
};
constexpr std::int64_t kTileSums = kAmxRows * kPanelOutputs;

// All tiles and panels are one run of steps. Storing a tile waits for the products before it, so a step is
// stored after the next one's products have begun, and added after that.
template <PackedForm form>
class ChunkProduct {
 public:
  HWY_INLINE explicit ChunkProduct(const ChunkRun& run)
      : run_(run),
        steps_((run.count + kBlocks - 1) / kBlocks),
        all_(run.tiles * run.panels * steps_),
        share_((kAmxRows + steps_ - 1) / steps_) {}

  HWY_INLINE void multiply_all() {
    F sums[kAmxRows];
    load_sums(run_.kept, true, sums, Rows{});
    for (std::int64_t u = 0; u < all_ + 2; u += 2) {
      advance<0>(u, sums);
      advance<2>(u + 1, sums);
    }
  }

 private:
  static constexpr Halves kHalves = halves_of(form);
  static constexpr std::int64_t kBlocks = blocks_a_step(kHalves);
  static constexpr std::int64_t kBlockBytes = TiledRows::block_bytes();

  struct Place {
    std::int64_t tile = 0, panel = 0, step = 0;

    HWY_INLINE void move_on(std::int64_t panels, std::int64_t steps) {
      if (++step < steps) return;
      step = 0;
      if (++panel < panels) return;
      panel = 0;
      ++tile;
    }
  };

  template <int kFirst>
  HWY_INLINE void advance(std::int64_t u, F* sums) {
    if (u < all_) {
      multiply_step<kFirst>(operands(multiplied_));
      if (multiplied_.tile == 0) fetch_ahead(multiplied_);
      if (run_.outputs != nullptr) fetch_outputs(multiplied_);
      multiplied_.move_on(run_.panels, steps_);
    }
    if (u >= 1 && u - 1 < all_) store_step<2 - kFirst>(exact_[(u - 1) % kRing]);
    if (u < 2 || u - 2 >= all_) return;
    float* kept = run_.kept + (added_.tile * kAmxPanels + added_.panel) * kTileSums;
    if (added_.step == 0) load_sums(kept, run_.first, sums, Rows{});
    add_step(added_, exact_[(u - 2) % kRing], sums);
    if (added_.step + 1 == steps_) put_sums(sums, kept);
    added_.move_on(run_.panels, steps_);
  }
  // A step's share of the panel's next chunk.
  HWY_INLINE void fetch_ahead(const Place& place) const {
    constexpr std::int64_t kLine = 64, kSteps = kAmxChunk / kBlocks;
    constexpr std::int64_t kBytes =
        packed_unit(form).bytes() * kAmxChunk * kQuantBlock / packed_unit(form).inputs;
    constexpr std::int64_t kLines = (kBytes / kLine + kSteps - 1) / kSteps;
    const std::byte* from = run_.ahead[place.panel] + place.step * kLines * kLine;
    for (std::int64_t i = 0; i < kLines; ++i) {
      _mm_prefetch(reinterpret_cast<const char*>(from + i * kLine), _MM_HINT_T1);
    }
  }
  // A step's share of y, which is about to be written: its rows are far apart.
  HWY_INLINE void fetch_outputs(const Place& place) const {
    const Outputs& out = *run_.outputs;
    const PackedJob& job = *out.job;
    const std::int64_t begin = place.step * share_, end = std::min(begin + share_, out.rows(place.tile));
    const float* y = job.y + (out.first_row(place.tile) + begin) * job.y_stride + out.output(place.panel);
    for (std::int64_t r = begin; r < end; ++r, y += job.y_stride)
      _mm_prefetch(reinterpret_cast<const char*>(y), _MM_HINT_T1);
  }
  HWY_INLINE const std::byte* activations(const Place& place) const {
    return run_.x + (place.tile * run_.count + place.step * kBlocks) * kBlockBytes;
  }
  HWY_INLINE Step operands(const Place& place) const {
    const PanelChunk& w = run_.chunks[place.panel];
    const std::int64_t b = place.step * kBlocks;
    const std::byte *x = activations(place), *quants = w.quants[b];
    if constexpr (kHalves != Halves::kNone) {
      return {{x, x + kQuantBlock / 2}, {quants, quants + 4 * kGroupBytes}};
    } else {
      const std::int64_t next = b + 1 < run_.count ? 1 : 0;  // of an odd number the last twice, used once
      return {{x, x + next * kBlockBytes}, {quants, w.quants[b + next]}};
    }
  }
  HWY_INLINE void add_step(const Place& place, const Exact& exact, F* sums) const {
    const PanelChunk& w = run_.chunks[place.panel];
    const std::int64_t b = place.step * kBlocks;
    const std::byte* x = activations(place);
    if constexpr (kHalves != Halves::kNone) {
      add_exact<form>(w, b, x, exact.sums[0], exact.sums[1], sums, Rows{});
    } else {
      add_exact<form>(w, b, x, exact.sums[0], exact.sums[0], sums, Rows{});
      if (b + 1 < run_.count) {
        add_exact<form>(w, b + 1, x + kBlockBytes, exact.sums[1], exact.sums[1], sums, Rows{});
      }
    }
  }
  HWY_INLINE void put_sums(const F* sums, float* kept) const {
    const Outputs* const out = run_.outputs;
    if (out == nullptr) return store_sums(sums, kept, Rows{});
    const std::int64_t n = out->output(added_.panel);
    if (!out->two() && out->rows(added_.tile) == kAmxRows &&
        n + kPanelOutputs <= out->job->weights->outputs) {
      return finish_whole(*out->job, out->first_row(added_.tile), n, sums, Rows{});
    }
    store_sums(sums, kept, Rows{});
    finish_part(*out, added_.tile, added_.panel, kept);
  }

  static constexpr std::int64_t kRing = 2;
  Exact exact_[kRing];
  const ChunkRun& run_;
  std::int64_t steps_, all_;
  std::int64_t share_;  // rows of y to ask for in a step
  Place multiplied_, added_;
};

template <PackedForm form>
void multiply_chunk(const ChunkRun& run) {
  ChunkProduct<form>(run).multiply_all();
}

constexpr std::int64_t kAmxDepth = 64;  // blocks
static_assert(kAmxDepth % kAmxChunk == 0);

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
  const std::int64_t most = x.chunk_blocks();
  PanelChunk chunks[kAmxPanels];
  for (std::int64_t first = blocks.begin; first < blocks.end; first += most) {
    const std::int64_t count = x.count(first);
    for (std::int64_t p = 0; p < panels; ++p) {
      const std::byte* data = weights.data + (panel + p) * weights.panel_bytes;
      for (std::int64_t b = 0; b < count; ++b) put_block<form>(data, first + b, {&chunks[p], b});
    }
    const std::byte* ahead[kAmxPanels];
    const bool more = first + most < blocks.end;
    panel_places<form>(weights, more ? panel : panel + kAmxPanels, more ? first + most : blocks.begin, ahead);
    const Outputs outputs = {task.job, panel, tiles.begin, x.rows};
    const bool last = first + most >= x.blocks;
    multiply_chunk<form>({chunks, ahead, panels, count, x.data.data() + x.place(first, tiles.begin),
                          tiles.end - tiles.begin, sums, first == 0, last ? &outputs : nullptr});
  }
}

// All panels of a task times a range of tiles, by as many blocks at a time as leave the tiles' activations in
// the L2 cache while the panels' weights pass by.
template <PackedForm form>
void multiply_tiles(const PackedTask& task, Range tiles, float* sums) {
  const std::int64_t chunk = task.tiled->chunk_blocks(), depth = kAmxDepth / chunk * chunk;
  for (std::int64_t first = 0; first < task.tiled->blocks; first += depth) {
    const Range blocks = {first, std::min(first + depth, task.tiled->blocks)};
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
