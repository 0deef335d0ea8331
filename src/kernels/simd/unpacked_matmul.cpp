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

// Where one vector of outputs is in a unit: outputs n.. of the panel.
struct UnitPlace {
  const std::byte* unit;
  std::int64_t scales_bytes, n;

  const std::byte* scales(std::int64_t at, std::int64_t size) const { return unit + at + size * n; }
  const std::byte* group(std::int64_t g) const { return unit + scales_bytes + (g * kPanelOutputs + n) * 4; }
};

HWY_INLINE V load_half(const std::byte* p) {
  const hn::Rebind<hwy::float16_t, D> d16;
  return hn::PromoteTo(D(), hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(p)));
}
HWY_INLINE V load_brain(const std::byte* p) {
  const hn::Rebind<hwy::bfloat16_t, D> d16;
  return hn::PromoteTo(D(), hn::LoadU(d16, reinterpret_cast<const hwy::bfloat16_t*>(p)));
}
HWY_INLINE VI load_unsigned(const std::byte* p) {
  const hn::Rebind<std::uint8_t, DI> d8;
  return hn::PromoteTo(DI(), hn::LoadU(d8, reinterpret_cast<const std::uint8_t*>(p)));
}
HWY_INLINE V load_signed(const std::byte* p) {
  const hn::Rebind<std::int8_t, DI> d8;
  return hn::ConvertTo(D(), hn::PromoteTo(DI(), hn::LoadU(d8, reinterpret_cast<const std::int8_t*>(p))));
}
HWY_INLINE VI load_group(const std::byte* p) {
  return hn::LoadU(DI(), reinterpret_cast<const std::int32_t*>(p));
}
HWY_INLINE V to_float(VI v) { return hn::ConvertTo(D(), v); }
HWY_INLINE VI bits_at(VI v, int shift, int mask) {
  return hn::And(hn::ShiftRightSame(v, shift), hn::Set(DI(), mask));
}
// Byte b of every lane, with its sign.
HWY_INLINE VI signed_byte(VI v, int b) { return hn::ShiftRight<24>(hn::ShiftLeftSame(v, 24 - 8 * b)); }

// table[half] for the low halves of all bytes.
HWY_INLINE VI look_up(const std::int8_t* table, VI halves) {
  const hn::Repartition<std::int8_t, D> d8;
  const VI low = hn::And(halves, hn::Set(DI(), 0x0F0F0F0F));
  return hn::BitCast(DI(), hn::TableLookupBytes(hn::LoadDup128(d8, table), hn::BitCast(d8, low)));
}

// The value of four inputs of group `g`: value(b) for byte b.
template <class Value>
HWY_INLINE void store_four(float* to, std::int64_t input, const Value& value) {
  for (int b = 0; b < 4; ++b) hn::Store(value(b), D(), to + (input + b) * kPanelOutputs);
}

// Block `part` of a unit of small blocks, to [32, kPanelOutputs] from output n on.
template <PackedForm form>
HWY_INLINE void unpack_small_block(const UnitPlace& at, std::int64_t part, float* to) {
  if constexpr (form == PackedForm::kQ8_0) {
    const V d = load_half(at.scales(part * 32, 2));
    for (std::int64_t g = 0; g < 8; ++g) {
      const VI q = load_group(at.group(part * 8 + g));
      store_four(to, 4 * g, [&](int b) HWY_ATTR { return hn::Mul(d, to_float(signed_byte(q, b))); });
    }
  } else if constexpr (form == PackedForm::kQ5_1) {
    const V d = load_half(at.scales(part * 64, 2)), m = load_half(at.scales(part * 64 + 32, 2));
    for (std::int64_t g = 0; g < 8; ++g) {
      const VI q = load_group(at.group(part * 8 + g));
      store_four(to, 4 * g,
                 [&](int b) HWY_ATTR { return hn::MulAdd(d, to_float(bits_at(q, 8 * b, 255)), m); });
    }
  } else if constexpr (form == PackedForm::kQ4_0 || form == PackedForm::kQ4_1) {
    constexpr bool kMin = form == PackedForm::kQ4_1;
    const V d = load_half(at.scales(part * (kMin ? 64 : 32), 2));
    // d (q - 8) is exact in either way to compute it
    const V m = kMin ? load_half(at.scales(part * 64 + 32, 2)) : hn::Mul(d, hn::Set(D(), -8.0f));
    for (std::int64_t g = 0; g < 4; ++g) {
      const VI q = load_group(at.group(part * 4 + g));
      for (int h = 0; h < 2; ++h) {
        store_four(to, 16 * h + 4 * g,
                   [&](int b) HWY_ATTR { return hn::MulAdd(d, to_float(bits_at(q, 8 * b + 4 * h, 15)), m); });
      }
    }
  } else {
    const bool brain = form == PackedForm::kMXFP4;
    const V d = brain ? load_brain(at.scales(part * 32, 2)) : load_half(at.scales(part * 32, 2));
    for (std::int64_t g = 0; g < 4; ++g) {
      const VI q = load_group(at.group(part * 4 + g));
      for (int h = 0; h < 2; ++h) {
        const VI values = look_up(brain ? kFp4Values : kIq4Values, h == 0 ? q : hn::ShiftRight<4>(q));
        store_four(to, 16 * h + 4 * g,
                   [&](int b) HWY_ATTR { return hn::Mul(d, to_float(signed_byte(values, b))); });
      }
    }
  }
}

// Block j of a super-block of Q2_K to Q6_K or IQ4_XS.
template <PackedForm form>
HWY_INLINE void unpack_super_block(const UnitPlace& at, std::int64_t j, float* to) {
  const V d = load_half(at.scales(0, 2));
  if constexpr (form == PackedForm::kQ4_K || form == PackedForm::kQ5_K) {
    const std::int64_t pair = 64 + 2 * j * kPanelOutputs;
    const V scale = hn::Mul(d, to_float(load_unsigned(at.scales(pair, 1))));
    const V min =
        hn::Mul(load_half(at.scales(32, 2)), to_float(load_unsigned(at.scales(pair + kPanelOutputs, 1))));
    constexpr bool kHalves = form == PackedForm::kQ4_K;
    for (std::int64_t g = 0; g < 8; ++g) {
      const VI q = load_group(at.group((kHalves ? j / 2 * 8 : j * 8) + g));
      const int shift = kHalves && j % 2 != 0 ? 4 : 0;
      store_four(to, 4 * g, [&](int b) HWY_ATTR {
        return hn::MulSub(scale, to_float(bits_at(q, 8 * b + shift, kHalves ? 15 : 255)), min);
      });
    }
  } else if constexpr (form == PackedForm::kIQ4_XS) {
    const V scale = hn::Mul(d, load_signed(at.scales((2 + j) * kPanelOutputs, 1)));
    for (std::int64_t g = 0; g < 4; ++g) {
      const VI q = load_group(at.group(j * 4 + g));
      for (int h = 0; h < 2; ++h) {
        const VI values = look_up(kIq4Values, h == 0 ? q : hn::ShiftRight<4>(q));
        store_four(to, 16 * h + 4 * g,
                   [&](int b) HWY_ATTR { return hn::Mul(scale, to_float(signed_byte(values, b))); });
      }
    }
  } else {
    for (std::int64_t g = 0; g < 8; ++g) {
      const std::int64_t half = 2 * j + g / 4;
      if constexpr (form == PackedForm::kQ2_K) {
        const VI both = load_unsigned(at.scales((4 + half) * kPanelOutputs, 1));
        const V scale = hn::Mul(d, to_float(bits_at(both, 0, 15)));
        const V min = hn::Mul(load_half(at.scales(32, 2)), to_float(hn::ShiftRight<4>(both)));
        const VI q = load_group(at.group(j / 4 * 8 + g));
        store_four(to, 4 * g, [&](int b) HWY_ATTR {
          return hn::MulSub(scale, to_float(bits_at(q, 8 * b + static_cast<int>(j % 4 * 2), 3)), min);
        });
      } else if constexpr (form == PackedForm::kQ3_K) {
        const V scale = hn::Mul(d, load_signed(at.scales((2 + half) * kPanelOutputs, 1)));
        const VI q = load_group(at.group(j / 4 * 8 + g)), thirds = load_group(at.group(16 + g));
        store_four(to, 4 * g, [&](int b) HWY_ATTR {
          const VI low = bits_at(q, 8 * b + static_cast<int>(j % 4 * 2), 3);
          const VI high = hn::ShiftLeft<2>(bits_at(thirds, 8 * b + static_cast<int>(j), 1));
          return hn::Mul(scale, to_float(hn::Sub(hn::Or(low, high), hn::Set(DI(), 4))));
        });
      } else {
        const V scale = hn::Mul(d, load_signed(at.scales((2 + half) * kPanelOutputs, 1)));
        const VI q = load_group(at.group(j * 8 + g));
        store_four(to, 4 * g, [&](int b) HWY_ATTR {
          return hn::Mul(scale, to_float(hn::Sub(bits_at(q, 8 * b, 255), hn::Set(DI(), 32))));
        });
      }
    }
  }
}

HWY_INLINE void unpack_scaled_ints(const UnitPlace& at, float* to) {
  for (std::int64_t g = 0; g < 8; ++g) {
    const V scale = hn::LoadU(D(), reinterpret_cast<const float*>(at.scales(g / 4 * 64, 4)));
    const VI q = load_group(at.group(g));
    store_four(to, 4 * g, [&](int b) HWY_ATTR { return hn::Mul(scale, to_float(signed_byte(q, b))); });
  }
}

// Inputs [first, first + count) of a panel, `first` a multiple of kChunk, to [count, kPanelOutputs].
template <PackedForm form>
void unpack_form(const std::byte* panel, std::int64_t first, std::int64_t count, float* to) {
  constexpr PackedUnit kUnit = packed_unit(form);
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(D()));
  for (std::int64_t k = 0; k < count; k += kQuantBlock) {
    const std::int64_t input = first + k, part = input % kUnit.inputs / kQuantBlock;
    for (std::int64_t n = 0; n < kPanelOutputs; n += kLanes) {
      const UnitPlace at{panel + input / kUnit.inputs * kUnit.bytes(), kUnit.scales_bytes, n};
      float* block = to + k * kPanelOutputs + n;
      if constexpr (form == PackedForm::kScaledInts) {
        unpack_scaled_ints(at, block);
      } else if constexpr (kUnit.inputs == 64) {
        unpack_small_block<form>(at, part, block);
      } else {
        unpack_super_block<form>(at, part, block);
      }
    }
  }
}

void unpack(PackedForm form, const std::byte* panel, std::int64_t first, std::int64_t count, float* to) {
  switch (form) {
    case PackedForm::kQ8_0:
      return unpack_form<PackedForm::kQ8_0>(panel, first, count, to);
    case PackedForm::kQ4_0:
      return unpack_form<PackedForm::kQ4_0>(panel, first, count, to);
    case PackedForm::kQ4_1:
      return unpack_form<PackedForm::kQ4_1>(panel, first, count, to);
    case PackedForm::kQ5_1:
      return unpack_form<PackedForm::kQ5_1>(panel, first, count, to);
    case PackedForm::kIQ4_NL:
      return unpack_form<PackedForm::kIQ4_NL>(panel, first, count, to);
    case PackedForm::kMXFP4:
      return unpack_form<PackedForm::kMXFP4>(panel, first, count, to);
    case PackedForm::kQ2_K:
      return unpack_form<PackedForm::kQ2_K>(panel, first, count, to);
    case PackedForm::kQ3_K:
      return unpack_form<PackedForm::kQ3_K>(panel, first, count, to);
    case PackedForm::kQ4_K:
      return unpack_form<PackedForm::kQ4_K>(panel, first, count, to);
    case PackedForm::kQ5_K:
      return unpack_form<PackedForm::kQ5_K>(panel, first, count, to);
    case PackedForm::kQ6_K:
      return unpack_form<PackedForm::kQ6_K>(panel, first, count, to);
    case PackedForm::kIQ4_XS:
      return unpack_form<PackedForm::kIQ4_XS>(panel, first, count, to);
    case PackedForm::kScaledInts:
      return unpack_form<PackedForm::kScaledInts>(panel, first, count, to);
  }
}

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
}  // namespace

void unpack_panel(const PackedMatrix& weights, std::int64_t p, float* to) {
  HWY_DYNAMIC_DISPATCH(unpack_panel)(weights, p, to);
}

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
