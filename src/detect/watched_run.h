// A text through the model with something that watches it: hooks on its attention, a tap on its residual
// stream.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/kv_cache.h"
#include "model/transformer.h"

namespace refocus {

// What watches. Null parts are not called.
struct Watch {
  const AttentionHooks* hooks = nullptr;  // [layers]
  const ResidualTap* tap = nullptr;
  // Before and after each call of the model with the text's next rows.
  std::function<void(std::int64_t first_position, std::int64_t rows)> before_call, after_call;
};

// One text, which grows: its keys and values are kept for what comes after.
class WatchedText {
 public:
  // At most `tokens` in all, in calls of at most `call_rows` rows.
  WatchedText(Transformer& model, std::int64_t tokens, std::int64_t call_rows);

  // The next tokens. `whole`: the length that the text has in the end, which matters to rotary scaling that
  // depends on it. Returns the last row's logits, [vocab_size], valid until the next call of the model.
  std::span<const float> add(std::span<const std::int32_t> tokens, std::int64_t whole, const Watch& watch);

 private:
  Transformer& model_;
  std::int64_t call_rows_;
  KvPool pool_;
  KvSequence sequence_;
};

}  // namespace refocus
