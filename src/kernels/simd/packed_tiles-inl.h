// The tiles of packed_matmul.cpp, written with the vectors of int8_lanes-inl.h; a body like that one.
//
// A tile is kRows activation rows times the outputs of kVectors vectors. Every weight vector is loaded once a
// tile, every activation broadcast once.

// Weights of one tile: for each vector of outputs its place in the unit at hand.
template <int kVectors>
struct Vectors {
  const std::byte* scales[kVectors];  // f16 ones, 2 bytes an output
  const std::byte* bytes[kVectors];   // those of sub-blocks, a byte an output
  const std::byte* quants[kVectors];

  HWY_INLINE void advance(std::int64_t bytes_of_unit) {
    for (int v = 0; v < kVectors; ++v) {
      scales[v] += bytes_of_unit;
      bytes[v] += bytes_of_unit;
      quants[v] += bytes_of_unit;
    }
  }
};

template <int kVectors>
HWY_INLINE void at_group(const std::byte* const* quants, std::int64_t group, const std::byte** out) {
  for (int v = 0; v < kVectors; ++v) out[v] = quants[v] + group * kGroupBytes;
}
template <int kRows>
HWY_INLINE void at_block(const QuantizedBlock* const* rows, std::int64_t block, const QuantizedBlock** out) {
  for (int r = 0; r < kRows; ++r) out[r] = rows[r] + block;
}

// Adds one block of 32 inputs to the tile's sums: sum += float(exact integer sum) * (weight scale * x scale).
template <int kRows, int kVectors>
HWY_INLINE void add_block(const QuantizedBlock* const* x, const F* weight_scales, const I (*exact)[kRows],
                          F (*sums)[kRows]) {
  for (int r = 0; r < kRows; ++r) {
    const F scale = broadcast(x[r]->scale);
    for (int v = 0; v < kVectors; ++v) {
      sums[v][r] = fused(to_float(exact[v][r]), times(weight_scales[v], scale), sums[v][r]);
    }
  }
}

// Q8_0 and Q4_0: block `b` of the rows, which is block `part` of the unit at hand. No lambda, since clang
// does not give one the instruction set of the functions around it.
template <DType type, int kRows, int kVectors>
HWY_INLINE void add_plain_block(const Vectors<kVectors>& w, std::int64_t b, std::int64_t part,
                                const QuantizedBlock* const* rows, F (*sums)[kRows]) {
  constexpr std::int64_t kGroups = type == DType::kQ8_0 ? 8 : 4;
  const QuantizedBlock* x[kRows];
  at_block<kRows>(rows, b, x);
  const std::byte* quants[kVectors];
  at_group<kVectors>(w.quants, part * kGroups, quants);
  I exact[kVectors][kRows];
  if constexpr (type == DType::kQ8_0) {
    signed_dot<kRows, kVectors>(quants, x, exact);
  } else {
    nibble_dot<kRows, kVectors>(quants, x, exact);
  }
  F scales[kVectors];
  for (int v = 0; v < kVectors; ++v) scales[v] = load_f16(w.scales[v] + part * 2 * kPanelOutputs);
  add_block<kRows, kVectors>(x, scales, exact, sums);
}

// Q8_0 and Q4_0: two blocks a unit.
template <DType type, int kRows, int kVectors>
HWY_INLINE void plain_tile(Vectors<kVectors> w, std::int64_t blocks, const QuantizedBlock* const* rows,
                           F (*sums)[kRows]) {
  constexpr std::int64_t kUnitBytes = packed_unit(type).bytes();
  for (std::int64_t b = 0; b < blocks; b += 2, w.advance(kUnitBytes)) {
    add_plain_block<type, kRows, kVectors>(w, b, 0, rows, sums);
    if (b + 1 < blocks) add_plain_block<type, kRows, kVectors>(w, b + 1, 1, rows, sums);
  }
}

// Q4_K and Q5_K: w = d sc q - dmin m.
template <DType type, int kRows, int kVectors>
HWY_INLINE void with_mins_tile(Vectors<kVectors> w, std::int64_t blocks, const QuantizedBlock* const* rows,
                               F (*sums)[kRows]) {
  constexpr std::int64_t kUnitBytes = packed_unit(type).bytes();
  for (std::int64_t first = 0; first < blocks; first += 8, w.advance(kUnitBytes)) {
    for (std::int64_t j = 0; j < 8; ++j) {
      const QuantizedBlock* x[kRows];
      at_block<kRows>(rows, first + j, x);
      const std::byte* quants[kVectors];
      I exact[kVectors][kRows];
      if constexpr (type == DType::kQ5_K) {
        at_group<kVectors>(w.quants, j * 8, quants);
        unsigned_dot<kRows, kVectors, 8, 4>(quants, x, 0, exact);
      } else {
        at_group<kVectors>(w.quants, j / 2 * 8, quants);
        half_byte_dot<kRows, kVectors>(quants, j % 2 != 0, x, exact);
      }
      F scales[kVectors], mins[kVectors];
      for (int v = 0; v < kVectors; ++v) {
        const std::byte* pair = w.bytes[v] + 4 * kPanelOutputs + 2 * j * kPanelOutputs;
        scales[v] = times(load_f16(w.scales[v]), load_u8(pair));
        mins[v] = times(load_f16(w.scales[v] + 2 * kPanelOutputs), load_u8(pair + kPanelOutputs));
      }
      add_block<kRows, kVectors>(x, scales, exact, sums);
      for (int r = 0; r < kRows; ++r) {
        const F sum = broadcast(x[r]->scaled_sum);
        for (int v = 0; v < kVectors; ++v) sums[v][r] = fused_minus(mins[v], sum, sums[v][r]);
      }
    }
  }
}

// Q6_K: w = d sc (q - 32), a scale for each half block.
template <int kRows, int kVectors>
HWY_INLINE void q6_k_tile(Vectors<kVectors> w, std::int64_t blocks, const QuantizedBlock* const* rows,
                          F (*sums)[kRows]) {
  constexpr std::int64_t kUnitBytes = packed_unit(DType::kQ6_K).bytes();
  for (std::int64_t first = 0; first < blocks; first += 8, w.advance(kUnitBytes)) {
    for (std::int64_t j = 0; j < 8; ++j) {
      const QuantizedBlock* x[kRows];
      at_block<kRows>(rows, first + j, x);
      const std::byte* quants[kVectors];
      I exact[kVectors][kRows], half[kVectors][kRows];
      for (int h = 0; h < 2; ++h) {
        I(*part)[kRows] = h == 0 ? exact : half;
        at_group<kVectors>(w.quants, j * 8 + h * 4, quants);
        unsigned_dot<kRows, kVectors, 4, 2>(quants, x, h * 16, part);
        for (int v = 0; v < kVectors; ++v) {
          const I scale = load_s8(w.bytes[v] + 2 * kPanelOutputs + (2 * j + h) * kPanelOutputs);
          for (int r = 0; r < kRows; ++r) {
            part[v][r] = times(minus_multiple<32>(part[v][r], x[r]->half_sums[h]), scale);
          }
        }
      }
      F scales[kVectors];
      for (int v = 0; v < kVectors; ++v) {
        for (int r = 0; r < kRows; ++r) exact[v][r] = plus(exact[v][r], half[v][r]);
        scales[v] = load_f16(w.scales[v]);
      }
      add_block<kRows, kVectors>(x, scales, exact, sums);
    }
  }
}

// y of one row and of outputs n.. : what it held or 0, plus bias, plus the sums.
HWY_INLINE void finish(const PackedJob& job, std::int64_t row, std::int64_t n, F sums) {
  float* y = job.y + row * job.y_stride + n;
  const std::int64_t valid = job.weights->outputs - n;
  if (valid >= kLanes) {
    F base = job.accumulate ? load(y) : broadcast(0.0f);
    if (job.bias != nullptr) base = plus(base, load(job.bias + n));
    store(plus(base, sums), y);
    return;
  }
  alignas(64) float lanes[kLanes];
  store(sums, lanes);
  for (std::int64_t i = 0; i < valid; ++i) {
    const float base = job.accumulate ? y[i] : 0.0f;
    y[i] = (job.bias != nullptr ? base + job.bias[n + i] : base) + lanes[i];
  }
}

// Rows [row, row + kRows) times the outputs of vectors [vector, vector + kVectors).
template <DType type, int kRows, int kVectors>
void tile(const PackedTask& task, std::int64_t vector, std::int64_t row) {
  const PackedMatrix& weights = *task.job->weights;
  const PackedJob& job = *task.job;
  const std::int64_t blocks = weights.inputs / kQuantBlock;
  const QuantizedBlock* x[kRows];
  for (int r = 0; r < kRows; ++r) x[r] = task.x->row(row + r);
  Vectors<kVectors> w;
  for (int v = 0; v < kVectors; ++v) {
    const std::int64_t output = (vector + v) * kLanes, lane = output % kPanelOutputs;
    const std::byte* panel = weights.data + output / kPanelOutputs * weights.panel_bytes;
    w.scales[v] = panel + 2 * lane;
    w.bytes[v] = panel + lane;
    w.quants[v] = panel + packed_unit(type).scales_bytes + 4 * lane;
  }
  F sums[kVectors][kRows];
  for (int v = 0; v < kVectors; ++v) {
    for (int r = 0; r < kRows; ++r) sums[v][r] = broadcast(0.0f);
  }
  if constexpr (type == DType::kQ8_0 || type == DType::kQ4_0) {
    plain_tile<type, kRows, kVectors>(w, blocks, x, sums);
  } else if constexpr (type == DType::kQ6_K) {
    q6_k_tile<kRows, kVectors>(w, blocks, x, sums);
  } else {
    with_mins_tile<type, kRows, kVectors>(w, blocks, x, sums);
  }
  for (int v = 0; v < kVectors; ++v) {
    const std::int64_t n = (vector + v) * kLanes;
    for (int r = 0; r < kRows; ++r) finish(job, row + r, n, sums[v][r]);
  }
}

// kRows rows times `vectors` vectors of outputs, at most kWide.
template <DType type, int kRows>
HWY_INLINE void tiles(const PackedTask& task, std::int64_t vector, std::int64_t vectors, std::int64_t row) {
  if (wide_rows(kRows) && vectors == kWide)
    return tile < type, kRows, wide_rows(kRows) ? kWide : 1 > (task, vector, row);
  for (std::int64_t v = 0; v < vectors; ++v) tile<type, kRows, 1>(task, vector + v, row);
}

template <DType type>
void run_typed(const PackedTask& task) {
  const std::int64_t rows = task.x->rows;
  // As many rows at a time as stay in the L2 cache while the task's weights pass by.
  const std::int64_t row_bytes = task.x->inputs / kQuantBlock * std::int64_t{sizeof(QuantizedBlock)};
  const std::int64_t row_block =
      std::max<std::int64_t>(1, (std::int64_t{256} << 10) / row_bytes / kTileRows) * kTileRows;
  const std::int64_t first = task.begin * (kPanelOutputs / kLanes), end = task.end * (kPanelOutputs / kLanes);
  for (std::int64_t begin = 0; begin < rows; begin += row_block) {
    const std::int64_t stop = std::min(rows, begin + row_block);
    for (std::int64_t vector = first; vector < end; vector += kWide) {
      const std::int64_t vectors = std::min<std::int64_t>(kWide, end - vector);
      std::int64_t row = begin;
      for (; row + kTileRows <= stop; row += kTileRows) tiles<type, kTileRows>(task, vector, vectors, row);
      if (kTileRows > 4 && row + 4 <= stop) tiles<type, 4>(task, vector, vectors, row), row += 4;
      if (row + 2 <= stop) tiles<type, 2>(task, vector, vectors, row), row += 2;
      if (row < stop) tiles<type, 1>(task, vector, vectors, row);
    }
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
