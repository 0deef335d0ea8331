// matmul.cpp's products by AMX: tiles of bf16 numbers, with activations in three parts and weights in one
// (BF16), two (F16) or three (F32), whose least products are left out. x86 only.
//
// Weights are the left operand, so that a group of fewer than 16 rows loses no time, and BF16 ones can be
// read where they lie. Three ways, by the number of groups, each with the same products in the same order:
//   one            weights pass by, row by row, and a panel's sums stay in tiles
//   up to four     the same with the sums of all groups in tiles
//   more           a panel's weights of a few steps stay in the L1 cache while all groups pass by
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "kernels/simd/amx.h"
#include "kernels/simd/matmul_task.h"

#include <hwy/highway.h>

#if HWY_ARCH_X86
#include <immintrin.h>

#define REFOCUS_TARGET "avx,avx2,fma,f16c,avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,prfchw"
// Of lambdas, which clang does not give what follows; HWY_ATTR is what all of x86 has.
#define REFOCUS_ATTR __attribute__((target(REFOCUS_TARGET)))
HWY_PUSH_ATTRIBUTES(REFOCUS_TARGET)
namespace refocus {
namespace bf16_amx {
using namespace amx;
#include "kernels/simd/bf16_parts-inl.h"
#include "kernels/simd/bf16_weights_amx-inl.h"

#include "kernels/simd/bf16_products_amx-inl.h"

// Steps of a panel that pass by all groups together: their parts lie in the L1 cache.
template <DType type>
constexpr std::int64_t kRunSteps = type == DType::kF32 ? 2 : 4;
constexpr std::int64_t kFewGroups = 4;  // that have a tile of sums each; of more, several passes are slower
// Tiles of a panel that passes by a single group: as many rows of weights as the processor prefetches well,
// and as many sums as keep the multiplier busy.
template <DType type>
constexpr std::int64_t kStreamTiles = type == DType::kBF16 ? 2 : 1;

struct Range {
  std::int64_t begin, end;
};

// y of `outputs` outputs from n on and of a group's rows, from sums [16 outputs][width].
void finish(const MatMulJob& job, std::int64_t n, std::int64_t outputs, Range its_rows, std::int64_t width,
            const float* sums) {
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
  float* y = job.y + its_rows.begin * job.y_stride + n;
  for (std::int64_t r = 0; r < its_rows.end - its_rows.begin; ++r, y += job.y_stride) {
    __m512 base = job.accumulate ? _mm512_maskz_loadu_ps(some, y) : _mm512_setzero_ps();
    if (job.bias != nullptr) base = _mm512_add_ps(base, bias);
    _mm512_mask_storeu_ps(y, some, _mm512_add_ps(base, _mm512_castsi512_ps(rows[r])));
  }
}

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
    grow(scratch_.sums, panels() * (groups.end - groups.begin) * kGroupSums);
    configure_for(x_.width());
    if (groups.end - groups.begin == 1) {
      stream(groups.begin);
    } else if (groups.end - groups.begin <= kFewGroups) {
      stream_groups(groups);
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

  void finish_panel(std::int64_t n, std::int64_t outputs, std::int64_t group, const float* sums) {
    const std::int64_t width = x_.width(), first_row = group * SplitRows::kRows;
    for (std::int64_t first = 0; first < outputs; first += kTileOutputs, sums += kTileOutputs * width) {
      finish(*task_.job, n + first, std::min(kTileOutputs, outputs - first),
             {first_row, first_row + x_.rows_of(group)}, width, sums);
    }
  }

  // A single group waits for weights: they are read row by row, the next step's are staged while one is
  // multiplied, and the sums stay in tiles.
  void stream(std::int64_t group) {
    constexpr std::int64_t kOutputs = kStreamTiles<type> * kTileOutputs;
    std::int64_t n = task_.begin;
    for (; n + kOutputs <= task_.end; n += kOutputs) stream_panel<kStreamTiles<type>>(group, n);
    for (; n < task_.end; n += kTileOutputs) stream_panel<1>(group, n);
  }

  template <std::int64_t kTiles>
  void stream_panel(std::int64_t group, std::int64_t n) {
    const std::int64_t outputs = std::min(kTiles * kTileOutputs, task_.end - n), steps = x_.steps();
    const std::int64_t ready = lies_ready(outputs / kTiles) ? x_.inputs / kStep : 0;
    const Activations x{x_.data.data() + x_.place(group, 0), x_.width(), steps};
    WeightTile lying[kTiles], staged[kTiles];
    for (std::int64_t t = 0; t < kTiles; ++t) {
      lying[t] = {weights(n + t * kTileOutputs, 0), row_bytes_, 2 * kStep};
      staged[t] = {scratch_.staged.data() + t * 2 * kParts * kTileBytes, 2 * kStep, kParts * kTileBytes};
    }
    clear_sums(Tiles<kTiles>{});
    for (std::int64_t s = 0; s < ready; ++s) {
      // A line of each row, a few after each product.
      Ahead ahead{weights(n, s) + ahead_of<kTiles>(s), row_bytes_, 1, kTiles * kTileOutputs, 3 * kTiles};
      load_activations(x, s);
      add_step<kParts>(
          lying, s, [&]() REFOCUS_ATTR { ahead.fetch(); }, Tiles<kTiles>{});
    }
    if (ready < steps) stage_step<kTiles>(n, outputs, ready);
    std::int64_t s = ready;
    if constexpr (kTiles == 1 && kParts > 1) {
      if (outputs == kTileOutputs) s = stream_whole(x, n, staged[0]);
    }
    for (; s < steps; ++s) {
      if (s + 1 < steps) stage_step<kTiles>(n, outputs, s + 1);
      load_activations(x, s);
      add_step<kParts>(staged, s % 2, Tiles<kTiles>{});
    }
    store_sums(scratch_.sums.data(), x.width, Tiles<kTiles>{});
    finish_panel(n, outputs, group, scratch_.sums.data());
  }

  // The same of a whole tile's steps but the last: the next one's weights are cut between products. Returns
  // the step whose turn it is.
  std::int64_t stream_whole(const Activations& x, std::int64_t n, const WeightTile& staged) {
    constexpr std::int64_t kTurn = kParts == 2 ? 4 : 3;  // outputs after each of 5 or 6 products
    const std::int64_t end = x_.inputs / kStep - 1;
    for (std::int64_t s = 0; s < end; ++s) {
      TileFilling<type> next{weights(n, s + 1), row_bytes_, ahead_of<1>(s + 1),
                             scratch_.staged.data() + (s + 1) % 2 * kParts * kTileBytes};
      load_activations(x, s);
      add_products<0, kParts>(staged, s % 2, [&]() REFOCUS_ATTR { next.fill(kTurn); });
    }
    return std::max<std::int64_t>(0, end);
  }

  // A few groups, each with its sums in a tile, wait for weights likewise.
  void stream_groups(Range groups) {
    for (std::int64_t n = task_.begin; n < task_.end; n += kTileOutputs) {
      switch (groups.end - groups.begin) {
        case 2:
          stream_tile<2>(groups.begin, n);
          break;
        case 3:
          stream_tile<3>(groups.begin, n);
          break;
        default:
          stream_tile<kFewGroups>(groups.begin, n);
      }
    }
  }

  template <std::int64_t kGroups>
  void stream_tile(std::int64_t group, std::int64_t n) {
    const std::int64_t outputs = std::min(kTileOutputs, task_.end - n), steps = x_.steps();
    const std::byte* const x = x_.data.data() + x_.place(group, 0);
    clear_sums(Tiles<kGroups>{});
    stage_step<1>(n, outputs, 0);
    for (std::int64_t s = 0; s < steps; ++s) {
      if (s + 1 < steps) stage_step<1>(n, outputs, s + 1);
      load_weights<kParts>(scratch_.staged.data() + s % 2 * kParts * kTileBytes);
      add_groups<kParts>(x + s * x_.step_bytes(), group_bytes(), Tiles<kGroups>{});
    }
    store_sums(scratch_.sums.data(), SplitRows::kRows, Tiles<kGroups>{});
    for (std::int64_t g = 0; g < kGroups; ++g)
      finish_panel(n, outputs, group + g, scratch_.sums.data() + g * kTileSums);
  }

  // Bytes from a step's weights to those to prefetch: at the end of the rows, the beginning of the next
  // panel's.
  template <std::int64_t kTiles>
  std::int64_t ahead_of(std::int64_t step) const {
    constexpr std::int64_t kAhead = 512;  // measured
    const bool beyond = (step + 1) * kStep * std::int64_t{size_of(type)} + kAhead > row_bytes_;
    return kAhead + (beyond ? (kTiles * kTileOutputs - 1) * row_bytes_ : 0);
  }

  // Of two places of a tile, the one whose turn it is.
  template <std::int64_t kTiles>
  HWY_INLINE void stage_step(std::int64_t n, std::int64_t outputs, std::int64_t step) {
    const std::int64_t ahead = ahead_of<kTiles>(step);
    for (std::int64_t t = 0; t < kTiles; ++t) {
      std::byte* to = scratch_.staged.data() + (2 * t + step % 2) * kParts * kTileBytes;
      stage<type>(weights(n + t * kTileOutputs, step), row_bytes_,
                  std::min(kTileOutputs, outputs - t * kTileOutputs), 1, x_.inputs - step * kStep, ahead, to);
    }
  }

  // Each run of steps of a panel passes by all groups. The next one's weights are fetched meanwhile, and, a
  // part with each panel, the next steps' activations.
  void run_groups(Range groups) {
    const std::int64_t runs = (x_.steps() + kRunSteps<type> - 1) / kRunSteps<type>, units = runs * panels();
    const auto unit = [&](std::int64_t i) {
      const std::int64_t first = i / panels() * kRunSteps<type>;
      return Unit{task_.begin + i % panels() * kPanelOutputs,
                  {first, std::min(first + kRunSteps<type>, x_.steps())}};
    };
    for (std::int64_t i = 0; i < units; ++i) run_unit(groups, unit(i), unit(std::min(i + 1, units - 1)));
  }

  Ahead weights_of(const Unit& unit, std::int64_t turns) const {
    const std::int64_t bytes = (unit.steps.end - unit.steps.begin) * kStep * std::int64_t{size_of(type)};
    const std::int64_t lines = (bytes + 63) / 64, outputs = std::min(kPanelOutputs, task_.end - unit.output);
    return {weights(unit.output, unit.steps.begin), row_bytes_, lines, outputs, turns};
  }

  // Of the groups' activations in the run of steps after these, panel number `panel` of the task takes its
  // share.
  Ahead activations_after(Range steps, Range groups, std::int64_t panel, std::int64_t turns) const {
    const std::int64_t end = std::min(steps.end + kRunSteps<type>, x_.steps());
    const std::int64_t lines = (end - steps.end) * x_.step_bytes() / 64;
    const std::int64_t first = lines * panel / panels(), last = lines * (panel + 1) / panels();
    return {x_.data.data() + x_.place(groups.begin, steps.end) + 64 * first, group_bytes(), last - first,
            groups.end - groups.begin, turns};
  }
  std::int64_t group_bytes() const { return x_.place(1, 0) - x_.place(0, 0); }

  void run_unit(Range groups, const Unit& unit, const Unit& next) {
    const std::int64_t n = unit.output, outputs = std::min(kPanelOutputs, task_.end - n);
    const std::int64_t tiles = (outputs + kTileOutputs - 1) / kTileOutputs;
    const std::int64_t steps = unit.steps.end - unit.steps.begin, panel = (n - task_.begin) / kPanelOutputs;
    WeightTile w[kPanelTiles];
    for (std::int64_t t = 0; t < tiles; ++t) {
      w[t] = place(n + t * kTileOutputs, std::min(kTileOutputs, outputs - t * kTileOutputs), t, unit.steps);
    }
    const std::int64_t count = groups.end - groups.begin;
    Ahead weights = weights_of(next, count * steps);
    Ahead activations = activations_after(unit.steps, groups, panel, count * steps);
    float* sums = scratch_.sums.data() + panel * count * kGroupSums;
    const Activations x{x_.data.data() + x_.place(groups.begin, unit.steps.begin), SplitRows::kRows, steps};
    multiply_run<kParts>(tiles, {w, x, sums, count, group_bytes(), unit.steps.begin == 0}, weights,
                         activations);
    if (unit.steps.end < x_.steps()) return;
    for (std::int64_t g = groups.begin; g < groups.end; ++g, sums += kGroupSums)
      finish_panel(n, outputs, g, sums);
  }

  // Cut, or copied: rows of a file may lie so that their lines share places in the L1 cache.
  WeightTile place(std::int64_t n, std::int64_t outputs, std::int64_t tile, Range steps) {
    std::byte* to = scratch_.staged.data() + tile * kRunSteps<type> * kParts * kTileBytes;
    stage<type>(weights(n, steps.begin), row_bytes_, outputs, steps.end - steps.begin,
                x_.inputs - steps.begin * kStep, 0, to);
    return {to, 2 * kStep, kParts * kTileBytes};
  }

  const MatMulTask& task_;
  Scratch& scratch_;
  const SplitRows& x_;
  std::int64_t row_bytes_;
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
