// Where packed_tiles-inl.h reads weights and activations; a body like that.

// Weights of a tile: each vector of outputs' place in the unit.
template <int kVectors>
struct Vectors {
  const std::byte* scales[kVectors];  // f16 ones, 2 bytes an output
  const std::byte* bytes[kVectors];   // those of sub-blocks, a byte an output
  const std::byte* quants[kVectors];
  const std::byte* widened[kVectors];  // all of the panel's as bytes, where they are
  bool fetch;                          // weights ahead
  std::int64_t left;                   // bytes of the panel from the unit on
  std::int64_t to_next;                // bytes from the end of a panel to the one that its vectors take next

  HWY_INLINE void advance(std::int64_t bytes_of_unit) {
    for (int v = 0; v < kVectors; ++v) {
      scales[v] += bytes_of_unit;
      bytes[v] += bytes_of_unit;
      quants[v] += bytes_of_unit;
    }
    left -= bytes_of_unit;
  }
};

// Whether a tile takes weights as a single stream where the processor likes that: panel after panel, asking
// for none ahead. Of kRows rows, where that computes fast enough; measured.
template <PackedForm form, int kRows>
bool is_single_stream(const PackedTask& task) {
  constexpr bool kWholePanel = kLanes == kPanelOutputs;
  constexpr bool kFiveBits = form == PackedForm::kQ5_0 || form == PackedForm::kQ5_1;
  constexpr bool kSuper = packed_unit(form).inputs == 256 && form != PackedForm::kIQ4_XS;
  if constexpr (kRows > 2 || form == PackedForm::kQ3_K) return false;
  if constexpr (kWholePanel && form == PackedForm::kQ2_K) return false;
  if constexpr (kRows == 2 && (kFiveBits || (kWholePanel && kSuper))) return false;
  return task.single_stream;
}

// A few rows are bound by reading weights: with each of a unit's `parts` they ask for as many of those that
// are some way ahead. All of a unit's at once would keep what is needed now waiting.
template <PackedForm form, int kVectors>
HWY_INLINE void fetch_ahead(const Vectors<kVectors>& w, std::int64_t part, std::int64_t parts) {
  constexpr std::int64_t kAhead = 3072;  // bytes; measured
  constexpr std::int64_t kLine = 64, kLines = packed_unit(form).bytes() / kLine;
  if (!w.fetch) return;
  const std::int64_t first = kLines * part / parts, end = kLines * (part + 1) / parts;
  const std::int64_t ahead = kAhead + (kAhead + first * kLine < w.left ? 0 : w.to_next);
  constexpr int kOfPanel = static_cast<int>(kPanelOutputs / kLanes);
  for (std::int64_t i = first; i < end; ++i) {
    for (int v = 0; v < kVectors; v += kOfPanel) fetch_into_l2(w.scales[v] + ahead + i * kLine);
  }
}

template <int kVectors>
HWY_INLINE void at_group(const std::byte* const* quants, std::int64_t group, const std::byte** out) {
  for (int v = 0; v < kVectors; ++v) out[v] = quants[v] + group * kGroupBytes;
}
template <int kRows>
HWY_INLINE void at_block(const QuantizedBlock* const* rows, std::int64_t block, const QuantizedBlock** out) {
  for (int r = 0; r < kRows; ++r) out[r] = rows[r] + block;
}
