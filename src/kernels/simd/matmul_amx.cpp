// matmul.cpp's products by AMX: tiles of bf16 numbers, with activations in three parts and weights in one
// (BF16), two (F16) or three (F32), whose least products are left out. x86 only.
//
// Weights are the left operand, so that BF16 ones are read where they lie. A panel is up to four tiles of 16
// outputs: its sums and a group's three parts of activations stay in tiles while the weights' parts pass by.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "kernels/simd/amx.h"
#include "kernels/simd/matmul_task.h"

#include <hwy/highway.h>

#if HWY_ARCH_X86
#include <immintrin.h>

HWY_PUSH_ATTRIBUTES("avx,avx2,fma,f16c,avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,prfchw")
namespace refocus {
namespace bf16_amx {
using namespace amx;
#include "kernels/simd/bf16_parts-inl.h"
#include "kernels/simd/bf16_weights_amx-inl.h"

constexpr std::int64_t kPanelTiles = 4, kPanelOutputs = kPanelTiles * kTileOutputs;
constexpr std::int64_t kTileSums = kTileOutputs * SplitRows::kRows;  // floats
// Steps of a panel that pass by all groups together: their parts lie in the L1 cache.
template <DType type>
constexpr std::int64_t kRunSteps = type == DType::kBF16  ? 8
                                   : type == DType::kF16 ? 4
                                                         : 2;
// Tiles of a panel that passes by a single group: as many rows of weights as the processor prefetches well,
// and as many sums as keep the multiplier busy.
template <DType type>
constexpr std::int64_t kStreamTiles = type == DType::kBF16 ? 2 : 1;

// Sums and activations `width` rows wide. Tiles: 0 to 3 sums, 4 weights, 5 to 7 activations.
void configure_for(std::int64_t width) {
  TileShapes shapes;
  for (int t = 0; t < 4; ++t) shapes.set(t, kTileOutputs, 4 * width);
  shapes.set(4, kTileOutputs, 2 * kStep);
  for (int t = 5; t < 8; ++t) shapes.set(t, kStep / 2, 4 * width);
  configure(shapes);
}

// Tile t of a panel's sums is number t of a pack.
template <std::int64_t kTiles>
using Tiles = std::make_index_sequence<kTiles>;

template <std::size_t... t>
HWY_INLINE void clear_sums(std::index_sequence<t...>) {
  (clear<t>(), ...);
}
template <std::size_t... t>
HWY_INLINE void load_sums(const float* sums, std::int64_t width, std::index_sequence<t...>) {
  (load<t>(sums + static_cast<std::int64_t>(t) * kTileOutputs * width, 4 * width), ...);
}
template <std::size_t... t>
HWY_INLINE void store_sums(float* sums, std::int64_t width, std::index_sequence<t...>) {
  (store<t>(sums + static_cast<std::int64_t>(t) * kTileOutputs * width, 4 * width), ...);
}

// A run of steps of one group.
struct Activations {
  const std::byte* data;
  std::int64_t width, steps;
};
HWY_INLINE void load_activations(const Activations& x, std::int64_t step) {
  const std::int64_t stride = 4 * x.width, part = stride * kStep / 2;
  const std::byte* at = x.data + step * SplitRows::kParts * part;
  load<5>(at, stride);
  load<6>(at + part, stride);
  load<7>(at + 2 * part, stride);
}

// Products of a tile of weights with the activations that are loaded, the least first.
template <int kTile, int kParts>
HWY_INLINE void add_products(const WeightTile& w, std::int64_t step) {
  const std::byte* from = w.data + step * w.step_bytes;
  if constexpr (kParts > 2) {
    load<4>(from + 2 * kTileBytes, w.stride);
    multiply_bf16<kTile, 4, 5>();
  }
  if constexpr (kParts > 1) {
    load<4>(from + kTileBytes, w.stride);
    multiply_bf16<kTile, 4, 6>();
    multiply_bf16<kTile, 4, 5>();
  }
  load<4>(from, w.stride);
  multiply_bf16<kTile, 4, 7>();
  multiply_bf16<kTile, 4, 6>();
  multiply_bf16<kTile, 4, 5>();
}
template <int kParts, std::size_t... t>
HWY_INLINE void add_step(const WeightTile* w, std::int64_t step, std::index_sequence<t...>) {
  (add_products<t, kParts>(w[t], step), ...);
}

// Lines of weights that will be needed next, fetched a few at a time, since more would keep what is needed
// now waiting.
struct Ahead {
  const std::byte* row;
  std::int64_t row_bytes, lines;  // of a row
  std::int64_t left;              // of all rows
  std::int64_t line = 0;

  HWY_INLINE void fetch(std::int64_t count) {
    for (; count > 0 && left > 0; --count, --left) {
      _mm_prefetch(reinterpret_cast<const char*>(row + 64 * line), _MM_HINT_T1);
      if (++line < lines) continue;
      line = 0;
      row += row_bytes;
    }
  }
};

// Adds to a panel's sums, [tile][16 outputs][width], which are taken as 0 where it is the first run.
// `fetched`: lines of `ahead` a step.
template <std::int64_t kTiles, int kParts>
void multiply_run(const WeightTile* w, const Activations& x, bool first, Ahead& ahead, std::int64_t fetched,
                  float* sums) {
  if (first) {
    clear_sums(Tiles<kTiles>{});
  } else {
    load_sums(sums, x.width, Tiles<kTiles>{});
  }
  for (std::int64_t s = 0; s < x.steps; ++s) {
    load_activations(x, s);
    ahead.fetch(fetched);
    add_step<kParts>(w, s, Tiles<kTiles>{});
  }
  store_sums(sums, x.width, Tiles<kTiles>{});
}

template <int kParts>
void multiply_run(std::int64_t tiles, const WeightTile* w, const Activations& x, bool first, Ahead& ahead,
                  std::int64_t fetched, float* sums) {
  switch (tiles) {
    case 1:
      return multiply_run<1, kParts>(w, x, first, ahead, fetched, sums);
    case 2:
      return multiply_run<2, kParts>(w, x, first, ahead, fetched, sums);
    case 3:
      return multiply_run<3, kParts>(w, x, first, ahead, fetched, sums);
    default:
      return multiply_run<4, kParts>(w, x, first, ahead, fetched, sums);
  }
}

// y of `outputs` outputs from n on, and `width` rows from first_row on, from sums [16 outputs][width].
void finish(const MatMulJob& job, std::int64_t n, std::int64_t outputs, std::int64_t first_row,
            std::int64_t width, const float* sums) {
  const __mmask16 some = first_of_16(outputs);
  __m512i rows[SplitRows::kRows];
  if (width == 1) {
    rows[0] = _mm512_loadu_si512(sums);
  } else {
    const __mmask16 wide = first_of_16(width);
    for (std::int64_t i = 0; i < kTileOutputs; ++i)
      rows[i] = _mm512_maskz_loadu_epi32(wide, sums + i * width);
    transpose(rows);
  }
  const __m512 bias = job.bias != nullptr ? _mm512_maskz_loadu_ps(some, job.bias + n) : _mm512_setzero_ps();
  float* y = job.y + first_row * job.y_stride + n;
  for (std::int64_t r = 0; r < width; ++r, y += job.y_stride) {
    __m512 base = job.accumulate ? _mm512_maskz_loadu_ps(some, y) : _mm512_setzero_ps();
    if (job.bias != nullptr) base = _mm512_add_ps(base, bias);
    _mm512_mask_storeu_ps(y, some, _mm512_add_ps(base, _mm512_castsi512_ps(rows[r])));
  }
}

struct Range {
  std::int64_t begin, end;
};
// A run of steps of the panel that starts at an output.
struct Unit {
  std::int64_t output;
  Range steps;
};

// What a thread keeps between tasks.
struct Scratch {
  AlignedBuffer<std::byte> staged;
  AlignedBuffer<float> sums;
};

template <DType type>
class Product {
 public:
  Product(const MatMulTask& task, Scratch& scratch)
      : task_(task),
        scratch_(scratch),
        x_(*task.split),
        row_bytes_(x_.inputs * std::int64_t{size_of(type)}) {}

  void run() {
    constexpr std::int64_t kTiles = std::max(2 * kStreamTiles<type>, kPanelTiles * kRunSteps<type>);
    const Range groups = {task_.first_group, task_.end_group};
    grow(scratch_.staged, kTiles * kParts * kTileBytes);
    grow(scratch_.sums, panels() * (groups.end - groups.begin) * kPanelTiles * kTileSums);
    if (groups.end - groups.begin == 1) {
      stream(groups.begin);
    } else {
      run_groups(groups);
    }
    release();
  }

 private:
  static constexpr int kParts = weight_parts(type);

  template <class T>
  static void grow(AlignedBuffer<T>& buffer, std::int64_t count) {
    if (buffer.size() < static_cast<std::size_t>(count))
      buffer = AlignedBuffer<T>(static_cast<std::size_t>(count));
  }
  std::int64_t panels() const { return (task_.end - task_.begin + kPanelOutputs - 1) / kPanelOutputs; }
  const std::byte* weights(std::int64_t n, std::int64_t step) const {
    return task_.job->weights + n * row_bytes_ + step * kStep * std::int64_t{size_of(type)};
  }
  // Whether a tile of `outputs` outputs is read where it lies, but for a last step that is not whole.
  static bool lies_ready(std::int64_t outputs) { return type == DType::kBF16 && outputs == kTileOutputs; }

  void set_width(std::int64_t width) {
    if (width != width_) configure_for(width_ = width);
  }
  void finish_panel(std::int64_t n, std::int64_t outputs, std::int64_t group, const float* sums) {
    const std::int64_t width = x_.width(group);
    for (std::int64_t first = 0; first < outputs; first += kTileOutputs, sums += kTileOutputs * width) {
      finish(*task_.job, n + first, std::min(kTileOutputs, outputs - first), group * SplitRows::kRows, width,
             sums);
    }
  }

  // A single group waits for weights: they are read row by row, the next step's are staged while one is
  // multiplied, and the sums stay in tiles.
  void stream(std::int64_t group) {
    constexpr std::int64_t kOutputs = kStreamTiles<type> * kTileOutputs;
    set_width(x_.width(group));
    std::int64_t n = task_.begin;
    for (; n + kOutputs <= task_.end; n += kOutputs) stream_panel<kStreamTiles<type>>(group, n);
    for (; n < task_.end; n += kTileOutputs) stream_panel<1>(group, n);
  }

  template <std::int64_t kTiles>
  void stream_panel(std::int64_t group, std::int64_t n) {
    const std::int64_t outputs = std::min(kTiles * kTileOutputs, task_.end - n), steps = x_.steps();
    const std::int64_t ready = lies_ready(outputs / kTiles) ? x_.inputs / kStep : 0;
    const Activations x{x_.data.data() + x_.place(group, 0), x_.width(group), steps};
    WeightTile lying[kTiles], staged[kTiles];
    for (std::int64_t t = 0; t < kTiles; ++t) {
      lying[t] = {weights(n + t * kTileOutputs, 0), row_bytes_, 2 * kStep};
      staged[t] = {scratch_.staged.data() + t * 2 * kParts * kTileBytes, 2 * kStep, kParts * kTileBytes};
    }
    clear_sums(Tiles<kTiles>{});
    for (std::int64_t s = 0; s < ready; ++s) {
      load_activations(x, s);
      add_step<kParts>(lying, s, Tiles<kTiles>{});
    }
    if (ready < steps) stage_step<kTiles>(n, outputs, ready);
    for (std::int64_t s = ready; s < steps; ++s) {
      if (s + 1 < steps) stage_step<kTiles>(n, outputs, s + 1);
      load_activations(x, s);
      add_step<kParts>(staged, s % 2, Tiles<kTiles>{});
    }
    store_sums(scratch_.sums.data(), x.width, Tiles<kTiles>{});
    finish_panel(n, outputs, group, scratch_.sums.data());
  }

  // Of stream_panel's two places of a tile, the one whose turn it is.
  template <std::int64_t kTiles>
  HWY_INLINE void stage_step(std::int64_t n, std::int64_t outputs, std::int64_t step) {
    constexpr std::int64_t kAhead = type == DType::kF32 ? 512 : 256;  // measured
    // At the end of the rows, the beginning of the next panel's.
    const bool beyond = (step + 1) * kStep * std::int64_t{size_of(type)} + kAhead > row_bytes_;
    const std::int64_t ahead = kAhead + (beyond ? (kTiles * kTileOutputs - 1) * row_bytes_ : 0);
    for (std::int64_t t = 0; t < kTiles; ++t) {
      std::byte* to = scratch_.staged.data() + (2 * t + step % 2) * kParts * kTileBytes;
      stage<type>(weights(n + t * kTileOutputs, step), row_bytes_,
                  std::min(kTileOutputs, outputs - t * kTileOutputs), 1, x_.inputs - step * kStep, ahead, to);
    }
  }

  // Each run of steps of a panel passes by all groups, and the next one's weights are fetched meanwhile.
  void run_groups(Range groups) {
    const std::int64_t runs = (x_.steps() + kRunSteps<type> - 1) / kRunSteps<type>, units = runs * panels();
    const auto unit = [&](std::int64_t i) {
      const std::int64_t first = i / panels() * kRunSteps<type>;
      return Unit{task_.begin + i % panels() * kPanelOutputs,
                  {first, std::min(first + kRunSteps<type>, x_.steps())}};
    };
    for (std::int64_t i = 0; i < units; ++i) {
      const Unit now = unit(i), next = unit(std::min(i + 1, units - 1));
      run_unit(groups, now, ahead(next));
    }
  }

  Ahead ahead(const Unit& next) const {
    const std::int64_t bytes = (next.steps.end - next.steps.begin) * kStep * std::int64_t{size_of(type)};
    const std::int64_t lines = (bytes + 63) / 64, outputs = std::min(kPanelOutputs, task_.end - next.output);
    return {weights(next.output, next.steps.begin), row_bytes_, lines, lines * outputs};
  }

  void run_unit(Range groups, Unit unit, Ahead ahead) {
    const std::int64_t whole = x_.inputs / kStep;
    if (type == DType::kBF16 && unit.steps.begin < whole &&
        whole < unit.steps.end) {  // the last step is staged
      run_steps(groups, {unit.output, {unit.steps.begin, whole}}, ahead);
      unit.steps.begin = whole;
    }
    run_steps(groups, unit, ahead);
  }

  void run_steps(Range groups, const Unit& unit, Ahead& ahead) {
    const std::int64_t n = unit.output, outputs = std::min(kPanelOutputs, task_.end - n);
    const std::int64_t tiles = (outputs + kTileOutputs - 1) / kTileOutputs;
    const Range steps = unit.steps;
    WeightTile w[kPanelTiles];
    for (std::int64_t t = 0; t < tiles; ++t) {
      w[t] = place(n + t * kTileOutputs, std::min(kTileOutputs, outputs - t * kTileOutputs), t, steps);
    }
    const std::int64_t times = (groups.end - groups.begin) * (steps.end - steps.begin);
    const std::int64_t fetched = (ahead.left + times - 1) / times;
    for (std::int64_t g = groups.begin; g < groups.end; ++g) {
      set_width(x_.width(g));
      const std::int64_t place =
          (n - task_.begin) / kPanelOutputs * (groups.end - groups.begin) + g - groups.begin;
      float* sums = scratch_.sums.data() + place * kPanelTiles * kTileSums;
      const Activations x{x_.data.data() + x_.place(g, steps.begin), width_, steps.end - steps.begin};
      multiply_run<kParts>(tiles, w, x, steps.begin == 0, ahead, fetched, sums);
      if (steps.end == x_.steps()) finish_panel(n, outputs, g, sums);
    }
  }

  WeightTile place(std::int64_t n, std::int64_t outputs, std::int64_t tile, Range steps) {
    const std::byte* from = weights(n, steps.begin);
    const std::int64_t count = steps.end - steps.begin, left = x_.inputs - steps.begin * kStep;
    if (lies_ready(outputs) && left >= count * kStep) return {from, row_bytes_, 2 * kStep};
    std::byte* to = scratch_.staged.data() + tile * kRunSteps<type> * kParts * kTileBytes;
    stage<type>(from, row_bytes_, outputs, count, left, 0, to);
    return {to, 2 * kStep, kParts * kTileBytes};
  }

  const MatMulTask& task_;
  Scratch& scratch_;
  const SplitRows& x_;
  std::int64_t row_bytes_;
  std::int64_t width_ = 0;  // that tiles are configured for
};
}  // namespace bf16_amx

void run_matmul_amx(const MatMulTask& task) {
  using namespace bf16_amx;
  thread_local Scratch scratch;
  switch (task.job->dtype) {
    case DType::kF32:
      return Product<DType::kF32>(task, scratch).run();
    case DType::kF16:
      return Product<DType::kF16>(task, scratch).run();
    default:
      return Product<DType::kBF16>(task, scratch).run();
  }
}

}  // namespace refocus
HWY_POP_ATTRIBUTES
#else
namespace refocus {
void run_matmul_amx(const MatMulTask&) { REFOCUS_CHECK(false); }
}  // namespace refocus
#endif
