#include "server/openai/attention_answer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/json_reader.h"

namespace refocus::openai {
namespace {

using nlohmann::ordered_json;

// The double whose digits are the float's own, which are half as many as those of its exact value.
double short_double(float value) {
  if (!std::isfinite(value)) return 0;
  std::array<char, 64> digits{};
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  double out = 0;
  std::from_chars(digits.data(), written.ptr, out);
  return out;
}

ordered_json sparse_rows(const AttentionValues& values, const std::vector<SparseRow>& weights) {
  const std::size_t heads = std::max<std::size_t>(values.heads.size(), 1);
  REFOCUS_CHECK(weights.size() == values.layers.size() * heads * values.rows.size());
  std::size_t at = 0;
  ordered_json out = ordered_json::array();
  for (std::size_t layer = 0; layer < values.layers.size(); ++layer) {
    ordered_json of_layer = ordered_json::array();
    for (std::size_t head = 0; head < heads; ++head) {
      ordered_json of_head = ordered_json::array();
      for (std::size_t row = 0; row < values.rows.size(); ++row) {
        const SparseRow& sparse = weights[at++];
        REFOCUS_CHECK(sparse.keys.size() == sparse.weights.size());
        ordered_json w = ordered_json::array();
        for (const float weight : sparse.weights) w.push_back(short_double(weight));
        of_head.push_back({{"i", sparse.keys}, {"w", std::move(w)}, {"rest", short_double(sparse.rest)}});
      }
      of_layer.push_back(std::move(of_head));
    }
    out.push_back(std::move(of_layer));
  }
  return out;
}

}  // namespace

ordered_json values_json(const AttentionValues& values) {
  ordered_json out = {{"layers", values.layers},
                      {"heads", values.heads.empty() ? ordered_json() : ordered_json(values.heads)},
                      {"rows", values.rows},
                      {"weights", sparse_rows(values, values.weights)}};
  if (!values.before.empty()) out["before"] = sparse_rows(values, values.before);
  return out;
}

ordered_json receipt_json(const AttentionReceipt& receipt) {
  ordered_json out = {{"index", receipt.index},
                      {"id", receipt.id},
                      {"bytes", receipt.bytes},
                      {"rows", receipt.rows},
                      {"url", "/v1/attention/" + receipt.id}};
  if (receipt.values) out["inline"] = values_json(*receipt.values);
  return out;
}

std::string attention_answer(const std::string& id, const AttentionText& text,
                             const AttentionValues& values) {
  ordered_json out = {{"id", id},
                      {"object", "refocus.attention"},
                      {"intervention", text.intervention},
                      {"prompt_tokens", text.prompt_tokens},
                      {"tokens", text.tokens}};
  out.update(values_json(values));
  return json_text(out);
}

}  // namespace refocus::openai
