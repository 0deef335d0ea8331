#include "intervene/sweep.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace refocus {

namespace {

constexpr std::string_view kWhere = "--sweep";
constexpr std::array<std::string_view, 4> kKeys = {"alpha", "threshold", "depth", "mode"};

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(at, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

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

void append_range(std::string_view key, std::string_view text, std::vector<std::string>& values) {
  const std::vector<std::string_view> parts = split(text, ':');
  if (parts.size() != 3) {
    throw usage_error(kWhere, "expected begin:end:step for a range of {}, such as 0:1:0.1, got '{}'", key,
                      printable(text));
  }
  std::array<std::int64_t, 3> numbers{};
  for (std::size_t i = 0; i < 3; ++i) {
    const std::optional<std::int64_t> number = billionths(parts[i]);
    if (!number) {
      throw usage_error(
          kWhere,
          "expected decimals of at most nine places in begin:end:step of {}, got '{}'; such as 0:1:0.1", key,
          printable(text));
    }
    numbers[i] = *number;
  }
  const auto [begin, end, step] = numbers;
  if (step == 0 || (begin != end && (begin < end) != (step > 0))) {
    throw usage_error(kWhere, "expected a step that leads from {} to {} for {}, got '{}'", parts[0], parts[1],
                      key, printable(text));
  }
  const std::int64_t steps = (end - begin) / step;
  if (steps >= static_cast<std::int64_t>(kMostSweptInterventions)) {
    throw usage_error(kWhere, "expected at most {} values of {}, got {} in '{}'; take a larger step",
                      kMostSweptInterventions, key, steps + 1, printable(text));
  }
  for (std::int64_t i = 0; i <= steps; ++i) values.push_back(decimal_text(begin + i * step));
}

// A value as --intervene understands it.
struct Value {
  double order = 0;
  std::string text;
};

Value checked_value(std::string_view key, std::string_view text) {
  if (text.empty()) throw usage_error(kWhere, "expected a value of {} beside each comma, got nothing", key);
  const RebalanceSpec spec =
      *parse_intervention(fmt::format("rebalance:{}={}", key, text), kWhere).rebalance();
  if (key == "mode") return {spec.mode == RebalanceSpec::Mode::kSelf ? 1.0 : 0.0, std::string(text)};
  if (key == "depth") {
    if (!spec.depth) return {2e6, "LAST"};
    return {static_cast<double>(*spec.depth), fmt::format("{}", *spec.depth)};
  }
  const double value = (key == "alpha" ? spec.alpha : spec.threshold) + 0.0;  // -0 becomes 0
  return {value, fmt::format("{}", value)};
}

SweepAxis parse_axis(std::string_view text) {
  const std::size_t equals = text.find('=');
  const std::string_view key = text.substr(0, equals);
  if (std::ranges::find(kKeys, key) == kKeys.end()) {
    throw usage_error(kWhere, "expected rebalance's alpha, threshold, depth or mode, got '{}'",
                      printable(key));
  }
  if (equals == std::string_view::npos || equals + 1 == text.size()) {
    throw usage_error(kWhere, "expected {}=VALUES, such as {}={}, got '{}'", key, key,
                      key == "mode"    ? "mask,self"
                      : key == "depth" ? "1:3:1"
                                       : "0:0.5:0.1",
                      printable(text));
  }
  std::vector<std::string> texts;
  for (const std::string_view part : split(text.substr(equals + 1), ',')) {
    if (part.find(':') == std::string_view::npos) {
      texts.emplace_back(part);
    } else {
      append_range(key, part, texts);
    }
  }
  std::vector<Value> values;
  for (const std::string& value : texts) values.push_back(checked_value(key, value));
  std::ranges::stable_sort(values, {}, &Value::order);
  SweepAxis axis{std::string(key), {}};
  for (const Value& value : values) {
    if (!axis.values.empty() && axis.values.back() == value.text) {
      throw usage_error(kWhere, "expected each value of {} once, got {} twice", key, value.text);
    }
    axis.values.push_back(value.text);
  }
  return axis;
}

bool sets(std::string_view intervention, std::string_view key) {
  const std::size_t colon = intervention.find(':');
  if (colon == std::string_view::npos) return false;
  for (const std::string_view part : split(intervention.substr(colon + 1), ',')) {
    if (part.substr(0, part.find('=')) == key) return true;
  }
  return false;
}

// Every combination of the axes' values, as "key=value,...".
std::vector<std::string> combinations(const Sweep& sweep) {
  std::vector<std::string> out = {""};
  for (auto key = kKeys.rbegin(); key != kKeys.rend(); ++key) {
    const auto axis = std::ranges::find(sweep.axes, *key, &SweepAxis::key);
    if (axis == sweep.axes.end()) continue;
    std::vector<std::string> longer;
    for (const std::string& begun : out) {
      for (const std::string& value : axis->values) {
        longer.push_back(fmt::format("{}{}{}={}", begun, begun.empty() ? "" : ",", *key, value));
      }
    }
    if (longer.size() > kMostSweptInterventions) return longer;  // enough to be refused
    out = std::move(longer);
  }
  return out;
}

}  // namespace

Sweep parse_sweep(const std::vector<std::string>& texts) {
  Sweep sweep;
  for (const std::string& text : texts) {
    SweepAxis axis = parse_axis(text);
    if (std::ranges::find(sweep.axes, axis.key, &SweepAxis::key) != sweep.axes.end()) {
      throw usage_error(kWhere, "expected {} in one --sweep, got it in two; join their values with a comma",
                        axis.key);
    }
    sweep.axes.push_back(std::move(axis));
  }
  auto main = std::ranges::find(sweep.axes, "alpha", &SweepAxis::key);
  if (main == sweep.axes.end()) {
    main = std::ranges::find_if(sweep.axes, [](const SweepAxis& axis) { return axis.key != "mode"; });
  }
  if (main == sweep.axes.end()) {
    throw usage_error(kWhere,
                      "expected alpha, threshold or depth beside mode, got mode alone; give each mode as an "
                      "--intervene instead");
  }
  std::rotate(sweep.axes.begin(), main, main + 1);
  return sweep;
}

std::vector<InterventionSpec> expand_sweep(const Sweep& sweep,
                                           const std::vector<std::string>& interventions) {
  std::vector<std::string> swept;
  for (const std::string& text : interventions) {
    const InterventionSpec spec = parse_intervention(text);
    if (spec.is_none()) continue;
    if (spec.parts.size() != 1 || spec.parts[0].method->id != MethodId::kRebalance) {
      throw usage_error(kWhere,
                        "expected re-balancing alone to sweep, got --intervene '{}'; sweep it in a run of "
                        "its own, or give each value as an --intervene",
                        printable(text));
    }
    for (const SweepAxis& axis : sweep.axes) {
      if (!sets(text, axis.key)) continue;
      throw usage_error(kWhere, "expected {} either swept or set by --intervene, got both ('{}')", axis.key,
                        printable(text));
    }
    swept.push_back(text);
  }
  if (swept.empty() && !interventions.empty()) {
    throw usage_error(kWhere,
                      "expected an intervention to sweep, got --intervene none alone; leave it out, since "
                      "none is always an arm of a sweep");
  }
  if (swept.empty()) swept.emplace_back("rebalance");
  const std::vector<std::string> points = combinations(sweep);
  if (points.size() * swept.size() > kMostSweptInterventions) {
    throw usage_error(kWhere, "expected at most {} interventions, got more; sweep fewer values",
                      kMostSweptInterventions);
  }
  std::vector<InterventionSpec> out(1);
  for (const std::string& base : swept) {
    const char* joint = base.find(':') == std::string::npos ? ":" : ",";
    for (const std::string& point : points) out.push_back(parse_intervention(base + joint + point));
  }
  return out;
}

}  // namespace refocus
