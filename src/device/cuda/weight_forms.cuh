// How few_rows.cu reads weights: for each type, what a lane loads at once (a chunk), where the elements of x
// for it are, and the weights of it as float32.
//
// A chunk's weights are met in groups of four, in an order that depends on the lane (the exclusive ors
// below): with it the eight lanes of one transaction of x read eight different parts of a line of 128 bytes.
//
// Bytes and nibbles become floats by putting them in the mantissa of a number whose exponent makes the sum
// with the scale exact: no slow conversions of integers. The weights are those that dequantize_row gives, of
// Q4_K to a few units of the last place of the largest term.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace refocus::cuda {

// One output's weights.
struct WeightRow {
  const std::byte* data;
  const __half* scales;
};

// Weights are read once, and are kept out of the first-level cache, which is x's. Volatile, so that loads
// stay ahead of what a kernel waits for (start.cuh).
__device__ __forceinline__ uint4 load_16(const std::byte* from) {
  uint4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(__cvta_generic_to_global(from)));
  return v;
}
__device__ __forceinline__ uint2 load_8(const std::byte* from) {
  uint2 v;
  asm volatile("ld.global.nc.L1::no_allocate.v2.u32 {%0, %1}, [%2];"
               : "=r"(v.x), "=r"(v.y)
               : "l"(__cvta_generic_to_global(from)));
  return v;
}

template <class T>
__device__ __forceinline__ void swap_if(bool condition, T& a, T& b) {
  const T first = condition ? b : a;
  b = condition ? a : b;
  a = first;
}

template <DType kType>
struct PlainType;
template <>
struct PlainType<DType::kF32> {
  using Type = float;
  static __device__ __forceinline__ float to_float(float v) { return v; }
};
template <>
struct PlainType<DType::kF16> {
  using Type = __half;
  static __device__ __forceinline__ float to_float(__half v) { return __half2float(v); }
};
template <>
struct PlainType<DType::kBF16> {
  using Type = __nv_bfloat16;
  static __device__ __forceinline__ float to_float(__nv_bfloat16 v) { return __bfloat162float(v); }
};

// kWholeInputs: what `inputs` must be a multiple of.
template <DType kType>
struct WeightForm;

template <>
struct WeightForm<DType::kF32> {
  static constexpr int kWeights = 4, kWholeInputs = 4, kUnroll = 4;
  using Loaded = uint4;
  using Ready = float4;
  static __device__ std::int64_t row_bytes(int inputs) { return std::int64_t{4} * inputs; }
  static __device__ __forceinline__ int x_offset(int chunk, int, int) { return 4 * chunk; }
  static __device__ __forceinline__ Loaded load(const WeightRow& row, int chunk) {
    return load_16(row.data + 16 * std::int64_t{chunk});
  }
  static __device__ __forceinline__ Ready prepare(const Loaded& v, int) {
    return {__uint_as_float(v.x), __uint_as_float(v.y), __uint_as_float(v.z), __uint_as_float(v.w)};
  }
  static __device__ __forceinline__ float4 weights(const Ready& ready, int) { return ready; }
};

// F16 and BF16: eight weights a chunk.
struct HalfForm {
  static constexpr int kWeights = 8, kWholeInputs = 8, kUnroll = 4;
  using Loaded = uint4;
  struct Ready {
    std::uint32_t pairs[4];
  };
  static __device__ std::int64_t row_bytes(int inputs) { return std::int64_t{2} * inputs; }
  static __device__ __forceinline__ int x_offset(int chunk, int group, int lane) {
    return 8 * chunk + 4 * (group ^ (lane >> 2 & 1));
  }
  static __device__ __forceinline__ Loaded load(const WeightRow& row, int chunk) {
    return load_16(row.data + 16 * std::int64_t{chunk});
  }
  static __device__ __forceinline__ Ready prepare(const Loaded& v, int lane) {
    Ready ready{{v.x, v.y, v.z, v.w}};
    const bool swapped = (lane >> 2 & 1) != 0;
    swap_if(swapped, ready.pairs[0], ready.pairs[2]);
    swap_if(swapped, ready.pairs[1], ready.pairs[3]);
    return ready;
  }
};

template <>
struct WeightForm<DType::kF16> : HalfForm {
  static __device__ __forceinline__ float2 both(std::uint32_t pair) {
    return __half22float2(__halves2half2(__ushort_as_half(pair & 0xFFFFu),
                                         __ushort_as_half(static_cast<unsigned short>(pair >> 16))));
  }
  static __device__ __forceinline__ float4 weights(const Ready& ready, int group) {
    const float2 a = both(ready.pairs[2 * group]), b = both(ready.pairs[2 * group + 1]);
    return {a.x, a.y, b.x, b.y};
  }
};

template <>
struct WeightForm<DType::kBF16> : HalfForm {
  static __device__ __forceinline__ float4 weights(const Ready& ready, int group) {
    const std::uint32_t a = ready.pairs[2 * group], b = ready.pairs[2 * group + 1];
    return {__uint_as_float(a << 16), __uint_as_float(a & 0xFFFF0000u), __uint_as_float(b << 16),
            __uint_as_float(b & 0xFFFF0000u)};
  }
};

// Eight weights, a quarter of a block, a chunk; quantised values and scales stand apart.
template <>
struct WeightForm<DType::kQ8_0> {
  static constexpr int kWeights = 8, kWholeInputs = 32, kUnroll = 4;
  struct Loaded {
    uint2 q;
    __half d;
  };
  struct Ready {
    std::uint32_t bytes[2];
    float a, b;
  };
  static __device__ std::int64_t row_bytes(int inputs) { return inputs; }
  static __device__ __forceinline__ int x_offset(int chunk, int group, int lane) {
    return 8 * chunk + 4 * (group ^ (lane >> 2 & 1));
  }
  static __device__ __forceinline__ Loaded load(const WeightRow& row, int chunk) {
    return {load_8(row.data + 8 * std::int64_t{chunk}), __ldg(row.scales + chunk / 4)};
  }
  // With u = q + 128 in a byte of its own, the float 32768 + u; d (32768 + u) - 32896 d = d q.
  static __device__ __forceinline__ Ready prepare(const Loaded& v, int lane) {
    const float d = __half2float(v.d);
    Ready ready{{v.q.x ^ 0x80808080u, v.q.y ^ 0x80808080u}, d, -32896 * d};
    swap_if((lane >> 2 & 1) != 0, ready.bytes[0], ready.bytes[1]);
    return ready;
  }
  static __device__ __forceinline__ float weight(const Ready& ready, int group, int byte) {
    const std::uint32_t bits = __byte_perm(ready.bytes[group], 0x47000000u, 0x7404u + (byte << 4));
    return fmaf(__uint_as_float(bits), ready.a, ready.b);
  }
  static __device__ __forceinline__ float4 weights(const Ready& ready, int group) {
    return {weight(ready, group, 0), weight(ready, group, 1), weight(ready, group, 2),
            weight(ready, group, 3)};
  }
};

// The four low nibbles (rotation 3) or high ones (rotation 31) of a word, each in the upper mantissa of a
// float: 1 + n / 16. Then a (1 + n / 16) + b.
__device__ __forceinline__ float4 nibbles(std::uint32_t word, int rotation, float a, float b) {
  const std::uint32_t bytes = (__funnelshift_l(word, word, rotation) & 0x78787878u) | 0x80808080u;
  const auto one = [=](std::uint32_t selector) {
    return fmaf(__uint_as_float(__byte_perm(bytes, 0x3F000000u, selector)), a, b);
  };
  return {one(0x7044u), one(0x7144u), one(0x7244u), one(0x7344u)};
}

// Sixteen weights, half the bytes of a block, a chunk: byte i of the block has element i in its low nibble
// and element 16 + i in its high one.
template <>
struct WeightForm<DType::kQ4_0> {
  static constexpr int kWeights = 16, kWholeInputs = 32, kUnroll = 4;
  struct Loaded {
    uint2 q;
    __half d;
  };
  struct Ready {
    std::uint32_t words[2];
    int rotation;  // of the groups 0 and 1; the groups 2 and 3 have the other one
    float a, b;
  };
  static __device__ std::int64_t row_bytes(int inputs) { return inputs / 2; }
  static __device__ __forceinline__ int x_offset(int chunk, int group, int lane) {
    const int word = (group & 1) ^ (lane >> 1 & 1), high = (group >> 1) ^ (lane >> 2 & 1);
    return 32 * (chunk / 2) + 8 * (chunk % 2) + 4 * word + 16 * high;
  }
  static __device__ __forceinline__ Loaded load(const WeightRow& row, int chunk) {
    return {load_8(row.data + 8 * std::int64_t{chunk}), __ldg(row.scales + chunk / 2)};
  }
  // 16 d (1 + n / 16) - 24 d = d (n - 8)
  static __device__ __forceinline__ Ready prepare(const Loaded& v, int lane) {
    const float d = __half2float(v.d);
    Ready ready{{v.q.x, v.q.y}, (lane >> 2 & 1) != 0 ? 31 : 3, 16 * d, -24 * d};
    swap_if((lane >> 1 & 1) != 0, ready.words[0], ready.words[1]);
    return ready;
  }
  static __device__ __forceinline__ float4 weights(const Ready& ready, int group) {
    const int rotation = group < 2 ? ready.rotation : 34 - ready.rotation;
    return nibbles(ready.words[group & 1], rotation, ready.a, ready.b);
  }
};

// Thirty-two weights a chunk: part p = chunk % 8 of a block has the 16 bytes qs[16 p ..], whose low nibbles
// are of sub-block 2 (p / 2) and whose high ones of the next, at element 16 (p % 2) of it. Blocks are as in
// files.
template <>
struct WeightForm<DType::kQ4_K> {
  static constexpr int kWeights = 32, kWholeInputs = 256, kUnroll = 2;
  struct Loaded {
    uint4 header, q;  // d and dmin, 12 bytes of scales
  };
  struct Ready {
    std::uint32_t words[4];
    float a[2], b[2];  // of the low and of the high nibbles
  };
  static __device__ std::int64_t row_bytes(int inputs) { return std::int64_t{144} * (inputs / 256); }
  static __device__ __forceinline__ int x_offset(int chunk, int group, int lane) {
    const int pair = lane >> 1 & 3;  // chunk % 8 / 2, as chunk % 32 is the lane
    return 256 * (chunk / 8) + 64 * pair + 16 * (chunk % 2) + 32 * (group >> 2) + 4 * ((group & 3) ^ pair);
  }
  static __device__ __forceinline__ Loaded load(const WeightRow& row, int chunk) {
    const std::byte* block = row.data + 144 * std::int64_t{chunk / 8};
    return {__ldg(reinterpret_cast<const uint4*>(block)), load_16(block + 16 + 16 * (chunk % 8))};
  }
  static __device__ __forceinline__ float byte_to_float(std::uint32_t word, int byte) {
    return __uint_as_float(__byte_perm(word, 0x4B000000u, 0x7440u + byte)) - 8388608.0f;
  }
  // The two sub-blocks' scales and mins as unpack_scales_and_mins has them, one a byte; then
  // 16 d scale (1 + n / 16) - (16 d scale + dmin min).
  static __device__ __forceinline__ Ready prepare(const Loaded& v, int lane) {
    const int pair = lane >> 1 & 3, shift = 16 * (pair & 1);
    const std::uint32_t low = v.header.y >> shift, middle = v.header.z >> shift, high = v.header.w >> shift;
    const bool early = pair < 2;
    const std::uint32_t scales = early ? low & 0x3F3Fu : (high & 0x0F0Fu) | (low >> 2 & 0x3030u);
    const std::uint32_t mins = early ? middle & 0x3F3Fu : (high >> 4 & 0x0F0Fu) | (middle >> 2 & 0x3030u);
    const float d = __half2float(__ushort_as_half(static_cast<unsigned short>(v.header.x & 0xFFFFu)));
    const float dmin = __half2float(__ushort_as_half(static_cast<unsigned short>(v.header.x >> 16)));
    Ready ready{{v.q.x, v.q.y, v.q.z, v.q.w}, {}, {}};
#pragma unroll
    for (int s = 0; s < 2; ++s) {
      ready.a[s] = 16 * d * byte_to_float(scales, s);
      ready.b[s] = -fmaf(dmin, byte_to_float(mins, s), ready.a[s]);
    }
    swap_if((pair & 1) != 0, ready.words[0], ready.words[1]);
    swap_if((pair & 1) != 0, ready.words[2], ready.words[3]);
    swap_if((pair & 2) != 0, ready.words[0], ready.words[2]);
    swap_if((pair & 2) != 0, ready.words[1], ready.words[3]);
    return ready;
  }
  static __device__ __forceinline__ float4 weights(const Ready& ready, int group) {
    const int s = group >> 2;
    return nibbles(ready.words[group & 3], s == 0 ? 3 : 31, ready.a[s], ready.b[s]);
  }
};

}  // namespace refocus::cuda
