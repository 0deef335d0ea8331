#include <cmath>

#include "template/operators.h"

namespace refocus::jinja {
namespace {

// -1, 0 or 1; 2 where either is not a number.
int order_of_numbers(const Value& a, const Value& b) {
  if (a.is_whole() && b.is_whole()) return a.whole() < b.whole() ? -1 : a.whole() > b.whole() ? 1 : 0;
  if (std::isnan(a.real()) || std::isnan(b.real())) return 2;
  if (a.is_whole() != b.is_whole()) {
    // A whole number and a float are compared exactly: by the float's whole part first.
    const bool flipped = b.is_whole();
    const std::int64_t whole = flipped ? b.whole() : a.whole();
    const double real = flipped ? a.real() : b.real();
    constexpr double kEnd = 9223372036854775808.0;
    int order = 0;
    if (real >= kEnd) {
      order = -1;
    } else if (real < -kEnd) {
      order = 1;
    } else {
      const double floor = std::floor(real);
      const auto part = static_cast<std::int64_t>(floor);
      order = whole < part ? -1 : whole > part ? 1 : real > floor ? -1 : 0;
    }
    return flipped ? -order : order;
  }
  return a.real() < b.real() ? -1 : a.real() > b.real() ? 1 : 0;
}

bool equal_items(Runtime& runtime, const std::vector<Value>& a, const std::vector<Value>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!equal(runtime, a[i], b[i])) return false;
  }
  return true;
}

bool equal_dicts(Runtime& runtime, const DictData& a, const DictData& b) {
  if (a.members.size() != b.members.size()) return false;
  for (const auto& [key, value] : a.members) {
    const Value* other = b.find(key);
    if (other == nullptr || !equal(runtime, value, *other)) return false;
  }
  return true;
}

bool equal_ranges(const RangeData& a, const RangeData& b) {
  if (a.length != b.length || a.length == 0) return a.length == b.length;
  return a.start == b.start && (a.length == 1 || a.step == b.step);
}

bool less_items(Runtime& runtime, const std::vector<Value>& a, const std::vector<Value>& b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (!equal(runtime, a[i], b[i])) return less(runtime, a[i], b[i]);
  }
  return a.size() < b.size();
}

}  // namespace

bool same(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  if (a.is_none()) return true;
  if (a.is(Kind::kBool)) return a.whole() == b.whole();
  // Python keeps one object of each small whole number, and makes others anew.
  if (a.is(Kind::kInteger)) return a.whole() == b.whole() && a.whole() >= -5 && a.whole() <= 256;
  return a.object() != nullptr && a.object() == b.object();
}

bool equal(Runtime& runtime, const Value& a, const Value& b) {
  const Runtime::Level level(runtime);
  runtime.charge(1);
  refuse_strict(a);
  refuse_strict(b);
  if (a.is_number() && b.is_number()) return order_of_numbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kText:
      runtime.charge(std::min(a.text().size(), b.text().size()) / 64);
      return a.text().bytes() == b.text().bytes();
    case Kind::kList:
    case Kind::kTuple:
      return equal_items(runtime, a.sequence().items, b.sequence().items);
    case Kind::kView:
      fail("expected lists to compare, got {}; add |list", type_name(a));
    case Kind::kDict:
      return equal_dicts(runtime, a.dict(), b.dict());
    case Kind::kRange:
      return equal_ranges(a.range(), b.range());
    default:
      return a.object() == b.object();
  }
}

bool less(Runtime& runtime, const Value& a, const Value& b) {
  const Runtime::Level level(runtime);
  runtime.charge(1);
  refuse_undefined(a);
  refuse_undefined(b);
  if (a.is_number() && b.is_number()) return order_of_numbers(a, b) == -1;
  if (a.is_text() && b.is_text())
    return a.text().bytes() < b.text().bytes();  // UTF-8 sorts as code points do
  if ((a.is(Kind::kList) || a.is(Kind::kTuple)) && a.kind() == b.kind()) {
    return less_items(runtime, a.sequence().items, b.sequence().items);
  }
  fail("expected values that have an order, got {} and {}", type_name(a), type_name(b));
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
  if (container.is_text()) {
    const Text part = text_argument("in", item);
    runtime.charge(container.text());
    return container.text().bytes().find(part.bytes()) != std::string_view::npos;
  }
  if (container.is_dict()) {
    if (!hash_name(item)) fail("expected a key of a dict before 'in', got {}", type_name(item));
    refuse_strict(item);
    return container.dict().find(item) != nullptr;
  }
  const auto next = iterate(runtime, container);
  while (const auto one = next()) {
    if (same(*one, item) || equal(runtime, *one, item)) return true;
  }
  return false;
}

bool compared(Runtime& runtime, Comparison op, const Value& a, const Value& b) {
  switch (op) {
    case Comparison::kEqual:
      return equal(runtime, a, b);
    case Comparison::kUnequal:
      return !equal(runtime, a, b);
    case Comparison::kLess:
      return less(runtime, a, b);
    case Comparison::kGreater:
      return less(runtime, b, a);
    case Comparison::kLessEqual:
      return less(runtime, a, b) || equal(runtime, a, b);
    case Comparison::kGreaterEqual:
      return less(runtime, b, a) || equal(runtime, a, b);
    case Comparison::kIn:
      return contains(runtime, b, a);
    case Comparison::kNotIn:
      return !contains(runtime, b, a);
  }
  return false;
}

}  // namespace refocus::jinja
