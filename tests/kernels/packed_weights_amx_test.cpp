// What AMX multiplies, made of packed weights: it takes AVX-512 with VNNI alone, so this runs where AMX does
// not.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "kernels/packed_support.h"
#include "kernels/simd/packed_task.h"
#include "tensor/half.h"

#include <hwy/highway.h>

#if HWY_ARCH_X86
#include <immintrin.h>

#define REFOCUS_INT8 REFOCUS_INT8_VNNI

HWY_PUSH_ATTRIBUTES("avx,avx2,fma,f16c,avx512f,avx512vl,avx512dq,avx512bw,avx512vnni")
namespace refocus {
namespace amx_weights_test {
namespace {
#include "kernels/simd/int8_lanes-inl.h"
#include "kernels/simd/int8_tables-inl.h"
#include "kernels/simd/int8_upper_bits-inl.h"
#include "kernels/simd/packed_weights_amx-inl.h"

// Weights [inputs, kPanelOutputs] of a panel, put together again from its blocks as AMX has them.
template <PackedForm form>
std::vector<float> weights_of_blocks(const PackedMatrix& matrix) {
  constexpr Halves kHalves = halves_of(form);
  constexpr Offsets kOffsets = offsets_of(form);
  std::vector<float> out(static_cast<std::size_t>(matrix.inputs * kPanelOutputs));
  static PanelChunk chunk;
  for (std::int64_t i = 0; i < matrix.inputs; ++i) {
    const std::int64_t k = i % kQuantBlock, half = k / 16;
    if (k == 0) put_block<form>(matrix.data, i / kQuantBlock, {&chunk, 0});
    for (std::int64_t n = 0; n < kPanelOutputs; ++n) {
      const auto q = static_cast<std::int8_t>(chunk.quants[0][k / 4 * kGroupBytes + 4 * n + k % 4]);
      float scale = chunk.scales[kHalves == Halves::kScales ? half : 0][0][n];
      if (kHalves == Halves::kIntegers) scale *= chunk.half_scales[half][0][n];
      float value = scale * static_cast<float>(q);
      if (kOffsets != Offsets::kNone) value += chunk.added[kOffsets == Offsets::kHalves ? half : 0][0][n];
      out[static_cast<std::size_t>(i * kPanelOutputs + n)] = value;
    }
  }
  return out;
}

std::vector<float> weights_of_blocks(const PackedMatrix& matrix) {
  switch (matrix.form()) {
#define REFOCUS_FORM(name)  \
  case PackedForm::k##name: \
    return weights_of_blocks<PackedForm::k##name>(matrix)
    REFOCUS_FORM(Q8_0);
    REFOCUS_FORM(Q4_0);
    REFOCUS_FORM(Q4_1);
    REFOCUS_FORM(Q5_0);
    REFOCUS_FORM(Q5_1);
    REFOCUS_FORM(IQ4_NL);
    REFOCUS_FORM(MXFP4);
    REFOCUS_FORM(Q2_K);
    REFOCUS_FORM(Q3_K);
    REFOCUS_FORM(Q4_K);
    REFOCUS_FORM(Q5_K);
    REFOCUS_FORM(Q6_K);
    REFOCUS_FORM(IQ4_XS);
    REFOCUS_FORM(ScaledInts);
#undef REFOCUS_FORM
  }
  return {};
}

}  // namespace
}  // namespace amx_weights_test
}  // namespace refocus
HWY_POP_ATTRIBUTES

// Outside of these attributes, so that a processor without AVX-512 gets as far as being asked.
namespace refocus {
namespace {

TEST(PackedWeightsOfAmx, AreThoseOfTheFile) {
  if (!__builtin_cpu_supports("avx512vnni") || !__builtin_cpu_supports("avx512bw")) {
    GTEST_SKIP() << "needs a processor with AVX-512 VNNI";
  }
  ThreadPool pool(1);
  const std::int64_t inputs = 512;
  for (const DType type : testing::block_types()) {
    const std::vector<std::byte> rows = testing::random_blocks(type, kPanelOutputs, inputs);
    const PackedMatrix matrix = pack(pool, type, rows.data(), kPanelOutputs, inputs);
    std::vector<float> expected(static_cast<std::size_t>(inputs * kPanelOutputs));
    unpack_panel(matrix, 0, expected.data());
    const std::vector<float> got = amx_weights_test::weights_of_blocks(matrix);
    float largest = 0;
    for (const float w : expected) largest = std::max(largest, std::abs(w));
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(got[i], expected[i], 1e-5f * largest) << name_of(type) << " at " << i;
    }
  }
}

}  // namespace
}  // namespace refocus
#endif
