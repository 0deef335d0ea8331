// Everything of a layer but products and attention: rows gathered and scattered, norms, rotation and the
// cache, activations, residual sums.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

#include "device/cuda/launch.h"
#include "device/cuda/start.cuh"

namespace refocus::cuda {

namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kMostBlocks = 65535;  // of a dimension of a grid; more rows are a loop of each block

int blocks_for(std::int64_t count, std::int64_t each) {
  return static_cast<int>(std::min((count + each - 1) / each, kMostBlocks));
}

template <class T>
__device__ __forceinline__ float as_float(T v) {
  return static_cast<float>(v);
}

template <class T>
__global__ void gather_rows(const T* table, std::int64_t table_stride, std::int64_t size,
                            const std::int32_t* ids, std::int64_t count, float factor, bool add, float* out,
                            std::int64_t out_stride) {
  begin_work();
  for (std::int64_t row = blockIdx.x; row < count; row += gridDim.x) {
    const T* from = table + ids[row] * table_stride;
    float* to = out + row * out_stride;
    for (std::int64_t i = threadIdx.x; i < size; i += kThreads) {
      const float v = factor * as_float(from[i]);
      to[i] = add ? to[i] + v : v;
    }
  }
}

__global__ void scatter_rows(const __grid_constant__ Device::Scatter s) {
  begin_work();
  for (std::int64_t row = blockIdx.x; row < s.count; row += gridDim.x) {
    const float* from = s.from + row * s.from_stride;
    float* to = s.to + s.ids[row] * s.to_stride;
    const float weight = s.weights[row];
    for (std::int64_t i = threadIdx.x; i < s.size; i += kThreads) to[i] += weight * from[i];
  }
}

// x[i] = f(x[i]) for a run of elements.
template <class F>
__global__ void each_element(float* x, std::int64_t count, F f) {
  begin_work();
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count;
       i += step) {
    x[i] = f(x[i]);
  }
}

// Where a value goes: to its float, or rounded into a row of halves.
struct Target {
  void* half;
  std::int64_t stride;
  bool is_bf16;

  Target(const DeviceHalf& to) : half(to.data), stride(to.stride), is_bf16(to.type == DType::kBF16) {}
  __device__ __forceinline__ void put(float* y, std::int64_t row, std::int64_t i, float v) const {
    if (half == nullptr) {
      *y = v;
    } else if (is_bf16) {
      static_cast<__nv_bfloat16*>(half)[row * stride + i] = __float2bfloat16_rn(v);
    } else {
      static_cast<__half*>(half)[row * stride + i] = __float2half_rn(v);
    }
  }
};

// x[r, i] = f(x[r, i], other[r, i]) of rows; other may be null, and is 1 then.
template <class F>
__global__ void each_of_rows(float* x, const float* other, std::int64_t rows, std::int64_t size,
                             std::int64_t stride, Target target, F f) {
  begin_work();
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kThreads;
  for (std::int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
    for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < size;
         i += step) {
      const std::int64_t at = row * stride + i;
      target.put(x + at, row, i, f(x[at], other != nullptr ? other[at] : 1.0f));
    }
  }
}

template <class F>
void start_each(float* x, std::int64_t count, F f, cudaStream_t stream) {
  if (count > 0) start(each_element<F>, blocks_for(count, kThreads), kThreads, 0, stream, x, count, f);
}

template <class F>
void start_rows(float* x, const float* other, std::int64_t rows, std::int64_t size, std::int64_t stride,
                const DeviceHalf& half, F f, cudaStream_t stream) {
  if (rows == 0 || size == 0) return;
  const dim3 grid(blocks_for(size, kThreads), blocks_for(rows, 1));
  start(each_of_rows<F>, grid, kThreads, 0, stream, x, other, rows, size, stride, Target(half), f);
}

// The sum over kThreadsOfRun threads of a run, the same in all of them, in one fixed order. kThreadsOfRun is
// 32 (of a block of several runs) or the whole block.
template <int kThreadsOfRun>
__device__ double sum_of_run(double v, double* shared) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) v += __shfl_xor_sync(0xFFFFFFFFu, v, step);
  if constexpr (kThreadsOfRun > 32) {
    constexpr int kWarps = kThreadsOfRun / 32;
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = v;
    __syncthreads();
    v = 0;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) v += shared[w];
    __syncthreads();  // before the next sum's writes
  }
  return v;
}

// Elements of a run that a thread keeps: runs of up to 512, 4096 and 8192 elements are read once.
constexpr int kNormHeld = 8;
template <int kThreadsOfRun>
inline constexpr int kHeldByThread = kThreadsOfRun == 32 ? 16 : kNormHeld;

// A run: a warp of four in a block, or a whole block. Sums are in double, what comes of them is float32.
template <int kThreadsOfRun>
__global__ void __launch_bounds__(kThreadsOfRun == 32 ? 128 : kThreadsOfRun)
    normalise(const __grid_constant__ DeviceNorm n, Target target) {
  constexpr int kRuns = kThreadsOfRun == 32 ? 4 : 1, kHeld = kHeldByThread<kThreadsOfRun>;
  __shared__ double shared[32];
  const int thread = threadIdx.x % kThreadsOfRun;
  const std::int64_t run = static_cast<std::int64_t>(blockIdx.x) * kRuns + threadIdx.x / kThreadsOfRun;
  const std::int64_t row = run / n.parts, part = run - row * n.parts;
  const int size = static_cast<int>(n.input.size);
  const float* x = n.input.x + row * n.input.stride + part * size;
  float* y = n.y + row * n.y_stride + part * size;
  const float* weight = n.weight + part * n.weight_step;
  const float* bias = n.bias != nullptr ? n.bias + part * n.weight_step : nullptr;
  float held[kHeld], held_weights[kHeld];
#pragma unroll
  for (int k = 0; k < kHeld; ++k) {
    const int i = thread + k * kThreadsOfRun;
    held_weights[k] = i < size ? weight[i] : 0.0f;  // there before any kernel
  }
  begin_work();
  if (run >= n.input.rows * n.parts) return;  // whole warps, and no block of one run
#pragma unroll
  for (int k = 0; k < kHeld; ++k) {
    const int i = thread + k * kThreadsOfRun;
    held[k] = i < size ? x[i] : 0.0f;
  }
  // Calls f(i, x[i], weight[i]) for the thread's elements, in rising order.
  const auto each = [&](const auto& f) {
#pragma unroll
    for (int k = 0; k < kHeld; ++k) {
      const int i = thread + k * kThreadsOfRun;
      if (i < size) f(i, held[k], held_weights[k]);
    }
    for (int i = thread + kHeld * kThreadsOfRun; i < size; i += kThreadsOfRun) f(i, x[i], weight[i]);
  };
  float mean = 0;
  if (n.centred) {
    double sum = 0;
    each([&](int, float v, float) { sum += v; });
    mean = static_cast<float>(sum_of_run<kThreadsOfRun>(sum, shared) / size);
  }
  double squares = 0;
  each([&](int, float v, float) {
    const double off = static_cast<double>(v) - mean;
    squares += off * off;
  });
  squares = sum_of_run<kThreadsOfRun>(squares, shared);
  const float scale = static_cast<float>(rsqrt(squares / size + static_cast<double>(n.eps)));
  each([&](int i, float x_i, float w) {
    const float v = (x_i - mean) * scale * w;
    target.put(y + i, row, part * size + i, bias != nullptr ? v + bias[i] : v);
  });
}

// Heads of one row: pairs (d, d + rotary / 2).
__device__ void rotate(float* x, std::int64_t heads, const DevicePlacement& p, const float* cosines,
                       const float* sines) {
  const int half = static_cast<int>(p.rotary / 2), pairs = static_cast<int>(heads) * half;
  for (int i = threadIdx.x; i < pairs; i += kThreads) {
    const int head = i / half, d = i - head * half;
    float* a = x + head * p.head_dim + d;
    const float first = a[0], second = a[half], c = cosines[d], s = sines[d];
    a[0] = first * c - second * s;
    a[half] = second * c + first * s;
  }
}

template <class T>
__device__ __forceinline__ void store(T* to, float v, std::int32_t* overflow);
template <>
__device__ __forceinline__ void store<float>(float* to, float v, std::int32_t*) {
  *to = v;
}
// The least magnitude that F16 rounds to infinity is 65520.
template <>
__device__ __forceinline__ void store<__half>(__half* to, float v, std::int32_t* overflow) {
  *to = __float2half_rn(v);
  if (fabsf(v) >= 65520.0f && isfinite(v) && overflow != nullptr) *overflow = 1;
}

constexpr int kHeadsOfBlock = 4;

// Rotates, then writes keys and values to their slot of the row's block of the cache. blockIdx.y: a few heads
// of queries, or after all of those a few of keys and values.
template <class T>
__global__ void place_rows(const __grid_constant__ DevicePlacement p) {
  begin_work();
  const int dim = static_cast<int>(p.head_dim);
  const int query_parts = (static_cast<int>(p.heads) + kHeadsOfBlock - 1) / kHeadsOfBlock;
  const bool of_queries = static_cast<int>(blockIdx.y) < query_parts;
  const int first = (static_cast<int>(blockIdx.y) - (of_queries ? 0 : query_parts)) * kHeadsOfBlock;
  const int heads = min(kHeadsOfBlock, static_cast<int>(of_queries ? p.heads : p.kv_heads) - first);
  float* const all = of_queries ? p.q : p.k;
  for (std::int64_t row = blockIdx.x; row < p.rows; row += gridDim.x) {
    if (all == nullptr) return;
    float* x = all + row * (of_queries ? p.q_stride : p.kv_stride) + first * dim;
    if (p.cosines != nullptr) {
      rotate(x, heads, p, p.cosines + row * (p.rotary / 2), p.sines + row * (p.rotary / 2));
    }
    if (of_queries || p.blocks == nullptr) continue;
    __syncthreads();  // keys are rotated by other threads than those that write them to the cache
    const float* v = p.v + row * p.kv_stride + first * dim;
    T* block = reinterpret_cast<T*>(p.blocks[row] + p.offset);
    const std::int64_t head_elements = kv_head_elements(p.head_dim),
                       slot = p.positions[row] % kDeviceKeyBlock;
    for (int i = threadIdx.x; i < heads * dim; i += kThreads) {
      const int head = i / dim, d = i - head * dim;
      T* key = block + (first + head) * head_elements + slot * dim + d;
      store(key, x[i], p.overflow);
      store(key + kDeviceKeyBlock * dim, v[i], p.overflow);
    }
  }
}

// The formulas of kernels/activation.h; comparisons that keep NaN.
struct Silu {
  __device__ float operator()(float v, float times) const { return v / (1 + expf(-v)) * times; }
};
struct Gelu {  // 1 + erf(z) = erfc(-z), which keeps its digits where v is far below 0
  __device__ float operator()(float v, float times) const {
    return 0.5f * v * erfcf(v * -0.70710678118654752f) * times;
  }
};
struct GeluTanh {
  __device__ float operator()(float v, float times) const {
    return 0.5f * v * (1 + tanhf(0.79788456080286536f * (v + 0.044715f * v * v * v))) * times;
  }
};
struct Relu {
  __device__ float operator()(float v, float times) const { return (v < 0 ? 0.0f : v) * times; }
};
struct ReluSquared {
  __device__ float operator()(float v, float times) const {
    const float positive = v < 0 ? 0.0f : v;
    return positive * positive * times;
  }
};
struct ClampedSwiglu {
  __device__ float operator()(float v, float times) const {
    const float g = v > 7 ? 7.0f : v, u = times > 7 ? 7.0f : times < -7 ? -7.0f : times;
    return (u + 1) * g / (1 + expf(-1.702f * g));
  }
};

}  // namespace

void gather(const Device::Gather& g, cudaStream_t stream) {
  if (g.count == 0 || g.size == 0) return;
  const auto start_type = [&]<class T>(const T* table) {
    start(gather_rows<T>, blocks_for(g.count, 1), kThreads, 0, stream, table, g.table_stride, g.size, g.ids,
          g.count, g.factor, g.add, g.out, g.out_stride);
  };
  switch (g.type) {
    case DType::kF32:
      return start_type(static_cast<const float*>(g.table));
    case DType::kF16:
      return start_type(static_cast<const __half*>(g.table));
    case DType::kBF16:
      return start_type(static_cast<const __nv_bfloat16*>(g.table));
    default:
      check_failed("a table of a plain type", __FILE__, __LINE__);
  }
}

void scatter_add(const Device::Scatter& scatter, cudaStream_t stream) {
  if (scatter.count == 0 || scatter.size == 0) return;
  start(scatter_rows, blocks_for(scatter.count, 1), kThreads, 0, stream, scatter);
}

// The order of the sums depends on the run's size alone.
void norm(const DeviceNorm& norm, cudaStream_t stream) {
  const std::int64_t runs = norm.input.rows * norm.parts;
  if (runs == 0 || norm.input.size == 0) return;
  const auto blocks = static_cast<unsigned>(runs);
  if (norm.input.size <= 512) {
    start(normalise<32>, (blocks + 3) / 4, 128, 0, stream, norm, Target(norm.half));
  } else if (norm.input.size <= 512 * kNormHeld) {
    start(normalise<512>, blocks, 512, 0, stream, norm, Target(norm.half));
  } else {
    start(normalise<1024>, blocks, 1024, 0, stream, norm, Target(norm.half));
  }
}

void clamp(float* x, std::int64_t count, float most, cudaStream_t stream) {
  start_each(
      x, count, [=] __device__(float v) { return v > most    ? most
                                                 : v < -most ? -most
                                                             : v; }, stream);
}

void place(const DevicePlacement& placement, cudaStream_t stream) {
  if (placement.rows == 0 || (placement.cosines == nullptr && placement.blocks == nullptr)) return;
  const auto parts = [](std::int64_t heads) {
    return static_cast<unsigned>((heads + kHeadsOfBlock - 1) / kHeadsOfBlock);
  };
  const dim3 blocks(blocks_for(placement.rows, 1), parts(placement.heads) + parts(placement.kv_heads));
  if (placement.type == DType::kF16) {
    start(place_rows<__half>, blocks, kThreads, 0, stream, placement);
  } else {
    start(place_rows<float>, blocks, kThreads, 0, stream, placement);
  }
}

void activate(DeviceActivation kind, float* gate, const float* up, std::int64_t rows, std::int64_t size,
              std::int64_t stride, const DeviceHalf& half, cudaStream_t stream) {
  const auto start_kind = [&](auto f) { start_rows(gate, up, rows, size, stride, half, f, stream); };
  switch (kind) {
    case DeviceActivation::kSilu:
      return start_kind(Silu{});
    case DeviceActivation::kGelu:
      return start_kind(Gelu{});
    case DeviceActivation::kGeluTanh:
      return start_kind(GeluTanh{});
    case DeviceActivation::kRelu:
      return start_kind(Relu{});
    case DeviceActivation::kReluSquared:
      return start_kind(ReluSquared{});
    case DeviceActivation::kClampedSwiglu:
      return start_kind(ClampedSwiglu{});
  }
}

void add(float* x, const float* branch, std::int64_t rows, std::int64_t size, std::int64_t stride,
         float times, cudaStream_t stream) {
  start_rows(
      x, branch, rows, size, stride, DeviceHalf(), [=] __device__(float v, float b) { return v + times * b; },
      stream);
}

void scale_and_cap(float* x, std::int64_t count, float factor, float cap, cudaStream_t stream) {
  if (cap == 0) {
    start_each(
        x, count, [=] __device__(float v) { return factor * v; }, stream);
  } else {
    start_each(
        x, count, [=] __device__(float v) { return cap * tanhf(factor * v / cap); }, stream);
  }
}

}  // namespace refocus::cuda
