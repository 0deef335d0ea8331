#include "intervene/grammar/head_draw.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"
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

HeadSet of_layer(const HeadSet& heads, std::int64_t layer) {
  HeadSet out;
  std::ranges::copy_if(heads, std::back_inserter(out), [&](const Head& head) { return head.first == layer; });
  return out;
}

HeadSet set_of(const HeadSelector& selector) {
  HeadSet out;
  for (const auto& [layer, of_layer] : selector.heads) {
    for (const auto& [first, last] : of_layer.ranges) {
      for (std::int64_t head = first; head <= last; ++head) out.emplace_back(layer, head);
    }
  }
  return out;
}

// Of the layers that a part acts on.
HeadSet drawable(const InterventionPart& part, std::int64_t layers, std::int64_t heads) {
  std::vector<bool> acts(static_cast<std::size_t>(layers), true);
  if (part.layers) acts = chosen_layers(*part.layers, layers);
  if (part.method->id == MethodId::kRebalance) acts[0] = false;
  HeadSet out = all_heads(layers, heads);
  std::erase_if(out, [&](const Head& head) { return !acts[static_cast<std::size_t>(head.first)]; });
  return out;
}

void expect_in_model(const HeadSelector& selector, std::int64_t layers, std::int64_t heads) {
  for (const auto& [layer, of_layer] : selector.heads) {
    if (layer < layers && of_layer.largest() < heads) continue;
    throw usage_error("--intervene", "expected heads from 0.0 to {}.{}, those of the model, got {}.{}",
                      layers - 1, heads - 1, layer, of_layer.largest());
  }
}

void expect_enough(const HeadSelector& selector, std::size_t asked, std::size_t there) {
  if (asked > 0 && asked <= there) return;
  throw usage_error(
      "--intervene",
      "expected heads={} to draw from 1 to {} heads, as many {} in the layers that the part acts "
      "on, got {}; draw another number, or name other layers",
      selector.text(), there, selector.draw->count > 0 ? "as are" : "others as are", asked);
}

}  // namespace

HeadSet all_heads(std::int64_t layers, std::int64_t heads) {
  HeadSet out;
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

HeadSet random_heads(RandomHeads kind, const HeadSet& set, const HeadSet& from, std::uint64_t seed,
                     std::int64_t number) {
  const auto stream = static_cast<std::uint64_t>(std::ssize(set) * 1'000'003 + number);
  HeadSet out;
  if (kind == RandomHeads::kSameLayers) {
    for (auto first = set.begin(); first != set.end();) {
      const std::int64_t l = first->first;
      const HeadSet own = of_layer(set, l);
      const auto its_stream = stream + static_cast<std::uint64_t>(l + 1) * 1'000'000'007;
      const HeadSet others = drawn(without(of_layer(from, l), own), own.size(), seed, its_stream);
      out.insert(out.end(), others.begin(), others.end());
      first += std::ssize(own);
    }
  }
  HeadSet taken = set;
  taken.insert(taken.end(), out.begin(), out.end());
  const HeadSet rest = drawn(without(from, taken), set.size() - out.size(), seed, stream);
  out.insert(out.end(), rest.begin(), rest.end());
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

HeadSelector heads_in_model(const InterventionPart& part, std::int64_t layers, std::int64_t heads) {
  const HeadSelector& asked = *part.heads;
  expect_in_model(asked, layers, heads);
  if (!asked.draw) return asked;
  const HeadSet from = drawable(part, layers, heads);
  const auto count = static_cast<std::size_t>(asked.draw->count);
  if (count > 0) {
    expect_enough(asked, count, from.size());
    HeadSet out = drawn(from, count, asked.draw->seed, 0);
    std::ranges::sort(out);
    return selector_of(out);
  }
  // Those that do nothing, being in other layers, are no part of the budget.
  HeadSet set;
  std::ranges::set_intersection(set_of(asked), from, std::back_inserter(set));
  expect_enough(asked, set.size(), from.size() - set.size());
  return selector_of(random_heads(RandomHeads::kSameLayers, set, from, asked.draw->seed, 0));
}

std::vector<DrawnHeads> drawn_heads(const InterventionSpec& spec, std::int64_t layers, std::int64_t heads) {
  std::vector<DrawnHeads> out;
  for (const InterventionPart& part : spec.parts) {
    if (!part.heads || !part.heads->draw) continue;
    out.push_back({part.canonical(layers), heads_in_model(part, layers, heads).text()});
  }
  return out;
}

}  // namespace refocus
