#include "template/runtime.h"

#include <algorithm>

#include "base/utf8.h"

namespace refocus::jinja {

std::optional<Value> LoopData::next() const {
  std::optional<Value> taken = after ? std::exchange(after, std::nullopt) : items();
  if (!taken) return taken;
  ++index0;
  before = std::exchange(current, taken);
  return taken;
}

const std::optional<Value>& LoopData::peek() const {
  if (!after) after = items();
  return after;
}

Runtime::~Runtime() {
  for (const auto& one : namespaces_) one->attributes = {};
}

Value Runtime::undefined(std::string why) const {
  auto data = std::make_shared<UndefinedData>();
  data->why = std::move(why);
  data->strict = settings.strict_undefined;
  return Value::of(Kind::kUndefined, std::move(data));
}

Value Runtime::make_namespace() {
  charge(10);
  namespaces_.push_back(std::make_shared<NamespaceData>());
  return Value::of(Kind::kNamespace, namespaces_.back());
}

Value callable(std::string name, CallableData::Call call, int depth) {
  return Value::of(Kind::kCallable, std::make_shared<CallableData>(std::move(name), std::move(call), depth));
}

Value make_iterator(IteratorData::Next next, int depth, Source source) {
  return Value::of(Kind::kIterator, std::make_shared<IteratorData>(std::move(next), depth + 1), source);
}

void refuse_undefined(const Value& value) {
  if (value.is_undefined()) fail("expected a value, got an undefined one: {}", value.undefined_data().why);
}

void refuse_strict(const Value& value) {
  if (value.is_undefined() && value.undefined_data().strict) refuse_undefined(value);
}

bool truth(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      refuse_strict(value);
      return false;
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInteger:
      return value.whole() != 0;
    case Kind::kFloat:
      return value.real() != 0;
    default:
      return length(value).value_or(1) != 0;
  }
}

std::optional<std::int64_t> length(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      refuse_strict(value);
      return 0;
    case Kind::kText:
      return static_cast<std::int64_t>(value.text().length());
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView:
      return static_cast<std::int64_t>(value.sequence().items.size());
    case Kind::kDict:
      return static_cast<std::int64_t>(value.dict().members.size());
    case Kind::kRange:
      return value.range().length;
    default:
      return std::nullopt;
  }
}

bool is_iterable(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return !value.undefined_data().strict;
    case Kind::kText:
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView:
    case Kind::kDict:
    case Kind::kRange:
    case Kind::kIterator:
    case Kind::kLoop:
      return true;
    default:
      return false;
  }
}

namespace {

IteratorData::Next iterate_text(Runtime& runtime, const Text& text) {
  return [&runtime, text, at = std::size_t{0}]() mutable -> std::optional<Value> {
    if (at >= text.size()) return std::nullopt;
    runtime.charge(1);
    const std::size_t begin = at;
    at += static_cast<std::size_t>(utf8_step(text.bytes().substr(at)).length);
    return text.bytes_between(begin, at);
  };
}

}  // namespace

IteratorData::Next iterate(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      refuse_strict(value);
      return [] { return std::optional<Value>(); };
    case Kind::kText:
      return iterate_text(runtime, value.text());
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView:
      return [&runtime, value, i = std::size_t{0}]() mutable -> std::optional<Value> {
        const auto& items = value.sequence().items;
        runtime.charge(1);
        return i < items.size() ? std::optional(items[i++]) : std::nullopt;
      };
    case Kind::kDict:
      return [&runtime, value, i = std::size_t{0}]() mutable -> std::optional<Value> {
        const auto& members = value.dict().members;
        runtime.charge(1);
        return i < members.size() ? std::optional(members[i++].first) : std::nullopt;
      };
    case Kind::kRange:
      return [&runtime, value, i = std::int64_t{0}]() mutable -> std::optional<Value> {
        runtime.charge(1);
        if (i >= value.range().length) return std::nullopt;
        return Value::integer(value.range().at(i++), value.source());
      };
    case Kind::kIterator:
      return [&runtime, value] {
        const Runtime::Level level(runtime);
        runtime.charge(1);
        return value.iterator().next();
      };
    default:
      fail("expected something to walk over, got {}", type_name(value));
  }
}

std::vector<Value> listed(Runtime& runtime, const Value& value) {
  if (value.is_items()) {
    runtime.charge(value.sequence().items.size());
    return value.sequence().items;
  }
  std::vector<Value> out;
  const auto next = iterate(runtime, value);
  while (auto item = next()) {
    out.push_back(std::move(*item));
    runtime.check_items(out.size());
  }
  return out;
}

Value call(Runtime& runtime, const Value& function, const Arguments& arguments) {
  runtime.charge(1);
  const Runtime::Level level(runtime);
  refuse_undefined(function);
  if (function.is(Kind::kCallable)) {
    return static_cast<const CallableData&>(*function.object()).call(runtime, arguments);
  }
  if (function.is(Kind::kLoop)) {
    const auto& loop = static_cast<const LoopData&>(*function.object());
    if (!loop.recurse) fail("expected a loop marked 'recursive' to call, got another");
    const auto given = bound("loop", arguments, {"iterable"}, 1);
    return loop.recurse(*given[0], loop.depth0 + 1);
  }
  fail("expected a function to call, got {}", type_name(function));
}

std::vector<std::optional<Value>> bound(std::string_view function, const Arguments& arguments,
                                        std::initializer_list<std::string_view> names, std::size_t required) {
  if (arguments.positional.size() > names.size()) {
    fail("expected at most {} arguments of '{}', got {}", names.size(), function,
         arguments.positional.size());
  }
  std::vector<std::optional<Value>> out(arguments.positional.begin(), arguments.positional.end());
  out.resize(names.size());
  for (const auto& [name, value] : arguments.named) {
    const auto* found = std::ranges::find(names, std::string_view(name));
    if (found == names.end() || name.empty())
      fail("expected no argument '{}' of '{}', got one", printable(name), function);
    std::optional<Value>& place = out[static_cast<std::size_t>(found - names.begin())];
    if (place) fail("expected the argument '{}' of '{}' once, got it twice", name, function);
    place = value;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (!out[i]) fail("expected at least {} arguments of '{}', got fewer", required, function);
  }
  return out;
}

std::int64_t whole_argument(std::string_view function, const Value& value) {
  refuse_undefined(value);
  if (!value.is_whole())
    fail("expected a whole number as an argument of '{}', got {}", function, type_name(value));
  return value.whole();
}

Text text_argument(std::string_view function, const Value& value) {
  refuse_undefined(value);
  if (!value.is_text()) fail("expected a str as an argument of '{}', got {}", function, type_name(value));
  return value.text();
}

}  // namespace refocus::jinja
