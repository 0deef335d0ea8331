// Products of float weights and activations in bf16 parts, in AMX tiles. Included after
// bf16_weights_amx-inl.h, where REFOCUS_ATTR is what the file is compiled for.

// A panel is up to four tiles of 16 outputs: its sums and a group's three parts of activations stay in tiles
// while the weights' parts pass by.
constexpr std::int64_t kPanelTiles = 4, kPanelOutputs = kPanelTiles * kTileOutputs;
constexpr std::int64_t kTileSums = kTileOutputs * SplitRows::kRows;  // floats
constexpr std::int64_t kSumsRow = 4 * SplitRows::kRows;              // bytes
// From one group's sums of a panel to the next one's: a tile more, since a load waits for stores before it
// whose addresses have the same last 12 bits.
constexpr std::int64_t kGroupSums = (kPanelTiles + 1) * kTileSums;

// Sums and activations `width` rows wide. Tiles: 0 to 3 sums, 4 weights, 5 to 7 activations.
void configure_for(std::int64_t width) {
  TileShapes shapes;
  for (int t = 0; t < 4; ++t) shapes.set(t, kTileOutputs, 4 * width);
  shapes.set(4, kTileOutputs, 2 * kStep);
  for (int t = 5; t < 8; ++t) shapes.set(t, kStep / 2, 4 * width);
  configure(shapes);
}

// Tile t of a panel's sums is number t of a pack.
template <std::int64_t kTiles>
using Tiles = std::make_index_sequence<kTiles>;

template <std::size_t... t>
HWY_INLINE void clear_sums(std::index_sequence<t...>) {
  (clear<t>(), ...);
}
template <std::size_t... t>
HWY_INLINE void store_sums(float* sums, std::int64_t width, std::index_sequence<t...>) {
  (store<t>(sums + static_cast<std::int64_t>(t) * kTileOutputs * width, 4 * width), ...);
}

// A run of steps of one group.
struct Activations {
  const std::byte* data;
  std::int64_t width, steps;
};
HWY_INLINE void load_activations(const Activations& x, std::int64_t step) {
  const std::int64_t stride = 4 * x.width, part = stride * kStep / 2;
  const std::byte* at = x.data + step * SplitRows::kParts * part;
  load<5>(at, stride);
  load<6>(at + part, stride);
  load<7>(at + 2 * part, stride);
}

// Products of a tile of weights with the activations that are loaded, the least first.
// `beside()` is called after each, for what can be done while they are made.
template <int kTile, int kParts, class Beside>
HWY_INLINE void add_products(const WeightTile& w, std::int64_t step, const Beside& beside) {
  const std::byte* from = w.data + step * w.step_bytes;
  if constexpr (kParts > 2) {
    load<4>(from + 2 * kTileBytes, w.stride);
    multiply_bf16<kTile, 4, 5>(), beside();
  }
  if constexpr (kParts > 1) {
    load<4>(from + kTileBytes, w.stride);
    multiply_bf16<kTile, 4, 6>(), beside();
    multiply_bf16<kTile, 4, 5>(), beside();
  }
  load<4>(from, w.stride);
  multiply_bf16<kTile, 4, 7>(), beside();
  multiply_bf16<kTile, 4, 6>(), beside();
  multiply_bf16<kTile, 4, 5>(), beside();
}
template <int kTile, int kParts>
HWY_INLINE void add_products(const WeightTile& w, std::int64_t step) {
  add_products<kTile, kParts>(w, step, [] {});
}
template <int kParts, class Beside, std::size_t... t>
HWY_INLINE void add_step(const WeightTile* w, std::int64_t step, const Beside& beside,
                         std::index_sequence<t...>) {
  (add_products<t, kParts>(w[t], step, beside), ...);
}
template <int kParts, std::size_t... t>
HWY_INLINE void add_step(const WeightTile* w, std::int64_t step, std::index_sequence<t...> tiles) {
  add_step<kParts>(
      w, step, [] {}, tiles);
}

// The other way round, for several groups: the weights' parts are in tiles 4 to 6, and activations pass by
// in 7.
template <int kParts>
HWY_INLINE void load_weights(const std::byte* from) {
  load<4>(from, 2 * kStep);
  if constexpr (kParts > 1) load<5>(from + kTileBytes, 2 * kStep);
  if constexpr (kParts > 2) load<6>(from + 2 * kTileBytes, 2 * kStep);
}
template <int kGroup, int kWeights>
HWY_INLINE void add_product(const std::byte* activations) {
  load<7>(activations, 2 * kStep);
  multiply_bf16<kGroup, kWeights, 7>();
}
// As add_products has them.
template <int kGroup, int kParts>
HWY_INLINE void add_group(const std::byte* x) {
  if constexpr (kParts > 2) add_product<kGroup, 6>(x);
  if constexpr (kParts > 1) {
    add_product<kGroup, 5>(x + kTileBytes);
    add_product<kGroup, 5>(x);
  }
  add_product<kGroup, 4>(x + 2 * kTileBytes);
  add_product<kGroup, 4>(x + kTileBytes);
  add_product<kGroup, 4>(x);
}
template <int kParts, std::size_t... g>
HWY_INLINE void add_groups(const std::byte* x, std::int64_t group_bytes, std::index_sequence<g...>) {
  (add_group<g, kParts>(x + static_cast<std::int64_t>(g) * group_bytes), ...);
}

// Lines that will be needed next, fetched a few with each of `turns`, since more would keep what is needed
// now waiting.
struct Ahead {
  Ahead(const std::byte* first_row, std::int64_t bytes_of_a_row, std::int64_t lines_of_a_row,
        std::int64_t rows, std::int64_t turns)
      : row(first_row),
        row_bytes(bytes_of_a_row),
        lines(lines_of_a_row),
        left(lines * rows),
        a_turn((left + turns - 1) / turns) {}

  const std::byte* row;
  std::int64_t row_bytes, lines;  // of a row
  std::int64_t left;              // of all rows
  std::int64_t a_turn;
  std::int64_t line = 0;

  HWY_INLINE void fetch() {
    for (std::int64_t count = a_turn; count > 0 && left > 0; --count, --left) {
      _mm_prefetch(reinterpret_cast<const char*>(row + 64 * line), _MM_HINT_T1);
      if (++line < lines) continue;
      line = 0;
      row += row_bytes;
    }
  }
};

// A run of steps of a panel, and the groups that it passes by.
struct Run {
  const WeightTile* weights;         // [tiles]
  Activations x;                     // of the first group
  float* sums;                       // of the first group, [tile][16 outputs][16 rows]
  std::int64_t groups, group_bytes;  // bytes from a group's activations to the next one's
  bool first;                        // sums are taken as 0
};

// The last step of a run: a tile's sums go to memory, and those of the next group come in their place, while
// the other tiles are multiplied. Without `next` they become 0.
template <int kParts, std::size_t... t>
HWY_INLINE void add_last_step(const WeightTile* w, std::int64_t step, float* sums, const float* next,
                              std::index_sequence<t...>) {
  const auto exchange = [&]<std::size_t kTile>(std::integral_constant<std::size_t, kTile>) REFOCUS_ATTR {
    constexpr std::int64_t kPlace = std::int64_t{kTile} * kTileSums;
    add_products<kTile, kParts>(w[kTile], step);
    store<kTile>(sums + kPlace, kSumsRow);
    if (next != nullptr) {
      load<kTile>(next + kPlace, kSumsRow);
    } else {
      clear<kTile>();
    }
  };
  (exchange(std::integral_constant<std::size_t, t>{}), ...);
}

template <std::size_t... t>
HWY_INLINE void begin_sums(const Run& run, std::index_sequence<t...> tiles) {
  if (run.first) return clear_sums(tiles);
  (load<t>(run.sums + static_cast<std::int64_t>(t) * kTileSums, kSumsRow), ...);
}

template <std::int64_t kTiles, int kParts>
void multiply_run(Run run, Ahead& weights, Ahead& activations) {
  begin_sums(run, Tiles<kTiles>{});
  for (std::int64_t g = 0; g < run.groups; ++g) {
    for (std::int64_t s = 0; s + 1 < run.x.steps; ++s) {
      load_activations(run.x, s);
      weights.fetch();
      activations.fetch();
      add_step<kParts>(run.weights, s, Tiles<kTiles>{});
    }
    const float* const next = run.first || g + 1 == run.groups ? nullptr : run.sums + kGroupSums;
    load_activations(run.x, run.x.steps - 1);
    weights.fetch();
    activations.fetch();
    add_last_step<kParts>(run.weights, run.x.steps - 1, run.sums, next, Tiles<kTiles>{});
    run.x.data += run.group_bytes;
    run.sums += kGroupSums;
  }
}

template <int kParts>
void multiply_run(std::int64_t tiles, const Run& run, Ahead& weights, Ahead& activations) {
  switch (tiles) {
    case 1:
      return multiply_run<1, kParts>(run, weights, activations);
    case 2:
      return multiply_run<2, kParts>(run, weights, activations);
    case 3:
      return multiply_run<3, kParts>(run, weights, activations);
    default:
      return multiply_run<4, kParts>(run, weights, activations);
  }
}
