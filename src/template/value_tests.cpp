// The tests of jinja2: what stands behind `is`.
#include <algorithm>
#include <cmath>

#include "template/filters/filters.h"
#include "template/operators.h"
#include "template/text_operations.h"

namespace refocus::jinja {
namespace {

using Test = bool (*)(Runtime& runtime, const Value& value, const Arguments& arguments);

template <bool (*holds)(const Value&)>
bool plain(Runtime&, const Value& value, const Arguments& arguments) {
  bound("test", arguments, {}, 0);
  return holds(value);
}

bool is_defined(const Value& value) { return !value.is_undefined(); }
bool is_undefined(const Value& value) { return value.is_undefined(); }
bool is_none(const Value& value) { return value.is_none(); }
bool is_boolean(const Value& value) { return value.is(Kind::kBool); }
bool is_false(const Value& value) { return value.is(Kind::kBool) && !value.truth_value(); }
bool is_true(const Value& value) { return value.is(Kind::kBool) && value.truth_value(); }
bool is_integer(const Value& value) { return value.is(Kind::kInteger); }
bool is_float(const Value& value) { return value.is(Kind::kFloat); }
bool is_number(const Value& value) { return value.is_number(); }
bool is_string(const Value& value) { return value.is_text(); }
bool is_mapping(const Value& value) { return value.is_dict(); }
bool is_escaped(const Value& value) { return value.is_text() && value.text().markup(); }
bool is_callable(const Value& value) {
  // An undefined value has a __call__, which raises.
  return value.is(Kind::kCallable) || value.is(Kind::kLoop) || value.is_undefined();
}
bool is_sequence(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return !value.undefined_data().strict;
    case Kind::kText:
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
    case Kind::kRange:
      return true;
    default:
      return false;
  }
}
bool can_be_walked(const Value& value) {
  refuse_strict(value);
  return is_iterable(value);
}

template <bool (*holds)(std::string_view)>
bool of_text(Runtime& runtime, const Value& value, const Arguments& arguments) {
  bound("test", arguments, {}, 0);
  return holds(str(runtime, value).bytes());
}

bool is_divisible(Runtime& runtime, const Value& value, const Value& by) {
  return equal(runtime, arithmetic(runtime, ExprKind::kModulo, value, by), Value::integer(0));
}

bool divisibleby(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return is_divisible(runtime, value, *bound("divisibleby", arguments, {"num"}, 1)[0]);
}

template <bool odd>
bool parity(Runtime& runtime, const Value& value, const Arguments& arguments) {
  bound("test", arguments, {}, 0);
  return equal(runtime, arithmetic(runtime, ExprKind::kModulo, value, Value::integer(2)),
               Value::integer(odd ? 1 : 0));
}

template <Comparison comparison>
bool compare(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return compared(runtime, comparison, value, *bound("test", arguments, {""}, 1)[0]);
}

bool is_in(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return contains(runtime, *bound("in", arguments, {"seq"}, 1)[0], value);
}

bool sameas(Runtime&, const Value& value, const Arguments& arguments) {
  return same(value, *bound("sameas", arguments, {"other"}, 1)[0]);
}

void refuse_unhashable(const Value& value) {
  refuse_strict(value);
  if (!hash_name(value)) fail("expected a name to look up, got {}", type_name(value));
}

bool is_filter(Runtime& runtime, const Value& value, const Arguments& arguments) {
  bound("filter", arguments, {}, 0);
  refuse_unhashable(value);
  return value.is_text() && is_filter_name(value.text().bytes(), runtime.settings);
}

bool is_test(Runtime&, const Value& value, const Arguments& arguments) {
  bound("test", arguments, {}, 0);
  refuse_unhashable(value);
  return value.is_text() && is_test_name(value.text().bytes());
}

struct NamedTest {
  std::string_view name;
  Test test;
};
constexpr NamedTest kTests[] = {
    {"!=", compare<Comparison::kUnequal>},
    {"<", compare<Comparison::kLess>},
    {"<=", compare<Comparison::kLessEqual>},
    {"==", compare<Comparison::kEqual>},
    {">", compare<Comparison::kGreater>},
    {">=", compare<Comparison::kGreaterEqual>},
    {"boolean", plain<is_boolean>},
    {"callable", plain<is_callable>},
    {"defined", plain<is_defined>},
    {"divisibleby", divisibleby},
    {"eq", compare<Comparison::kEqual>},
    {"equalto", compare<Comparison::kEqual>},
    {"escaped", plain<is_escaped>},
    {"even", parity<false>},
    {"false", plain<is_false>},
    {"filter", is_filter},
    {"float", plain<is_float>},
    {"ge", compare<Comparison::kGreaterEqual>},
    {"greaterthan", compare<Comparison::kGreater>},
    {"gt", compare<Comparison::kGreater>},
    {"in", is_in},
    {"integer", plain<is_integer>},
    {"iterable", plain<can_be_walked>},
    {"le", compare<Comparison::kLessEqual>},
    {"lessthan", compare<Comparison::kLess>},
    {"lower", of_text<is_lower_text>},
    {"lt", compare<Comparison::kLess>},
    {"mapping", plain<is_mapping>},
    {"ne", compare<Comparison::kUnequal>},
    {"none", plain<is_none>},
    {"number", plain<is_number>},
    {"odd", parity<true>},
    {"sameas", sameas},
    {"sequence", plain<is_sequence>},
    {"string", plain<is_string>},
    {"test", is_test},
    {"true", plain<is_true>},
    {"undefined", plain<is_undefined>},
    {"upper", of_text<is_upper_text>},
};

const NamedTest* find_test(std::string_view name) {
  const auto* found = std::ranges::find(kTests, name, &NamedTest::name);
  return found == std::end(kTests) ? nullptr : found;
}

}  // namespace

bool is_test_name(std::string_view name) { return find_test(name) != nullptr; }

bool apply_test(Runtime& runtime, std::string_view name, const Value& input, const Arguments& arguments) {
  const Runtime::Level level(runtime);
  runtime.charge(1);
  const NamedTest* test = find_test(name);
  if (test == nullptr) fail("expected the name of a test, got '{}'", printable(name, 40));
  return test->test(runtime, input, arguments);
}

}  // namespace refocus::jinja
