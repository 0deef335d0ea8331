// Products of float32 activations with packed weights; see kernels/packed_matmul.h for the order of the sums.
//
// A chunk of a panel (kChunk inputs times kPanelOutputs outputs) is unpacked into the L1 cache once for up to
// kRowBlock activation rows, [input][output], so that lanes run along the outputs. A tile keeps the sums of a
// block of 32 inputs in registers, of several rows, or of several blocks where rows are few.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/output_ranges.h"
#include "kernels/packed_matmul.h"
#include "kernels/simd/bf16_task.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/unpacked_matmul.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef REFOCUS_UNPACKED_SHARED
#define REFOCUS_UNPACKED_SHARED
namespace refocus {
// Panels [begin, end) of one job, for all rows.
struct UnpackedTask {
  const MatMulInput* input;
  const PackedJob* job;
  std::int64_t begin, end;
};
}  // namespace refocus
#endif

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#include "kernels/simd/bf16_lanes-inl.h"

using D = hn::CappedTag<float, kPanelOutputs>;
using DI = hn::RebindToSigned<D>;
using V = hn::Vec<D>;
using VI = hn::Vec<DI>;
constexpr std::int64_t kChunk = 256;     // inputs; a multiple of every unit's
constexpr std::int64_t kRowBlock = 128;  // rows that share an unpacked chunk
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr int kTileRows = 12;  // of one vector of outputs, of 32 registers
constexpr int kVectors = 1;
#elif HWY_TARGET == HWY_AVX2
constexpr int kTileRows = 6;  // of two, of 16
constexpr int kVectors = 2;
#else
constexpr int kTileRows = 2;  // of four
constexpr int kVectors = 4;
#endif

#include "kernels/simd/unpack_panel-inl.h"

// Adds to `sums`, [kRows][kPanelOutputs], the products of kRows rows with kBlocks blocks of weights.
template <int kRows, int kBlocks>
HWY_INLINE void tile(const float* HWY_RESTRICT x, std::int64_t x_stride, const float* HWY_RESTRICT weights,
                     float* HWY_RESTRICT sums) {
  const D d;
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(D()));
  V sum[kBlocks][kRows][kVectors];
  for (int b = 0; b < kBlocks; ++b) {
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v) sum[b][r][v] = hn::Zero(d);
    }
  }
  for (std::int64_t k = 0; k < kQuantBlock; ++k) {
    for (int b = 0; b < kBlocks; ++b) {
      const std::int64_t input = b * kQuantBlock + k;
      V w[kVectors];
      for (int v = 0; v < kVectors; ++v) w[v] = hn::Load(d, weights + input * kPanelOutputs + v * kLanes);
      for (int r = 0; r < kRows; ++r) {
        const V one = hn::Set(d, x[r * x_stride + input]);
        for (int v = 0; v < kVectors; ++v) sum[b][r][v] = hn::MulAdd(one, w[v], sum[b][r][v]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      float* to = sums + r * kPanelOutputs + v * kLanes;
      V all = hn::Load(d, to);
      for (int b = 0; b < kBlocks; ++b) all = hn::Add(all, sum[b][r][v]);
      hn::Store(all, d, to);
    }
  }
}

// `rows` rows times `count` inputs of an unpacked chunk.
void add_chunk(const float* x, std::int64_t x_stride, std::int64_t rows, std::int64_t count,
               const float* weights, float* sums) {
  constexpr int kSeveral = kVectors == 4 ? 1 : 4;  // blocks at a time for a single row
  std::int64_t r = 0;
  for (; r + kTileRows <= rows; r += kTileRows) {
    for (std::int64_t k = 0; k < count; k += kQuantBlock) {
      tile<kTileRows, 1>(x + r * x_stride + k, x_stride, weights + k * kPanelOutputs,
                         sums + r * kPanelOutputs);
    }
  }
  for (; kTileRows > 2 && r + 2 <= rows; r += 2) {
    for (std::int64_t k = 0; k < count; k += kQuantBlock) {
      tile<2, 1>(x + r * x_stride + k, x_stride, weights + k * kPanelOutputs, sums + r * kPanelOutputs);
    }
  }
  for (; r < rows; ++r) {
    const float* row = x + r * x_stride;
    std::int64_t k = 0;
    for (; k + kSeveral * kQuantBlock <= count; k += kSeveral * kQuantBlock) {
      tile<1, kSeveral>(row + k, x_stride, weights + k * kPanelOutputs, sums + r * kPanelOutputs);
    }
    for (; k < count; k += kQuantBlock) {
      tile<1, 1>(row + k, x_stride, weights + k * kPanelOutputs, sums + r * kPanelOutputs);
    }
  }
}

// y of one row and of a panel's outputs: what it held or 0, plus bias, plus the sums.
void finish(const PackedJob& job, std::int64_t row, std::int64_t panel, const float* sums) {
  const std::int64_t first = panel * kPanelOutputs,
                     valid = std::min(kPanelOutputs, job.weights->outputs - first);
  float* y = job.y + row * job.y_stride + first;
  for (std::int64_t n = 0; n < valid; ++n) {
    const float base = job.accumulate ? y[n] : 0.0f;
    y[n] = (job.bias != nullptr ? base + job.bias[first + n] : base) + sums[n];
  }
}

void round_chunk(float* weights, std::int64_t count) {
  const D d;
  for (std::int64_t i = 0; i < count; i += static_cast<std::int64_t>(hn::Lanes(d))) {
    hn::Store(round_to_bf16(d, hn::Load(d, weights + i)), d, weights + i);
  }
}

void run_unpacked(const UnpackedTask& task) {
  const MatMulInput& in = *task.input;
  const PackedMatrix& weights = *task.job->weights;
  const std::int64_t x_stride = padded(in.inputs);
  alignas(64) float unpacked[kChunk * kPanelOutputs];
  alignas(64) float sums[kRowBlock * kPanelOutputs];
  for (std::int64_t first = 0; first < in.rows; first += kRowBlock) {
    const std::int64_t rows = std::min(kRowBlock, in.rows - first);
    for (std::int64_t p = task.begin; p < task.end; ++p) {
      std::fill_n(sums, rows * kPanelOutputs, 0.0f);
      for (std::int64_t k = 0; k < in.inputs; k += kChunk) {
        const std::int64_t count = std::min(kChunk, in.inputs - k);
        unpack(weights.form(), weights.data + p * weights.panel_bytes, k, count, unpacked);
        if (in.round_weights) round_chunk(unpacked, count * kPanelOutputs);
        add_chunk(in.x + first * x_stride + k, x_stride, rows, count, unpacked, sums);
      }
      for (std::int64_t r = 0; r < rows; ++r) finish(*task.job, first + r, p, sums + r * kPanelOutputs);
    }
  }
}

void unpack_panel(const PackedMatrix& weights, std::int64_t p, float* to) {
  alignas(64) float unpacked[kChunk * kPanelOutputs];
  for (std::int64_t k = 0; k < weights.inputs; k += kChunk) {
    const std::int64_t count = std::min(kChunk, weights.inputs - k);
    unpack(weights.form(), weights.data + p * weights.panel_bytes, k, count, unpacked);
    std::copy_n(unpacked, count * kPanelOutputs, to + k * kPanelOutputs);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(run_unpacked);
HWY_EXPORT(unpack_panel);
HWY_EXPORT(unpack);
}  // namespace

void unpack_panel(const PackedMatrix& weights, std::int64_t p, float* to) {
  HWY_DYNAMIC_DISPATCH(unpack_panel)(weights, p, to);
}

UnpackChunk chunk_unpacker() { return HWY_DYNAMIC_DISPATCH(unpack); }

void unpacked_matmul(ThreadPool& pool, const MatMulInput& x, std::span<const PackedJob> jobs) {
  OutputRange ranges[kMaxJobs];
  REFOCUS_CHECK(jobs.size() <= kMaxJobs);
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    const PackedMatrix& w = *jobs[j].weights;
    REFOCUS_CHECK(w.inputs == x.inputs);
    ranges[j] = {w.panels(), outputs_a_task(w.panels(), w.panel_bytes, pool.size(), 1)};
  }
  const auto run = HWY_DYNAMIC_DISPATCH(run_unpacked);
  for_output_ranges(pool, {ranges, jobs.size()}, [&](std::size_t j, std::int64_t begin, std::int64_t end) {
    run({&x, &jobs[j], begin, end});
  });
}

}  // namespace refocus
#endif  // HWY_ONCE
