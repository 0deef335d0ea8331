// bf16_matmul.cpp's products by AMX: one product of bf16 numbers for each weight. x86 only.
//
// Rows are the left operand, as they lie. Weights are made into tiles of 16 outputs by 16 pairs of inputs, a
// run of steps at a time for a few panels, which stays in the L1 cache while the rows pass by.
#include <algorithm>

#include "base/error.h"
#include "kernels/simd/amx.h"
#include "kernels/simd/bf16_task.h"
#include "tensor/block_formats.h"

#include <hwy/highway.h>

#if HWY_ARCH_X86
#include <immintrin.h>

HWY_PUSH_ATTRIBUTES("avx,avx2,fma,f16c,avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,avx512vbmi,prfchw")
namespace refocus {
namespace bf16_one {
using namespace amx;
#include "kernels/simd/bf16_parts-inl.h"
#include "kernels/simd/bf16_tiles_amx-inl.h"

constexpr std::int64_t kTileSums = Bf16Rows::kRows * kPanelOutputs;  // floats
constexpr std::int64_t kRowBytes = 4 * kPanelOutputs;                // of a tile of sums or weights
constexpr std::int64_t kPair = 2;  // panels, and groups, that are multiplied together
constexpr std::int64_t kRunSteps =
    9;                             // of a pair of panels, at most, that pass by the rows together; measured
constexpr std::int64_t kRing = 4;  // steps of a single group whose tiles are kept

// Tiles: 0 to 3 sums, of each panel of the first group and then of the second; 4 and 5 rows, 6 and 7 weights.
void configure_for(std::int64_t height) {
  TileShapes shapes;
  for (int t = 0; t < 4; ++t) shapes.set(t, height, kRowBytes);
  for (const int t : {4, 5}) shapes.set(t, height, 2 * kStep);
  for (const int t : {6, 7}) shapes.set(t, kStep / 2, kRowBytes);
  configure(shapes);
}

template <int kGroups, int kPanels>
HWY_INLINE void clear_sums() {
  clear<0>();
  if constexpr (kPanels == 2) clear<1>();
  if constexpr (kGroups == 2) clear<2>();
  if constexpr (kGroups == 2 && kPanels == 2) clear<3>();
}
// sums: [group][panel][16 rows][16 outputs]
template <int kGroups, int kPanels>
HWY_INLINE void load_sums(const float* sums) {
  load<0>(sums, kRowBytes);
  if constexpr (kPanels == 2) load<1>(sums + kTileSums, kRowBytes);
  if constexpr (kGroups == 2) load<2>(sums + 2 * kTileSums, kRowBytes);
  if constexpr (kGroups == 2 && kPanels == 2) load<3>(sums + 3 * kTileSums, kRowBytes);
}
template <int kGroups, int kPanels>
HWY_INLINE void store_sums(float* sums) {
  store<0>(sums, kRowBytes);
  if constexpr (kPanels == 2) store<1>(sums + kTileSums, kRowBytes);
  if constexpr (kGroups == 2) store<2>(sums + 2 * kTileSums, kRowBytes);
  if constexpr (kGroups == 2 && kPanels == 2) store<3>(sums + 3 * kTileSums, kRowBytes);
}

// A step's rows of both groups, and tiles of both panels.
struct StepOperands {
  const std::byte *x[2], *w[2];
};
template <int kGroups, int kPanels>
HWY_INLINE void add_step(const StepOperands& at) {
  load<4>(at.x[0], 2 * kStep);
  load<6>(at.w[0], kRowBytes);
  multiply_bf16<0, 4, 6>();
  if constexpr (kPanels == 2) {
    load<7>(at.w[1], kRowBytes);
    multiply_bf16<1, 4, 7>();
  }
  if constexpr (kGroups == 2) {
    load<5>(at.x[1], 2 * kStep);
    multiply_bf16<2, 5, 6>();
  }
  if constexpr (kGroups == 2 && kPanels == 2) multiply_bf16<3, 5, 7>();
}

// Adds a run of steps to sums, which are taken as 0 where `first`.
template <int kGroups, int kPanels>
HWY_INLINE void multiply_run(const StepOperands& from, std::int64_t steps, bool first, float* sums) {
  if (first) {
    clear_sums<kGroups, kPanels>();
  } else {
    load_sums<kGroups, kPanels>(sums);
  }
  for (std::int64_t at = 0; at < steps * kTileBytes; at += kTileBytes) {
    add_step<kGroups, kPanels>({{from.x[0] + at, from.x[1] + at}, {from.w[0] + at, from.w[1] + at}});
  }
  store_sums<kGroups, kPanels>(sums);
}

// y of `rows` rows from first_row on and a panel's outputs, from sums [rows][16 outputs].
void finish(const Bf16Job& job, std::int64_t panel, std::int64_t first_row, std::int64_t rows,
            const float* sums) {
  const MatMulJob& to = job.product;
  const std::int64_t n = panel * kPanelOutputs;
  const __mmask16 some = first_of_16(job.outputs() - n);
  const __m512 bias = to.bias != nullptr ? _mm512_maskz_loadu_ps(some, to.bias + n) : _mm512_setzero_ps();
  float* y = to.y + first_row * to.y_stride + n;
  for (std::int64_t r = 0; r < rows; ++r, y += to.y_stride) {
    __m512 base = to.accumulate ? _mm512_maskz_loadu_ps(some, y) : _mm512_setzero_ps();
    if (to.bias != nullptr) base = _mm512_add_ps(base, bias);
    _mm512_mask_storeu_ps(y, some, _mm512_add_ps(base, _mm512_load_ps(sums + r * kPanelOutputs)));
  }
}

// What a thread keeps between tasks.
struct Scratch {
  AlignedBuffer<std::byte> tiles;
  AlignedBuffer<float> sums;
};

template <class Tiles>
class Bf16Product {
 public:
  Bf16Product(const Bf16Task& task, Scratch& scratch) : task_(task), x_(*task.x), scratch_(scratch) {}

  void run() {
    const std::int64_t groups = task_.end_group - task_.first_group;
    const std::int64_t pairs = (task_.end - task_.begin + kPair - 1) / kPair;
    reserve(scratch_.tiles, kPair * std::max(kRunSteps, kRing) * kTileBytes);
    reserve(scratch_.sums, (groups == 1 ? 1 : pairs * groups) * kPair * kTileSums);
    configure_for(x_.height());
    if (groups == 1) {
      stream();
    } else {
      run_groups(groups);
    }
    release();
  }

 private:
  // Each run of steps of a pair of panels passes by all groups.
  void run_groups(std::int64_t groups) {
    const std::int64_t runs = (x_.steps() + kRunSteps - 1) / kRunSteps;
    const std::int64_t length = (x_.steps() + runs - 1) / runs;
    for (std::int64_t step = 0; step < x_.steps(); step += length) {
      const Run run{step, std::min(length, x_.steps() - step)};
      float* sums = scratch_.sums.data();
      for (std::int64_t panel = task_.begin; panel < task_.end; panel += kPair) {
        if (panel + 1 < task_.end) {
          run_pair<2>(panel, groups, run, sums);
        } else {
          run_pair<1>(panel, groups, run, sums);
        }
        sums += groups * kPair * kTileSums;
      }
    }
  }

  struct Run {
    std::int64_t step, steps;
  };

  template <int kPanels>
  void run_pair(std::int64_t panel, std::int64_t groups, const Run& run, float* sums) {
    std::byte* w = scratch_.tiles.data();
    for (int p = 0; p < kPanels; ++p) {
      Tiles::make(*task_.job, x_.inputs, panel + p, run.step, run.steps, w + p * kRunSteps * kTileBytes);
    }
    const bool first = run.step == 0, last = run.step + run.steps == x_.steps();
    for (std::int64_t g = 0; g < groups; g += 2, sums += 2 * kPair * kTileSums) {
      const std::int64_t group = task_.first_group + g;
      const std::byte* x = x_.data.data() + x_.place(group, run.step);
      const StepOperands from{{x, x + x_.place(1, 0)}, {w, w + kRunSteps * kTileBytes}};
      if (g + 1 < groups) {
        multiply_run<2, kPanels>(from, run.steps, first, sums);
      } else {
        multiply_run<1, kPanels>(from, run.steps, first, sums);
      }
      if (!last) continue;
      finish_group(group, panel, kPanels, sums);
      if (g + 1 < groups) finish_group(group + 1, panel, kPanels, sums + kPair * kTileSums);
    }
  }

  void finish_group(std::int64_t group, std::int64_t panel, std::int64_t panels, const float* sums) const {
    const std::int64_t first = group * Bf16Rows::kRows, rows = std::min(Bf16Rows::kRows, x_.rows - first);
    for (std::int64_t p = 0; p < panels; ++p)
      finish(*task_.job, panel + p, first, rows, sums + p * kTileSums);
  }

  // A single group waits for weights: a step's tiles are made while the one before is multiplied, and the
  // sums stay in tiles.
  void stream() {
    for (std::int64_t panel = task_.begin; panel < task_.end; panel += kPair) {
      if (panel + 1 < task_.end) {
        stream_panels<2>(panel);
      } else {
        stream_panels<1>(panel);
      }
    }
  }

  template <int kPanels>
  HWY_INLINE void stream_panels(std::int64_t panel) {
    const std::byte* x = x_.data.data() + x_.place(task_.first_group, 0);
    const std::int64_t steps = x_.steps();
    clear_sums<1, kPanels>();
    for (std::int64_t s = 0; s <= steps; ++s) {
      for (int p = 0; p < kPanels && s < steps; ++p) {
        Tiles::make(*task_.job, x_.inputs, panel + p, s, 1, ring(s) + p * kTileBytes);
      }
      if (s == 0) continue;
      const std::byte* w = ring(s - 1);
      add_step<1, kPanels>({{x + (s - 1) * x_.step_bytes(), nullptr}, {w, w + kTileBytes}});
    }
    store_sums<1, kPanels>(scratch_.sums.data());
    finish_group(task_.first_group, panel, kPanels, scratch_.sums.data());
  }
  std::byte* ring(std::int64_t step) const {
    return scratch_.tiles.data() + step % kRing * kPair * kTileBytes;
  }

  const Bf16Task& task_;
  const Bf16Rows& x_;
  Scratch& scratch_;
};
}  // namespace bf16_one

void run_bf16_amx(const Bf16Task& task) {
  thread_local bf16_one::Scratch scratch;
  bf16_one::with_tiles_of(*task.job,
                          [&]<class Tiles>(Tiles) { bf16_one::Bf16Product<Tiles>(task, scratch).run(); });
}

void round_row_amx(const float* x, std::int64_t inputs, std::int64_t step_bytes, std::byte* to) {
  using namespace bf16_one;
  for (std::int64_t k = 0; k < inputs; k += kStep, to += step_bytes) {
    _mm512_store_si512(to, rounded(load_floats(x + k, inputs - k)));
  }
}

}  // namespace refocus
HWY_POP_ATTRIBUTES
#else
namespace refocus {
void run_bf16_amx(const Bf16Task&) { REFOCUS_CHECK(false); }
void round_row_amx(const float*, std::int64_t, std::int64_t, std::byte*) { REFOCUS_CHECK(false); }
}  // namespace refocus
#endif
