// attention.cpp's products of operands in bf16, by AMX: a tile's queries with keys, and its weights with
// values. x86 only.
//
// Keys lie as [head_dim, kKeyBlock] and values as [kKeyBlock, head_dim] in a block of the cache: in both two
// neighbouring rows, rounded and side by side, are a row of a tile of pairs.
#include <algorithm>

#include "base/aligned_buffer.h"
#include "base/error.h"
#include "kernels/simd/amx.h"
#include "kernels/simd/attention_task.h"

#include <hwy/highway.h>

#if HWY_ARCH_X86
#include <immintrin.h>

HWY_PUSH_ATTRIBUTES("avx,avx2,fma,f16c,avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,prfchw")
namespace refocus {
namespace attention_amx {
using namespace amx;
#include "kernels/simd/bf16_parts-inl.h"

constexpr std::int64_t kLanes = 16, kStep = 32, kTileBytes = 1024, kRowBytes = 64;

// 16 numbers from `index` on of a block's keys and values.
template <DType type>
HWY_INLINE __m512 load_kv(const std::byte* numbers, std::int64_t index) {
  if constexpr (type == DType::kF32) {
    return _mm512_loadu_ps(numbers + index * 4);
  } else if constexpr (type == DType::kF16) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(numbers + index * 2)));
  } else {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(numbers + index));
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
  }
}

// A block of one head.
template <DType type>
struct KvBlock {
  const std::byte* numbers;
  const float* scales;  // of Q8_0: of keys, then of values
  std::int64_t head_dim, stride;

  KvBlock(const std::byte* at, std::int64_t dim)
      : numbers(at),
        scales(reinterpret_cast<const float*>(at + kv_block_elements(dim))),
        head_dim(dim),
        stride(padded(dim)) {}

  // Element i of keys j to j + 15; 0 beyond head_dim.
  HWY_INLINE __m512 key(std::int64_t i, std::int64_t j) const {
    if (i >= head_dim) return _mm512_setzero_ps();
    const __m512 k = load_kv<type>(numbers, i * kKeyBlock + j);
    if constexpr (type != DType::kQ8_0) return k;
    return _mm512_mul_ps(k, _mm512_loadu_ps(scales + i / kKvScaleBlock * kKeyBlock + j));
  }
  // Elements `column` to column + 15 of value j; 0 from `count` values on.
  HWY_INLINE __m512 value(std::int64_t j, std::int64_t column, std::int64_t count) const {
    if (j >= count) return _mm512_setzero_ps();
    const __m512 v = load_kv<type>(numbers, head_dim * kKeyBlock + j * stride + column);
    if constexpr (type != DType::kQ8_0) return v;
    const float* of_values = scales + kv_scale_blocks(head_dim) * kKeyBlock;
    return _mm512_mul_ps(v, _mm512_set1_ps(of_values[column / kKvScaleBlock * kKeyBlock + j]));
  }
};

// Two rows of 16 numbers as one of pairs.
HWY_INLINE __m512i pairs_of(__m512 first, __m512 second) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7,
                                         22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, rounded({first, second}));
}

// Tiles: 0 to 3 sums, 4 rows, 5 to 7 keys or values.
void configure_for(std::int64_t rows) {
  TileShapes shapes;
  for (int t = 0; t < 4; ++t) shapes.set(t, rows, kRowBytes);
  shapes.set(4, rows, kRowBytes);
  for (int t = 5; t < 8; ++t) shapes.set(t, kStep / 2, kRowBytes);
  configure(shapes);
}

// Places for tiles in turn, so that one is made while others are multiplied.
struct Ring {
  alignas(64) std::byte tiles[8][kTileBytes];
  int next = 0;
  HWY_INLINE std::byte* take() { return tiles[next++ % 8]; }
};

template <DType type>
HWY_INLINE void make_keys(const KvBlock<type>& kv, std::int64_t step, std::int64_t key, std::byte* to) {
  for (std::int64_t i = step * kStep; i < (step + 1) * kStep; i += 2, to += kRowBytes) {
    _mm512_store_si512(to, pairs_of(kv.key(i, key), kv.key(i + 1, key)));
  }
}
template <DType type>
HWY_INLINE std::byte* make_values(const KvBlock<type>& kv, std::int64_t column, std::int64_t count,
                                  std::byte* to) {
  for (std::int64_t j = 0; j < kKeyBlock; j += 2) {
    _mm512_store_si512(to + j / 2 * kRowBytes,
                       pairs_of(kv.value(j, column, count), kv.value(j + 1, column, count)));
  }
  return to;
}

// Queries as tiles, [step][row][32], zero beyond head_dim.
void make_queries(const AmxAttention& a, std::byte* to) {
  for (std::int64_t d = 0; d < a.head_dim; d += kStep) {
    for (std::int64_t r = 0; r < a.rows; ++r, to += kRowBytes) {
      _mm512_store_si512(to, rounded(load_floats(a.queries[r] + d, a.head_dim - d)));
    }
  }
}

template <DType type>
void scores(const AmxAttention& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t steps = (a.head_dim + kStep - 1) / kStep, step_bytes = a.rows * kRowBytes;
  thread_local AlignedBuffer<std::byte> queries;
  reserve(queries, steps * step_bytes);
  make_queries(a, queries.data());
  Ring ring;
  const std::int64_t stride = a.weights_stride * 4;
  for (std::int64_t key = begin; key < end; key += kKeyBlock) {
    const KvBlock<type> kv(a.blocks[key / kKeyBlock] + a.head_offset, a.head_dim);
    clear<0>();
    clear<1>();
    for (std::int64_t s = 0; s < steps; ++s) {
      load<4>(queries.data() + s * step_bytes, kRowBytes);
      std::byte *first = ring.take(), *second = ring.take();
      make_keys(kv, s, 0, first);
      make_keys(kv, s, kLanes, second);
      load<5>(first, kRowBytes);
      multiply_bf16<0, 4, 5>();
      load<6>(second, kRowBytes);
      multiply_bf16<1, 4, 6>();
    }
    store<0>(a.weights + key, stride);
    store<1>(a.weights + key + kLanes, stride);
  }
  const __m512 scale = _mm512_set1_ps(a.scale);
  for (std::int64_t r = 0; a.scale != 1 && r < a.rows; ++r) {
    float* row = a.weights + r * a.weights_stride;
    const std::int64_t size = (end - begin + kKeyBlock - 1) / kKeyBlock * kKeyBlock;
    for (std::int64_t j = begin; j < begin + size; j += kLanes) {
      _mm512_storeu_ps(row + j, _mm512_mul_ps(_mm512_loadu_ps(row + j), scale));
    }
  }
}

// Weights of a block of keys as a tile, zero beyond the keys that each row sees.
HWY_INLINE void make_weights(const AmxAttention& a, std::int64_t key, std::byte* to) {
  for (std::int64_t r = 0; r < a.rows; ++r, to += kRowBytes) {
    const std::int64_t left = std::max<std::int64_t>(0, a.positions[r] + 1 - key);
    _mm512_store_si512(to, rounded(load_floats(a.weights + r * a.weights_stride + key, left)));
  }
}

// Sums of kTiles tiles of columns from `column` on.
template <DType type, int kTiles>
void values(const AmxAttention& a, std::int64_t begin, std::int64_t end, std::int64_t column) {
  Ring ring;
  clear<0>();
  clear<1>();
  clear<2>();
  clear<3>();
  for (std::int64_t key = begin; key < end; key += kKeyBlock) {
    const KvBlock<type> kv(a.blocks[key / kKeyBlock] + a.head_offset, a.head_dim);
    const std::int64_t count = std::min(kKeyBlock, end - key);
    std::byte* at = ring.take();
    make_weights(a, key, at);
    load<4>(at, kRowBytes);
    load<5>(make_values(kv, column, count, ring.take()), kRowBytes);
    multiply_bf16<0, 4, 5>();
    if constexpr (kTiles > 1) {
      load<6>(make_values(kv, column + 1 * kLanes, count, ring.take()), kRowBytes);
      multiply_bf16<1, 4, 6>();
    }
    if constexpr (kTiles > 2) {
      load<7>(make_values(kv, column + 2 * kLanes, count, ring.take()), kRowBytes);
      multiply_bf16<2, 4, 7>();
    }
    if constexpr (kTiles > 3) {
      load<5>(make_values(kv, column + 3 * kLanes, count, ring.take()), kRowBytes);
      multiply_bf16<3, 4, 5>();
    }
  }
  const std::int64_t stride = a.sums_stride * 4;
  store<0>(a.sums + column, stride);
  if constexpr (kTiles > 1) store<1>(a.sums + column + kLanes, stride);
  if constexpr (kTiles > 2) store<2>(a.sums + column + 2 * kLanes, stride);
  if constexpr (kTiles > 3) store<3>(a.sums + column + 3 * kLanes, stride);
}

template <DType type>
void all_values(const AmxAttention& a, std::int64_t begin, std::int64_t end, std::int64_t column,
                std::int64_t end_column) {
  for (; column + 4 * kLanes <= end_column; column += 4 * kLanes) values<type, 4>(a, begin, end, column);
  for (; column + 2 * kLanes <= end_column; column += 2 * kLanes) values<type, 2>(a, begin, end, column);
  for (; column < end_column; column += kLanes) values<type, 1>(a, begin, end, column);
}
}  // namespace attention_amx

void scores_by_amx(const AmxAttention& a, std::int64_t begin, std::int64_t end) {
  attention_amx::configure_for(a.rows);
  if (a.type == DType::kF16) {
    attention_amx::scores<DType::kF16>(a, begin, end);
  } else if (a.type == DType::kQ8_0) {
    attention_amx::scores<DType::kQ8_0>(a, begin, end);
  } else {
    attention_amx::scores<DType::kF32>(a, begin, end);
  }
  amx::release();
}

void values_by_amx(const AmxAttention& a, std::int64_t begin, std::int64_t end, std::int64_t column,
                   std::int64_t end_column) {
  attention_amx::configure_for(a.rows);
  if (a.type == DType::kF16) {
    attention_amx::all_values<DType::kF16>(a, begin, end, column, end_column);
  } else if (a.type == DType::kQ8_0) {
    attention_amx::all_values<DType::kQ8_0>(a, begin, end, column, end_column);
  } else {
    attention_amx::all_values<DType::kF32>(a, begin, end, column, end_column);
  }
  amx::release();
}

}  // namespace refocus
HWY_POP_ATTRIBUTES
#else
namespace refocus {
void scores_by_amx(const AmxAttention&, std::int64_t, std::int64_t) { REFOCUS_CHECK(false); }
void values_by_amx(const AmxAttention&, std::int64_t, std::int64_t, std::int64_t, std::int64_t) {
  REFOCUS_CHECK(false);
}
}  // namespace refocus
#endif
