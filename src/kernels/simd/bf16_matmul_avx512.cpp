// bf16_matmul.cpp's products by AVX-512's instruction for two of them a lane (VDPBF16PS). x86 only.
//
// Rows and tiles of weights are those of AMX: a lane is an output, and a pair of inputs of a row is broadcast
// to all lanes. Eight rows by three panels are 24 sums in registers: 11 loads for 24 products.
#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "base/prefetch.h"
#include "kernels/machine_limits.h"
#include "kernels/simd/bf16_task.h"
#include "tensor/block_formats.h"

#include <hwy/highway.h>

#if HWY_ARCH_X86
#include <immintrin.h>

HWY_PUSH_ATTRIBUTES("avx,avx2,fma,f16c,avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,avx512vbmi,prfchw")
namespace refocus {
namespace bf16_avx512 {
#include "kernels/simd/bf16_parts-inl.h"
constexpr auto kPrefetch = _MM_HINT_T0;  // of weights; measured
#include "kernels/simd/bf16_tiles-inl.h"
// after the tiles
#include "kernels/simd/bf16_product-inl.h"

constexpr int kRows = 8;  // whose sums are in registers
constexpr std::int64_t kRowBytes = 2 * kStep;

// Adds the products of a row's pair of inputs.
HWY_INLINE __m512 add_pair(__m512 sum, const std::byte* pair, __m512i weights) {
  std::int32_t both = 0;
  std::memcpy(&both, pair, 4);
  return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(_mm512_set1_epi32(both)),
                          reinterpret_cast<__m512bh>(weights));
}

// A run of kCount rows; sums: [panel][16 rows][16 outputs].
template <int kCount, int kPanels>
void multiply_rows(const RunOperands& at, bool first, float* sums) {
  __m512 s[kPanels][kCount];
  HWY_UNROLL(16)
  for (int p = 0; p < kPanels; ++p) {
    HWY_UNROLL(16)
    for (int r = 0; r < kCount; ++r) {
      s[p][r] = first ? _mm512_setzero_ps() : _mm512_load_ps(sums + p * kTileSums + r * kPanelOutputs);
    }
  }
  const std::byte *x = at.x, *w = at.w;
  for (std::int64_t step = 0; step < at.steps; ++step, x += at.step_bytes) {
    for (std::int64_t pair = 0; pair < kStep / 2; ++pair, w += 64) {
      __m512i weights[kPanels];
      HWY_UNROLL(16)
      for (int p = 0; p < kPanels; ++p) weights[p] = _mm512_load_si512(w + p * at.panel_bytes);
      HWY_UNROLL(16)
      for (int r = 0; r < kCount; ++r) {
        HWY_UNROLL(16)
        for (int p = 0; p < kPanels; ++p) {
          s[p][r] = add_pair(s[p][r], x + r * kRowBytes + pair * 4, weights[p]);
        }
      }
    }
  }
  HWY_UNROLL(16)
  for (int p = 0; p < kPanels; ++p) {
    HWY_UNROLL(16)
    for (int r = 0; r < kCount; ++r) _mm512_store_ps(sums + p * kTileSums + r * kPanelOutputs, s[p][r]);
  }
}

using MultiplyRows = void (*)(const RunOperands& at, bool first, float* sums);
template <int kPanels>
constexpr std::array<MultiplyRows, kRows> kMultiplyRows = {
    multiply_rows<1, kPanels>, multiply_rows<2, kPanels>, multiply_rows<3, kPanels>,
    multiply_rows<4, kPanels>, multiply_rows<5, kPanels>, multiply_rows<6, kPanels>,
    multiply_rows<7, kPanels>, multiply_rows<8, kPanels>};

// All steps of a few rows, whose weights go from a file's order through registers alone, one panel after the
// other: rows of weights are read from end to end.
template <int kCount, int kPanels, bool kLinear, class Source>
HWY_INLINE void stream_rows(const RunOperands& at, const Source& source, float* sums) {
  for (int p = 0; p < kPanels; ++p, sums += kTileSums) {
    __m512 s[kCount];
    HWY_UNROLL(16)
    for (int r = 0; r < kCount; ++r) s[r] = _mm512_setzero_ps();
    const std::byte* x = at.x;
    for (std::int64_t step = 0; step < at.steps; ++step, x += at.step_bytes) {
      __m512i weights[kStep / 2];
      source.template load<kLinear>(p, step, weights);
      HWY_UNROLL(16)
      for (std::int64_t pair = 0; pair < kStep / 2; ++pair) {
        HWY_UNROLL(16)
        for (int r = 0; r < kCount; ++r) s[r] = add_pair(s[r], x + r * kRowBytes + pair * 4, weights[pair]);
      }
    }
    HWY_UNROLL(16)
    for (int r = 0; r < kCount; ++r) _mm512_store_ps(sums + r * kPanelOutputs, s[r]);
  }
}

// The same of at.rows rows, at most kMost.
template <int kMost, int kPanels, bool kLinear, class Source>
void stream_few(const RunOperands& at, const Source& source, float* sums) {
  if constexpr (kMost > 1) {
    if (at.rows < kMost) return stream_few<kMost - 1, kPanels, kLinear>(at, source, sums);
  }
  stream_rows<kMost, kPanels, kLinear>(at, source, sums);
}

// See bf16_product-inl.h.
struct ByAvx512 {
  static constexpr std::int64_t kGroups = 1, kPanels = 3;
  static constexpr std::int64_t kRunSteps = 9;   // measured
  static constexpr std::int64_t kRingSteps = 8;  // of a stream; measured
  static constexpr std::int64_t kMostPanelBytes = std::int64_t{256} << 10;

  explicit ByAvx512(std::int64_t) {}

  template <int kPanelsNow>
  static HWY_INLINE void multiply(RunOperands at, std::int64_t, bool first, float* sums) {
    const std::int64_t rows = std::min(Bf16Rows::kRows, at.rows);
    for (std::int64_t r = 0; r < rows; r += kRows) {
      const auto count = static_cast<std::size_t>(std::min<std::int64_t>(kRows, rows - r));
      kMultiplyRows<kPanelsNow>[count - 1](at, first, sums);
      at.x += kRows * kRowBytes;
      sums += kRows * kPanelOutputs;
    }
  }

  template <int kPanelsNow, class Source>
  static HWY_INLINE void stream(RunOperands at, const Source& source, float* sums) {
    if constexpr (Source::kLoads) {
      if (at.rows <= kRows) {
        // A panel and the next one must find room in the L2 cache.
        const bool linear = reads_single_streams() && source.panel_bytes() <= kMostPanelBytes;
        return linear ? stream_few<kRows, kPanelsNow, true>(at, source, sums)
                      : stream_few<kRows, kPanelsNow, false>(at, source, sums);
      }
    }
    const std::int64_t steps = at.steps;
    at.panel_bytes = kRingSteps * kTileBytes;
    for (std::int64_t s = 0; s < steps; s += kRingSteps) {
      at.steps = std::min(kRingSteps, steps - s);
      for (int p = 0; p < kPanelsNow; ++p) source.make(p, s, at.steps, at.w + p * at.panel_bytes);
      multiply<kPanelsNow>(at, 1, s == 0, sums);
      at.x += at.steps * at.step_bytes;
    }
  }
};
}  // namespace bf16_avx512

void run_bf16_avx512(const Bf16Task& task) {
  thread_local bf16_avx512::Scratch scratch;
  bf16_avx512::with_tiles_of(*task.job, [&]<class Tiles>(Tiles) {
    bf16_avx512::Bf16Product<Tiles, bf16_avx512::ByAvx512>(task, scratch).run();
  });
}

void round_row_to_steps(const float* x, std::int64_t inputs, std::int64_t step_bytes, std::byte* to) {
  using namespace bf16_avx512;
  for (std::int64_t k = 0; k < inputs; k += kStep, to += step_bytes) {
    _mm512_store_si512(to, rounded(load_floats(x + k, inputs - k)));
  }
}

}  // namespace refocus
HWY_POP_ATTRIBUTES
#else
namespace refocus {
void run_bf16_avx512(const Bf16Task&) { REFOCUS_CHECK(false); }
void round_row_to_steps(const float*, std::int64_t, std::int64_t, std::byte*) { REFOCUS_CHECK(false); }
}  // namespace refocus
#endif
