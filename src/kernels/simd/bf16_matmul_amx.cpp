// bf16_matmul.cpp's products by AMX: one product of bf16 numbers for each weight. x86 only.
//
// Rows are the left operand, as they lie; two groups of them by two panels of weights are four sums in tiles.
#include <algorithm>

#include "base/error.h"
#include "base/prefetch.h"
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
constexpr auto kPrefetch = _MM_HINT_T1;  // of weights; measured
#include "kernels/simd/bf16_tiles-inl.h"
// after the tiles
#include "kernels/simd/bf16_product-inl.h"

constexpr std::int64_t kRowBytes = 4 * kPanelOutputs;  // of a tile of sums or weights

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

// See bf16_product-inl.h.
struct ByAmx {
  static constexpr std::int64_t kGroups = 2, kPanels = 2;
  static constexpr std::int64_t kRunSteps = 9;   // measured
  static constexpr std::int64_t kRingSteps = 4;  // of a single group, whose tiles are kept

  explicit ByAmx(std::int64_t height) { configure_for(height); }
  ~ByAmx() { release(); }
  ByAmx(const ByAmx&) = delete;
  ByAmx& operator=(const ByAmx&) = delete;

  template <int kPanelsNow>
  static HWY_INLINE void multiply(const RunOperands& at, std::int64_t groups, bool first, float* sums) {
    const StepOperands from{{at.x, at.x + at.group_bytes}, {at.w, at.w + at.panel_bytes}};
    if (groups == 2) {
      multiply_run<2, kPanelsNow>(from, at.steps, first, sums);
    } else {
      multiply_run<1, kPanelsNow>(from, at.steps, first, sums);
    }
  }

  // A step's tiles are made while the one before is multiplied, and the sums stay in tiles.
  template <int kPanelsNow, class Source>
  static HWY_INLINE void stream(const RunOperands& at, const Source& source, float* sums) {
    const auto ring = [&](std::int64_t step) { return at.w + step % kRingSteps * kPanels * kTileBytes; };
    clear_sums<1, kPanelsNow>();
    for (std::int64_t s = 0; s <= at.steps; ++s) {
      for (int p = 0; p < kPanelsNow && s < at.steps; ++p) source.make(p, s, 1, ring(s) + p * kTileBytes);
      if (s == 0) continue;
      const std::byte* w = ring(s - 1);
      add_step<1, kPanelsNow>({{at.x + (s - 1) * at.step_bytes, nullptr}, {w, w + kTileBytes}});
    }
    store_sums<1, kPanelsNow>(sums);
  }
};
}  // namespace bf16_one

void run_bf16_amx(const Bf16Task& task) {
  thread_local bf16_one::Scratch scratch;
  bf16_one::with_tiles_of(*task.job, [&]<class Tiles>(Tiles) {
    bf16_one::Bf16Product<Tiles, bf16_one::ByAmx>(task, scratch).run();
  });
}

}  // namespace refocus
HWY_POP_ATTRIBUTES
#else
namespace refocus {
void run_bf16_amx(const Bf16Task&) { REFOCUS_CHECK(false); }
}  // namespace refocus
#endif
