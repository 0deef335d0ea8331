// Weights of any type as tiles of bf16 numbers, [step][pair of inputs][16 outputs][2], rounded; zero beyond
// the outputs and the inputs. Included after bf16_parts-inl.h.

constexpr std::int64_t kStep = Bf16Rows::kInputs, kTileBytes = kStep * kPanelOutputs * 2;

// 32 weights, or `left` and zeros.
template <DType type>
HWY_INLINE __m512i rounded_weights(const std::byte* from, std::int64_t left) {
  const std::uint32_t some = first_lanes(left);
  if constexpr (type == DType::kBF16) {
    return _mm512_maskz_loadu_epi16(some, from);
  } else if constexpr (type == DType::kF16) {
    const auto low = static_cast<__mmask16>(some), high = static_cast<__mmask16>(some >> 16);
    return rounded({_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(low, from)),
                    _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(high, from + 32))});
  } else {
    return rounded(load_floats(from, left));
  }
}

// How tiles of a panel are made, [step][1024 bytes] for steps [step, step + steps): a type with
//   static void make(const Bf16Job& job, std::int64_t inputs, std::int64_t panel, std::int64_t step,
//                    std::int64_t steps, std::byte* to);
template <DType type>
struct FloatTiles {
  static constexpr std::int64_t kSize = size_of(type);

  static HWY_INLINE void make(const Bf16Job& job, std::int64_t inputs, std::int64_t panel, std::int64_t step,
                              std::int64_t steps, std::byte* to) {
    for (std::int64_t s = step; s < step + steps; ++s, to += kTileBytes) {
      __m512i pairs[kStep / 2];
      load(job, inputs, panel, s, pairs);
      HWY_UNROLL(16)
      for (std::int64_t i = 0; i < kStep / 2; ++i) _mm512_store_si512(to + i * 64, pairs[i]);
    }
  }

  // One step's tile in registers. kLinear: what is asked for ahead are the next panel's lines in the order in
  // which they lie, so that memory sees one stream, not those that follow in each of the panel's rows.
  template <bool kLinear = false>
  static HWY_INLINE void load(const Bf16Job& job, std::int64_t inputs, std::int64_t panel, std::int64_t step,
                              __m512i* pairs) {
    const std::int64_t outputs = std::min(kPanelOutputs, job.product.outputs - panel * kPanelOutputs);
    const std::int64_t row_bytes = inputs * kSize, first = step * kStep;
    const std::byte* from = job.product.weights + panel * kPanelOutputs * row_bytes + first * kSize;
    // At the end of the rows, the beginning of the next panel's.
    const bool beyond = (first + kStep) * kSize + kAhead > row_bytes;
    const std::int64_t ahead = kAhead + (beyond ? (kPanelOutputs - 1) * row_bytes : 0);
    constexpr std::int64_t kStepBytes = kStep * kSize;  // of a row
    const std::byte* next = from - first * kSize + kPanelOutputs * (row_bytes + step * kStepBytes);
    HWY_UNROLL(16)
    for (std::int64_t n = 0; n < kPanelOutputs; ++n, from += row_bytes) {
      pairs[n] = _mm512_setzero_si512();
      if (n >= outputs) continue;
      for (std::int64_t b = 0; b < kStep * kSize; b += 64) {
        if constexpr (kLinear) {
          fetch_into_l2(next + n * kStepBytes + b);
        } else {
          _mm_prefetch(reinterpret_cast<const char*>(from + ahead + b), kPrefetch);
        }
      }
      pairs[n] = rounded_weights<type>(from, inputs - first);
    }
    transpose(pairs);
  }

 private:
  static constexpr std::int64_t kAhead = type == DType::kF32 ? 512 : 256;  // bytes to what is fetched
};

// Of block types, unpacked to float32 in the L1 cache first.
struct UnpackedTiles {
  static void make(const Bf16Job& job, std::int64_t, std::int64_t panel, std::int64_t step,
                   std::int64_t steps, std::byte* to) {
    constexpr std::int64_t kMost = 8;  // steps at a time
    const PackedMatrix& w = *job.packed;
    const UnpackChunk unpack = chunk_unpacker();
    // both inputs of an output side by side
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23,
                                           7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    alignas(64) float floats[kMost * kStep * kPanelOutputs];
    for (std::int64_t s = 0; s < steps; s += kMost) {
      const std::int64_t count = std::min(kMost, steps - s) * kStep;
      unpack(w.form(), w.data + panel * w.panel_bytes, (step + s) * kStep, count, floats);
      for (std::int64_t k = 0; k < count; k += 2, to += 64) {
        const float* at = floats + k * kPanelOutputs;
        const Floats32 pair{_mm512_load_ps(at), _mm512_load_ps(at + kPanelOutputs)};
        _mm512_store_si512(to, _mm512_permutexvar_epi16(order, rounded(pair)));
      }
    }
  }
};

// Most block types straight from their quants: bytes u of the packed groups, [16 outputs][4 inputs], become
// floats 2^15 + u by being put into a float's second byte, and then scale * (u - less) + add, rounded to
// bf16. The values before that rounding are those of unpack_panel-inl.h.
struct BlockFloats {
  __m512 scale, add;  // of 16 outputs
};
// Whether a scale is a float of 16 bits and nothing is added: then 2^15 + less times it is exact, and one
// multiply-add does all.
constexpr bool has_half_scale(PackedForm form) {
  return form == PackedForm::kQ8_0 || form == PackedForm::kQ4_0 || form == PackedForm::kQ5_0 ||
         form == PackedForm::kIQ4_NL;
}
constexpr float less_of(PackedForm form) {
  if (form == PackedForm::kQ8_0 || form == PackedForm::kIQ4_NL) return 128;
  if (form == PackedForm::kQ5_0) return 16;
  return form == PackedForm::kQ4_0 ? 8 : form == PackedForm::kQ6_K ? 32 : 0;
}
// Inputs of a block that share a scale.
constexpr std::int64_t scaled_inputs(PackedForm form) { return form == PackedForm::kQ6_K ? 16 : kQuantBlock; }

HWY_INLINE __m512 load_halves(const std::byte* from) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
HWY_INLINE __m128i load_bytes(const std::byte* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

// Of block `part` of a unit, inputs [16 half, ...).
template <PackedForm form>
HWY_INLINE BlockFloats block_floats(const std::byte* unit, std::int64_t part, std::int64_t half) {
  constexpr std::int64_t kLane = kPanelOutputs;
  if constexpr (has_half_scale(form)) {
    const __m512 scale = load_halves(unit + part * 2 * kLane);
    return {scale, _mm512_mul_ps(scale, _mm512_set1_ps(-0x1p15f - less_of(form)))};
  } else if constexpr (form == PackedForm::kQ4_1 || form == PackedForm::kQ5_1) {
    return {load_halves(unit + part * 4 * kLane), load_halves(unit + (part * 4 + 2) * kLane)};
  } else if constexpr (form == PackedForm::kQ6_K) {
    const __m512i scale = _mm512_cvtepi8_epi32(load_bytes(unit + (2 + 2 * part + half) * kLane));
    return {_mm512_mul_ps(load_halves(unit), _mm512_cvtepi32_ps(scale)), _mm512_setzero_ps()};
  } else {
    const std::byte* pair = unit + (4 + 2 * part) * kLane;
    const __m512 scale = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(load_bytes(pair)));
    const __m512 min = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(load_bytes(pair + kLane)));
    const __m512 least = _mm512_mul_ps(load_halves(unit + 2 * kLane), min);
    return {_mm512_mul_ps(load_halves(unit), scale), _mm512_sub_ps(_mm512_setzero_ps(), least)};
  }
}

HWY_INLINE __m512i halves_of_bytes(const std::byte* from, bool upper) {
  const __m512i both = _mm512_loadu_si512(from);
  return _mm512_and_si512(upper ? _mm512_srli_epi16(both, 4) : both, _mm512_set1_epi8(15));
}

// With bit `place` of `upper` as bit `to`.
HWY_INLINE __m512i with_bit(__m512i bytes, __m512i upper, std::int64_t place, int to) {
  const __mmask64 set = _mm512_test_epi8_mask(upper, _mm512_set1_epi8(static_cast<char>(1 << place)));
  return _mm512_mask_add_epi8(bytes, set, bytes, _mm512_set1_epi8(static_cast<char>(1 << to)));
}

// u of group g (of 8) of block `part` of a unit.
template <PackedForm form>
HWY_INLINE __m512i block_group(const std::byte* quants, std::int64_t part, std::int64_t g) {
  constexpr std::int64_t kGroup = 64;
  const __m512i sign = _mm512_set1_epi8(-128);
  if constexpr (form == PackedForm::kQ8_0) {
    return _mm512_xor_si512(_mm512_loadu_si512(quants + (part * 8 + g) * kGroup), sign);
  } else if constexpr (form == PackedForm::kQ4_0 || form == PackedForm::kQ4_1) {
    return halves_of_bytes(quants + (part * 4 + g % 4) * kGroup, g >= 4);
  } else if constexpr (form == PackedForm::kIQ4_NL) {
    const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Values));
    const __m512i table = _mm512_xor_si512(_mm512_broadcast_i32x4(values), sign);
    return _mm512_shuffle_epi8(table, halves_of_bytes(quants + (part * 4 + g % 4) * kGroup, g >= 4));
  } else if constexpr (form == PackedForm::kQ4_K) {
    return halves_of_bytes(quants + (part / 2 * 8 + g) * kGroup, part % 2 != 0);
  } else {
    const std::byte* block = quants + part * block_groups(form) * kGroup;
    const __m512i lower = halves_of_bytes(block + g % 4 * kGroup, g >= 4);
    if constexpr (form == PackedForm::kQ6_K) {
      const __m512i upper = _mm512_loadu_si512(block + (4 + g / 4) * kGroup);
      const std::int64_t place = (4 + g % 4 * 2) % 8;  // of its two bits
      return with_bit(with_bit(lower, upper, place, 4), upper, place + 1, 5);
    } else {
      return with_bit(lower, _mm512_loadu_si512(block + 4 * kGroup), g, 4);
    }
  }
}

// One step: a pair of inputs of 8 outputs is a vector, so that two of them, rounded, are a tile's row.
template <PackedForm form>
HWY_INLINE void make_fast_tile(const std::byte* unit, std::int64_t part, std::byte* to) {
  alignas(64) static constexpr std::int32_t kTwice[2][16] = {
      {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7},
      {8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15}};
  // byte 1 of lane i is that of input i % 2 of a pair, and of output i / 2 of a half
  constexpr __mmask64 kSecond = 0x2222222222222222;
  const __m512i magic = _mm512_set1_epi32(0x47000000);
  const __m512i lane = _mm512_set_epi32(29, 28, 25, 24, 21, 20, 17, 16, 13, 12, 9, 8, 5, 4, 1, 0);
  const __m512i first = _mm512_slli_epi32(lane, 8);
  const __m512i quarter = _mm512_set1_epi32(2 << 8), half = _mm512_set1_epi32(32 << 8);
  const __m512i places[2][2] = {
      {first, _mm512_add_epi32(first, half)},
      {_mm512_add_epi32(first, quarter), _mm512_add_epi32(_mm512_add_epi32(first, half), quarter)}};
  constexpr std::int64_t kGroups = scaled_inputs(form) / 4;
  const std::byte* quants = unit + packed_unit(form).scales_bytes;
  for (std::int64_t from = 0; from < kQuantBlock / 4; from += kGroups) {
    const BlockFloats w = block_floats<form>(unit, part, from / 4);
    __m512 scale[2], add[2];
    for (int h = 0; h < 2; ++h) {
      const __m512i twice = _mm512_load_si512(kTwice[h]);
      scale[h] = _mm512_permutexvar_ps(twice, w.scale);
      add[h] = _mm512_permutexvar_ps(twice, w.add);
    }
    for (std::int64_t g = from; g < from + kGroups; ++g) {
      const __m512i u = block_group<form>(quants, part, g);
      for (int p = 0; p < 2; ++p, to += 64) {
        __m512 value[2];
        for (int h = 0; h < 2; ++h) {
          value[h] = _mm512_castsi512_ps(_mm512_mask_permutexvar_epi8(magic, kSecond, places[p][h], u));
          if constexpr (!has_half_scale(form)) {
            value[h] = _mm512_sub_ps(value[h], _mm512_set1_ps(0x1p15f + less_of(form)));
          }
          value[h] = _mm512_fmadd_ps(scale[h], value[h], add[h]);
        }
        _mm512_store_si512(to, rounded({value[0], value[1]}));
      }
    }
  }
}

template <PackedForm form>
struct BlockTiles {
  static HWY_INLINE void make(const Bf16Job& job, std::int64_t, std::int64_t panel, std::int64_t step,
                              std::int64_t steps, std::byte* to) {
    constexpr PackedUnit kUnit = packed_unit(form);
    constexpr std::int64_t kParts = kUnit.inputs / kQuantBlock, kBytes = kUnit.quants_bytes / kParts;
    constexpr std::int64_t kAhead = 2048;
    const std::byte* data = job.packed->data + panel * job.packed->panel_bytes;
    for (std::int64_t s = step; s < step + steps; ++s, to += kTileBytes) {
      const std::byte* unit = data + s / kParts * kUnit.bytes();
      for (std::int64_t b = 0; b < kBytes; b += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(unit + s % kParts * kBytes + b + kAhead), _MM_HINT_T0);
      }
      make_fast_tile<form>(unit, s % kParts, to);
    }
  }
};

// Calls body(Tiles()) with what makes the tiles of a job.
template <class Body>
void with_tiles_of(const Bf16Job& job, const Body& body) {
  if (job.packed == nullptr) {
    if (job.product.dtype == DType::kF32) return body(FloatTiles<DType::kF32>());
    if (job.product.dtype == DType::kF16) return body(FloatTiles<DType::kF16>());
    return body(FloatTiles<DType::kBF16>());
  }
  static const bool permutes_bytes = __builtin_cpu_supports("avx512vbmi");
  if (!permutes_bytes) return body(UnpackedTiles());
  switch (job.packed->form()) {
    case PackedForm::kQ8_0:
      return body(BlockTiles<PackedForm::kQ8_0>());
    case PackedForm::kQ4_0:
      return body(BlockTiles<PackedForm::kQ4_0>());
    case PackedForm::kIQ4_NL:
      return body(BlockTiles<PackedForm::kIQ4_NL>());
    case PackedForm::kQ4_1:
      return body(BlockTiles<PackedForm::kQ4_1>());
    case PackedForm::kQ5_0:
      return body(BlockTiles<PackedForm::kQ5_0>());
    case PackedForm::kQ5_1:
      return body(BlockTiles<PackedForm::kQ5_1>());
    case PackedForm::kQ4_K:
      return body(BlockTiles<PackedForm::kQ4_K>());
    case PackedForm::kQ5_K:
      return body(BlockTiles<PackedForm::kQ5_K>());
    case PackedForm::kQ6_K:
      return body(BlockTiles<PackedForm::kQ6_K>());
    default:
      return body(UnpackedTiles());
  }
}
