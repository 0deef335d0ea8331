// Matrices from their form in files into the device's, rows of activations to half precision, and matrices of
// block types to F16.
//
// The device keeps F32, F16, BF16 and Q4_K as files have them. Of Q8_0 and Q4_0, whose blocks of 34 and 18
// bytes no wide load can be aligned to, it keeps the quantised values [outputs, inputs] and the scales
// [outputs, inputs / 32] apart.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

#include "device/cuda/launch.h"
#include "device/cuda/start.cuh"
#include "tensor/block_formats.h"

namespace refocus::cuda {

namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kMostBlocks = 1 << 20;  // more elements are a loop of each thread

int blocks_for(std::int64_t count) {
  return static_cast<int>(std::min((count + kThreads - 1) / kThreads, kMostBlocks));
}

__device__ __forceinline__ std::int64_t first_index() {
  return static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
}
__device__ __forceinline__ std::int64_t index_step() {
  return static_cast<std::int64_t>(gridDim.x) * kThreads;
}

bool is_split(DType type) { return type == DType::kQ8_0 || type == DType::kQ4_0; }

// Blocks of 2 bytes of scale and 2 kHalves bytes of values.
template <int kHalves>
__global__ void split_blocks(const std::uint16_t* from, std::int64_t count, std::uint16_t* data,
                             std::uint16_t* scales) {
  for (std::int64_t i = first_index(); i < count; i += index_step()) {
    const std::uint16_t* block = from + i * (kHalves + 1);
    scales[i] = block[0];
#pragma unroll
    for (int h = 0; h < kHalves; ++h) data[i * kHalves + h] = block[1 + h];
  }
}

template <class T>
__device__ __forceinline__ T rounded(float v);
template <>
__device__ __forceinline__ __half rounded<__half>(float v) {
  return __float2half_rn(v);
}
template <>
__device__ __forceinline__ __nv_bfloat16 rounded<__nv_bfloat16>(float v) {
  return __float2bfloat16_rn(v);
}

// A pair of elements a step; padded_size is even.
template <class T>
__global__ void round_rows(const float* x, std::int64_t stride, std::int64_t rows, std::int64_t size, T* to,
                           std::int64_t padded_size) {
  begin_work();
  const std::int64_t pairs = padded_size / 2;
  for (std::int64_t i = first_index(); i < rows * pairs; i += index_step()) {
    const std::int64_t row = i / pairs, at = (i - row * pairs) * 2;
    const float* from = x + row * stride + at;
    T* const out = to + row * padded_size + at;
    out[0] = rounded<T>(at < size ? from[0] : 0.0f);
    out[1] = rounded<T>(at + 1 < size ? from[1] : 0.0f);
  }
}

template <class T>
__global__ void widen_rows(const T* from, std::int64_t from_stride, std::int64_t rows, std::int64_t size,
                           float* to, std::int64_t stride) {
  begin_work();
  for (std::int64_t i = first_index(); i < rows * size; i += index_step()) {
    const std::int64_t row = i / size, at = i - row * size;
    to[row * stride + at] = static_cast<float>(from[row * from_stride + at]);
  }
}

// A thread: eight elements of one block.
__global__ void q8_0_to_f16(const std::int8_t* data, const __half* scales, std::int64_t eights, __half* to) {
  for (std::int64_t i = first_index(); i < eights; i += index_step()) {
    const float d = __half2float(scales[i / 4]);
    const char4* from = reinterpret_cast<const char4*>(data + 8 * i);
    __half2* out = reinterpret_cast<__half2*>(to + 8 * i);
#pragma unroll
    for (int w = 0; w < 2; ++w) {
      const char4 q = from[w];
      out[2 * w] = __floats2half2_rn(d * static_cast<float>(q.x), d * static_cast<float>(q.y));
      out[2 * w + 1] = __floats2half2_rn(d * static_cast<float>(q.z), d * static_cast<float>(q.w));
    }
  }
}

// A thread: four bytes of one block, whose low nibbles are elements 4 w .. and whose high ones 16 + 4 w ...
__global__ void q4_0_to_f16(const std::uint8_t* data, const __half* scales, std::int64_t words, __half* to) {
  for (std::int64_t i = first_index(); i < words; i += index_step()) {
    const std::int64_t block = i / 4;
    const float d = __half2float(scales[block]);
    const std::uint32_t word = reinterpret_cast<const std::uint32_t*>(data)[i];
    __half* out = to + 32 * block + 4 * (i % 4);
#pragma unroll
    for (int b = 0; b < 4; ++b) {
      const std::uint32_t byte = word >> (8 * b) & 0xFF;
      out[b] = __float2half_rn(d * static_cast<float>(static_cast<int>(byte & 15) - 8));
      out[16 + b] = __float2half_rn(d * static_cast<float>(static_cast<int>(byte >> 4) - 8));
    }
  }
}

// A thread: four bytes of one block, elements 4 w .. of two sub-blocks.
__global__ void q4_k_to_f16(const BlockQ4_K* blocks, std::int64_t words, __half* to) {
  for (std::int64_t i = first_index(); i < words; i += index_step()) {
    const BlockQ4_K& block = blocks[i / 32];
    const int word = static_cast<int>(i % 32), pair = word / 8, w = word % 8;
    const float d = __half2float(__ushort_as_half(block.d)),
                dmin = __half2float(__ushort_as_half(block.dmin));
    __half* out = to + 256 * (i / 32) + 64 * pair + 4 * w;
#pragma unroll
    for (int high = 0; high < 2; ++high) {
      // As unpack_scales_and_mins.
      const int s = 2 * pair + high;
      const std::uint8_t* p = block.scales;
      const int scale = s < 4 ? p[s] & 63 : (p[s + 4] & 15) | (p[s - 4] >> 6) << 4;
      const int least = s < 4 ? p[s + 4] & 63 : p[s + 4] >> 4 | (p[s] >> 6) << 4;
      const float a = d * static_cast<float>(scale), b = dmin * static_cast<float>(least);
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int q = high ? block.qs[4 * word + e] >> 4 : block.qs[4 * word + e] & 15;
        out[32 * high + e] = __float2half_rn(a * static_cast<float>(q) - b);
      }
    }
  }
}

}  // namespace

std::size_t data_bytes(DType type, std::int64_t outputs, std::int64_t inputs) {
  const std::size_t in_files = bytes_of(type, inputs) * static_cast<std::size_t>(outputs);
  return in_files - scale_bytes(type, outputs, inputs);
}

std::size_t scale_bytes(DType type, std::int64_t outputs, std::int64_t inputs) {
  return is_split(type) ? static_cast<std::size_t>(outputs * (inputs / 32)) * sizeof(__half) : 0;
}

void store_rows(const void* from, std::int64_t first_row, std::int64_t rows, const DeviceMatrix& matrix,
                cudaStream_t stream) {
  if (rows == 0 || matrix.inputs == 0) return;
  const std::size_t data_at = data_bytes(matrix.type, first_row, matrix.inputs);
  auto* data = static_cast<std::byte*>(matrix.data) + data_at;
  if (!is_split(matrix.type)) {
    check(cudaMemcpyAsync(data, from, data_bytes(matrix.type, rows, matrix.inputs), cudaMemcpyDeviceToDevice,
                          stream),
          "storing rows");
    return;
  }
  auto* scales = static_cast<std::byte*>(matrix.scales) + scale_bytes(matrix.type, first_row, matrix.inputs);
  const std::int64_t blocks = rows * (matrix.inputs / 32);
  const auto* in = static_cast<const std::uint16_t*>(from);
  auto* values = reinterpret_cast<std::uint16_t*>(data);
  auto* halves = reinterpret_cast<std::uint16_t*>(scales);
  if (matrix.type == DType::kQ8_0) {
    split_blocks<16><<<blocks_for(blocks), kThreads, 0, stream>>>(in, blocks, values, halves);
  } else {
    split_blocks<8><<<blocks_for(blocks), kThreads, 0, stream>>>(in, blocks, values, halves);
  }
}

void to_half(const DeviceInput& x, DType type, void* to, std::int64_t padded_size, cudaStream_t stream) {
  REFOCUS_CHECK(padded_size % 2 == 0 && padded_size >= x.size);
  const std::int64_t pairs = x.rows * (padded_size / 2);
  if (pairs == 0) return;
  if (type == DType::kBF16) {
    start(round_rows<__nv_bfloat16>, blocks_for(pairs), kThreads, 0, stream, x.x, x.stride, x.rows, x.size,
          static_cast<__nv_bfloat16*>(to), padded_size);
  } else {
    start(round_rows<__half>, blocks_for(pairs), kThreads, 0, stream, x.x, x.stride, x.rows, x.size,
          static_cast<__half*>(to), padded_size);
  }
}

void to_float(const DeviceHalf& from, std::int64_t rows, std::int64_t size, float* to, std::int64_t stride,
              cudaStream_t stream) {
  if (rows * size == 0) return;
  const auto start_type = [&]<class T>(const T* halves) {
    start(widen_rows<T>, blocks_for(rows * size), kThreads, 0, stream, halves, from.stride, rows, size, to,
          stride);
  };
  if (from.type == DType::kBF16) return start_type(static_cast<const __nv_bfloat16*>(from.data));
  start_type(static_cast<const __half*>(from.data));
}

void to_f16(const DeviceMatrix& matrix, void* to, cudaStream_t stream) {
  const std::int64_t count = matrix.outputs * matrix.inputs;
  if (count == 0) return;
  const auto* scales = static_cast<const __half*>(matrix.scales);
  auto* out = static_cast<__half*>(to);
  const int blocks = blocks_for(count / 8);
  switch (matrix.type) {
    case DType::kQ8_0:
      q8_0_to_f16<<<blocks, kThreads, 0, stream>>>(static_cast<const std::int8_t*>(matrix.data), scales,
                                                   count / 8, out);
      return;
    case DType::kQ4_0:
      q4_0_to_f16<<<blocks, kThreads, 0, stream>>>(static_cast<const std::uint8_t*>(matrix.data), scales,
                                                   count / 8, out);
      return;
    case DType::kQ4_K:
      q4_k_to_f16<<<blocks, kThreads, 0, stream>>>(static_cast<const BlockQ4_K*>(matrix.data), count / 8,
                                                   out);
      return;
    default:
      check_failed("a block type that keeps() holds of", __FILE__, __LINE__);
  }
}

}  // namespace refocus::cuda
