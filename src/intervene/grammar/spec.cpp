#include "intervene/grammar/spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "intervene/grammar/head_draw.h"
#include "intervene/grammar/spec_keys.h"

namespace refocus {

double RebalanceSpec::excess(std::int64_t layer, std::int64_t layers) const {
  const auto last = static_cast<double>(depth.value_or(layers - 1));
  return alpha * (1.0 - static_cast<double>(layer) / last);
}

float RebalanceSpec::factor(std::int64_t layer, std::int64_t layers) const {
  return layer == 0 ? 1.0f : 1.0f + static_cast<float>(excess(layer, layers));
}

std::optional<std::int64_t> RebalanceSpec::first_negative_layer(std::int64_t layers) const {
  for (std::int64_t layer = 1; layer < layers; ++layer) {
    if (factor(layer, layers) < 0) return layer;
  }
  return std::nullopt;
}

double RebalanceSpec::largest_factor(std::int64_t layers) const {
  double largest = 1;
  for (std::int64_t layer = 1; layer < layers; ++layer) {
    largest = std::max(largest, std::abs(double{factor(layer, layers)}));
  }
  return largest;
}

const std::string& InterventionPart::word(std::string_view key) const {
  const auto found = values.find(key);
  REFOCUS_CHECK(found != values.end());
  return found->second;
}

double InterventionPart::number(std::string_view key) const {
  const std::string& text = word(key);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  REFOCUS_CHECK(error == std::errc() && end == text.data() + text.size());
  return value;
}

RebalanceSpec InterventionPart::rebalance() const {
  RebalanceSpec out;
  out.alpha = number("alpha");
  out.threshold = number("threshold");
  if (word("depth") != "LAST") out.depth = static_cast<std::int64_t>(number("depth"));
  const std::string& mode = word("mode");
  out.mode = mode == "self"     ? RebalanceSpec::Mode::kSelf
             : mode == "random" ? RebalanceSpec::Mode::kRandom
                                : RebalanceSpec::Mode::kMask;
  out.seed = static_cast<std::uint64_t>(number("seed"));
  return out;
}

bool InterventionPart::uses(const MethodKey& key) const {
  if (key.with_key.empty()) return true;
  const auto found = values.find(key.with_key);
  return found == values.end() || found->second == key.with_word;
}

std::string key_text(const InterventionPart& part, std::string_view key,
                     std::optional<std::int64_t> layer_count) {
  if (key == "keys") return part.keys.text();
  if (key == "heads") return part.heads ? part.heads->text() : "";
  if (key == "rows") return part.rows.text() == part.method->initial_rows ? "" : part.rows.text();
  if (key == "layers") {
    if (!part.layers) return "";
    return layer_count ? ranges_of(chosen_layers(*part.layers, *layer_count)).text() : part.layers->text();
  }
  if (!part.uses(*std::ranges::find(part.method->keys, key, &MethodKey::name))) return "";
  const std::string& value = part.word(key);
  return value == "LAST" && layer_count ? fmt::format("{}", *layer_count - 1) : value;
}

std::string InterventionPart::canonical(std::optional<std::int64_t> layer_count) const {
  std::string out;
  for (const std::string_view key : keys_of(*method)) {
    const std::string value = key_text(*this, key, layer_count);
    if (!value.empty()) out += fmt::format("{}{}={}", out.empty() ? ":" : ",", key, value);
  }
  return std::string(method->name) + out;
}

std::optional<RebalanceSpec> InterventionSpec::rebalance() const {
  for (const InterventionPart& part : parts) {
    if (part.method->id == MethodId::kRebalance) return part.rebalance();
  }
  return std::nullopt;
}

bool InterventionSpec::needs_target() const {
  return std::ranges::any_of(parts, [](const InterventionPart& part) {
    const auto kind = part.rows.kind;
    return part.chooses_keys() || part.method->needs_prompt ||
           (kind != RowSelector::Kind::kAll && kind != RowSelector::Kind::kPositions);
  });
}

bool InterventionSpec::needs_whole_prompt() const {
  return std::ranges::any_of(parts, [](const InterventionPart& part) {
    const MethodId id = part.method->id;
    return id == MethodId::kAct || (id == MethodId::kSpotlight && part.word("scope") == "layer");
  });
}

bool InterventionSpec::has_keys(KeyTerm::Kind kind) const {
  return std::ranges::any_of(parts, [&](const InterventionPart& part) { return part.keys.has(kind); });
}

std::string InterventionSpec::canonical(std::int64_t layers) const {
  if (parts.empty()) return "none";
  std::string out;
  for (const InterventionPart& part : parts) {
    if (!out.empty()) out += '+';
    out += part.canonical(layers);
  }
  return out;
}

namespace {

void check_file(const InterventionPart& part, const ModelConfig& model) {
  if (part.file == nullptr) {
    throw usage_error("--intervene", "expected {}:from=FILE, got {}, which says what is in it; give the file",
                      part.method->name, part.word("from"));
  }
  const std::int64_t layers = model.num_hidden_layers, dim = model.head_dim;
  if (part.method->id == MethodId::kMean) {
    part.file->tensor("means", std::array{layers, model.num_attention_heads, dim});
    return;
  }
  const std::array shape{layers, model.num_key_value_heads, dim, dim};
  part.file->tensor("positive", shape);
  if (part.file->has("negative")) part.file->tensor("negative", shape);
}

}  // namespace

void check_intervention(const InterventionSpec& spec, const ModelConfig& model) {
  const std::int64_t layers = model.num_hidden_layers, heads = model.num_attention_heads;
  for (const InterventionPart& part : spec.parts) {
    if (part.layers) chosen_layers(*part.layers, layers);
    if (part.values.contains("from")) check_file(part, model);
    if (part.heads) heads_in_model(part, layers, heads);
  }
}

void check_whole_prompt(const InterventionSpec& spec, std::int64_t prompt, std::int64_t max_rows) {
  if (!spec.needs_whole_prompt() || prompt <= max_rows) return;
  throw input_error(
      "prompt",
      "expected at most {} tokens, since act and spotlight:scope=layer look at all rows of a prompt "
      "at once, got {}; shorten it, or use another intervention (spotlight:scope=row)",
      max_rows, prompt);
}

}  // namespace refocus
