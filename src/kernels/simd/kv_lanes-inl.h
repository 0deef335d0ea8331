// Keys and values of one head of a cache's block as vectors of float32. Included in the namespace of an
// instruction set, after `namespace hn`.

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
#define REFOCUS_LANES static_cast<std::int64_t>(hn::Lanes(D()))

HWY_INLINE V load(D d, const float* p) { return hn::LoadU(d, p); }
HWY_INLINE V load(D d, const hwy::float16_t* p) {
#if HWY_ARCH_X86 && \
    HWY_TARGET > HWY_AVX2  // no instruction for it; Highway's own code there knows no infinity
  alignas(64) float wide[16];
  for (std::int64_t i = 0; i < REFOCUS_LANES; ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, p + i, 2);
    wide[i] = f16_to_f32(bits);
  }
  return hn::Load(d, wide);
#else
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<hwy::float16_t, D>(), p));
#endif
}
HWY_INLINE V load(D d, const std::int8_t* p) {
  const hn::Rebind<std::int8_t, D> d8;
  const hn::Rebind<std::int32_t, D> d32;
  return hn::ConvertTo(d, hn::PromoteTo(d32, hn::LoadU(d8, p)));
}

// Of F32 or F16.
template <class T>
struct PlainKv {
  const T *keys, *values;

  static PlainKv at(const std::byte* head, std::int64_t head_dim) {
    const T* keys = reinterpret_cast<const T*>(head);
    return {keys, keys + head_dim * kKeyBlock};
  }
  // To ask for the others.
  PlainKv swapped() const { return {values, keys}; }
  // Element i of the keys at places from j on.
  HWY_INLINE V key(D d, std::int64_t i, std::int64_t j) const { return load(d, keys + i * kKeyBlock + j); }
  // Elements from `column` on of the value at place j; stride: padded(head_dim).
  HWY_INLINE V value(D d, std::int64_t j, std::int64_t column, std::int64_t stride) const {
    return load(d, values + j * stride + column);
  }
  // Ask for what key() and value() read.
  HWY_INLINE void fetch_key(std::int64_t i, std::int64_t j) const { fetch_into_l2(keys + i * kKeyBlock + j); }
  HWY_INLINE void fetch_value(std::int64_t j, std::int64_t column, std::int64_t stride) const {
    fetch_into_l2(values + j * stride + column);
  }
};

// Rounded to bf16 as they are read.
template <class Kv>
struct RoundedKv {
  Kv kv;

  static RoundedKv at(const std::byte* head, std::int64_t head_dim) { return {Kv::at(head, head_dim)}; }
  RoundedKv swapped() const { return {kv.swapped()}; }
  HWY_INLINE V key(D d, std::int64_t i, std::int64_t j) const { return round_to_bf16(d, kv.key(d, i, j)); }
  HWY_INLINE V value(D d, std::int64_t j, std::int64_t column, std::int64_t stride) const {
    return round_to_bf16(d, kv.value(d, j, column, stride));
  }
  HWY_INLINE void fetch_key(std::int64_t i, std::int64_t j) const { kv.fetch_key(i, j); }
  HWY_INLINE void fetch_value(std::int64_t j, std::int64_t column, std::int64_t stride) const {
    kv.fetch_value(j, column, stride);
  }
};

// Of Q8_0: the numbers that a cache of F32 would hold had they been rounded before.
struct QuantizedKv {
  const std::int8_t *keys, *values;
  const float *key_scales, *value_scales;

  static QuantizedKv at(const std::byte* head, std::int64_t head_dim) {
    const auto* keys = reinterpret_cast<const std::int8_t*>(head);
    const auto* scales = reinterpret_cast<const float*>(head + kv_block_elements(head_dim));
    return {keys, keys + head_dim * kKeyBlock, scales, scales + kv_scale_blocks(head_dim) * kKeyBlock};
  }
  QuantizedKv swapped() const { return {values, keys, value_scales, key_scales}; }
  HWY_INLINE V key(D d, std::int64_t i, std::int64_t j) const {
    const V scale = hn::LoadU(d, key_scales + i / kKvScaleBlock * kKeyBlock + j);
    return hn::Mul(load(d, keys + i * kKeyBlock + j), scale);
  }
  HWY_INLINE V value(D d, std::int64_t j, std::int64_t column, std::int64_t stride) const {
    const V scale = hn::Set(d, value_scales[column / kKvScaleBlock * kKeyBlock + j]);
    return hn::Mul(load(d, values + j * stride + column), scale);
  }
  HWY_INLINE void fetch_key(std::int64_t i, std::int64_t j) const { fetch_into_l2(keys + i * kKeyBlock + j); }
  HWY_INLINE void fetch_value(std::int64_t j, std::int64_t column, std::int64_t stride) const {
    fetch_into_l2(values + j * stride + column);
  }
};
