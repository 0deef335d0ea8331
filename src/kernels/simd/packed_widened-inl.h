// Panels whose weights are bytes, for many rows: packed_tiles-inl.h takes them apart once, and not with each
// tile of rows. A body like that, after int8_upper_bits-inl.h.

// Of a panel whose weights are bytes.
inline std::int64_t widened_bytes(const PackedMatrix& weights) { return weights.inputs * kPanelOutputs; }
// From so many tiles of rows on weights are widened once for all of them.
constexpr std::int64_t kManyTiles = 6;

// The panels of `vectors` vectors of outputs as bytes, [panel][block][8 groups][kPanelOutputs][4].
template <PackedForm form>
const std::byte* widen_panels(const PackedMatrix& weights, std::int64_t vector, std::int64_t vectors) {
  constexpr PackedUnit kUnit = packed_unit(form);
  constexpr std::int64_t kParts = kUnit.inputs / kQuantBlock, kBlockBytes = 8 * kGroupBytes;
  static_assert(kWide * kLanes % kPanelOutputs == 0);  // so that a panel is widened once
  thread_local AlignedBuffer<std::byte> kept;
  const std::int64_t panels = (vectors * kLanes + kPanelOutputs - 1) / kPanelOutputs;
  const auto bytes = static_cast<std::size_t>(panels * widened_bytes(weights));
  if (kept.size() < bytes) kept = AlignedBuffer<std::byte>(bytes);
  std::byte* to = kept.data();
  const std::byte* panel = weights.data + vector * kLanes / kPanelOutputs * weights.panel_bytes;
  for (std::int64_t p = 0; p < panels; ++p, panel += weights.panel_bytes) {
    const std::byte* quants = panel + kUnit.scales_bytes;
    for (std::int64_t b = 0; b < weights.inputs / kQuantBlock; ++b, to += kBlockBytes) {
      const std::byte* unit = quants + b / kParts * kUnit.bytes();
      widen_block<form>(unit + b % kParts * block_groups(form) * kGroupBytes, to);
    }
  }
  return kept.data();
}
