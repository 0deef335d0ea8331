// The attention that one request asks to be kept: what that takes, refused before anything is computed, and
// keeping it while the answers are made.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "analyze/kept/row_keeper.h"
#include "intervene/grammar/spec.h"
#include "server/api/attention_store.h"
#include "server/openai/attention_answer.h"
#include "server/openai/request.h"

namespace refocus::server {

struct AttentionLimits {
  std::int64_t bytes = std::int64_t{64} << 20;   // of a request
  std::int64_t store = std::int64_t{512} << 20;  // of all together
  double seconds = 600;                          // that it is kept after it was asked for
};

inline constexpr std::int64_t kInlineBytes = std::int64_t{1} << 20;  // of `inline`, as JSON

// Of each prompt of a request what is kept of each of its choices.
struct AttentionPlan {
  std::vector<KeepSettings> prompts;
  std::vector<std::int64_t> whole_prompts;  // tokens of those that go in one call, else 0
  bool inline_rows = false;
};

// What a plan is made for.
struct AttentionSubject {
  std::vector<std::int64_t> prompts;  // tokens of each
  std::int64_t max_tokens = 0;        // of an answer
  std::int64_t n = 1;
  InterventionSpec intervention;
};

// ApiError where the model lacks a layer or head, where no row would be kept, and where it would take more
// than a request may.
AttentionPlan plan_attention(const openai::AttentionRequest& request, const AttentionSubject& subject,
                             const KeeperModel& model, const AttentionLimits& limits);

// Bytes of such JSON, nearly.
std::int64_t json_bytes(const KeepSettings& settings, std::int64_t rows);

// Rows [first, last) of what was kept, as the API has them.
openai::AttentionValues values_of(const KeptRows& rows, std::int64_t first, std::int64_t last);

class AttentionKeeping {
 public:
  // ApiError 429 where others' attention leaves no room. The store outlives it.
  AttentionKeeping(AttentionPlan plan, std::int64_t n, const KeeperModel& model, AttentionStore& store);

  std::shared_ptr<SequenceWatch> watch(std::size_t choice) const { return keepers_[choice]; }
  // A choice is done. Its attention is in the store from now on.
  openai::AttentionReceipt finish(std::size_t choice, KeptText text);

 private:
  const bool inline_rows_;
  AttentionStore& store_;
  std::vector<std::shared_ptr<RowKeeper>> keepers_;  // by choice
  std::vector<std::optional<AttentionStore::Room>> rooms_;
};

}  // namespace refocus::server
