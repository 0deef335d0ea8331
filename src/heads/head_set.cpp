#include "heads/head_set.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"

namespace refocus {

std::vector<Head> all_heads(std::int64_t layers, std::int64_t heads) {
  std::vector<Head> out;
  for (std::int64_t l = 0; l < layers; ++l) {
    for (std::int64_t h = 0; h < heads; ++h) out.emplace_back(l, h);
  }
  return out;
}

HeadSet heads_of_layer(std::int64_t layer, std::int64_t heads) {
  HeadSet out;
  for (std::int64_t h = 0; h < heads; ++h) out.emplace_back(layer, h);
  return out;
}

HeadSelector selector_of(const HeadSet& heads) {
  REFOCUS_CHECK(!heads.empty() && std::ranges::is_sorted(heads));
  HeadSelector out;
  for (const auto& [layer, head] : heads) {
    if (out.heads.empty() || out.heads.back().first != layer) out.heads.emplace_back(layer, NumberRanges{});
    auto& ranges = out.heads.back().second.ranges;
    if (!ranges.empty() && ranges.back().second == head - 1) {
      ranges.back().second = head;
    } else {
      ranges.emplace_back(head, head);
    }
  }
  return out;
}

std::string heads_json(const HeadSet& heads) {
  nlohmann::ordered_json out = nlohmann::ordered_json::object();
  for (const auto& [layer, head] : heads) out[std::to_string(layer)].push_back(head);
  return json_text(out);
}

InterventionSpec on_heads(const InterventionSpec& method, const HeadSet& heads) {
  InterventionSpec out;
  if (heads.empty()) return out;
  out = method;
  for (InterventionPart& part : out.parts) part.heads = selector_of(heads);
  return out;
}

std::int64_t first_layer_of(const InterventionSpec& spec, std::int64_t layers) {
  std::int64_t first = layers - 1;
  for (const InterventionPart& part : spec.parts) {
    if (part.method->id == MethodId::kRebalance) return 0;  // its mask is of layer 0
    if (!part.heads) {
      first = 0;
    } else {
      first = std::min(first, part.heads->heads.front().first);
    }
  }
  return spec.is_none() ? 0 : first;
}

}  // namespace refocus
