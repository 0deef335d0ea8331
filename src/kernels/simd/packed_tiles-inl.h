// The tiles of packed_matmul.cpp, written with the vectors of int8_lanes-inl.h and int8_tables-inl.h; a body
// like those.
//
// A tile is kRows activation rows times the outputs of kVectors vectors. Every weight vector is loaded once a
// tile, every activation broadcast once.

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

// Where the quants of block b are, which is block `part` of the unit at hand.
template <PackedForm form, bool kWidened, int kVectors>
HWY_INLINE void at_quants(const Vectors<kVectors>& w, std::int64_t b, std::int64_t part,
                          const std::byte** quants) {
  if constexpr (kWidened) {
    at_group<kVectors>(w.widened, b * 8, quants);
  } else {
    at_group<kVectors>(w.quants, part * block_groups(form), quants);
  }
}

// Weights of five bits.
template <int kAdded, bool kWidened, int kRows, int kVectors>
HWY_INLINE void five_bits(const std::byte* const* quants, const QuantizedBlock* const* x, I (*exact)[kRows]) {
  if constexpr (kWidened) {
    unsigned_dot<kAdded, kRows, kVectors, 8, 4>(quants, x, 0, exact);
  } else {
    five_bit_dot<kAdded, kRows, kVectors>(quants, x, exact);
  }
}

// A scale for each block of 32: block `b` of the rows, which is block `part` of the unit at hand. No lambda,
// since clang does not give one the instruction set of the functions around it.
template <PackedForm form, bool kWidened, int kRows, int kVectors>
HWY_INLINE void add_plain_block(const Vectors<kVectors>& w, std::int64_t b, std::int64_t part,
                                const QuantizedBlock* const* rows, F (*sums)[kRows]) {
  fetch_ahead<form, kVectors>(w, part, 2);
  const QuantizedBlock* x[kRows];
  at_block<kRows>(rows, b, x);
  const std::byte* quants[kVectors];
  at_quants<form, kWidened, kVectors>(w, b, part, quants);
  I exact[kVectors][kRows];
  if constexpr (form == PackedForm::kQ8_0) {
    signed_dot<kRows, kVectors>(quants, x, exact);
  } else if constexpr (form == PackedForm::kQ4_0) {
    nibble_dot<kRows, kVectors>(quants, x, exact);
  } else if constexpr (form == PackedForm::kQ5_0) {
    five_bits<16, kWidened, kRows, kVectors>(quants, x, exact);
  } else if constexpr (form == PackedForm::kIQ4_NL) {
    table_dot<false, kRows, kVectors>(quants, kIq4Values, x, exact);
  } else {
    table_dot<true, kRows, kVectors>(quants, kFp4Values, x, exact);
  }
  F scales[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const std::byte* at = w.scales[v] + part * 2 * kPanelOutputs;
    scales[v] = form == PackedForm::kMXFP4 ? load_bf16(at) : load_f16(at);
  }
  add_block<kRows, kVectors>(x, scales, exact, sums);
}

// The same for all blocks, two a unit.
template <PackedForm form, bool kWidened, int kRows, int kVectors>
HWY_INLINE void plain_tile(Vectors<kVectors> w, std::int64_t blocks, const QuantizedBlock* const* rows,
                           F (*sums)[kRows]) {
  constexpr std::int64_t kUnitBytes = packed_unit(form).bytes();
  for (std::int64_t b = 0; b < blocks; b += 2, w.advance(kUnitBytes)) {
    add_plain_block<form, kWidened, kRows, kVectors>(w, b, 0, rows, sums);
    if (b + 1 < blocks) add_plain_block<form, kWidened, kRows, kVectors>(w, b + 1, 1, rows, sums);
  }
}

// Adds what weights have beside scale times quant: sum += `added` * (x's scale * the sum of x's quants).
template <int kRows, int kVectors>
HWY_INLINE void add_offsets(const QuantizedBlock* const* x, const F* added, F (*sums)[kRows]) {
  for (int r = 0; r < kRows; ++r) {
    const F sum = broadcast(x[r]->scaled_sum);
    for (int v = 0; v < kVectors; ++v) sums[v][r] = fused(added[v], sum, sums[v][r]);
  }
}

// One block of two in a unit; no lambda below, since clang has no AVX-512 for those.
template <PackedForm form, bool kWidened, int kRows, int kVectors>
HWY_INLINE void offset_block(const Vectors<kVectors>& w, std::int64_t b, std::int64_t part,
                             const QuantizedBlock* const* rows, F (*sums)[kRows]) {
  constexpr bool kHalves = form == PackedForm::kQ4_1;
  fetch_ahead<form, kVectors>(w, part, 2);
  const QuantizedBlock* x[kRows];
  at_block<kRows>(rows, b, x);
  const std::byte* quants[kVectors];
  at_quants<form, kWidened, kVectors>(w, b, part, quants);
  I exact[kVectors][kRows];
  if constexpr (kHalves) nibble_dot<kRows, kVectors>(quants, x, exact);
  if constexpr (!kHalves) five_bits<0, kWidened, kRows, kVectors>(quants, x, exact);
  F scales[kVectors], added[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    scales[v] = load_f16(w.scales[v] + part * 4 * kPanelOutputs);
    added[v] = load_f16(w.scales[v] + (part * 4 + 2) * kPanelOutputs);
    if (kHalves) added[v] = fused(broadcast(8.0f), scales[v], added[v]);
  }
  add_block<kRows, kVectors>(x, scales, exact, sums);
  add_offsets<kRows, kVectors>(x, added, sums);
}

// Q4_1 and Q5_1: w = d q + m, two blocks a unit. Q4_1's quants are taken less 8, so m counts as m + 8 d.
template <PackedForm form, bool kWidened, int kRows, int kVectors>
HWY_INLINE void offset_tile(Vectors<kVectors> w, std::int64_t blocks, const QuantizedBlock* const* rows,
                            F (*sums)[kRows]) {
  for (std::int64_t b = 0; b < blocks; b += 2, w.advance(packed_unit(form).bytes())) {
    offset_block<form, kWidened, kRows, kVectors>(w, b, 0, rows, sums);
    if (b + 1 < blocks) offset_block<form, kWidened, kRows, kVectors>(w, b + 1, 1, rows, sums);
  }
}

// Q2_K: w = d sc q - dmin m. Q3_K: w = d sc q - 4 d sc. A scale for each half block.
template <PackedForm form, int kRows, int kVectors>
HWY_INLINE void bits_tile(Vectors<kVectors> w, std::int64_t blocks, const QuantizedBlock* const* rows,
                          F (*sums)[kRows]) {
  constexpr bool kThird = form == PackedForm::kQ3_K;
  constexpr std::int64_t kUnitBytes = packed_unit(form).bytes();
  for (std::int64_t first = 0; first < blocks; first += 8, w.advance(kUnitBytes)) {
    for (std::int64_t j = 0; j < 8; ++j) {
      fetch_ahead<form, kVectors>(w, j, 8);
      const QuantizedBlock* x[kRows];
      at_block<kRows>(rows, first + j, x);
      I exact[kVectors][kRows];
      clear<kRows, kVectors>(exact);
      F scales[kVectors], mins[2][kVectors];
      for (int v = 0; v < kVectors; ++v) scales[v] = load_f16(w.scales[v]);
      for (int h = 0; h < 2; ++h) {
        I scale[kVectors];
        for (int v = 0; v < kVectors; ++v) {
          if constexpr (kThird) {
            const I sc = load_s8(w.bytes[v] + (2 + 2 * j + h) * kPanelOutputs);
            mins[h][v] = times(times(scales[v], broadcast(4.0f)), to_float(sc));
            scale[v] = load_pair_scale(sc);
          } else {
            const I both = load_u8_integers(w.bytes[v] + (4 + 2 * j + h) * kPanelOutputs);
            mins[h][v] = times(load_f16(w.scales[v] + 2 * kPanelOutputs), to_float(upper_half(both)));
            scale[v] = load_pair_scale(lower_half(both));
          }
        }
        const std::byte *quants[kVectors], *thirds[kVectors];
        at_group<kVectors>(w.quants, j / 4 * 8 + h * 4, quants);
        at_group<kVectors>(w.quants, kThird ? 16 + h * 4 : 0, thirds);
        add_scaled_bits<kThird, kRows, kVectors>(quants, thirds, static_cast<int>(j % 4 * 2),
                                                 static_cast<int>(j), x, h * 16, scale, exact);
      }
      add_block<kRows, kVectors>(x, scales, exact, sums);
      for (int h = 0; h < 2; ++h) {
        for (int r = 0; r < kRows; ++r) {
          const F sum = broadcast(x[r]->scale * static_cast<float>(x[r]->half_sums[h]));
          for (int v = 0; v < kVectors; ++v) sums[v][r] = fused_minus(mins[h][v], sum, sums[v][r]);
        }
      }
    }
  }
}

// IQ4_XS: w = d sc table[q].
template <int kRows, int kVectors>
HWY_INLINE void iq4_xs_tile(Vectors<kVectors> w, std::int64_t blocks, const QuantizedBlock* const* rows,
                            F (*sums)[kRows]) {
  constexpr std::int64_t kUnitBytes = packed_unit(PackedForm::kIQ4_XS).bytes();
  for (std::int64_t first = 0; first < blocks; first += 8, w.advance(kUnitBytes)) {
    for (std::int64_t j = 0; j < 8; ++j) {
      fetch_ahead<PackedForm::kIQ4_XS, kVectors>(w, j, 8);
      const QuantizedBlock* x[kRows];
      at_block<kRows>(rows, first + j, x);
      const std::byte* quants[kVectors];
      at_group<kVectors>(w.quants, j * 4, quants);
      I exact[kVectors][kRows];
      table_dot<false, kRows, kVectors>(quants, kIq4Values, x, exact);
      F scales[kVectors];
      for (int v = 0; v < kVectors; ++v) {
        scales[v] = times(load_f16(w.scales[v]), to_float(load_s8(w.bytes[v] + (2 + j) * kPanelOutputs)));
      }
      add_block<kRows, kVectors>(x, scales, exact, sums);
    }
  }
}

// Scaled integers: a float32 scale for each half block, a block a unit.
template <int kRows, int kVectors>
HWY_INLINE void scaled_ints_tile(Vectors<kVectors> w, std::int64_t blocks, const QuantizedBlock* const* rows,
                                 F (*sums)[kRows]) {
  constexpr PackedUnit kUnit = packed_unit(PackedForm::kScaledInts);
  for (std::int64_t b = 0; b < blocks; ++b, w.advance(kUnit.bytes())) {
    const QuantizedBlock* x[kRows];
    at_block<kRows>(rows, b, x);
    for (int h = 0; h < 2; ++h) {
      fetch_ahead<PackedForm::kScaledInts, kVectors>(w, h, 2);
      const std::byte* quants[kVectors];
      at_group<kVectors>(w.quants, h * 4, quants);
      I exact[kVectors][kRows];
      signed_half_dot<kRows, kVectors>(quants, x, h, exact);
      F scales[kVectors];
      for (int v = 0; v < kVectors; ++v) {
        // Quants and these scales both take 4 bytes an output.
        const std::byte* at = w.quants[v] - kUnit.scales_bytes + h * 4 * kPanelOutputs;
        scales[v] = load(reinterpret_cast<const float*>(at));
      }
      add_block<kRows, kVectors>(x, scales, exact, sums);
    }
  }
}

// Q4_K and Q5_K: w = d sc q - dmin m.
template <PackedForm form, bool kWidened, int kRows, int kVectors>
HWY_INLINE void with_mins_tile(Vectors<kVectors> w, std::int64_t blocks, const QuantizedBlock* const* rows,
                               F (*sums)[kRows]) {
  constexpr std::int64_t kUnitBytes = packed_unit(form).bytes();
  for (std::int64_t first = 0; first < blocks; first += 8, w.advance(kUnitBytes)) {
    for (std::int64_t j = 0; j < 8; ++j) {
      fetch_ahead<form, kVectors>(w, j, 8);
      const QuantizedBlock* x[kRows];
      at_block<kRows>(rows, first + j, x);
      const std::byte* quants[kVectors];
      I exact[kVectors][kRows];
      if constexpr (form == PackedForm::kQ5_K) {
        at_quants<form, kWidened, kVectors>(w, first + j, j, quants);
        five_bits<0, kWidened, kRows, kVectors>(quants, x, exact);
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

// One half of block j of a unit of Q6_K: its scale times the sums of products, exact.
template <int kHalf, bool kWidened, int kRows, int kVectors>
HWY_INLINE void six_bits_half(const Vectors<kVectors>& w, std::int64_t j, const std::byte* const* quants,
                              const QuantizedBlock* const* x, I (*exact)[kRows]) {
  if constexpr (kWidened) {
    const std::byte* groups[kVectors];
    at_group<kVectors>(quants, kHalf * 4, groups);
    unsigned_dot<0, kRows, kVectors, 4, 2>(groups, x, kHalf * 16, exact);
  } else {
    six_bit_dot<kHalf, kRows, kVectors>(quants, x, exact);
  }
  for (int v = 0; v < kVectors; ++v) {
    const I scale = load_s8(w.bytes[v] + (2 + 2 * j + kHalf) * kPanelOutputs);
    for (int r = 0; r < kRows; ++r) {
      exact[v][r] = times(minus_multiple<32>(exact[v][r], x[r]->half_sums[kHalf]), scale);
    }
  }
}

// Q6_K: w = d sc (q - 32), a scale for each half block.
template <bool kWidened, int kRows, int kVectors>
HWY_INLINE void q6_k_tile(Vectors<kVectors> w, std::int64_t blocks, const QuantizedBlock* const* rows,
                          F (*sums)[kRows]) {
  constexpr std::int64_t kUnitBytes = packed_unit(PackedForm::kQ6_K).bytes();
  for (std::int64_t first = 0; first < blocks; first += 8, w.advance(kUnitBytes)) {
    for (std::int64_t j = 0; j < 8; ++j) {
      fetch_ahead<PackedForm::kQ6_K, kVectors>(w, j, 8);
      const QuantizedBlock* x[kRows];
      at_block<kRows>(rows, first + j, x);
      const std::byte* quants[kVectors];
      at_quants<PackedForm::kQ6_K, kWidened, kVectors>(w, first + j, j, quants);
      I exact[kVectors][kRows], half[kVectors][kRows];
      six_bits_half<0, kWidened, kRows, kVectors>(w, j, quants, x, exact);
      six_bits_half<1, kWidened, kRows, kVectors>(w, j, quants, x, half);
      F scales[kVectors];
      for (int v = 0; v < kVectors; ++v) {
        for (int r = 0; r < kRows; ++r) exact[v][r] = plus(exact[v][r], half[v][r]);
        scales[v] = load_f16(w.scales[v]);
      }
      add_block<kRows, kVectors>(x, scales, exact, sums);
    }
  }
}

// Rows (or parts of rows) [row, row + kRows) times the outputs of vectors [vector, vector + kVectors).
template <PackedForm form, bool kWidened, int kRows, int kVectors>
void tile(const PackedTask& task, std::int64_t vector, std::int64_t row, const std::byte* widened) {
  const PackedMatrix& weights = *task.job->weights;
  const PackedJob& job = *task.job;
  const std::int64_t blocks = weights.inputs / kQuantBlock;
  const QuantizedBlock* x[kRows];
  const bool two = job.parts == Int8Parts::kTwo;  // then a row and what it leaves are neighbours in the tile
  for (int r = 0; r < kRows; ++r) x[r] = two ? task.x->part_row(row + r) : task.x->row(row + r);
  Vectors<kVectors> w;
  for (int v = 0; v < kVectors; ++v) {
    const std::int64_t output = (vector + v) * kLanes, lane = output % kPanelOutputs;
    const std::byte* panel = weights.data + output / kPanelOutputs * weights.panel_bytes;
    w.scales[v] = panel + 2 * lane;
    w.bytes[v] = panel + lane;
    w.quants[v] = panel + packed_unit(form).scales_bytes + 4 * lane;
    if constexpr (kWidened)
      w.widened[v] =
          widened + (vector + v) % kWide * kLanes / kPanelOutputs * widened_bytes(weights) + 4 * lane;
  }
  // By the first of the rows, and the first of a panel's vectors.
  w.fetch = !kWidened && !is_single_stream<form, kRows>(task) &&
            row == task.first_row * static_cast<std::int64_t>(job.parts) &&
            vector * kLanes % kPanelOutputs == 0;
  w.left = weights.panel_bytes;
  w.to_next = std::max<std::int64_t>(0, kVectors * kLanes / kPanelOutputs - 1) * weights.panel_bytes;
  F sums[kVectors][kRows];
  for (int v = 0; v < kVectors; ++v) {
    for (int r = 0; r < kRows; ++r) sums[v][r] = broadcast(0.0f);
  }
  if constexpr (form == PackedForm::kQ6_K) {
    q6_k_tile<kWidened, kRows, kVectors>(w, blocks, x, sums);
  } else if constexpr (form == PackedForm::kQ4_K || form == PackedForm::kQ5_K) {
    with_mins_tile<form, kWidened, kRows, kVectors>(w, blocks, x, sums);
  } else if constexpr (form == PackedForm::kQ2_K || form == PackedForm::kQ3_K) {
    bits_tile<form, kRows, kVectors>(w, blocks, x, sums);
  } else if constexpr (form == PackedForm::kQ4_1 || form == PackedForm::kQ5_1) {
    offset_tile<form, kWidened, kRows, kVectors>(w, blocks, x, sums);
  } else if constexpr (form == PackedForm::kIQ4_XS) {
    iq4_xs_tile<kRows, kVectors>(w, blocks, x, sums);
  } else if constexpr (form == PackedForm::kScaledInts) {
    scaled_ints_tile<kRows, kVectors>(w, blocks, x, sums);
  } else {
    plain_tile<form, kWidened, kRows, kVectors>(w, blocks, x, sums);
  }
  for (int v = 0; v < kVectors; ++v) {
    const std::int64_t n = (vector + v) * kLanes;
    for (int r = 0; !two && r < kRows; ++r) finish(job, row + r, n, sums[v][r]);
    for (int r = 1; two && r < kRows; r += 2) finish(job, (row + r) / 2, n, plus(sums[v][r - 1], sums[v][r]));
  }
}

// kRows rows times `vectors` vectors of outputs, at most kWide. `widened`: null, or their weights as bytes.
template <PackedForm form, bool kWidened, int kRows>
HWY_INLINE void tiles(const PackedTask& task, std::int64_t vector, std::int64_t vectors, std::int64_t row,
                      const std::byte* widened) {
  const bool by_panel = kLanes == kPanelOutputs && is_single_stream<form, kRows>(task);
  if (wide_rows(kRows) && vectors == kWide && !by_panel)
    return tile<form, kWidened, kRows, (wide_rows(kRows) ? kWide : 1)>(task, vector, row, widened);
  for (std::int64_t v = 0; v < vectors; ++v) tile<form, kWidened, kRows, 1>(task, vector + v, row, widened);
}

// Rows (or parts of rows) [row, stop).
template <PackedForm form, bool kWidened>
HWY_INLINE void tiles_of_rows(const PackedTask& task, std::int64_t vector, std::int64_t vectors,
                              std::int64_t row, std::int64_t stop, const std::byte* widened) {
  for (; row + kTileRows <= stop; row += kTileRows)
    tiles<form, kWidened, kTileRows>(task, vector, vectors, row, widened);
  if (kTileRows > 4 && row + 4 <= stop)
    tiles<form, kWidened, 4>(task, vector, vectors, row, widened), row += 4;
  if (row + 2 <= stop) tiles<form, kWidened, 2>(task, vector, vectors, row, widened), row += 2;
  if (row < stop) tiles<form, kWidened, 1>(task, vector, vectors, row, widened);
}

template <PackedForm form>
void run_form(const PackedTask& task) {
  static_assert(kTileRows % 2 == 0);  // so that no tile parts the two of a row
  const std::int64_t rows = task.x->rows * static_cast<std::int64_t>(task.job->parts);
  // As many rows at a time as stay in the L2 cache while the task's weights pass by.
  const std::int64_t row_bytes = task.x->inputs / kQuantBlock * std::int64_t{sizeof(QuantizedBlock)};
  const std::int64_t row_block =
      std::max<std::int64_t>(1, (std::int64_t{256} << 10) / row_bytes / kTileRows) * kTileRows;
  const std::int64_t first = task.begin * (kPanelOutputs / kLanes), end = task.end * (kPanelOutputs / kLanes);
  const std::int64_t from = task.first_row * static_cast<std::int64_t>(task.job->parts);
  for (std::int64_t begin = from; begin < rows; begin += row_block) {
    const std::int64_t stop = std::min(rows, begin + row_block);
    const bool many = stop - begin >= kManyTiles * kTileRows;
    for (std::int64_t vector = first; vector < end; vector += kWide) {
      const std::int64_t vectors = std::min<std::int64_t>(kWide, end - vector);
      if constexpr (widens(form)) {
        if (many) {
          const std::byte* widened = widen_panels<form>(*task.job->weights, vector, vectors);
          tiles_of_rows<form, true>(task, vector, vectors, begin, stop, widened);
          continue;
        }
      }
      tiles_of_rows<form, false>(task, vector, vectors, begin, stop, nullptr);
    }
  }
}
