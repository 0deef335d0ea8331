// Packed weights as AMX reads them, for packed_matmul_amx.cpp; a body, written with the vectors of
// int8_lanes-inl.h and int8_tables-inl.h.
//
// A panel's groups, [group][16 outputs][4 inputs], are already the rows of a tile. What remains is to make
// signed bytes of quants that are packed closer, and floats of scales: once a chunk of blocks, for all rows.

// How a form's products become sums; in all, s is a row's scale times a float of the weights.
//   block       sum += s * (products of 32 inputs)
//   two scales  sum += s0 * (products of inputs 0-15), then s1 * (those of 16-31)
//   integers    sum += s * (i0 * (products of 0-15) + i1 * (products of 16-31)), i0 and i1 whole numbers:
//   exact in float32
enum class Halves { kNone, kScales, kIntegers };
constexpr Halves halves_of(PackedForm form) {
  if (form == PackedForm::kScaledInts) return Halves::kScales;
  return form == PackedForm::kQ6_K || form == PackedForm::kQ3_K ? Halves::kIntegers : Halves::kNone;
}
// What is added beside: nothing, a multiple of the block's sum of activations, or one for each half of it.
enum class Offsets { kNone, kBlock, kHalves };
constexpr Offsets offsets_of(PackedForm form) {
  switch (form) {
    case PackedForm::kQ4_1:
    case PackedForm::kQ5_1:
    case PackedForm::kQ4_K:
    case PackedForm::kQ5_K:
      return Offsets::kBlock;
    case PackedForm::kQ2_K:
    case PackedForm::kQ3_K:
      return Offsets::kHalves;
    default:
      return Offsets::kNone;
  }
}

// A chunk of blocks of a panel: with its activations, kAmxPanels of them stay in the L1 cache.
struct alignas(64) PanelChunk {
  float scales[2][kAmxChunk][kPanelOutputs];       // [half, where halves have scales][block]
  float half_scales[2][kAmxChunk][kPanelOutputs];  // whole numbers
  float added[2][kAmxChunk][kPanelOutputs];        // [half, where halves have them][block]
  std::int8_t unpacked[kAmxChunk][kQuantBlock * kPanelOutputs];
  const std::byte* quants[kAmxChunk];  // 8 groups of signed bytes, in the panel or in `unpacked`
};

// Where to put what is made of one block.
struct BlockPlace {
  PanelChunk* chunk;
  std::int64_t block;

  float* scales(int half = 0) const { return chunk->scales[half][block]; }
  float* half_scales(int half) const { return chunk->half_scales[half][block]; }
  float* added(int half = 0) const { return chunk->added[half][block]; }
  std::int8_t* unpacked() const { return chunk->unpacked[block]; }
  void put_group(std::int64_t group, I quants) const {
    _mm512_store_si512(unpacked() + group * kGroupBytes, quants);
  }
  void use(const std::byte* quants) const { chunk->quants[block] = quants; }
  void use_unpacked() const { use(reinterpret_cast<const std::byte*>(unpacked())); }
};

HWY_INLINE F negative(F v) { return _mm512_xor_ps(v, _mm512_set1_ps(-0.0f)); }
HWY_INLINE I table_of_16(const std::int8_t* values) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values)));
}

// Low halves of 4 groups are inputs 0-15, high ones 16-31.
HWY_INLINE void put_nibbles(const std::byte* quants, I table, const BlockPlace& to) {
  for (std::int64_t g = 0; g < 4; ++g) {
    const I both = load_quants(quants + g * kGroupBytes);
    to.put_group(g, _mm512_shuffle_epi8(table, low_halves(both)));
    to.put_group(4 + g, _mm512_shuffle_epi8(table, high_halves(both)));
  }
  to.use_unpacked();
}

// Quants of five bits, less kAdded.
template <int kAdded>
HWY_INLINE void put_five_bits(const std::byte* quants, const BlockPlace& to) {
  take_five_bits(quants, _mm512_set1_epi8(kAdded), reinterpret_cast<std::byte*>(to.unpacked()));
  to.use_unpacked();
}

constexpr std::int8_t kLessEight[16] = {-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7};

// Q2_K, whose scales of 4 bits times quants of 2 fit into a signed byte.
HWY_INLINE void put_two_bits(const std::byte* unit, std::int64_t j, const BlockPlace& to) {
  const std::byte* quants = unit + packed_unit(PackedForm::kQ2_K).scales_bytes + j / 4 * 8 * kGroupBytes;
  const I one = _mm512_set1_epi8(static_cast<char>(1 << (j % 4 * 2)));
  const I two = _mm512_set1_epi8(static_cast<char>(2 << (j % 4 * 2)));
  const F dmin = load_f16(unit + 2 * kPanelOutputs);
  for (int h = 0; h < 2; ++h) {
    const I both = load_u8_integers(unit + (4 + 2 * j + h) * kPanelOutputs);
    const I scale = times(lower_half(both), _mm512_set1_epi32(0x01010101));
    const I doubled = _mm512_add_epi8(scale, scale);
    for (std::int64_t g = 4 * h; g < 4 * h + 4; ++g) {
      const I bits = load_quants(quants + g * kGroupBytes);
      to.put_group(g, _mm512_add_epi8(_mm512_maskz_mov_epi8(_mm512_test_epi8_mask(bits, one), scale),
                                      _mm512_maskz_mov_epi8(_mm512_test_epi8_mask(bits, two), doubled)));
    }
    store(negative(times(dmin, to_float(upper_half(both)))), to.added(h));
  }
  store(load_f16(unit), to.scales());
  to.use_unpacked();
}

HWY_INLINE void put_three_bits(const std::byte* unit, std::int64_t j, const BlockPlace& to) {
  const std::byte* quants = unit + packed_unit(PackedForm::kQ3_K).scales_bytes;
  const __m128i shift = _mm_cvtsi32_si128(static_cast<int>(j % 4 * 2));
  const I third = _mm512_set1_epi8(static_cast<char>(1 << j));
  const F d = load_f16(unit);
  for (std::int64_t g = 0; g < 8; ++g) {
    const I pairs = _mm512_srl_epi32(load_quants(quants + (j / 4 * 8 + g) * kGroupBytes), shift);
    const I thirds = load_quants(quants + (16 + g) * kGroupBytes);
    const I four = _mm512_maskz_mov_epi8(_mm512_test_epi8_mask(thirds, third), _mm512_set1_epi8(4));
    to.put_group(g, _mm512_or_si512(_mm512_and_si512(pairs, _mm512_set1_epi8(3)), four));
  }
  for (int h = 0; h < 2; ++h) {
    const F scale = to_float(load_s8(unit + (2 + 2 * j + h) * kPanelOutputs));
    store(scale, to.half_scales(h));
    store(negative(times(times(d, broadcast(4.0f)), scale)), to.added(h));
  }
  store(d, to.scales());
  to.use_unpacked();
}

HWY_INLINE void put_six_bits(const std::byte* unit, std::int64_t j, const BlockPlace& to) {
  constexpr PackedForm kForm = PackedForm::kQ6_K;
  const std::byte* quants = unit + packed_unit(kForm).scales_bytes + j * block_groups(kForm) * kGroupBytes;
  take_six_bits(quants, _mm512_set1_epi8(32), reinterpret_cast<std::byte*>(to.unpacked()));
  for (int h = 0; h < 2; ++h) {
    store(to_float(load_s8(unit + (2 + 2 * j + h) * kPanelOutputs)), to.half_scales(h));
  }
  store(load_f16(unit), to.scales());
  to.use_unpacked();
}

// Q4_K and Q5_K.
template <PackedForm form>
HWY_INLINE void put_with_mins(const std::byte* unit, std::int64_t j, const BlockPlace& to) {
  const std::byte* quants = unit + packed_unit(form).scales_bytes;
  if constexpr (form == PackedForm::kQ5_K) {
    put_five_bits<0>(quants + j * block_groups(form) * kGroupBytes, to);
  } else {
    for (std::int64_t g = 0; g < 8; ++g) {
      const I both = load_quants(quants + (j / 2 * 8 + g) * kGroupBytes);
      to.put_group(g, j % 2 != 0 ? high_halves(both) : low_halves(both));
    }
    to.use_unpacked();
  }
  const std::byte* pair = unit + (4 + 2 * j) * kPanelOutputs;
  store(times(load_f16(unit), load_u8(pair)), to.scales());
  store(negative(times(load_f16(unit + 2 * kPanelOutputs), load_u8(pair + kPanelOutputs))), to.added());
}

// Block b of a panel.
template <PackedForm form>
HWY_INLINE void put_block(const std::byte* panel, std::int64_t b, const BlockPlace& to) {
  constexpr PackedUnit kUnit = packed_unit(form);
  constexpr std::int64_t kParts = kUnit.inputs / kQuantBlock;
  const std::byte* unit = panel + b / kParts * kUnit.bytes();
  const std::int64_t part = b % kParts;
  const std::byte* quants = unit + kUnit.scales_bytes;
  if constexpr (form == PackedForm::kQ8_0) {
    to.use(quants + part * 8 * kGroupBytes);
    store(load_f16(unit + part * 2 * kPanelOutputs), to.scales());
  } else if constexpr (form == PackedForm::kQ4_0 || form == PackedForm::kIQ4_NL) {
    put_nibbles(quants + part * 4 * kGroupBytes,
                table_of_16(form == PackedForm::kQ4_0 ? kLessEight : kIq4Values), to);
    store(load_f16(unit + part * 2 * kPanelOutputs), to.scales());
  } else if constexpr (form == PackedForm::kMXFP4) {
    put_nibbles(quants + part * 4 * kGroupBytes, table_of_16(kFp4Values), to);
    store(load_bf16(unit + part * 2 * kPanelOutputs), to.scales());
  } else if constexpr (form == PackedForm::kQ5_0) {
    put_five_bits<16>(quants + part * block_groups(form) * kGroupBytes, to);
    store(load_f16(unit + part * 2 * kPanelOutputs), to.scales());
  } else if constexpr (form == PackedForm::kQ4_1 || form == PackedForm::kQ5_1) {
    const F scale = load_f16(unit + part * 4 * kPanelOutputs);
    const F min = load_f16(unit + (part * 4 + 2) * kPanelOutputs);
    if constexpr (form == PackedForm::kQ4_1) {
      put_nibbles(quants + part * 4 * kGroupBytes, table_of_16(kLessEight), to);
      store(fused(broadcast(8.0f), scale, min), to.added());
    } else {
      put_five_bits<0>(quants + part * block_groups(form) * kGroupBytes, to);
      store(min, to.added());
    }
    store(scale, to.scales());
  } else if constexpr (form == PackedForm::kQ2_K) {
    put_two_bits(unit, part, to);
  } else if constexpr (form == PackedForm::kQ3_K) {
    put_three_bits(unit, part, to);
  } else if constexpr (form == PackedForm::kQ6_K) {
    put_six_bits(unit, part, to);
  } else if constexpr (form == PackedForm::kIQ4_XS) {
    put_nibbles(quants + part * 4 * kGroupBytes, table_of_16(kIq4Values), to);
    store(times(load_f16(unit), to_float(load_s8(unit + (2 + part) * kPanelOutputs))), to.scales());
  } else if constexpr (form == PackedForm::kScaledInts) {
    to.use(quants);
    for (int h = 0; h < 2; ++h) {
      store(load(reinterpret_cast<const float*>(unit) + h * kPanelOutputs), to.scales(h));
    }
  } else {
    put_with_mins<form>(unit, part, to);
  }
}
