// Tiles of query vectors and their attention. Included in the namespace of an instruction set, after
// kv_lanes-inl.h and attention_softmax-inl.h.

// kPass * kVectors sums, kVectors keys or values and a broadcast query or weight fit into the registers.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr int kPass = 8, kVectors = 2;
#else
constexpr int kPass = 6, kVectors = 2;
#endif

// weights[r][first_key + j] = scale * q[r] . k[j] for kRows queries and the keys j of one block. q: of all of
// them, [head_dim, kRows]. Kv: see kv_lanes-inl.h. next: the block to be read after this one.
template <int kRows, class Kv>
HWY_INLINE void block_scores(const Query* queries, const float* HWY_RESTRICT q, const Kv& kv, const Kv& next,
                             std::int64_t head_dim, float scale, std::int64_t first_key) {
  const D d;
  const auto pass = [&]<int kCount>(std::int64_t j, std::integral_constant<int, kCount>) HWY_ATTR {
    V sum[kRows][kCount];  // in registers: every index is known where it is used
    HWY_UNROLL(8)
    for (int r = 0; r < kRows; ++r) {
      HWY_UNROLL(8)
      for (int v = 0; v < kCount; ++v) sum[r][v] = hn::Zero(d);
    }
    for (std::int64_t i = 0; i < head_dim; ++i) {
      V k[kCount];
      HWY_UNROLL(8)
      for (int v = 0; v < kCount; ++v) {
        k[v] = kv.key(d, i, j + v * REFOCUS_LANES);
        next.fetch_key(i, j + v * REFOCUS_LANES);
      }
      HWY_UNROLL(8)
      for (int r = 0; r < kRows; ++r) {
        const V broadcast = hn::Set(d, q[i * kRows + r]);
        HWY_UNROLL(8)
        for (int v = 0; v < kCount; ++v) sum[r][v] = hn::MulAdd(broadcast, k[v], sum[r][v]);
      }
    }
    HWY_UNROLL(8)
    for (int r = 0; r < kRows; ++r) {
      float* to = queries[r].weights + first_key + j;
      HWY_UNROLL(8)
      for (int v = 0; v < kCount; ++v)
        hn::StoreU(hn::Mul(sum[r][v], hn::Set(d, scale)), d, to + v * REFOCUS_LANES);
    }
  };
  std::int64_t j = 0;
  for (; j + kVectors * REFOCUS_LANES <= kKeyBlock; j += kVectors * REFOCUS_LANES) {
    pass(j, std::integral_constant<int, kVectors>());
  }
  for (; j < kKeyBlock; j += REFOCUS_LANES) pass(j, std::integral_constant<int, 1>());
}

// The values of kSpan blocks of keys from `first` on, [kKeyBlock, stride] each, and which columns of them
// count.
template <class Kv>
struct Values {
  Kv blocks[kSpan + 1];  // and the one to be read after them
  std::int64_t first, stride;
  std::int64_t column, end_column;
};

// sums[r] += weights[r][j] v[j] for kRows queries, kCount vectors of head_dim from `column` on and keys
// [begin, end).
template <int kRows, int kCount, class Kv>
HWY_INLINE void add_values(const Query* queries, const Values<Kv>& v, std::int64_t column, std::int64_t begin,
                           std::int64_t end) {
  const D d;
  V sum[kRows][kCount];
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(8)
    for (int c = 0; c < kCount; ++c) sum[r][c] = hn::LoadU(d, queries[r].sums + column + c * REFOCUS_LANES);
  }
  for (std::int64_t j = begin; j < end;) {
    const std::int64_t block = (j - v.first) / kKeyBlock,
                       stop = std::min(end, v.first + (block + 1) * kKeyBlock);
    const Kv kv = v.blocks[block], next = v.blocks[block + 1];
    for (std::int64_t place = (j - v.first) % kKeyBlock; j < stop; ++j, ++place) {
      V value[kCount];
      HWY_UNROLL(8)
      for (int c = 0; c < kCount; ++c) {
        value[c] = kv.value(d, place, column + c * REFOCUS_LANES, v.stride);
        next.fetch_value(place, column + c * REFOCUS_LANES, v.stride);
      }
      HWY_UNROLL(8)
      for (int r = 0; r < kRows; ++r) {
        const V w = hn::Set(d, queries[r].weights[j]);
        HWY_UNROLL(8)
        for (int c = 0; c < kCount; ++c) sum[r][c] = hn::MulAdd(w, value[c], sum[r][c]);
      }
    }
  }
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(8)
    for (int c = 0; c < kCount; ++c) hn::StoreU(sum[r][c], d, queries[r].sums + column + c * REFOCUS_LANES);
  }
}

template <int kRows, class Kv>
HWY_INLINE void all_columns(const Query* queries, const Values<Kv>& v, std::int64_t begin, std::int64_t end) {
  std::int64_t column = v.column;
  // Few rows take more columns at a time: enough sums that none waits for the one before.
  constexpr int kMore = kRows <= 2 ? 2 * kVectors : kVectors;
  for (; column + kMore * REFOCUS_LANES <= v.end_column; column += kMore * REFOCUS_LANES) {
    add_values<kRows, kMore>(queries, v, column, begin, end);
  }
  for (; column + kVectors * REFOCUS_LANES <= v.end_column; column += kVectors * REFOCUS_LANES) {
    add_values<kRows, kVectors>(queries, v, column, begin, end);
  }
  for (; column < v.end_column; column += REFOCUS_LANES) add_values<kRows, 1>(queries, v, column, begin, end);
}

// The same for all columns and the keys before `end` that each query sees; later queries see more.
template <int kRows, class Kv>
HWY_INLINE void span_values(const Query* queries, const Values<Kv>& v, std::int64_t end) {
  const std::int64_t shared = std::clamp(queries[0].at.position + 1, v.first, end);
  all_columns<kRows>(queries, v, v.first, shared);
  for (int r = 1; r < kRows; ++r) {
    const std::int64_t stop = std::min(queries[r].at.position + 1, end);
    if (stop > shared) all_columns<1>(queries + r, v, shared, stop);
  }
}

// Calls body(i, kRows) for the groups of queries i .. i + kRows - 1 that cover [0, count).
template <class Body>
HWY_INLINE void for_groups(std::int64_t count, const Body& body) {
  std::int64_t i = 0;
  for (; i + kPass <= count; i += kPass) body(i, std::integral_constant<int, kPass>());
  if (i + 4 <= count) body(i, std::integral_constant<int, 4>()), i += 4;
  if (i + 3 <= count) body(i, std::integral_constant<int, 3>()), i += 3;
  if (i + 2 <= count) body(i, std::integral_constant<int, 2>()), i += 2;
  for (; i < count; ++i) body(i, std::integral_constant<int, 1>());
}

// out = sums / sum in columns [begin, end); 0 where every key is biased away.
void divide(const Query& query, std::int64_t begin, std::int64_t end) {
  const D d;
  if (query.sum == 0) return std::fill(query.out + begin, query.out + end, 0.0f);
  std::int64_t i = begin;
  for (; i + REFOCUS_LANES <= end; i += REFOCUS_LANES) {
    hn::StoreU(hn::Div(hn::LoadU(d, query.sums + i), hn::Set(d, query.sum)), d, query.out + i);
  }
  for (; i < end; ++i) query.out[i] = query.sums[i] / query.sum;
}

// Up to kTile query vectors of one key/value head, and the steps of their attention.
template <class Kv>
class Tile {
 public:
  explicit Tile(const AttentionTask& task)
      : task_(task),
        shape_(*task.shape),
        sequence_(*task.sequence),
        group_(shape_.heads / shape_.kv_heads),
        stride_(padded(shape_.head_dim)),
        count_(task.end - task.begin),
        keys_(sequence_.position + (task.end - 1) / group_ + 1),
        memory_(task, keys_, stride_) {
    const AttentionBuffers& buffers = *task.buffers;
    for (std::int64_t i = 0; i < count_; ++i) {
      const std::int64_t row = (task.begin + i) / group_,
                         head = task.kv_head * group_ + (task.begin + i) % group_;
      queries_[i] = {
          {sequence_.left_out + row, sequence_.position + row, shape_.first_head + head, task.thread},
          buffers.q + (sequence_.first_row + row) * buffers.q_stride + head * shape_.head_dim,
          buffers.out + (sequence_.first_row + row) * buffers.out_stride + head * shape_.head_dim,
          memory_.weights + i * weights_stride(keys_),
          memory_.sums + i * stride_,
          0};
    }
    begin_ = first_block_key(task);
    head_offset_ = head_offset(task);
  }

  void run() {
    scores(begin_, keys_);
    softmax(0, count_);
    values(0, stride_);
    const AttentionHooks& hooks = sequence_.hooks;
    for (std::int64_t i = 0; hooks.output != nullptr && i < count_; ++i) {
      hooks.output(hooks.context, queries_[i].at,
                   {queries_[i].out, static_cast<std::size_t>(shape_.head_dim)});
    }
  }

  // The same in parts, each a step for itself.
  void run_part() {
    switch (task_.step) {
      case AttentionStep::kScores: {
        const std::int64_t blocks = (keys_ - begin_ + kKeyBlock - 1) / kKeyBlock;
        const auto key = [&](std::int64_t part) { return begin_ + blocks * part / task_.parts * kKeyBlock; };
        return scores(key(task_.part), std::min(keys_, key(task_.part + 1)));
      }
      case AttentionStep::kSoftmax:
        if (task_.part >= count_) return;
        softmax(task_.part, task_.part + 1);
        memory_.totals[task_.part] = queries_[task_.part].sum;
        return;
      default:
        for (std::int64_t i = 0; i < count_; ++i) queries_[i].sum = memory_.totals[i];
        const std::int64_t column = task_.part * kColumns;
        return values(column, task_.part + 1 == task_.parts ? stride_ : column + kColumns);
    }
  }

 private:
  Kv block(std::int64_t key) const {
    return Kv::at(sequence_.blocks[key / kKeyBlock] + head_offset_, shape_.head_dim);
  }

  float operand(float q) const { return shape_.bf16 ? bf16_to_f32(f32_to_bf16(q)) : q; }

  // After hooks have seen them.
  void round_weights(const Query& query) const {
    const D d;
    for (std::int64_t j = begin_; j <= query.at.position; j += REFOCUS_LANES) {
      hn::StoreU(round_to_bf16(d, hn::LoadU(d, query.weights + j)), d, query.weights + j);
    }
  }

  AmxAttention for_amx() const {
    AmxAttention out{
        sequence_.type,  sequence_.blocks,      head_offset_, shape_.head_dim, count_, shape_.scale,
        memory_.weights, weights_stride(keys_), memory_.sums, stride_,         {},     {}};
    for (std::int64_t i = 0; i < count_; ++i) {
      out.queries[i] = queries_[i].q;
      out.positions[i] = queries_[i].at.position;
    }
    return out;
  }

  // Of keys [begin, end), which begin with a block.
  void scores(std::int64_t begin, std::int64_t end) {
    if (task_.by_amx) {
      if (begin < end) scores_by_amx(for_amx(), begin, end);
      return;
    }
    for_groups(count_, [&](std::int64_t i, auto rows) HWY_ATTR {
      float* q = memory_.transposed + i * shape_.head_dim;
      for (int r = 0; r < rows; ++r) {
        for (std::int64_t d = 0; d < shape_.head_dim; ++d) q[d * rows + r] = operand(queries_[i + r].q[d]);
      }
    });
    for (std::int64_t key = begin; key < end; key += kKeyBlock) {
      const Kv next = key + kKeyBlock < end ? block(key + kKeyBlock) : block(begin_).swapped();
      for_groups(count_, [&](std::int64_t i, auto rows) HWY_ATTR {
        if (queries_[i + rows - 1].at.position < key) return;
        block_scores<rows>(queries_ + i, memory_.transposed + i * shape_.head_dim, block(key), next,
                           shape_.head_dim, shape_.scale, key);
      });
    }
  }

  // Of queries [first, end).
  void softmax(std::int64_t first, std::int64_t end) {
    softmax_rows(
        {queries_, group_, weights_stride(keys_), shape_, sequence_.hooks, begin_, memory_.spare_row}, first,
        end);
    for (std::int64_t i = first; i < end; ++i) {
      std::fill_n(queries_[i].sums, stride_, 0.0f);
      if (shape_.bf16 && !task_.by_amx) round_weights(queries_[i]);
    }
  }

  // Of columns [column, end_column), whole vectors.
  void values(std::int64_t column, std::int64_t end_column) {
    if (task_.by_amx) {
      values_by_amx(for_amx(), begin_, keys_, column, end_column);
    } else {
      add_all_values(column, end_column);
    }
    for (std::int64_t i = 0; i < count_; ++i) {
      divide(queries_[i], std::min(column, shape_.head_dim), std::min(end_column, shape_.head_dim));
    }
  }

  void add_all_values(std::int64_t column, std::int64_t end_column) {
    const Kv after = task_.after != nullptr ? Kv::at(task_.after, shape_.head_dim).swapped() : block(begin_);
    for (std::int64_t key = begin_; key < keys_; key += kSpan * kKeyBlock) {
      const std::int64_t end = std::min(keys_, key + kSpan * kKeyBlock);
      Values<Kv> values{{}, key, stride_, column, end_column};
      for (std::int64_t i = 0; i <= kSpan; ++i) {
        const std::int64_t at = key + i * kKeyBlock;
        values.blocks[i] = at < keys_ ? block(at) : after;
      }
      for_groups(count_, [&](std::int64_t i, auto rows) HWY_ATTR {
        if (queries_[i + rows - 1].at.position >= key) span_values<rows>(queries_ + i, values, end);
      });
    }
  }

  const AttentionTask& task_;
  const AttentionShape& shape_;
  const AttentionSequence& sequence_;
  std::int64_t group_, stride_, count_, keys_, begin_ = 0;
  std::int64_t head_offset_ = 0;  // of the head in a block, in bytes
  TileMemory memory_;
  Query queries_[kTile];
};
