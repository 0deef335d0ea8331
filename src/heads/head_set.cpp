#include "heads/head_set.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"

namespace refocus {

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
    if (!part.heads || part.heads->draw) {
      first = 0;
    } else {
      first = std::min(first, part.heads->heads.front().first);
    }
  }
  return spec.is_none() ? 0 : first;
}

}  // namespace refocus
