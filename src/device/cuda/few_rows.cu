// Products of few rows: reads the weights once, near the speed of memory, with float32 activations.
//
// A warp computes kOutputs outputs of up to kRows rows. A matrix' row is cut in chunks of what a lane loads
// at once; lane l adds the chunks l, l + 32, ... in sequence, and a fixed tree adds the lanes' sums. That
// order depends on the type and on `inputs` alone: it is the same for every number of rows and of products,
// and for every place of an output in the grid.
#include "device/cuda/launch.h"
#include "device/cuda/start.cuh"
#include "device/cuda/weight_forms.cuh"

namespace refocus::cuda {

namespace {

constexpr int kWarps = 4;  // of a block; each works by itself
constexpr int kMostProducts = 4;

struct Product {
  const std::byte* data;
  const __half* scales;
  const float* bias;
  float* y;
  std::int64_t y_stride;
  int outputs, first_unit;  // a unit: the outputs of one warp
  bool accumulate;
};

struct Arguments {
  const float* x;
  std::int64_t x_stride;
  int rows, inputs, products, units;
  Product product[kMostProducts];
};

// Where a warp works.
struct Place {
  const Product* product;
  int output, row, lane;
};

template <int kOutputs, int kRows>
__device__ __forceinline__ bool find_place(const Arguments& a, Place& place) {
  const int unit = blockIdx.x * kWarps + threadIdx.x / 32;
  if (unit >= a.units) return false;
  int p = 0;
  while (p + 1 < a.products && unit >= a.product[p + 1].first_unit) ++p;
  place = {&a.product[p], (unit - a.product[p].first_unit) * kOutputs, static_cast<int>(blockIdx.y) * kRows,
           static_cast<int>(threadIdx.x % 32)};
  return true;
}

// Adds the lanes' sums and writes y [kRows, kOutputs], each element by a lane of its own.
template <int kOutputs, int kRows>
__device__ __forceinline__ void write(const Arguments& a, const Place& place, float (&sum)[kOutputs][kRows]) {
  static_assert(kOutputs * kRows <= 32);
  const Product& product = *place.product;
#pragma unroll
  for (int o = 0; o < kOutputs; ++o) {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      float total = sum[o][r];
#pragma unroll
      for (int step = 16; step > 0; step /= 2) total += __shfl_xor_sync(0xFFFFFFFFu, total, step);
      const int output = place.output + o, row = place.row + r;
      if (place.lane != o * kRows + r || output >= product.outputs || row >= a.rows) continue;
      float* y = product.y + row * product.y_stride + output;
      if (product.bias != nullptr) total += product.bias[output];
      *y = product.accumulate ? *y + total : total;
    }
  }
}

template <bool kAligned>
__device__ __forceinline__ float4 load_x(const float* x) {
  // No loads for what never changes: a kernel ahead writes x while this one waits.
  if constexpr (kAligned) return *reinterpret_cast<const float4*>(x);
  return {x[0], x[1], x[2], x[3]};
}

// What a lane loads at once of kOutputs rows of weights: kUnroll chunks each, those of them that are there.
template <class F, int kUnroll, int kOutputs>
struct Chunks {
  typename F::Loaded loaded[kUnroll][kOutputs];

  // From chunk `chunk` on; with kWhole all of them are there.
  template <bool kWhole>
  __device__ __forceinline__ void load(const WeightRow (&weights)[kOutputs], int chunk, int chunks) {
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      if (!kWhole && chunk + 32 * u >= chunks) continue;
#pragma unroll
      for (int o = 0; o < kOutputs; ++o) loaded[u][o] = F::load(weights[o], chunk + 32 * u);
    }
  }
};

template <class F, int kUnroll, bool kAligned, bool kWhole, int kOutputs, int kRows>
__device__ __forceinline__ void add_chunks(const Chunks<F, kUnroll, kOutputs>& of,
                                           const float* const (&x)[kRows], int chunk, int chunks, int lane,
                                           float (&sum)[kOutputs][kRows]) {
#pragma unroll
  for (int u = 0; u < kUnroll; ++u) {
    if (!kWhole && chunk + 32 * u >= chunks) continue;
    typename F::Ready ready[kOutputs];
#pragma unroll
    for (int o = 0; o < kOutputs; ++o) ready[o] = F::prepare(of.loaded[u][o], lane);
#pragma unroll
    for (int g = 0; g < F::kWeights / 4; ++g) {
      const int at = F::x_offset(chunk + 32 * u, g, lane);
      float4 values[kRows];
#pragma unroll
      for (int r = 0; r < kRows; ++r) values[r] = load_x<kAligned>(x[r] + at);
#pragma unroll
      for (int o = 0; o < kOutputs; ++o) {
        const float4 w = F::weights(ready[o], g);
#pragma unroll
        for (int r = 0; r < kRows; ++r) {
          float s = fmaf(w.x, values[r].x, sum[o][r]);
          s = fmaf(w.y, values[r].y, s);
          s = fmaf(w.z, values[r].z, s);
          sum[o][r] = fmaf(w.w, values[r].w, s);
        }
      }
    }
  }
}

// Rows beyond the last and outputs beyond the last repeat it, and are not written.
template <int kOutputs, int kRows>
__device__ __forceinline__ void find_operands(const Arguments& a, const Place& place, std::int64_t row_bytes,
                                              WeightRow (&weights)[kOutputs], const float* (&x)[kRows]) {
  const Product& product = *place.product;
#pragma unroll
  for (int o = 0; o < kOutputs; ++o) {
    const std::int64_t output = min(place.output + o, product.outputs - 1);
    weights[o] = {product.data + output * row_bytes, product.scales + output * (a.inputs / 32)};
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) x[r] = a.x + min(place.row + r, a.rows - 1) * a.x_stride;
}

// Blocks of a multiprocessor: what bounds the registers, so that enough loads are under way.
template <DType kType, int kRows>
inline constexpr int kBlocks = kRows == 1              ? 5
                               : kRows > 4             ? 2
                               : kType == DType::kQ4_K ? 3
                                                       : 4;

template <DType kType, int kOutputs, int kRows, bool kAligned>
__global__ void __launch_bounds__(32 * kWarps, kBlocks<kType, kRows>)
    by_chunks(const __grid_constant__ Arguments a) {
  using F = WeightForm<kType>;
  // As registers allow, without a spill.
  constexpr int kUnroll = kRows > 4 ? 1 : kRows == 4 && is_block_type(kType) ? F::kUnroll / 2 : F::kUnroll;
  Place place;
  if (!find_place<kOutputs, kRows>(a, place)) return;
  WeightRow weights[kOutputs];
  const float* x[kRows];
  find_operands(a, place, F::row_bytes(a.inputs), weights, x);
  float sum[kOutputs][kRows] = {};
  const int chunks = a.inputs / F::kWeights;
  Chunks<F, kUnroll, kOutputs> of;
  int begin = 0;
  if (32 * kUnroll <= chunks) {
    // Weights are there before any kernel: the first of them are on their way when x is ready.
    of.template load<true>(weights, place.lane, chunks);
    begin_work();
    for (;;) {
      add_chunks<F, kUnroll, kAligned, true>(of, x, begin + place.lane, chunks, place.lane, sum);
      begin += 32 * kUnroll;
      if (begin + 32 * kUnroll > chunks) break;
      of.template load<true>(weights, begin + place.lane, chunks);
    }
  } else {
    begin_work();
  }
  if (begin < chunks) {
    of.template load<false>(weights, begin + place.lane, chunks);
    add_chunks<F, kUnroll, kAligned, false>(of, x, begin + place.lane, chunks, place.lane, sum);
  }
  write(a, place, sum);
}

// The plain types where rows of the matrix are no whole number of chunks: a chunk is one element.
template <DType kType, int kRows>
__global__ void __launch_bounds__(32 * kWarps) by_elements(const __grid_constant__ Arguments a) {
  using T = typename PlainType<kType>::Type;
  Place place;
  if (!find_place<1, kRows>(a, place)) return;
  WeightRow weights[1];
  const float* x[kRows];
  find_operands(a, place, static_cast<std::int64_t>(a.inputs) * sizeof(T), weights, x);
  const T* row = reinterpret_cast<const T*>(weights[0].data);
  begin_work();
  float sum[1][kRows] = {};
#pragma unroll 4
  for (int i = place.lane; i < a.inputs; i += 32) {
    const float w = PlainType<kType>::to_float(__ldg(row + i));
#pragma unroll
    for (int r = 0; r < kRows; ++r) sum[0][r] = fmaf(w, x[r][i], sum[0][r]);
  }
  write(a, place, sum);
}

template <int kOutputs, int kRows>
void start_products(void (*kernel)(Arguments), Arguments a, cudaStream_t stream) {
  a.units = 0;
  for (int p = 0; p < a.products; ++p) {
    a.product[p].first_unit = a.units;
    a.units += (a.product[p].outputs + kOutputs - 1) / kOutputs;
  }
  const dim3 grid((a.units + kWarps - 1) / kWarps, (a.rows + kRows - 1) / kRows);
  start(kernel, grid, 32 * kWarps, 0, stream, a);
}

template <DType kType, bool kAligned>
void start_by_chunks(const Arguments& a, cudaStream_t stream) {
  if (a.rows == 1) {
    start_products<2, 1>(by_chunks<kType, 2, 1, kAligned>, a, stream);
  } else if (a.rows == 2) {
    start_products<2, 2>(by_chunks<kType, 2, 2, kAligned>, a, stream);
  } else if constexpr (kAligned && kType != DType::kQ4_K) {
    if (a.rows <= 4) {
      start_products<2, 4>(by_chunks<kType, 2, 4, kAligned>, a, stream);
    } else {
      start_products<4, 8>(by_chunks<kType, 4, 8, kAligned>, a, stream);
    }
  } else {
    start_products<2, 4>(by_chunks<kType, 2, 4, kAligned>, a, stream);
  }
}

template <DType kType>
void start_of_type(const Arguments& a, cudaStream_t stream) {
  if (a.inputs % WeightForm<kType>::kWholeInputs != 0) {
    // Matrices of block types have whole blocks.
    if constexpr (kType == DType::kF32 || kType == DType::kF16 || kType == DType::kBF16) {
      if (a.rows == 1) {
        start_products<1, 1>(by_elements<kType, 1>, a, stream);
      } else {
        start_products<1, 4>(by_elements<kType, 4>, a, stream);
      }
    }
    return;
  }
  const bool aligned =
      reinterpret_cast<std::uintptr_t>(a.x) % 16 == 0 && (a.rows == 1 || a.x_stride % 4 == 0);
  if (aligned) {
    start_by_chunks<kType, true>(a, stream);
  } else {
    start_by_chunks<kType, false>(a, stream);
  }
}

void start_any(DType type, const Arguments& a, cudaStream_t stream) {
  switch (type) {
    case DType::kF32:
      return start_of_type<DType::kF32>(a, stream);
    case DType::kF16:
      return start_of_type<DType::kF16>(a, stream);
    case DType::kBF16:
      return start_of_type<DType::kBF16>(a, stream);
    case DType::kQ8_0:
      return start_of_type<DType::kQ8_0>(a, stream);
    case DType::kQ4_0:
      return start_of_type<DType::kQ4_0>(a, stream);
    case DType::kQ4_K:
      return start_of_type<DType::kQ4_K>(a, stream);
    default:
      check_failed("a type that keeps() holds of", __FILE__, __LINE__);
  }
}

}  // namespace

void multiply_in_order(const DeviceInput& x, const DeviceProduct* products, std::size_t count,
                       cudaStream_t stream) {
  // Products whose types are alike go together.
  bool done[kMostProducts] = {};
  REFOCUS_CHECK(count <= kMostProducts);
  for (std::size_t first = 0; first < count; ++first) {
    const DType type = products[first].weights->type;
    Arguments a{};
    a.x = x.x;
    a.x_stride = x.stride;
    a.rows = static_cast<int>(x.rows);
    a.inputs = static_cast<int>(x.size);
    for (std::size_t p = first; p < count; ++p) {
      const DeviceProduct& product = products[p];
      if (done[p] || product.weights->type != type || product.weights->outputs == 0) continue;
      done[p] = true;
      a.product[a.products++] = {static_cast<const std::byte*>(product.weights->data),
                                 static_cast<const __half*>(product.weights->scales),
                                 product.bias,
                                 product.y,
                                 product.y_stride,
                                 static_cast<int>(product.weights->outputs),
                                 0,
                                 product.accumulate};
    }
    if (a.products > 0 && a.rows > 0) start_any(type, a, stream);
  }
}

}  // namespace refocus::cuda
