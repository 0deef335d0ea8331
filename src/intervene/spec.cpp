#include "intervene/spec.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "base/error.h"

namespace refocus {

namespace {

double parse_number(std::string_view where, std::string_view key, std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    throw usage_error(where, "expected a number for {}, got '{}'", key, printable(text));
  }
  return value + 0.0;  // -0 becomes 0
}

void set_alpha(RebalanceSpec& spec, std::string_view where, std::string_view text) {
  spec.alpha = parse_number(where, "alpha", text);
  if (std::abs(spec.alpha) > kLargestAlpha) {
    throw usage_error(where, "expected an alpha from -{:.0f} to {:.0f}, got '{}'", kLargestAlpha,
                      kLargestAlpha, printable(text));
  }
}

void set_threshold(RebalanceSpec& spec, std::string_view where, std::string_view text) {
  spec.threshold = parse_number(where, "threshold", text);
  if (spec.threshold < 0 || spec.threshold >= 1) {
    throw usage_error(where, "expected a threshold of at least 0 and below 1, got '{}'", printable(text));
  }
}

void set_depth(RebalanceSpec& spec, std::string_view where, std::string_view text) {
  if (text == "LAST") return;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1) {
    throw usage_error(where, "expected a positive integer for depth (the last layer's index), got '{}'",
                      printable(text));
  }
  if (value > kLargestDepth) {
    throw usage_error(where, "expected a depth of at most {} (the last layer's index), got '{}'",
                      kLargestDepth, printable(text));
  }
  spec.depth = value;
}

void set_mode(RebalanceSpec& spec, std::string_view where, std::string_view text) {
  if (text != "mask" && text != "self") {
    throw usage_error(where, "expected mode mask or self, got '{}'", printable(text));
  }
  spec.mode = text == "self" ? RebalanceSpec::Mode::kSelf : RebalanceSpec::Mode::kMask;
}

RebalanceSpec parse_rebalance(std::string_view parameters, std::string_view where) {
  using Setter = void (*)(RebalanceSpec&, std::string_view where, std::string_view text);
  constexpr std::pair<std::string_view, Setter> kKeys[] = {
      {"alpha", set_alpha}, {"threshold", set_threshold}, {"depth", set_depth}, {"mode", set_mode}};
  RebalanceSpec spec;
  std::set<std::string_view> seen;
  for (bool more = !parameters.empty(); more;) {
    const std::size_t comma = parameters.find(',');
    const std::string_view part = parameters.substr(0, comma);
    more = comma != std::string_view::npos;
    if (more) parameters.remove_prefix(comma + 1);
    if (part.empty()) throw usage_error(where, "expected key=value beside each comma, got nothing");
    const std::size_t equals = part.find('=');
    const std::string_view key = part.substr(0, equals);
    Setter setter = nullptr;
    for (const auto& [name, known] : kKeys) {
      if (name == key) setter = known;
    }
    if (setter == nullptr) {
      throw usage_error(where, "expected rebalance's alpha, threshold, depth or mode, got '{}'",
                        printable(key));
    }
    if (equals == std::string_view::npos)
      throw usage_error(where, "expected {}=VALUE, got '{}'", key, printable(part));
    if (!seen.insert(key).second) throw usage_error(where, "expected {} once, got it twice", key);
    setter(spec, where, part.substr(equals + 1));
  }
  return spec;
}

}  // namespace

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

std::string InterventionSpec::canonical(std::int64_t layers) const {
  if (!rebalance) return "none";
  return fmt::format("rebalance:alpha={},threshold={},depth={},mode={}", rebalance->alpha,
                     rebalance->threshold, rebalance->depth.value_or(layers - 1),
                     rebalance->mode == RebalanceSpec::Mode::kSelf ? "self" : "mask");
}

InterventionSpec parse_intervention(std::string_view text, std::string_view where) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const std::string_view parameters = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  if (colon != std::string_view::npos && parameters.empty()) {
    throw usage_error(where, "expected key=value after '{}:', got nothing", printable(name));
  }
  if (name == "rebalance") return {parse_rebalance(parameters, where)};
  if (name != "none") throw usage_error(where, "expected none or rebalance, got '{}'", printable(name));
  if (!parameters.empty())
    throw usage_error(where, "expected no parameters for none, got '{}'", printable(parameters));
  return {};
}

}  // namespace refocus
