// The tiles of packed_matmul.cpp, written with the vectors of int8_lanes-inl.h; a body like that one.
//
// A tile is up to kTileRows activation rows times the outputs of one vector (a whole panel of 16, or half of
// one). Every weight vector is loaded once a tile.

// The activations of a tile's rows.
template <int kRows>
struct Rows {
  const std::int8_t* q[kRows];
  const float* scales[kRows];
  const float* scaled_sums[kRows];
  const std::int32_t* half_sums[kRows];
};

// Adds one block of 32 inputs to the tile's sums: sum += float(exact integer sum) * (weight scale * x scale).
template <int kRows>
HWY_INLINE void add_block(const Rows<kRows>& x, std::int64_t block, F weight_scales, const I* exact,
                          F* sums) {
  for (int r = 0; r < kRows; ++r) {
    sums[r] = fused(to_float(exact[r]), times(weight_scales, broadcast(x.scales[r][block])), sums[r]);
  }
}

template <int kRows>
HWY_INLINE void q8_0_tile(const std::byte* scales, const std::byte* quants, std::int64_t blocks,
                          const Rows<kRows>& x, F* sums) {
  for (std::int64_t b = 0; b < blocks; ++b) {
    I exact[kRows];
    signed_dot<kRows, 8>(quants + b * 8 * kGroupBytes, x.q, b * kQuantBlock, x.half_sums, b * 2, exact);
    add_block(x, b, load_f16(scales + b * 32), exact, sums);
  }
}

template <int kRows>
HWY_INLINE void q4_0_tile(const std::byte* scales, const std::byte* quants, std::int64_t blocks,
                          const Rows<kRows>& x, F* sums) {
  for (std::int64_t b = 0; b < blocks; ++b) {
    I exact[kRows];
    nibble_dot<kRows>(quants + b * 4 * kGroupBytes, x.q, b * kQuantBlock, exact);
    for (int r = 0; r < kRows; ++r) {  // stored with 8 added
      exact[r] = minus_multiple<8>(exact[r], x.half_sums[r][2 * b] + x.half_sums[r][2 * b + 1]);
    }
    add_block(x, b, load_f16(scales + b * 32), exact, sums);
  }
}

// Q4_K and Q5_K: w = d sc q - dmin m. kWide: a byte a quant.
template <int kRows, bool kWide>
HWY_INLINE void with_mins_tile(const std::byte* scales, const std::byte* bytes, const std::byte* quants,
                               std::int64_t blocks, const Rows<kRows>& x, F* sums) {
  constexpr std::int64_t kSuper = 20 * kPanelOutputs;
  for (std::int64_t super = 0; super < blocks / 8; ++super, scales += kSuper, bytes += kSuper) {
    const F d = load_f16(scales), dmin = load_f16(scales + 2 * kPanelOutputs);
    for (std::int64_t j = 0; j < 8; ++j) {
      const std::int64_t b = super * 8 + j;
      I exact[kRows];
      if constexpr (kWide) {
        unsigned_dot<kRows, 8, 4>(quants + b * 8 * kGroupBytes, x.q, b * kQuantBlock, exact);
      } else {
        half_byte_dot<kRows>(quants + (super * 4 + j / 2) * 8 * kGroupBytes, j % 2 != 0, x.q, b * kQuantBlock,
                             exact);
      }
      const std::byte* pair = bytes + 4 * kPanelOutputs + 2 * j * kPanelOutputs;
      const F scale = times(d, load_u8(pair)), min = times(dmin, load_u8(pair + kPanelOutputs));
      add_block(x, b, scale, exact, sums);
      for (int r = 0; r < kRows; ++r) sums[r] = fused_minus(min, broadcast(x.scaled_sums[r][b]), sums[r]);
    }
  }
}

// Q6_K: w = d sc (q - 32), a scale for each half block.
template <int kRows>
HWY_INLINE void q6_k_tile(const std::byte* scales, const std::byte* bytes, const std::byte* quants,
                          std::int64_t blocks, const Rows<kRows>& x, F* sums) {
  constexpr std::int64_t kSuper = 18 * kPanelOutputs;
  for (std::int64_t super = 0; super < blocks / 8; ++super, scales += kSuper, bytes += kSuper) {
    const F d = load_f16(scales);
    for (std::int64_t j = 0; j < 8; ++j) {
      const std::int64_t b = super * 8 + j;
      I exact[kRows], half[kRows];
      for (int h = 0; h < 2; ++h) {
        I* part = h == 0 ? exact : half;
        unsigned_dot<kRows, 4, 2>(quants + (b * 8 + h * 4) * kGroupBytes, x.q, b * kQuantBlock + h * 16,
                                  part);
        const I scale = load_s8(bytes + 2 * kPanelOutputs + (2 * j + h) * kPanelOutputs);
        for (int r = 0; r < kRows; ++r) {
          part[r] = times(minus_multiple<32>(part[r], x.half_sums[r][2 * b + h]), scale);
        }
      }
      for (int r = 0; r < kRows; ++r) exact[r] = plus(exact[r], half[r]);
      add_block(x, b, d, exact, sums);
    }
  }
}

template <DType type, int kRows>
void tile(const PackedTask& task, std::int64_t panel, std::int64_t row) {
  const PackedMatrix& w = *task.job->weights;
  const PackedJob& job = *task.job;
  const std::int64_t inputs = w.inputs, blocks = inputs / kQuantBlock;
  Rows<kRows> x;
  for (int r = 0; r < kRows; ++r) {
    x.q[r] = task.x->q.data() + (row + r) * inputs;
    x.scales[r] = task.x->scales.data() + (row + r) * blocks;
    x.scaled_sums[r] = task.x->scaled_sums.data() + (row + r) * blocks;
    x.half_sums[r] = task.x->half_sums.data() + (row + r) * blocks * 2;
  }
  const std::byte* base = w.data.data() + panel * w.panel_bytes;
  for (std::int64_t first = 0; first < kPanelOutputs; first += kLanes) {
    const std::int64_t n = panel * kPanelOutputs + first,
                       valid = std::min<std::int64_t>(kLanes, w.outputs - n);
    if (valid <= 0) return;
    const std::byte* scales = base + 2 * first;  // f16 ones, 2 bytes an output
    const std::byte* bytes = base + first;       // those of sub-blocks, a byte an output
    const std::byte* quants = base + w.quants_offset + 4 * first;
    F sums[kRows];
    for (int r = 0; r < kRows; ++r) sums[r] = broadcast(0.0f);
    if constexpr (type == DType::kQ8_0) q8_0_tile<kRows>(scales, quants, blocks, x, sums);
    if constexpr (type == DType::kQ4_0) q4_0_tile<kRows>(scales, quants, blocks, x, sums);
    if constexpr (type == DType::kQ4_K) with_mins_tile<kRows, false>(scales, bytes, quants, blocks, x, sums);
    if constexpr (type == DType::kQ5_K) with_mins_tile<kRows, true>(scales, bytes, quants, blocks, x, sums);
    if constexpr (type == DType::kQ6_K) q6_k_tile<kRows>(scales, bytes, quants, blocks, x, sums);
    for (int r = 0; r < kRows; ++r) {
      alignas(64) float lanes[kLanes];
      store(sums[r], lanes);
      float* y = job.y + (row + r) * job.y_stride + n;
      for (std::int64_t i = 0; i < valid; ++i) {
        const float bias = job.bias != nullptr ? job.bias[n + i] : 0.0f;
        y[i] = (job.accumulate ? y[i] : 0.0f) + bias + lanes[i];
      }
    }
  }
}

template <DType type>
void run_typed(const PackedTask& task) {
  for (std::int64_t panel = task.begin; panel < task.end; ++panel) {
    std::int64_t row = 0;
    const std::int64_t rows = task.x->rows;
    for (; row + kTileRows <= rows; row += kTileRows) tile<type, kTileRows>(task, panel, row);
    if (kTileRows > 4 && row + 4 <= rows) tile<type, 4>(task, panel, row), row += 4;
    if (row + 2 <= rows) tile<type, 2>(task, panel, row), row += 2;
    if (row < rows) tile<type, 1>(task, panel, row);
  }
}

void run_packed(const PackedTask& task) {
  switch (task.job->weights->type) {
    case DType::kQ8_0:
      return run_typed<DType::kQ8_0>(task);
    case DType::kQ4_0:
      return run_typed<DType::kQ4_0>(task);
    case DType::kQ4_K:
      return run_typed<DType::kQ4_K>(task);
    case DType::kQ5_K:
      return run_typed<DType::kQ5_K>(task);
    case DType::kQ6_K:
      return run_typed<DType::kQ6_K>(task);
    default:
      REFOCUS_CHECK(false);
  }
}
