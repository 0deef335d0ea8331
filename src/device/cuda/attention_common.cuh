// What the kernels of attention over rows and over tiles have in common: which keys a row sees, and
// re-balancing; and how a warp reads keys, values and queries in float32.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>

#include "base/error.h"
#include "device/device.h"

namespace refocus::cuda {

inline constexpr int kKeys = static_cast<int>(kDeviceKeyBlock);  // positions of a block of the cache
inline constexpr unsigned kWholeWarp = 0xffffffffu;

// The first key that a query at the position sees; its last is its own.
__device__ inline int first_key(const DeviceAttention& attention, int position) {
  const int window = static_cast<int>(attention.window);
  return window > 0 && position >= window ? position - window + 1 : 0;
}

// kv_head_elements of device.h, for kernels.
__host__ __device__ constexpr std::int64_t head_elements(std::int64_t head_dim) {
  return kDeviceKeyBlock * (head_dim + (head_dim + 15) / 16 * 16);
}
static_assert(head_elements(20) == kv_head_elements(20) && head_elements(128) == kv_head_elements(128));

// Where the head's K begins, in the block of the sequence that holds positions kKeys * block ..
template <class T>
__device__ const T* block_keys(const DeviceAttention& attention, int sequence, int block, int kv_head) {
  const auto* at =
      reinterpret_cast<const std::byte*>(__ldg(reinterpret_cast<const unsigned long long*>(attention.blocks) +
                                               sequence * attention.blocks_stride + block));
  return reinterpret_cast<const T*>(at + attention.offset) + kv_head * head_elements(attention.head_dim);
}

// exp(score - max), where -infinity has no weight even if nothing is larger. Not a number stays so.
__device__ inline float weight_of(float score, float max) {
  return score == -INFINITY ? 0.0f : expf(score - max);
}

// Re-balancing of one row and head: weights of keys whose bit is set are multiplied by `factor`.
struct Boost {
  float factor = 1;                     // 1: there is none
  const std::uint32_t* mask = nullptr;  // of the row and head; null: every key

  // The bits of keys 32 * block ..
  __device__ std::uint32_t word(int block) const {
    if (factor == 1) return 0;
    return mask == nullptr ? 0xffffffffu : mask[block];
  }
};

__device__ inline Boost boost_of(const DeviceAttention& attention, std::int64_t row, int sequence, int head) {
  Boost boost;
  if (attention.rebalance == nullptr || attention.row_acts == nullptr || attention.row_acts[row] == 0) {
    return boost;
  }
  const DeviceRebalance& rebalance = attention.rebalance[sequence];
  const bool named = head < kDeviceHeads && (rebalance.heads[head / 32] >> (head % 32) & 1) != 0;
  if (!named || rebalance.excess == 0 || (rebalance.all == 0 && attention.mask == nullptr)) return boost;
  boost.factor = 1 + rebalance.excess;
  if (rebalance.all == 0) {
    boost.mask = attention.mask + (row * attention.heads + head) * attention.mask_words;
  }
  return boost;
}

inline constexpr int kChunk = 8;  // steps whose loads are under way together

// How a warp reads a block of 32 keys: kLanes lanes take 8 dimensions of a key each, kVectors times, so that
// a step is 32 / kLanes keys. kWhole: head_dim is a multiple of 8, so that 16 bytes can be read at once.
template <class Type, int kLanesOfKey, int kVectorsOfLane, bool kWholeVectors>
struct Way {
  using T = Type;
  static constexpr int kLanes = kLanesOfKey, kVectors = kVectorsOfLane, kSize = 8 * kVectorsOfLane;
  static constexpr int kPerStep = 32 / kLanes, kMaxDim = kLanes * kSize;
  static constexpr bool kWhole = kWholeVectors;

  // The first dimension of a lane's vector v.
  static __device__ int dimension(int v, int lane) { return (v * kLanes + lane % kLanes) * 8; }
  // The slot of the block that the lane meets in a step, and the slot whose score it keeps.
  static __device__ int slot(int step, int lane) { return step * kPerStep + lane / kLanes; }
  static __device__ int own_slot(int lane) { return slot(lane % kLanes, lane); }
};

// Slots [begin, end) of a block that a row sees.
struct Slots {
  int begin, end;
  __device__ bool has(int slot) const { return slot >= begin && slot < end; }
};

__device__ inline Slots visible_slots(int block, int first, int position) {
  return {max(first - block * kKeys, 0), min(position + 1 - block * kKeys, kKeys)};
}

// Eight elements as they are read.
template <class T, bool kWhole>
struct Eight {
  float x[8];
  __device__ void read(const T* from, int count) {
#pragma unroll
    for (int i = 0; i < 8; ++i) x[i] = i < count ? static_cast<float>(from[i]) : 0.0f;
  }
  __device__ void widen(float* to) const {
#pragma unroll
    for (int i = 0; i < 8; ++i) to[i] = x[i];
  }
};

template <>
struct Eight<float, true> {
  float4 low, high;
  __device__ void read(const float* from, int count) {
    low = high = make_float4(0, 0, 0, 0);
    if (count <= 0) return;
    low = *reinterpret_cast<const float4*>(from);
    high = *(reinterpret_cast<const float4*>(from) + 1);
  }
  __device__ void widen(float* to) const {
    to[0] = low.x, to[1] = low.y, to[2] = low.z, to[3] = low.w;
    to[4] = high.x, to[5] = high.y, to[6] = high.z, to[7] = high.w;
  }
};

template <>
struct Eight<__half, true> {
  uint4 bits;
  __device__ void read(const __half* from, int count) {
    bits = count <= 0 ? make_uint4(0, 0, 0, 0) : *reinterpret_cast<const uint4*>(from);
  }
  static __device__ void widen(std::uint32_t pair, float* to) {
    __half2_raw raw;
    raw.x = static_cast<unsigned short>(pair & 0xffffu);
    raw.y = static_cast<unsigned short>(pair >> 16);
    const float2 both = __half22float2(__half2(raw));
    to[0] = both.x, to[1] = both.y;
  }
  __device__ void widen(float* to) const {
    widen(bits.x, to), widen(bits.y, to + 2), widen(bits.z, to + 4), widen(bits.w, to + 6);
  }
};

// The lane's part of the keys (or values) of kChunk steps from `first_step` on; zeros for slots not seen.
template <class W>
struct Chunk {
  Eight<typename W::T, W::kWhole> part[kChunk][W::kVectors];

  __device__ void read(const typename W::T* block, int first_step, Slots slots, int head_dim, int lane) {
#pragma unroll
    for (int s = 0; s < kChunk; ++s) {
      const int slot = W::slot(first_step + s, lane);
#pragma unroll
      for (int v = 0; v < W::kVectors; ++v) {
        const int d = W::dimension(v, lane);
        part[s][v].read(block + slot * head_dim + d, slots.has(slot) ? head_dim - d : 0);
      }
    }
  }
};

// The lane's part of a query; zeros beyond head_dim.
template <class W>
__device__ void read_query(const DeviceAttention& attention, std::int64_t row, int head, int lane, float* q) {
  const float* from = attention.q + row * attention.q_stride + head * attention.head_dim;
#pragma unroll
  for (int v = 0; v < W::kVectors; ++v) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int d = W::dimension(v, lane) + i;
      q[v * 8 + i] = d < attention.head_dim ? from[d] : 0.0f;
    }
  }
}

// Sums each of kChunk values over the kLanes lanes of a key; lane l gets the sum of value l % kChunk.
template <class W>
__device__ float sum_over_lanes(float (&x)[kChunk], int lane) {
#pragma unroll
  for (int half = kChunk / 2; half >= 1; half /= 2) {
    const bool upper = (lane & half) != 0;
#pragma unroll
    for (int i = 0; i < half; ++i) {
      const float keep = upper ? x[i + half] : x[i], give = upper ? x[i] : x[i + half];
      x[i] = __fadd_rn(keep, __shfl_xor_sync(kWholeWarp, give, half));
    }
  }
  float sum = x[0];
#pragma unroll
  for (int step = kChunk; step < W::kLanes; step *= 2) {
    sum = __fadd_rn(sum, __shfl_xor_sync(kWholeWarp, sum, step));
  }
  return sum;
}

// score[h] of the key in slot W::own_slot(lane), scaled and capped; -infinity where it is not seen.
template <class W, int kHeads>
__device__ void block_scores(const DeviceAttention& attention, const typename W::T* keys, Slots slots,
                             const float (&q)[kHeads][W::kSize], int lane, float (&score)[kHeads]) {
#pragma unroll(W::kLanes <= 16 && kHeads < 4 ? 2 : 1)
  for (int c = 0; c < W::kLanes / kChunk; ++c) {
    Chunk<W> chunk;
    chunk.read(keys, c * kChunk, slots, static_cast<int>(attention.head_dim), lane);
    float dots[kHeads][kChunk];
#pragma unroll
    for (int s = 0; s < kChunk; ++s) {
      float k[W::kSize];
#pragma unroll
      for (int v = 0; v < W::kVectors; ++v) chunk.part[s][v].widen(k + v * 8);
#pragma unroll
      for (int h = 0; h < kHeads; ++h) {
        dots[h][s] = 0;
#pragma unroll
        for (int i = 0; i < W::kSize; ++i) dots[h][s] = __fmaf_rn(q[h][i], k[i], dots[h][s]);
      }
    }
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      const float sum = sum_over_lanes<W>(dots[h], lane);
      if (lane % W::kLanes / kChunk == c) score[h] = sum;
    }
  }
  const bool seen = slots.has(W::own_slot(lane));
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
    score[h] = __fmul_rn(score[h], attention.scale);
    if (attention.softcap > 0) {
      score[h] = __fmul_rn(attention.softcap, tanhf(__fdiv_rn(score[h], attention.softcap)));
    }
    if (!seen) score[h] = -INFINITY;
  }
}

// sums[h] += weight[h] v over a block; the weights are of the slots W::own_slot(lane), 0 where not seen.
template <class W, int kHeads>
__device__ void add_values(const typename W::T* values, Slots slots, int head_dim,
                           const float (&weight)[kHeads], int lane, float (&sums)[kHeads][W::kSize]) {
#pragma unroll(W::kLanes <= 16 && kHeads < 4 ? 2 : 1)
  for (int c = 0; c < W::kLanes / kChunk; ++c) {
    Chunk<W> chunk;
    chunk.read(values, c * kChunk, slots, head_dim, lane);
#pragma unroll
    for (int s = 0; s < kChunk; ++s) {
      float x[W::kSize];
#pragma unroll
      for (int v = 0; v < W::kVectors; ++v) chunk.part[s][v].widen(x + v * 8);
#pragma unroll
      for (int h = 0; h < kHeads; ++h) {
        const float w = __shfl_sync(kWholeWarp, weight[h], c * kChunk + s, W::kLanes);
#pragma unroll
        for (int i = 0; i < W::kSize; ++i) sums[h][i] = __fmaf_rn(w, x[i], sums[h][i]);
      }
    }
  }
}

// Adds up what the warp's groups of lanes have, so that its first kLanes lanes hold all of head_dim, and puts
// it to `to` [W::kMaxDim].
template <class W>
__device__ void put_sums(float (&sums)[W::kSize], int lane, float* to) {
#pragma unroll
  for (int i = 0; i < W::kSize; ++i) {
#pragma unroll
    for (int step = W::kLanes; step < 32; step *= 2) {
      sums[i] = __fadd_rn(sums[i], __shfl_xor_sync(kWholeWarp, sums[i], step));
    }
    if (lane < W::kLanes) to[W::dimension(i / 8, lane) + i % 8] = sums[i];
  }
}

// One element of a row's result.
__device__ __forceinline__ void put_out(const DeviceAttention& attention, std::int64_t row, std::int64_t i,
                                        float value) {
  const DeviceHalf& half = attention.half;
  if (half.data == nullptr) {
    attention.out[row * attention.out_stride + i] = value;
  } else if (half.type == DType::kBF16) {
    static_cast<__nv_bfloat16*>(half.data)[row * half.stride + i] = __float2bfloat16_rn(value);
  } else {
    static_cast<__half*>(half.data)[row * half.stride + i] = __float2half_rn(value);
  }
}

inline constexpr int kMaxHeadDim = 512;

// Calls run(Way()) with the way that keys of the type and head_dim are read.
template <class T, class Run>
void with_way_of(std::int64_t head_dim, const Run& run) {
  if (head_dim > kMaxHeadDim)
    throw InputError("CUDA", "attention with a head_dim above 512 is not supported");
  if (head_dim % 8 != 0 || head_dim > 256) return run(Way<T, 32, 2, false>());
  if (head_dim <= 64) return run(Way<T, 8, 1, true>());
  if (head_dim <= 128) return run(Way<T, 16, 1, true>());
  return run(Way<T, 32, 1, true>());
}

template <class Run>
void with_way(const DeviceAttention& attention, const Run& run) {
  if (attention.type == DType::kF16) return with_way_of<__half>(attention.head_dim, run);
  return with_way_of<float>(attention.head_dim, run);
}

inline unsigned blocks_of(std::int64_t count, std::int64_t size) {
  return static_cast<unsigned>((count + size - 1) / size);
}

}  // namespace refocus::cuda
