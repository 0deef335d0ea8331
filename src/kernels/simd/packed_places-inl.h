// Where packed_tiles-inl.h reads weights and activations; a body like that.

// Weights of a tile: each vector of outputs' place in the unit.
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

// A single row is bound by reading weights: asks for those that are a few units ahead. Each panel is a
// stream; what lies beyond its end is the next one's beginning.
template <PackedForm form, int kRows, int kVectors>
HWY_INLINE void fetch_ahead(const Vectors<kVectors>& w) {
#if REFOCUS_INT8 == REFOCUS_INT8_VNNI
  constexpr std::int64_t kDistance = 2048, kLine = 64;
  if constexpr (kRows == 1) {
    for (int v = 0; v < kVectors; ++v) {
      const char* from = reinterpret_cast<const char*>(w.scales[v]) + kDistance;
      for (std::int64_t i = 0; i < packed_unit(form).bytes(); i += kLine) _mm_prefetch(from + i, _MM_HINT_T0);
    }
  }
#else
  (void)w;
#endif
}

template <int kVectors>
HWY_INLINE void at_group(const std::byte* const* quants, std::int64_t group, const std::byte** out) {
  for (int v = 0; v < kVectors; ++v) out[v] = quants[v] + group * kGroupBytes;
}
template <int kRows>
HWY_INLINE void at_block(const QuantizedBlock* const* rows, std::int64_t block, const QuantizedBlock** out) {
  for (int r = 0; r < kRows; ++r) out[r] = rows[r] + block;
}
