// Tiles of activation rows times 4 weight rows for matmul.cpp. Included in the namespace of an instruction
// set, after `namespace hn`.

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
constexpr std::int64_t kPanel = 4;  // weight rows in a tile
constexpr std::int64_t kLine = 64;
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr int kTileRows = 6;  // 24 sums + 6 x + 1 w of 32 registers
#else
constexpr int kTileRows = 3;  // 12 sums + 3 x + 1 w of 16 registers
#endif

// Loads one vector of weights as float32.
template <DType type>
HWY_INLINE V load_weights(D d, const std::byte* p) {
  if constexpr (type == DType::kF32) {
    return hn::LoadU(d, reinterpret_cast<const float*>(p));
  } else if constexpr (type == DType::kF16) {
    const hn::Rebind<hwy::float16_t, D> d16;
    return hn::PromoteTo(d, hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(p)));
  } else {
    const hn::Rebind<hwy::bfloat16_t, D> d16;
    return hn::PromoteTo(d, hn::LoadU(d16, reinterpret_cast<const hwy::bfloat16_t*>(p)));
  }
}

// The last, incomplete vector of a row: `count` weights, then zeros.
template <DType type>
HWY_INLINE V load_weights_tail(D d, const std::byte* p, std::int64_t count) {
  alignas(64) std::byte bytes[16 * sizeof(float)] = {};
  std::memcpy(bytes, p, static_cast<std::size_t>(count) * size_of(type));
  return load_weights<type>(d, bytes);
}

// The four vectors' sums of lanes, in one 128-bit vector. One fixed tree of additions.
HWY_INLINE hn::Vec<hn::CappedTag<float, 4>> sums_of_lanes(D d, V a, V b, V c, V e) {
  const hn::Repartition<double, D> d64;
  const V ab = hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
  const V ce = hn::Add(hn::InterleaveLower(d, c, e), hn::InterleaveUpper(d, c, e));
  const V low = hn::BitCast(d, hn::InterleaveLower(d64, hn::BitCast(d64, ab), hn::BitCast(d64, ce)));
  const V high = hn::BitCast(d, hn::InterleaveUpper(d64, hn::BitCast(d64, ab), hn::BitCast(d64, ce)));
  const V blocks = hn::Add(low, high);  // in every 128-bit block: the sums of a, b, c, e over that block
  const hn::CappedTag<float, 4> d4;
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  const hn::Half<D> half;
  const hn::Half<decltype(half)> quarter;
  const auto two = hn::Add(hn::LowerHalf(half, blocks), hn::UpperHalf(half, blocks));
  return hn::Add(hn::LowerHalf(quarter, two), hn::UpperHalf(quarter, two));
#elif HWY_TARGET == HWY_AVX2
  const hn::Half<D> half;
  return hn::Add(hn::LowerHalf(half, blocks), hn::UpperHalf(half, blocks));
#else
  alignas(64) float lanes[16];
  hn::Store(blocks, d, lanes);
  auto sum = hn::Load(d4, lanes);
  for (std::size_t i = 4; i < hn::Lanes(d); i += 4) sum = hn::Add(sum, hn::Load(d4, lanes + i));
  return sum;
#endif
}

// Activations of a row, or of a tile of rows, and those after it, from input k on.
struct Activations {
  const float* x;
  std::int64_t k;
  std::int64_t stride;  // floats a row
  bool tiled;           // tiles as tile_group writes them, or else rows
};

// A chunk of 4 weight rows.
struct WeightRows {
  const std::byte* rows[kPanel];
};

// The chunk of 4 weight rows that comes after the one at hand, as it is stored, of which a tile asks for rows
// [begin, end).
struct NextRows {
  const std::byte* rows[kPanel];
  std::int64_t begin = 0, end = 0;
};

// Adds the products of one vector of inputs: of kRows rows from x on, and of the 4 vectors weights(n).
template <int kRows, class Weights>
HWY_INLINE void add_vector(const float* HWY_RESTRICT x, std::int64_t x_stride, const Weights& weights,
                           V (&sum)[kRows][kPanel]) {
  const D d;
  V xs[kRows];
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) xs[r] = hn::LoadU(d, x + r * x_stride);
  HWY_UNROLL(8)
  for (int n = 0; n < kPanel; ++n) {
    const V w = weights(n);
    HWY_UNROLL(8)
    for (int r = 0; r < kRows; ++r) sum[r][n] = hn::MulAdd(xs[r], w, sum[r][n]);
  }
}

// Writes a group of rows tile by tile, [vector of inputs][row of the tile][lane]: a tile's rows beside each
// other, so that they do not share places of the caches when they lie a multiple of 4 KB apart.
void tile_group(const MatMulInput& in, std::int64_t group, float* to) {
  static_assert(kTiledGroup % kTileRows == 0);
  const D d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t stride = padded(in.inputs), end = std::min(in.rows, (group + 1) * kTiledGroup);
  for (std::int64_t row = group * kTiledGroup; row < end; row += kTileRows) {
    const std::int64_t rows = std::min<std::int64_t>(kTileRows, end - row);
    for (std::int64_t r = 0; r < rows; ++r) {
      const float* from = in.x + (row + r) * stride;
      float* out = to + row * stride + r * lanes;
      for (std::int64_t k = 0; k < stride; k += lanes, out += rows * lanes)
        hn::Store(hn::LoadU(d, from + k), d, out);
    }
  }
}

// Sums of `count` products for kRows activation rows times 4 weight rows, added to y[row][0..valid).
// `stored`: the type in memory, which differs where w is widened.
template <int kRows, DType type, DType stored>
HWY_INLINE void tile(const Activations& a, const WeightRows& w, const NextRows& next, std::int64_t count,
                     float* HWY_RESTRICT y, std::int64_t y_stride, std::int64_t valid) {
  const D d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const float* HWY_RESTRICT x = a.x + (a.tiled ? a.k * kRows : a.k);
  const std::int64_t x_stride = a.tiled ? lanes : a.stride, x_step = a.tiled ? kRows * lanes : lanes;
  constexpr std::int64_t size = size_of(type);
  alignas(64) float tail[kPanel * 16];
  const std::int64_t whole = count / lanes * lanes;
  if (whole < count) {  // before there are sums: a call keeps no vector register
    for (int n = 0; n < kPanel; ++n) {
      hn::Store(load_weights_tail<type>(d, w.rows[n] + whole * size, count - whole), d, tail + n * 16);
    }
  }
  V sum[kRows][kPanel];  // in registers: every index is known where it is used
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(8)
    for (int n = 0; n < kPanel; ++n) sum[r][n] = hn::Zero(d);
  }
  const auto add = [&](std::int64_t k) HWY_ATTR {
    const auto weights = [&](int n) HWY_ATTR { return load_weights<type>(d, w.rows[n] + k * size); };
    add_vector<kRows>(x, x_stride, weights, sum);
    x += x_step;
  };
  std::int64_t k = 0;
  constexpr std::int64_t stored_size = size_of(stored), of_line = kLine / stored_size;
  if (next.end - next.begin == kPanel) {
    while (k + of_line <= count) {
      HWY_UNROLL(8)
      for (int n = 0; n < kPanel; ++n) fetch_into_l2(next.rows[n] + k * stored_size);
      for (const std::int64_t end = k + of_line; k < end; k += lanes) add(k);
    }
  } else if (next.begin < next.end) {
    while (k + of_line <= count) {
      for (std::int64_t n = next.begin; n < next.end; ++n) fetch_into_l2(next.rows[n] + k * stored_size);
      for (const std::int64_t end = k + of_line; k < end; k += lanes) add(k);
    }
  }
  for (; k + lanes <= count; k += lanes) add(k);
  if (k < count) {
    const auto weights = [&](int n) HWY_ATTR { return hn::Load(d, tail + n * 16); };
    add_vector<kRows>(x, x_stride, weights, sum);
  }
  const hn::CappedTag<float, 4> d4;
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    const auto sums = sums_of_lanes(d, sum[r][0], sum[r][1], sum[r][2], sum[r][3]);
    float* out = y + r * y_stride;
    if (valid == kPanel) {
      hn::StoreU(hn::Add(hn::LoadU(d4, out), sums), d4, out);
    } else {
      alignas(16) float four[4];
      hn::Store(sums, d4, four);
      for (std::int64_t n = 0; n < valid; ++n) out[n] += four[n];
    }
  }
}

// A tile of the rows that are left, which are fewer than kTileRows, or none: 1 and more, as kFewer counts
// from 0.
template <DType type, DType stored, int... kFewer>
HWY_INLINE void last_tile(std::int64_t rows, const Activations& x, const WeightRows& w, const NextRows& next,
                          std::int64_t count, float* y, std::int64_t y_stride, std::int64_t valid,
                          std::integer_sequence<int, kFewer...>) {
  ((rows == kFewer + 1 ? tile<kFewer + 1, type, stored>(x, w, next, count, y, y_stride, valid) : void()),
   ...);
}

// All `rows` rows against one panel of 4 weight rows. Tiles share the next rows' lines, so that memory is
// busy all the time; of three and more the last asks for none, since what it asked for would be used at once.
template <DType type, DType stored>
void panel(Activations x, std::int64_t rows, const WeightRows& w, NextRows next, std::int64_t count, float* y,
           std::int64_t y_stride, std::int64_t valid) {
  const std::int64_t tiles = (rows + kTileRows - 1) / kTileRows;
  const std::int64_t askers = tiles > 2 ? tiles - 1 : tiles;
  std::int64_t t = 0;
  const auto share = [&] {
    next.begin = t * kPanel / askers;
    next.end = std::min(kPanel, (t + 1) * kPanel / askers);
  };
  for (; t < rows / kTileRows; ++t) {
    share();
    tile<kTileRows, type, stored>(x, w, next, count, y, y_stride, valid);
    x.x += kTileRows * x.stride;
    y += kTileRows * y_stride;
  }
  share();
  last_tile<type, stored>(rows % kTileRows, x, w, next, count, y, y_stride, valid,
                          std::make_integer_sequence<int, kTileRows - 1>());
}
