// A panel of packed weights (kernels/packed_matmul.h) as float32. Included in the namespace of an instruction
// set, after `namespace hn` and
//   D, DI: tags of up to kPanelOutputs float32 numbers and as many integers; V, VI: their vectors.

// Where one vector of outputs is in a unit: outputs n.. of the panel.
struct UnitPlace {
  const std::byte* unit;
  std::int64_t scales_bytes, n;

  const std::byte* scales(std::int64_t at, std::int64_t size) const { return unit + at + size * n; }
  const std::byte* group(std::int64_t g) const { return unit + scales_bytes + (g * kPanelOutputs + n) * 4; }
};

HWY_INLINE V load_half(const std::byte* p) {
  const hn::Rebind<hwy::float16_t, D> d16;
  return hn::PromoteTo(D(), hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(p)));
}
HWY_INLINE V load_brain(const std::byte* p) {
  const hn::Rebind<hwy::bfloat16_t, D> d16;
  return hn::PromoteTo(D(), hn::LoadU(d16, reinterpret_cast<const hwy::bfloat16_t*>(p)));
}
HWY_INLINE VI load_unsigned(const std::byte* p) {
  const hn::Rebind<std::uint8_t, DI> d8;
  return hn::PromoteTo(DI(), hn::LoadU(d8, reinterpret_cast<const std::uint8_t*>(p)));
}
HWY_INLINE V load_signed(const std::byte* p) {
  const hn::Rebind<std::int8_t, DI> d8;
  return hn::ConvertTo(D(), hn::PromoteTo(DI(), hn::LoadU(d8, reinterpret_cast<const std::int8_t*>(p))));
}
HWY_INLINE VI load_group(const std::byte* p) {
  return hn::LoadU(DI(), reinterpret_cast<const std::int32_t*>(p));
}
HWY_INLINE V to_float(VI v) { return hn::ConvertTo(D(), v); }
HWY_INLINE VI bits_at(VI v, int shift, int mask) {
  return hn::And(hn::ShiftRightSame(v, shift), hn::Set(DI(), mask));
}
// Byte b of every lane, with its sign.
HWY_INLINE VI signed_byte(VI v, int b) { return hn::ShiftRight<24>(hn::ShiftLeftSame(v, 24 - 8 * b)); }

// table[half] for the low halves of all bytes.
HWY_INLINE VI look_up(const std::int8_t* table, VI halves) {
  const hn::Repartition<std::int8_t, D> d8;
  const VI low = hn::And(halves, hn::Set(DI(), 0x0F0F0F0F));
  return hn::BitCast(DI(), hn::TableLookupBytes(hn::LoadDup128(d8, table), hn::BitCast(d8, low)));
}

// The value of four inputs of group `g`: value(b) for byte b.
template <class Value>
HWY_INLINE void store_four(float* to, std::int64_t input, const Value& value) {
  for (int b = 0; b < 4; ++b) hn::Store(value(b), D(), to + (input + b) * kPanelOutputs);
}

// Bytes of group g (of 8) of block `part` of a unit, whose quants have five bits, or six.
HWY_INLINE VI lower_four(const UnitPlace& at, std::int64_t first, int g) {
  const VI both = load_group(at.group(first + g % 4));
  return hn::And(hn::ShiftRightSame(both, g / 4 * 4), hn::Set(DI(), 0x0F0F0F0F));
}
HWY_INLINE VI five_bits(const UnitPlace& at, std::int64_t part, int g) {
  const std::int64_t first = part * block_groups(PackedForm::kQ5_0);
  const VI fifths =
      hn::And(hn::ShiftRightSame(load_group(at.group(first + 4)), g), hn::Set(DI(), 0x01010101));
  return hn::Or(lower_four(at, first, g), hn::ShiftLeft<4>(fifths));
}
HWY_INLINE VI six_bits(const UnitPlace& at, std::int64_t part, int g) {
  const std::int64_t first = part * block_groups(PackedForm::kQ6_K);
  const VI pairs = hn::ShiftRightSame(load_group(at.group(first + 4 + g / 4)), (4 + g % 4 * 2) % 8);
  return hn::Or(lower_four(at, first, g), hn::ShiftLeft<4>(hn::And(pairs, hn::Set(DI(), 0x03030303))));
}

// Block `part` of a unit of small blocks, to [32, kPanelOutputs] from output n on.
template <PackedForm form>
HWY_INLINE void unpack_small_block(const UnitPlace& at, std::int64_t part, float* to) {
  if constexpr (form == PackedForm::kQ8_0) {
    const V d = load_half(at.scales(part * 32, 2));
    for (std::int64_t g = 0; g < 8; ++g) {
      const VI q = load_group(at.group(part * 8 + g));
      store_four(to, 4 * g, [&](int b) HWY_ATTR { return hn::Mul(d, to_float(signed_byte(q, b))); });
    }
  } else if constexpr (form == PackedForm::kQ5_0 || form == PackedForm::kQ5_1) {
    constexpr bool kMin = form == PackedForm::kQ5_1;
    const V d = load_half(at.scales(part * (kMin ? 64 : 32), 2));
    // d (q - 16) is exact in either way to compute it
    const V m = kMin ? load_half(at.scales(part * 64 + 32, 2)) : hn::Mul(d, hn::Set(D(), -16.0f));
    for (int g = 0; g < 8; ++g) {
      const VI q = five_bits(at, part, g);
      store_four(to, 4 * g,
                 [&](int b) HWY_ATTR { return hn::MulAdd(d, to_float(bits_at(q, 8 * b, 255)), m); });
    }
  } else if constexpr (form == PackedForm::kQ4_0 || form == PackedForm::kQ4_1) {
    constexpr bool kMin = form == PackedForm::kQ4_1;
    const V d = load_half(at.scales(part * (kMin ? 64 : 32), 2));
    // d (q - 8) is exact in either way to compute it
    const V m = kMin ? load_half(at.scales(part * 64 + 32, 2)) : hn::Mul(d, hn::Set(D(), -8.0f));
    for (std::int64_t g = 0; g < 4; ++g) {
      const VI q = load_group(at.group(part * 4 + g));
      for (int h = 0; h < 2; ++h) {
        store_four(to, 16 * h + 4 * g,
                   [&](int b) HWY_ATTR { return hn::MulAdd(d, to_float(bits_at(q, 8 * b + 4 * h, 15)), m); });
      }
    }
  } else {
    const bool brain = form == PackedForm::kMXFP4;
    const V d = brain ? load_brain(at.scales(part * 32, 2)) : load_half(at.scales(part * 32, 2));
    for (std::int64_t g = 0; g < 4; ++g) {
      const VI q = load_group(at.group(part * 4 + g));
      for (int h = 0; h < 2; ++h) {
        const VI values = look_up(brain ? kFp4Values : kIq4Values, h == 0 ? q : hn::ShiftRight<4>(q));
        store_four(to, 16 * h + 4 * g,
                   [&](int b) HWY_ATTR { return hn::Mul(d, to_float(signed_byte(values, b))); });
      }
    }
  }
}

// Block j of a super-block of Q2_K to Q6_K or IQ4_XS.
template <PackedForm form>
HWY_INLINE void unpack_super_block(const UnitPlace& at, std::int64_t j, float* to) {
  const V d = load_half(at.scales(0, 2));
  if constexpr (form == PackedForm::kQ4_K || form == PackedForm::kQ5_K) {
    const std::int64_t pair = 64 + 2 * j * kPanelOutputs;
    const V scale = hn::Mul(d, to_float(load_unsigned(at.scales(pair, 1))));
    const V min =
        hn::Mul(load_half(at.scales(32, 2)), to_float(load_unsigned(at.scales(pair + kPanelOutputs, 1))));
    constexpr bool kHalves = form == PackedForm::kQ4_K;
    for (int g = 0; g < 8; ++g) {
      const VI q = kHalves ? load_group(at.group(j / 2 * 8 + g)) : five_bits(at, j, g);
      const int shift = kHalves && j % 2 != 0 ? 4 : 0;
      store_four(to, 4 * g, [&](int b) HWY_ATTR {
        return hn::MulSub(scale, to_float(bits_at(q, 8 * b + shift, kHalves ? 15 : 255)), min);
      });
    }
  } else if constexpr (form == PackedForm::kIQ4_XS) {
    const V scale = hn::Mul(d, load_signed(at.scales((2 + j) * kPanelOutputs, 1)));
    for (std::int64_t g = 0; g < 4; ++g) {
      const VI q = load_group(at.group(j * 4 + g));
      for (int h = 0; h < 2; ++h) {
        const VI values = look_up(kIq4Values, h == 0 ? q : hn::ShiftRight<4>(q));
        store_four(to, 16 * h + 4 * g,
                   [&](int b) HWY_ATTR { return hn::Mul(scale, to_float(signed_byte(values, b))); });
      }
    }
  } else {
    for (int g = 0; g < 8; ++g) {
      const std::int64_t half = 2 * j + g / 4;
      if constexpr (form == PackedForm::kQ2_K) {
        const VI both = load_unsigned(at.scales((4 + half) * kPanelOutputs, 1));
        const V scale = hn::Mul(d, to_float(bits_at(both, 0, 15)));
        const V min = hn::Mul(load_half(at.scales(32, 2)), to_float(hn::ShiftRight<4>(both)));
        const VI q = load_group(at.group(j / 4 * 8 + g));
        store_four(to, 4 * g, [&](int b) HWY_ATTR {
          return hn::MulSub(scale, to_float(bits_at(q, 8 * b + static_cast<int>(j % 4 * 2), 3)), min);
        });
      } else if constexpr (form == PackedForm::kQ3_K) {
        const V scale = hn::Mul(d, load_signed(at.scales((2 + half) * kPanelOutputs, 1)));
        const VI q = load_group(at.group(j / 4 * 8 + g)), thirds = load_group(at.group(16 + g));
        store_four(to, 4 * g, [&](int b) HWY_ATTR {
          const VI low = bits_at(q, 8 * b + static_cast<int>(j % 4 * 2), 3);
          const VI high = hn::ShiftLeft<2>(bits_at(thirds, 8 * b + static_cast<int>(j), 1));
          return hn::Mul(scale, to_float(hn::Sub(hn::Or(low, high), hn::Set(DI(), 4))));
        });
      } else {
        const V scale = hn::Mul(d, load_signed(at.scales((2 + half) * kPanelOutputs, 1)));
        const VI q = six_bits(at, j, g);
        store_four(to, 4 * g, [&](int b) HWY_ATTR {
          return hn::Mul(scale, to_float(hn::Sub(bits_at(q, 8 * b, 255), hn::Set(DI(), 32))));
        });
      }
    }
  }
}

HWY_INLINE void unpack_scaled_ints(const UnitPlace& at, float* to) {
  for (std::int64_t g = 0; g < 8; ++g) {
    const V scale = hn::LoadU(D(), reinterpret_cast<const float*>(at.scales(g / 4 * 64, 4)));
    const VI q = load_group(at.group(g));
    store_four(to, 4 * g, [&](int b) HWY_ATTR { return hn::Mul(scale, to_float(signed_byte(q, b))); });
  }
}

// Inputs [first, first + count) of a panel, both multiples of kQuantBlock, to [count, kPanelOutputs].
template <PackedForm form>
void unpack_form(const std::byte* panel, std::int64_t first, std::int64_t count, float* to) {
  constexpr PackedUnit kUnit = packed_unit(form);
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(D()));
  for (std::int64_t k = 0; k < count; k += kQuantBlock) {
    const std::int64_t input = first + k, part = input % kUnit.inputs / kQuantBlock;
    for (std::int64_t n = 0; n < kPanelOutputs; n += kLanes) {
      const UnitPlace at{panel + input / kUnit.inputs * kUnit.bytes(), kUnit.scales_bytes, n};
      float* block = to + k * kPanelOutputs + n;
      if constexpr (form == PackedForm::kScaledInts) {
        unpack_scaled_ints(at, block);
      } else if constexpr (kUnit.inputs == 64) {
        unpack_small_block<form>(at, part, block);
      } else {
        unpack_super_block<form>(at, part, block);
      }
    }
  }
}

void unpack(PackedForm form, const std::byte* panel, std::int64_t first, std::int64_t count, float* to) {
  switch (form) {
    case PackedForm::kQ8_0:
      return unpack_form<PackedForm::kQ8_0>(panel, first, count, to);
    case PackedForm::kQ4_0:
      return unpack_form<PackedForm::kQ4_0>(panel, first, count, to);
    case PackedForm::kQ4_1:
      return unpack_form<PackedForm::kQ4_1>(panel, first, count, to);
    case PackedForm::kQ5_0:
      return unpack_form<PackedForm::kQ5_0>(panel, first, count, to);
    case PackedForm::kQ5_1:
      return unpack_form<PackedForm::kQ5_1>(panel, first, count, to);
    case PackedForm::kIQ4_NL:
      return unpack_form<PackedForm::kIQ4_NL>(panel, first, count, to);
    case PackedForm::kMXFP4:
      return unpack_form<PackedForm::kMXFP4>(panel, first, count, to);
    case PackedForm::kQ2_K:
      return unpack_form<PackedForm::kQ2_K>(panel, first, count, to);
    case PackedForm::kQ3_K:
      return unpack_form<PackedForm::kQ3_K>(panel, first, count, to);
    case PackedForm::kQ4_K:
      return unpack_form<PackedForm::kQ4_K>(panel, first, count, to);
    case PackedForm::kQ5_K:
      return unpack_form<PackedForm::kQ5_K>(panel, first, count, to);
    case PackedForm::kQ6_K:
      return unpack_form<PackedForm::kQ6_K>(panel, first, count, to);
    case PackedForm::kIQ4_XS:
      return unpack_form<PackedForm::kIQ4_XS>(panel, first, count, to);
    case PackedForm::kScaledInts:
      return unpack_form<PackedForm::kScaledInts>(panel, first, count, to);
  }
}
