#include "intervene/grammar/sweep_axis.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "base/error.h"
#include "base/nearest_word.h"
#include "intervene/grammar/spec_keys.h"
#include "intervene/grammar/spec_text.h"

namespace refocus {

namespace {

constexpr int kPlaces = 9;
constexpr std::int64_t kOne = 1'000'000'000;  // 10^kPlaces

// A decimal in billionths; nothing for another text, and for more than nine digits before or after the point.
std::optional<std::int64_t> billionths(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  std::string digits(point == std::string_view::npos ? "" : text.substr(point + 1));
  if (whole.size() > kPlaces || digits.size() > kPlaces || whole.size() + digits.size() == 0) {
    return std::nullopt;
  }
  digits = std::string(whole) + digits + std::string(kPlaces - digits.size(), '0');
  std::int64_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    value = 10 * value + (c - '0');
  }
  return negative ? -value : value;
}

std::string decimal_text(std::int64_t value) {
  const std::int64_t size = value < 0 ? -value : value;
  std::string text = fmt::format("{}{}.{:09}", value < 0 ? "-" : "", size / kOne, size % kOne);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

void append_range(std::string_view key, std::string_view text, const SpecPlace& place,
                  std::vector<std::string>& values) {
  std::vector<std::string_view> parts;
  for_parts(text, ':', place, [&](std::string_view part, const SpecPlace&) { parts.push_back(part); });
  if (parts.size() != 3) {
    throw spec_error(place, "expected begin:end:step for a range of {}, such as 0:1:0.1, got '{}'", key,
                     printable(text));
  }
  std::array<std::int64_t, 3> numbers{};
  for (std::size_t i = 0; i < 3; ++i) {
    const std::optional<std::int64_t> number = billionths(parts[i]);
    if (!number) {
      throw spec_error(
          place,
          "expected decimals of at most nine places in begin:end:step of {}, got '{}'; such as 0:1:0.1", key,
          printable(text));
    }
    numbers[i] = *number;
  }
  const auto [begin, end, step] = numbers;
  if (step == 0 || (begin != end && (begin < end) != (step > 0))) {
    throw spec_error(place, "expected a step that leads from {} to {} for {}, got '{}'", parts[0], parts[1],
                     key, printable(text));
  }
  const std::int64_t steps = (end - begin) / step;
  if (steps >= static_cast<std::int64_t>(kMostSweptInterventions)) {
    throw spec_error(place, "expected at most {} values of {}, got {} in '{}'; take a larger step",
                     kMostSweptInterventions, key, steps + 1, printable(text));
  }
  for (std::int64_t i = 0; i <= steps; ++i) values.push_back(decimal_text(begin + i * step));
}

// A value of the axis: as set_key takes it, what tells it from others, and its place among them.
struct Value {
  double order = 0;
  std::string text, shown;
};

// Null for keys that every method has.
const MethodKey* own_key(const SweepAxis& axis) {
  const auto own = std::ranges::find(axis.method->keys, axis.key, &MethodKey::name);
  return own == axis.method->keys.end() ? nullptr : &*own;
}

Value checked_value(const SweepAxis& axis, std::string_view text, const SpecPlace& place) {
  if (text.empty()) {
    throw spec_error(place, "expected a value of {} beside each comma, got nothing", axis.key);
  }
  InterventionPart part;
  part.method = axis.method;
  set_key(part, axis.key, text, place);
  Value out{0, std::string(text), key_text(part, axis.key)};
  const MethodKey* own = own_key(axis);
  if (own == nullptr || own->kind == MethodKey::Kind::kFile) return out;
  out.text = out.shown;
  if (own->kind == MethodKey::Kind::kWord) {
    out.order = static_cast<double>(std::ranges::find(own->words, out.shown) - own->words.begin());
  } else {
    out.order = out.shown == "LAST" ? 2.0 * kLargestDepth : part.number(axis.key);
  }
  return out;
}

// The example of an error: "mode=mask,self".
std::string example_of(const SweepAxis& axis) {
  const MethodKey* own = own_key(axis);
  if (own != nullptr && own->kind == MethodKey::Kind::kWord) {
    return fmt::format("{}", fmt::join(own->words, ","));
  }
  if (own != nullptr && own->kind == MethodKey::Kind::kLayer) return "1:3:1";
  if (own != nullptr && own->kind == MethodKey::Kind::kSeed) return "0:9:1";
  if (own != nullptr && own->kind == MethodKey::Kind::kFile) return "a.safetensors,b.safetensors";
  if (own == nullptr && axis.key == "keys") return "field:question,field:options";
  if (own == nullptr && axis.key == "heads") return "3.0,3.1";
  if (own == nullptr && axis.key == "rows") return "prompt,generated";
  return own == nullptr ? "0-7,8-15" : "0:0.5:0.1";
}

// "; write boost:factor=..." of a key that other methods have.
std::string methods_with(std::string_view key) {
  std::vector<std::string> found;
  for (const Method& method : all_methods()) {
    const auto own = std::ranges::find(method.keys, key, &MethodKey::name);
    if (own != method.keys.end()) found.push_back(fmt::format("{}:{}", method.name, key));
  }
  return found.empty() ? "; of another method write boost:factor=VALUES"
                       : fmt::format("; write {}=VALUES", fmt::join(found, "=VALUES or "));
}

// Re-balancing's own keys stand alone; of other methods the name stands before.
SweepAxis named_axis(std::string_view name) {
  SweepAxis axis;
  const std::size_t colon = name.find(':');
  if (colon == std::string_view::npos) {
    axis.method = find_method("rebalance");
    axis.key = name;
    if (own_key(axis) == nullptr) {
      throw spec_error({kSweepOption, 1},
                       "expected rebalance's alpha, threshold, depth, mode or seed, got '{}'{}",
                       printable(name), methods_with(name));
    }
    return axis;
  }
  axis.method = find_method(name.substr(0, colon));
  if (axis.method == nullptr) {
    std::vector<std::string_view> methods;
    for (const Method& method : all_methods()) methods.push_back(method.name);
    throw spec_error({kSweepOption, 1}, "expected a method ({}), got '{}'{}", alternatives(methods),
                     printable(name.substr(0, colon)), did_you_mean(name.substr(0, colon), methods));
  }
  axis.key = name.substr(colon + 1);
  const std::vector<std::string_view> known = keys_of(*axis.method);
  if (std::ranges::find(known, axis.key) == known.end()) {
    throw spec_error({kSweepOption, colon + 2}, "expected {}'s {}, got '{}'{}", axis.method->name,
                     alternatives(known), printable(axis.key), did_you_mean(axis.key, known));
  }
  return axis;
}

}  // namespace

std::string SweepAxis::name() const {
  const bool bare = method->id == MethodId::kRebalance && own_key(*this) != nullptr;
  return bare ? key : fmt::format("{}:{}", method->name, key);
}

SweepAxis parse_sweep_axis(std::string_view text) {
  const std::size_t equals = text.find('=');
  SweepAxis axis = named_axis(text.substr(0, equals));
  if (equals == std::string_view::npos || equals + 1 == text.size()) {
    throw spec_error({kSweepOption, 1}, "expected {}=VALUES, such as {}={}, got '{}'", axis.name(),
                     axis.name(), example_of(axis), printable(text));
  }
  const MethodKey* own = own_key(axis);
  axis.numeric = own != nullptr && is_numeric(own->kind);
  std::vector<Value> values;
  for_parts(text.substr(equals + 1), ',', {kSweepOption, equals + 2},
            [&](std::string_view part, const SpecPlace& place) {
              std::vector<std::string> texts = {std::string(part)};
              if (axis.numeric && part.find(':') != std::string_view::npos) {
                texts.clear();
                append_range(axis.key, part, place, texts);
              }
              for (const std::string& value : texts) values.push_back(checked_value(axis, value, place));
            });
  std::ranges::stable_sort(values, {}, &Value::order);
  for (auto value = values.begin(); value != values.end(); ++value) {
    if (std::find_if(values.begin(), value, [&](const Value& v) { return v.shown == value->shown; }) !=
        value) {
      throw usage_error(kSweepOption, "expected each value of {} once, got {} twice", axis.key,
                        printable(value->shown));
    }
    axis.values.push_back(value->text);
  }
  return axis;
}

}  // namespace refocus
