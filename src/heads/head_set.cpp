#include "heads/head_set.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/random.h"

namespace refocus {

namespace {

// `count` of the heads in an order that seed and stream decide, or all of them where they are fewer.
HeadSet drawn(const HeadSet& from, std::size_t count, std::uint64_t seed, std::uint64_t stream) {
  const auto order = shuffled(from.size(), seed, stream);
  HeadSet out;
  for (std::size_t i = 0; i < std::min(count, from.size()); ++i) out.push_back(from[order[i]]);
  return out;
}

HeadSet without(const HeadSet& all, HeadSet taken) {
  std::ranges::sort(taken);
  HeadSet out;
  std::ranges::set_difference(all, taken, std::back_inserter(out));
  return out;
}

}  // namespace

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

HeadSet random_heads(RandomHeads kind, const HeadSet& set, std::int64_t layers, std::int64_t heads,
                     std::uint64_t seed, std::int64_t number) {
  const auto stream = static_cast<std::uint64_t>(std::ssize(set) * 1'000'003 + number);
  HeadSet out;
  if (kind == RandomHeads::kSameLayers) {
    for (std::int64_t l = 0; l < layers; ++l) {
      const auto here = std::ranges::count(set, l, &Head::first);
      const auto its_stream = stream + static_cast<std::uint64_t>(l + 1) * 1'000'000'007;
      for (const Head& head :
           drawn(without(heads_of_layer(l, heads), set), static_cast<std::size_t>(here), seed, its_stream)) {
        out.push_back(head);
      }
    }
  }
  HeadSet taken = set;
  taken.insert(taken.end(), out.begin(), out.end());
  for (const Head& head :
       drawn(without(all_heads(layers, heads), taken), set.size() - out.size(), seed, stream)) {
    out.push_back(head);
  }
  REFOCUS_CHECK(out.size() == set.size());
  std::ranges::sort(out);
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
