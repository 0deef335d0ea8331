// Steps of tiles, for packed_matmul_amx.cpp: two products of signed bytes, which are exact sums of 32 or 16
// inputs, and their adding to float32 sums, scaled; a body, written with packed_weights_amx-inl.h.

// Tiles: 0 to 3 sums, 4 and 7 activations, 5 and 6 weights.
TileShapes shapes(Halves halves) {
  const std::int64_t inputs = halves == Halves::kNone ? kQuantBlock : kQuantBlock / 2;
  TileShapes out;
  for (int tile = 0; tile < 4; ++tile) out.set(tile, kAmxRows, kGroupBytes);
  for (const int tile : {4, 7}) out.set(tile, kAmxRows, inputs);
  for (const int tile : {5, 6}) out.set(tile, inputs / 4, kGroupBytes);
  return out;
}

// Exact sums of two products, [row][output]: of neighbouring blocks, or of both halves of a block where they
// have scales.
struct alignas(64) Exact {
  std::int32_t sums[2][kAmxRows][kPanelOutputs];
};
constexpr int blocks_a_step(Halves halves) { return halves == Halves::kNone ? 2 : 1; }

// What a step's two products take: rows of activations and groups of weights.
struct Step {
  const std::byte *x[2], *quants[2];
};

// Steps with even numbers sum in tiles 0 and 1, others in 2 and 3.
template <int kFirst>
HWY_INLINE void multiply_step(const Step& step) {
  clear<kFirst>();
  clear<kFirst + 1>();
  load<4>(step.x[0], kQuantBlock);
  load<5>(step.quants[0], kGroupBytes);
  load<7>(step.x[1], kQuantBlock);
  load<6>(step.quants[1], kGroupBytes);
  multiply<kFirst, 4, 5>();
  multiply<kFirst + 1, 7, 6>();
}
template <int kFirst>
HWY_INLINE void store_step(Exact& out) {
  amx::store<kFirst>(out.sums[0], kGroupBytes);
  amx::store<kFirst + 1>(out.sums[1], kGroupBytes);
}

HWY_INLINE F exact_float(const std::int32_t* sums) { return to_float(_mm512_load_si512(sums)); }

// The sums of a tile of rows: in registers, which takes indices that compilers know before they look for
// arrays to replace. So rows are counted by packs and not by loops.
using Rows = std::make_index_sequence<kAmxRows>;

template <std::size_t... row>
HWY_INLINE void load_sums(const float* from, bool zero, F* sums, std::index_sequence<row...>) {
  if (zero) {
    ((sums[row] = broadcast(0.0f)), ...);
  } else {
    ((sums[row] = load(from + row * kPanelOutputs)), ...);
  }
}
template <std::size_t... row>
HWY_INLINE void store_sums(const F* sums, float* to, std::index_sequence<row...>) {
  (amx::store(sums[row], to + row * kPanelOutputs), ...);
}

// One row's part of add_exact.
template <PackedForm form>
HWY_INLINE F plus_exact(const PanelChunk& w, std::int64_t b, const float* scale, const std::int32_t* low,
                        const std::int32_t* high, F sum) {
  constexpr Halves kHalves = halves_of(form);
  constexpr Offsets kOffsets = offsets_of(form);
  const float *scaled_sum = scale + kAmxRows, *half_sums = scaled_sum + kAmxRows;
  const F first = times(load(w.scales[0][b]), broadcast(*scale));
  if constexpr (kHalves == Halves::kIntegers) {
    const F part = times(exact_float(low), load(w.half_scales[0][b]));
    sum = fused(fused(exact_float(high), load(w.half_scales[1][b]), part), first, sum);
  } else {
    sum = fused(exact_float(low), first, sum);
  }
  if constexpr (kHalves == Halves::kScales) {
    sum = fused(exact_float(high), times(load(w.scales[1][b]), broadcast(*scale)), sum);
  }
  if constexpr (kOffsets == Offsets::kBlock) {
    sum = fused(load(w.added[0][b]), broadcast(*scaled_sum), sum);
  }
  if constexpr (kOffsets == Offsets::kHalves) {
    sum = fused(load(w.added[0][b]), broadcast(*half_sums), sum);
    sum = fused(load(w.added[1][b]), broadcast(half_sums[kAmxRows]), sum);
  }
  return sum;
}

// Adds the exact sums of block b to those of a tile. x: the block's activations; see TiledRows.
template <PackedForm form, std::size_t... row>
HWY_INLINE void add_exact(const PanelChunk& w, std::int64_t b, const std::byte* x,
                          const std::int32_t (*low)[kPanelOutputs], const std::int32_t (*high)[kPanelOutputs],
                          F* sums, std::index_sequence<row...>) {
  const float* scale = reinterpret_cast<const float*>(x + kAmxRows * kQuantBlock);
  ((sums[row] = plus_exact<form>(w, b, scale + row, low[row], high[row], sums[row])), ...);
}
