// x.name, x[key] and x[a:b:c], as jinja2's sandbox looks them up.
#include <algorithm>
#include <cstdlib>

#include "base/utf8.h"
#include "template/operators.h"
#include "template/runtime.h"

namespace refocus::jinja {
namespace {

// What every Python object has that a template may not see.
bool is_internal(std::string_view name) {
  static constexpr std::string_view kNames[] = {
      "__class__",   "__delattr__", "__dir__",           "__doc__",         "__eq__",
      "__format__",  "__ge__",      "__getattribute__",  "__getstate__",    "__gt__",
      "__hash__",    "__init__",    "__init_subclass__", "__le__",          "__lt__",
      "__ne__",      "__new__",     "__reduce__",        "__reduce_ex__",   "__repr__",
      "__setattr__", "__sizeof__",  "__str__",           "__subclasshook__"};
  return std::ranges::find(kNames, name) != std::end(kNames);
}

Value cycled(const LoopData& loop, const Arguments& arguments) {
  const auto& items = arguments.positional;
  if (!arguments.named.empty()) fail("expected no named arguments of 'loop.cycle', got one");
  if (items.empty()) fail("expected items for 'loop.cycle', got none");
  return items[static_cast<std::size_t>(loop.index0) % items.size()];
}

Value changed(Runtime& runtime, const LoopData& loop, const Arguments& arguments) {
  if (!arguments.named.empty()) fail("expected no named arguments of 'loop.changed', got one");
  const auto& now = arguments.positional;
  bool equals = loop.changed && loop.changed->size() == now.size();
  for (std::size_t i = 0; equals && i < now.size(); ++i) equals = equal(runtime, (*loop.changed)[i], now[i]);
  if (!equals) loop.changed = now;
  return Value::boolean(!equals);
}

// How many items there are; what is walked over once is read to its end for that.
std::int64_t length_of_loop(Runtime& runtime, const LoopData& loop) {
  if (loop.length) return *loop.length;
  if (const auto known = length(loop.iterable); known && !loop.iterable.is(Kind::kIterator)) {
    loop.length = known;
    return *known;
  }
  std::vector<Value> rest;
  while (auto item = loop.items()) {
    rest.push_back(std::move(*item));
    runtime.check_items(rest.size());
  }
  loop.length = static_cast<std::int64_t>(rest.size()) + loop.index0 + 1 + (loop.after ? 1 : 0);
  loop.items = iterate(runtime, Value::list(std::move(rest)));
  return *loop.length;
}

std::optional<Value> loop_method(const std::shared_ptr<const LoopData>& loop, std::string_view name) {
  if (name == "cycle") {
    return callable("cycle",
                    [loop](Runtime&, const Arguments& arguments) { return cycled(*loop, arguments); });
  }
  if (name == "changed") {
    return callable(
        "changed", [loop](Runtime& at, const Arguments& arguments) { return changed(at, *loop, arguments); });
  }
  return std::nullopt;
}

std::optional<Value> loop_attribute(Runtime& runtime, const Value& object, std::string_view name) {
  const auto loop = std::static_pointer_cast<const LoopData>(object.object());
  const Source source = loop->iterable.source();
  if (name == "index0") return Value::integer(loop->index0);
  if (name == "index") return Value::integer(loop->index0 + 1);
  if (name == "first") return Value::boolean(loop->index0 == 0);
  if (name == "last") return Value::boolean(!loop->peek());
  if (name == "depth") return Value::integer(loop->depth0 + 1);
  if (name == "depth0") return Value::integer(loop->depth0);
  if (name == "length") return Value::integer(length_of_loop(runtime, *loop), source);
  if (name == "revindex") return Value::integer(length_of_loop(runtime, *loop) - loop->index0, source);
  if (name == "revindex0") return Value::integer(length_of_loop(runtime, *loop) - loop->index0 - 1, source);
  if (name == "previtem") {
    return loop->index0 > 0 && loop->before ? *loop->before : runtime.undefined("there is no previous item");
  }
  if (name == "nextitem") return loop->peek() ? *loop->after : runtime.undefined("there is no next item");
  return loop_method(loop, name);
}

// Attributes of Python's types that are values; Failure for what is there but not read here.
std::optional<Value> plain_attribute(const Value& object, std::string_view name) {
  if (object.is(Kind::kTuple) && object.sequence().group) {
    if (name == "grouper") return object.sequence().items[0];
    if (name == "list") return object.sequence().items[1];
  }
  if (object.is(Kind::kRange)) {
    if (name == "start") return Value::integer(object.range().start, object.source());
    if (name == "stop") return Value::integer(object.range().stop, object.source());
    if (name == "step") return Value::integer(object.range().step, object.source());
  }
  if (object.is_number()) {
    if (name == "real")
      return object.is(Kind::kFloat) ? object : Value::integer(object.whole(), object.source());
    static constexpr std::string_view kNotRead[] = {
        "imag",     "numerator",  "denominator",      "conjugate", "bit_length", "bit_count",
        "to_bytes", "from_bytes", "as_integer_ratio", "hex",       "fromhex",    "is_integer"};
    if (std::ranges::find(kNotRead, name) != std::end(kNotRead)) {
      fail("expected no attribute '{}' of numbers, which is not read, got it", name);
    }
  }
  if (object.is(Kind::kCallable)) {
    const auto& function = static_cast<const CallableData&>(*object.object());
    if (function.macro && name == "name") return Text(function.name);
  }
  return std::nullopt;
}

std::optional<Value> python_attribute(Runtime& runtime, const Value& object, std::string_view name) {
  if (object.is(Kind::kNamespace)) {
    const Value* value = static_cast<const NamespaceData&>(*object.object()).attributes.find(name);
    if (value == nullptr) return std::nullopt;
    return name.starts_with('_') ? unsafe_attribute(runtime, object, name) : *value;
  }
  if (is_internal(name)) return unsafe_attribute(runtime, object, name);
  if (name.starts_with('_')) return std::nullopt;
  if (object.is(Kind::kLoop)) return loop_attribute(runtime, object, name);
  if (object.is_text()) return text_method(object.text(), name);
  if (auto value = plain_attribute(object, name)) return value;
  return container_method(runtime, object, name);
}

Value missing(Runtime& runtime, const Value& object, const Value& key) {
  return runtime.undefined(key.is_text() ? fmt::format("{} has no attribute '{}'", type_name(object),
                                                       printable(key.text().bytes(), 40))
                                         : fmt::format("{} has no such element", type_name(object)));
}

// The item at a place, counted from the end where it is negative; nothing where there is none.
std::optional<Value> item_at(const Value& object, std::int64_t at) {
  const std::int64_t size = *length(object);
  if (at < 0) at += size;
  if (at < 0 || at >= size) return std::nullopt;
  const auto place = static_cast<std::size_t>(at);
  if (object.is_text()) return object.text().characters_between(place, place + 1);
  if (object.is(Kind::kRange)) return Value::integer(object.range().at(at), object.source());
  return object.sequence().items[place];
}

bool is_indexed(const Value& object) {
  return object.is_text() || object.is(Kind::kList) || object.is(Kind::kTuple) || object.is(Kind::kRange);
}

std::optional<Value> direct_item(const Value& object, const Value& key) {
  if (object.is_dict()) {
    refuse_strict(key);
    const Value* found = object.dict().find(key);
    return found == nullptr ? std::nullopt : std::optional(*found);
  }
  return is_indexed(object) && key.is_whole() ? item_at(object, key.whole()) : std::nullopt;
}

struct Span {
  std::int64_t start, step, count;
};

// Python's slice.indices().
Span indices(std::int64_t size, const Value& start, const Value& stop, const Value& step) {
  const auto given = [](const Value& value) {
    refuse_undefined(value);
    if (!value.is_none() && !value.is_whole())
      fail("expected whole numbers in a slice, got {}", type_name(value));
    return !value.is_none();
  };
  const std::int64_t by = given(step) ? step.whole() : 1;
  if (by == 0) fail("expected a step other than zero in a slice, got zero");
  const std::int64_t low = by < 0 ? -1 : 0, high = by < 0 ? size - 1 : size;
  const auto clamped = [&](const Value& value, std::int64_t otherwise) {
    if (!given(value)) return otherwise;
    const std::int64_t at =
        value.whole() < 0 ? std::max<std::int64_t>(value.whole() + size, low) : value.whole();
    return std::clamp(at, low, high);
  };
  const std::int64_t from = clamped(start, by < 0 ? high : low), to = clamped(stop, by < 0 ? low : high);
  std::int64_t count = 0;
  if (by > 0 && to > from) count = (to - from - 1) / by + 1;
  if (by < 0 && from > to) count = (from - to - 1) / (by == INT64_MIN ? INT64_MAX : -by) + 1;
  return {from, by, count};
}

Text slice_of_text(Runtime& runtime, const Text& text, const Span& span) {
  runtime.charge(text);
  if (span.step == 1) {
    const auto begin = static_cast<std::size_t>(span.start);
    return text.characters_between(begin, begin + static_cast<std::size_t>(span.count));
  }
  std::vector<std::size_t> starts;
  for (std::size_t at = 0; at < text.size();
       at += static_cast<std::size_t>(utf8_step(text.bytes().substr(at)).length)) {
    starts.push_back(at);
  }
  starts.push_back(text.size());
  TextBuilder out = runtime.builder();
  for (std::int64_t i = 0; i < span.count; ++i) {
    const auto at = static_cast<std::size_t>(span.start + i * span.step);
    out.add(text, starts[at], starts[at + 1]);
  }
  return out.take(text.markup());
}

}  // namespace

Value unsafe_attribute(Runtime& runtime, const Value& self, std::string_view name) {
  return runtime.undefined(
      fmt::format("access to attribute '{}' of {} is unsafe", printable(name, 40), type_name(self)));
}

Value attribute_of(Runtime& runtime, const Value& object, std::string_view name) {
  refuse_undefined(object);
  if (auto value = python_attribute(runtime, object, name)) return *value;
  const Value key = Text(name);
  if (auto value = direct_item(object, key)) return *value;
  return missing(runtime, object, key);
}

Value item_of(Runtime& runtime, const Value& object, const Value& key) {
  refuse_undefined(object);
  if (object.is_text() && key.is_whole()) runtime.charge(object.text());
  if (auto value = direct_item(object, key)) return *value;
  if (key.is_text()) {
    if (auto value = python_attribute(runtime, object, key.text().bytes())) return *value;
  }
  return missing(runtime, object, key);
}

Value slice_of(Runtime& runtime, const Value& object, const Value& start, const Value& stop,
               const Value& step) {
  refuse_undefined(object);
  if (!is_indexed(object)) fail("expected a text, list or tuple to slice, got {}", type_name(object));
  const Span span = indices(*length(object), start, stop, step);
  if (object.is_text()) return slice_of_text(runtime, object.text(), span);
  if (object.is(Kind::kRange)) {
    auto range = std::make_shared<RangeData>(object.range());
    range->start = object.range().at(span.start);
    range->step = object.range().step * span.step;
    range->length = span.count;
    range->stop = object.range().at(span.start + span.count * span.step);
    return Value::of(Kind::kRange, std::move(range), object.source());
  }
  std::vector<Value> items;
  runtime.charge(static_cast<std::size_t>(span.count));
  for (std::int64_t i = 0; i < span.count; ++i) {
    items.push_back(object.sequence().items[static_cast<std::size_t>(span.start + i * span.step)]);
  }
  return object.is(Kind::kList) ? Value::list(std::move(items), object.source())
                                : Value::tuple(std::move(items), object.source());
}

}  // namespace refocus::jinja
