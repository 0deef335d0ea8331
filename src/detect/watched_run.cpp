#include "detect/watched_run.h"

#include <algorithm>

#include "base/error.h"

namespace refocus {

WatchedText::WatchedText(Transformer& model, std::int64_t tokens, std::int64_t call_rows)
    : model_(model),
      call_rows_(std::min(call_rows, model.max_rows())),
      pool_(kv_pool_of(model, kv_bytes(model.config(), tokens, model.kv_type(), call_rows_))),
      sequence_(pool_) {
  REFOCUS_CHECK(sequence_.reserve(tokens, call_rows_));
}

std::span<const float> WatchedText::add(std::span<const std::int32_t> tokens, std::int64_t whole,
                                        const Watch& watch) {
  REFOCUS_CHECK(!tokens.empty());
  std::span<const float> logits;
  while (!tokens.empty()) {
    const std::int64_t first = sequence_.length(), rows = std::min(call_rows_, std::ssize(tokens));
    const auto now = tokens.first(static_cast<std::size_t>(rows));
    tokens = tokens.subspan(now.size());
    if (watch.before_call) watch.before_call(first, rows);
    const SequenceInput input{
        &sequence_, now,    whole, watch.hooks, tokens.empty() ? LogitRows::kLast : LogitRows::kNone,
        watch.tap,  nullptr};
    logits = model_.forward({&input, 1});
    if (watch.after_call) watch.after_call(first, rows);
  }
  return logits;
}

}  // namespace refocus
