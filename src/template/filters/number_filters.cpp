// Filters of numbers: abs, int, float, round.
#include <cmath>
#include <cstdlib>

#include "template/filters/filters.h"
#include "template/number_format.h"
#include "template/operators.h"
#include "template/text_operations.h"

namespace refocus::jinja {
namespace {

Value abs_filter(Runtime&, const Value& input, const Arguments& arguments) {
  bound("abs", arguments, {}, 0);
  refuse_undefined(input);
  if (input.is(Kind::kFloat)) return Value::number(std::fabs(input.real()), input.source());
  if (!input.is_whole()) fail("expected a number before 'abs', got {}", type_name(input));
  return input.whole() < 0 ? negated(input) : positive(input);
}

std::optional<std::int64_t> truncated(double value) {
  if (!std::isfinite(value)) return std::nullopt;
  if (!(std::fabs(value) < 9223372036854775808.0))
    fail("expected a whole number of 64 bits, got a larger one");
  return static_cast<std::int64_t>(value);
}

Value int_filter(Runtime&, const Value& input, const Arguments& arguments) {
  const auto given = bound("int", arguments, {"default", "base"}, 0);
  refuse_undefined(input);
  const Value fallback = given[0].value_or(Value::integer(0));
  const std::int64_t base = given[1] ? whole_argument("int", *given[1]) : 10;
  std::optional<std::int64_t> value;
  if (input.is_text()) {
    value = parsed_whole(input.text().bytes(), base < 0 || base > 36 ? 1 : static_cast<int>(base));
    if (!value) {
      if (const auto real = parsed_real(input.text().bytes())) value = truncated(*real);
    }
  } else if (input.is(Kind::kFloat)) {
    // int(inf) raises an error that the filter does not catch where it tries first.
    if (std::isinf(input.real())) fail("expected a finite number before 'int', got infinity");
    value = truncated(input.real());
  } else if (input.is_whole()) {
    value = input.whole();
  }
  return value ? Value::integer(*value, input.source()) : fallback;
}

Value float_filter(Runtime&, const Value& input, const Arguments& arguments) {
  const auto given = bound("float", arguments, {"default"}, 0);
  refuse_undefined(input);
  std::optional<double> value;
  if (input.is_text()) value = parsed_real(input.text().bytes());
  if (input.is_number()) value = input.real();
  return value ? Value::number(*value, input.source()) : given[0].value_or(Value::number(0));
}

// round() of a whole number to tens, hundreds ...: halves to the even side.
std::int64_t rounded_whole(std::int64_t value, std::int64_t digits) {
  if (digits >= 0) return value;
  if (digits < -18) return 0;
  std::int64_t unit = 1;
  for (; digits < 0; ++digits) unit *= 10;
  std::int64_t below = value / unit;
  std::int64_t rest = value % unit;
  if (rest < 0) {
    rest += unit;
    --below;
  }
  if (rest > unit - rest || (rest == unit - rest && (below & 1) != 0)) ++below;
  std::int64_t out = 0;
  if (__builtin_mul_overflow(below, unit, &out)) fail("expected a whole number of 64 bits, got a larger one");
  return out;
}

// round() of a float: correct to the last digit, since it goes through the decimal digits of the exact value.
double rounded_real(double value, std::int64_t digits) {
  if (!std::isfinite(value) || digits > 323) return value;
  if (digits < -308) return std::copysign(0.0, value);
  if (digits >= 0) return std::strtod(c_format(value, 'f', digits, false).c_str(), nullptr);
  const double unit = std::pow(10.0, static_cast<double>(-digits));
  return std::nearbyint(value / unit) * unit;
}

Value round_filter(Runtime&, const Value& input, const Arguments& arguments) {
  const auto given = bound("round", arguments, {"precision", "method"}, 0);
  const std::string method = given[1] ? std::string(text_argument("round", *given[1]).bytes()) : "common";
  if (method != "common" && method != "ceil" && method != "floor") {
    fail("expected 'common', 'ceil' or 'floor' to round by, got '{}'", printable(method, 40));
  }
  refuse_undefined(input);
  if (!input.is_number()) fail("expected a number before 'round', got {}", type_name(input));
  const std::int64_t digits = given[0] ? whole_argument("round", *given[0]) : 0;
  if (method == "common") {
    if (input.is_whole()) return Value::integer(rounded_whole(input.whole(), digits), input.source());
    return Value::number(rounded_real(input.real(), digits), input.source());
  }
  const double unit = std::pow(10.0, static_cast<double>(digits));
  const double scaled = input.real() * unit;
  if (!std::isfinite(scaled)) fail("expected a finite number before 'round', got another");
  return Value::number((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit, input.source());
}

constexpr NamedFilter kNumberFilters[] = {
    {"abs", abs_filter}, {"float", float_filter}, {"int", int_filter}, {"round", round_filter}};

}  // namespace

std::span<const NamedFilter> number_filters() { return kNumberFilters; }

}  // namespace refocus::jinja
