// Attention in answers: where a client can fetch it, and its weights as sparse JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace refocus::openai {

// The keys that were kept of a row, and their weights.
struct SparseRow {
  std::vector<std::int32_t> keys;  // positions, from 0
  std::vector<float> weights;      // as many
  float rest = 0;                  // the sum of the row's other weights
};

struct AttentionValues {
  std::vector<std::int32_t> layers;  // numbers, from 0
  std::vector<std::int32_t> heads;   // empty: one mean over heads stands for them
  std::vector<std::int32_t> rows;    // positions of the queries
  std::vector<SparseRow> weights;    // [layer][head][row], in that order
  std::vector<SparseRow> before;     // the same before the intervention; empty where not asked for
};

// What an answer says of the attention that was kept for it.
struct AttentionReceipt {
  std::int64_t index = 0;                 // of the choice
  std::string id;                         // GET /v1/attention/ID
  std::int64_t bytes = 0;                 // that are kept
  std::int64_t rows = 0;                  // positions
  std::optional<AttentionValues> values;  // where `inline` was asked for
};

// {index, id, bytes, rows, url, inline?}
nlohmann::ordered_json receipt_json(const AttentionReceipt& receipt);

// {layers, heads, rows, weights: [layer][head][row]{i, w, rest}, before?}; heads is null for a mean over
// heads. Each weight has the fewest digits that read back as the same float. Sizes must fit each other.
nlohmann::ordered_json values_json(const AttentionValues& values);

// The sequence that the rows are of.
struct AttentionText {
  std::string intervention;  // canonical
  std::int64_t prompt_tokens = 0;
  nlohmann::ordered_json tokens;  // of prompt and answer: [{id, text, piece, class}] (docs/attention.md)
};

// GET /v1/attention/ID.json: {id, object: "refocus.attention", intervention, prompt_tokens, tokens, ...} and
// what values_json has.
std::string attention_answer(const std::string& id, const AttentionText& text, const AttentionValues& values);

}  // namespace refocus::openai
