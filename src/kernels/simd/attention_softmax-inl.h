// Softmax of a tile's rows of scores, with the hooks before and after it. Included in the namespace of an
// instruction set, after kv_lanes-inl.h.

// One query vector of a tile.
struct Query {
  AttentionRow at;
  const float* q;
  float* out;
  float* weights;  // [keys padded to blocks]: scores, then exp(score - max)
  float* sums;     // [padded(head_dim)]: sum of exp(score - max) v
  float sum;       // of exp(score - max)
};

// Calls the hooks after softmax. `spare` has room for a row: as softmax left it, for an observer.
void show_row(Query& query, const AttentionShape& shape, const AttentionHooks& hooks, float sink,
              float* spare) {
  const auto keys = static_cast<std::size_t>(query.at.position + 1);
  const bool observed = hooks.observe != nullptr;
  bool changed = false;
  SoftmaxRow before{query.at, {query.weights, keys}, query.sum};
  if (hooks.edit != nullptr) {
    if (observed) {
      std::memcpy(spare, query.weights, keys * sizeof(float));
      before.weights = {spare, keys};
    }
    EditableRow row{query.at, {query.weights, keys}, query.sum, sink, shape.first_key(query.at.position)};
    changed = hooks.edit(hooks.context, row);
    query.sum = row.sum;
  }
  if (!observed) return;
  const SoftmaxRow after{query.at, {query.weights, keys}, query.sum};
  hooks.observe(hooks.observer, before, changed ? after : before);
}

void cap_scores(float* scores, std::int64_t begin, std::int64_t end, float cap) {
  const D d;
  const V c = hn::Set(d, cap);
  for (std::int64_t j = begin; j < end; j += REFOCUS_LANES) {
    hn::StoreU(hn::Mul(c, tanh(d, hn::Div(hn::LoadU(d, scores + j), c))), d, scores + j);
  }
}

// The keys of a query, and the whole blocks that they lie in.
struct KeysOfRow {
  std::int64_t first, end, begin, size;  // [first, end) is seen; [begin, size) are whole blocks

  KeysOfRow(const Query& query, const AttentionShape& shape)
      : first(shape.first_key(query.at.position)),
        end(query.at.position + 1),
        begin(first / kKeyBlock * kKeyBlock),
        size((end + kKeyBlock - 1) / kKeyBlock * kKeyBlock) {}
};

void bias_row(const Query& query, const KeysOfRow& keys, const AttentionHooks& hooks) {
  for (std::int64_t first = keys.begin; first < keys.end; first += kKeyBlock) {
    const std::int64_t count = std::min(kKeyBlock, keys.end - first);
    hooks.bias(hooks.context, query.at, first, {query.weights + first, static_cast<std::size_t>(count)});
  }
}

// Turns a row of scores into exp(score - max), with its sum, and returns the sink's part of that. The tile's
// scores begin at key `tile_begin`, a block's first; what the query does not see becomes 0, from key 0 on
// where it is watched.
float soften(Query& query, const AttentionShape& shape, std::int64_t tile_begin, bool watched) {
  const D d;
  const KeysOfRow own(query, shape);
  const std::int64_t keys = own.end, size = own.size, first_key = own.first, begin = own.begin;
  float* weights = query.weights;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::fill(weights + keys, weights + size, -kInfinity);
  if (first_key > 0) {
    std::fill(weights + (watched ? 0 : tile_begin), weights + begin, 0.0f);
    std::fill(weights + begin, weights + first_key, -kInfinity);
  }
  V max = hn::Set(d, -kInfinity);
  for (std::int64_t j = begin; j < size; j += REFOCUS_LANES) max = hn::Max(max, hn::LoadU(d, weights + j));
  float largest = hn::GetLane(hn::MaxOfLanes(d, max)), sink = 0;
  if (shape.sinks != nullptr) largest = std::max(largest, shape.sinks[query.at.head]);
  if (largest == -kInfinity) {  // every key is biased away, or no score is a number
    const bool numbers = std::none_of(weights + first_key, weights + keys, [](float s) { return s != s; });
    std::fill(weights + begin, weights + size, 0.0f);
    query.sum = numbers ? 0 : std::numeric_limits<float>::quiet_NaN();
  } else {
    V sum = hn::Zero(d);
    for (std::int64_t j = begin; j < size; j += REFOCUS_LANES) {
      const V w = exp_of_nonpositive(d, hn::Sub(hn::LoadU(d, weights + j), hn::Set(d, largest)));
      hn::StoreU(w, d, weights + j);
      sum = hn::Add(sum, w);
    }
    query.sum = hn::GetLane(hn::SumOfLanes(d, sum));
    if (shape.sinks != nullptr) query.sum += sink = std::exp(shape.sinks[query.at.head] - largest);
  }
  return sink;
}

// The same with the hooks, which may change scores and weights.
void softmax_row(Query& query, const AttentionShape& shape, std::int64_t tile_begin,
                 const AttentionHooks& hooks, float* spare_row) {
  const KeysOfRow keys(query, shape);
  if (shape.softcap > 0) cap_scores(query.weights, keys.begin, keys.size, shape.softcap);
  if (hooks.bias != nullptr) bias_row(query, keys, hooks);
  const bool watched = hooks.edit != nullptr || hooks.observe != nullptr;
  const float sink = soften(query, shape, tile_begin, watched);
  if (watched) show_row(query, shape, hooks, sink, spare_row);
}

// A tile's queries and what softmax needs of them. Query i + group has the head of query i and the next row.
struct SoftmaxRows {
  Query* queries;
  std::int64_t group, stride;  // stride: floats from one query's weights to the next one's
  const AttentionShape& shape;
  const AttentionHooks& hooks;
  std::int64_t tile_begin;
  float* spare_row;
};

// What lies before key `first`, and from `end` to `columns`.
void hide(const Query& query, std::int64_t first, std::int64_t end, std::int64_t columns, float value) {
  std::fill(query.weights, query.weights + first, value);
  if (end < columns) std::fill(query.weights + end, query.weights + columns, value);
}

// Calls body(i, block) for the rows of each head among queries [first, end); query i is the block's first.
template <class Body>
void for_heads(const SoftmaxRows& rows, std::int64_t first, std::int64_t end, const Body& body) {
  for (std::int64_t i = first; i < std::min(end, first + rows.group); ++i) {
    const Query& query = rows.queries[i];
    body(i, RowBlock{query.at, (end - 1 - i) / rows.group + 1, query.weights, rows.group * rows.stride,
                     &rows.shape});
  }
}

// Calls edit_rows, and the observer of a block of one row. sinks: of the tile's queries.
void edit_block(const SoftmaxRows& rows, std::int64_t i, RowBlock block, const float* sinks) {
  float sums[kTile], its_sinks[kTile];
  for (std::int64_t r = 0; r < block.rows; ++r) {
    sums[r] = rows.queries[i + r * rows.group].sum;
    its_sinks[r] = sinks[i + r * rows.group];
  }
  block.sums = sums;
  block.sinks = its_sinks;
  const AttentionHooks& hooks = rows.hooks;
  const auto keys = static_cast<std::size_t>(block.keys());
  const SoftmaxRow before{block.first, {rows.spare_row, keys}, sums[0]};
  if (hooks.observe != nullptr) std::memcpy(rows.spare_row, block.values, keys * sizeof(float));
  hooks.edit_rows(hooks.context, block);
  for (std::int64_t r = 0; r < block.rows; ++r) rows.queries[i + r * rows.group].sum = sums[r];
  if (hooks.observe == nullptr) return;
  const SoftmaxRow after{block.first, {block.values, keys}, sums[0]};
  hooks.observe(hooks.observer, before, after == before ? before : after);
}

// Of queries [first, end), where hooks take rows together; one query where somebody observes.
void softmax_blocks(const SoftmaxRows& rows, std::int64_t first, std::int64_t end) {
  const AttentionHooks& hooks = rows.hooks;
  const AttentionShape& shape = rows.shape;
  const std::int64_t columns = rows.queries[end - 1].at.position + 1;
  for (std::int64_t i = first; i < end; ++i) {
    Query& query = rows.queries[i];
    const KeysOfRow keys(query, shape);
    if (shape.softcap > 0) cap_scores(query.weights, keys.begin, keys.size, shape.softcap);
    if (hooks.bias != nullptr) bias_row(query, keys, hooks);
    if (hooks.bias_rows != nullptr) {
      hide(query, keys.first, keys.end, columns, -std::numeric_limits<float>::infinity());
    }
  }
  if (hooks.bias_rows != nullptr) {
    for_heads(rows, first, end,
              [&](std::int64_t, const RowBlock& block) { hooks.bias_rows(hooks.context, block); });
  }
  float sinks[kTile];
  for (std::int64_t i = first; i < end; ++i) {
    Query& query = rows.queries[i];
    sinks[i] = soften(query, shape, rows.tile_begin, true);
    hide(query, 0, KeysOfRow(query, shape).size, columns, 0);
    if (hooks.edit_rows == nullptr) show_row(query, shape, hooks, sinks[i], rows.spare_row);
  }
  if (hooks.edit_rows == nullptr) return;
  for_heads(rows, first, end,
            [&](std::int64_t i, const RowBlock& block) { edit_block(rows, i, block, sinks); });
}

// Of queries [first, end): scores become weights, through the hooks.
void softmax_rows(const SoftmaxRows& rows, std::int64_t first, std::int64_t end) {
  const AttentionHooks& hooks = rows.hooks;
  const bool by_blocks = hooks.bias_rows != nullptr || hooks.edit_rows != nullptr;
  if (by_blocks && hooks.observe == nullptr) return softmax_blocks(rows, first, end);
  for (std::int64_t i = first; i < end; ++i) {
    if (by_blocks) {
      softmax_blocks(rows, i, i + 1);
    } else {
      softmax_row(rows.queries[i], rows.shape, rows.tile_begin, hooks, rows.spare_row);
    }
  }
}
