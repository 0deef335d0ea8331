#include <cmath>

#include "template/operators.h"
#include "template/percent_format.h"

namespace refocus::jinja {
namespace {

[[noreturn]] void overflow() { fail("expected a whole number of 64 bits, got a larger one"); }

std::int64_t whole_power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) overflow();
  }
  return result;
}

// Rounds down, as Python's // does; the remainder has the sign of the divisor.
std::int64_t floor_divided(std::int64_t a, std::int64_t b) {
  if (b == -1) {
    if (a == INT64_MIN) overflow();
    return -a;
  }
  const std::int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

std::int64_t floor_remainder(std::int64_t a, std::int64_t b) {
  if (b == -1) return 0;
  const std::int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

double float_remainder(double a, double b) {
  double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

// As CPython's float_floor_div.
double float_floor_divided(double a, double b) {
  const double quotient = (a - float_remainder(a, b)) / b;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floor = std::floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

Value of_wholes(ExprKind op, std::int64_t a, std::int64_t b, Source source) {
  std::int64_t result = 0;
  bool overflows = false;
  switch (op) {
    case ExprKind::kAdd:
      overflows = __builtin_add_overflow(a, b, &result);
      break;
    case ExprKind::kSubtract:
      overflows = __builtin_sub_overflow(a, b, &result);
      break;
    case ExprKind::kMultiply:
      overflows = __builtin_mul_overflow(a, b, &result);
      break;
    case ExprKind::kFloorDivide:
      result = floor_divided(a, b);
      break;
    case ExprKind::kModulo:
      result = floor_remainder(a, b);
      break;
    default:
      result = whole_power(a, b);
  }
  if (overflows) overflow();
  return Value::integer(result, source);
}

double float_power(double a, double b) {
  if (a == 0 && b < 0) fail("expected a divisor other than zero, got zero to a negative power");
  if (a < 0 && std::isfinite(a) && std::isfinite(b) && b != std::floor(b)) {
    fail("expected a real power, got a fractional one of a negative number");
  }
  const double result = std::pow(a, b);
  if (std::isinf(result) && std::isfinite(a) && std::isfinite(b))
    fail("expected a power within float's range, got a larger one");
  return result;
}

Value of_floats(ExprKind op, double a, double b, Source source) {
  switch (op) {
    case ExprKind::kAdd:
      return Value::number(a + b, source);
    case ExprKind::kSubtract:
      return Value::number(a - b, source);
    case ExprKind::kMultiply:
      return Value::number(a * b, source);
    case ExprKind::kDivide:
      return Value::number(a / b, source);
    case ExprKind::kFloorDivide:
      return Value::number(float_floor_divided(a, b), source);
    case ExprKind::kModulo:
      return Value::number(float_remainder(a, b), source);
    default:
      return Value::number(float_power(a, b), source);
  }
}

Value of_numbers(ExprKind op, const Value& a, const Value& b) {
  const bool divides = op == ExprKind::kDivide || op == ExprKind::kFloorDivide || op == ExprKind::kModulo;
  if (divides && b.real() == 0) fail("expected a divisor other than zero, got zero");
  const Source source = joined(a.source(), b.source());
  const bool whole =
      a.is_whole() && b.is_whole() && op != ExprKind::kDivide && !(op == ExprKind::kPower && b.whole() < 0);
  return whole ? of_wholes(op, a.whole(), b.whole(), source) : of_floats(op, a.real(), b.real(), source);
}

std::string_view symbol(ExprKind op) {
  switch (op) {
    case ExprKind::kAdd:
      return "+";
    case ExprKind::kSubtract:
      return "-";
    case ExprKind::kMultiply:
      return "*";
    case ExprKind::kDivide:
      return "/";
    case ExprKind::kFloorDivide:
      return "//";
    case ExprKind::kModulo:
      return "%";
    default:
      return "**";
  }
}

Value repeated(Runtime& runtime, const Value& value, std::int64_t times) {
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
  if (value.is_text()) {
    const Text text = value.text();
    TextBuilder out = runtime.builder();
    if (text.empty()) return text;
    if (count > runtime.limits.text / text.size()) {
      fail("expected text of at most {} bytes, got more", runtime.limits.text);
    }
    runtime.charge(count);
    for (std::size_t i = 0; i < count; ++i) out.add(text);
    return out.take(text.markup());
  }
  const auto& items = value.sequence().items;
  std::vector<Value> out;
  if (!items.empty()) {
    runtime.check_items(count);
    runtime.check_items(items.size() * count);
    runtime.charge(items.size() * count);
    for (std::size_t i = 0; i < count; ++i) out.insert(out.end(), items.begin(), items.end());
  }
  return value.is(Kind::kList) ? Value::list(std::move(out), value.source())
                               : Value::tuple(std::move(out), value.source());
}

bool is_repeatable(const Value& value) {
  return value.is_text() || value.is(Kind::kList) || value.is(Kind::kTuple);
}

Value lists_added(Runtime& runtime, const Value& a, const Value& b) {
  std::vector<Value> items = a.sequence().items;
  const auto& more = b.sequence().items;
  runtime.charge(items.size() + more.size());
  runtime.check_items(items.size() + more.size());
  items.insert(items.end(), more.begin(), more.end());
  const Source source = joined(a.source(), b.source());
  return a.is(Kind::kList) ? Value::list(std::move(items), source) : Value::tuple(std::move(items), source);
}

}  // namespace

Value arithmetic(Runtime& runtime, ExprKind op, const Value& a, const Value& b) {
  refuse_undefined(a);
  if (op == ExprKind::kModulo && a.is_text()) return percent_formatted(runtime, a.text(), b);
  refuse_undefined(b);
  if (a.is_number() && b.is_number()) return of_numbers(op, a, b);
  if (op == ExprKind::kAdd && a.is_text() && b.is_text()) return added(runtime, a.text(), b.text());
  const bool lists = (a.is(Kind::kList) || a.is(Kind::kTuple)) && a.kind() == b.kind();
  if (op == ExprKind::kAdd && lists) return lists_added(runtime, a, b);
  if (op == ExprKind::kMultiply && is_repeatable(a) && b.is_whole()) return repeated(runtime, a, b.whole());
  if (op == ExprKind::kMultiply && a.is_whole() && is_repeatable(b)) return repeated(runtime, b, a.whole());
  fail("expected values that '{}' is for, got {} and {}", symbol(op), type_name(a), type_name(b));
}

Value negated(const Value& value) {
  refuse_undefined(value);
  if (value.is(Kind::kFloat)) return Value::number(-value.real(), value.source());
  if (!value.is_whole()) fail("expected a number behind '-', got {}", type_name(value));
  if (value.whole() == INT64_MIN) overflow();
  return Value::integer(-value.whole(), value.source());
}

Value positive(const Value& value) {
  refuse_undefined(value);
  if (value.is(Kind::kFloat)) return value;
  if (!value.is_whole()) fail("expected a number behind '+', got {}", type_name(value));
  return Value::integer(value.whole(), value.source());
}

Text added(Runtime& runtime, const Text& a, const Text& b) {
  const bool markup = a.markup() || b.markup();
  TextBuilder out = runtime.builder();
  out.add(markup ? escaped_html(runtime, a) : a);
  out.add(markup ? escaped_html(runtime, b) : b);
  runtime.charge(out.size() / 16);
  return out.take(markup);
}

Text escaped_html(Runtime& runtime, const Text& text) {
  if (text.markup()) return text;
  static constexpr std::string_view kSpecial = "&<>'\"";
  static constexpr std::string_view kWritten[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
  TextBuilder out = runtime.builder();
  runtime.charge(text);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t special = std::min(text.bytes().find_first_of(kSpecial, at), text.size());
    out.add(text, at, special);
    if (special < text.size())
      out.add(kWritten[kSpecial.find(text.bytes()[special])], text.source_at(special));
    at = special + 1;
  }
  return out.take(true);
}

Value make_range(std::int64_t start, std::int64_t stop, std::int64_t step, Source source) {
  constexpr std::int64_t kMost = 100'000;  // jinja2.sandbox.MAX_RANGE
  if (step == 0) fail("expected a step other than zero of a range, got zero");
  auto range = std::make_shared<RangeData>();
  range->start = start;
  range->stop = stop;
  range->step = step;
  const double distance = step > 0 ? static_cast<double>(stop) - static_cast<double>(start)
                                   : static_cast<double>(start) - static_cast<double>(stop);
  const double stride = std::fabs(static_cast<double>(step));
  if (distance > 0 && distance / stride > static_cast<double>(kMost) + 1) {
    fail("expected ranges of at most {} items, got a longer one", kMost);
  }
  if (distance > 0) {
    // Exact from here on: the difference may still be larger than a number of 64 bits with a sign.
    const auto gap = step > 0 ? static_cast<std::uint64_t>(stop) - static_cast<std::uint64_t>(start)
                              : static_cast<std::uint64_t>(start) - static_cast<std::uint64_t>(stop);
    const auto by = step > 0 ? static_cast<std::uint64_t>(step) : 0 - static_cast<std::uint64_t>(step);
    range->length = static_cast<std::int64_t>((gap - 1) / by + 1);
  } else if (step > 0 ? stop > start : start > stop) {
    range->length = 1;  // closer together than a double tells
  }
  if (range->length > kMost) fail("expected ranges of at most {} items, got a longer one", kMost);
  return Value::of(Kind::kRange, std::move(range), source);
}

}  // namespace refocus::jinja
