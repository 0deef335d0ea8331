// Filters of lists and dicts: first, map, select, batch ... What Python walks over lazily is walked over
// lazily here.
#include <algorithm>

#include "template/filters/filters.h"
#include "template/operators.h"
#include "template/text_operations.h"

namespace refocus::jinja {
namespace {

Value first(Runtime& runtime, const Value& input, const Arguments& arguments) {
  bound("first", arguments, {}, 0);
  const auto item = iterate(runtime, input)();
  return item ? *item : runtime.undefined("there is no first item of an empty list");
}

Value last(Runtime& runtime, const Value& input, const Arguments& arguments) {
  bound("last", arguments, {}, 0);
  if (input.is(Kind::kIterator) || !is_iterable(input) || input.is(Kind::kLoop)) {
    fail("expected a list before 'last', got {}; add |list", type_name(input));
  }
  const auto size = length(input);
  if (size == 0) return runtime.undefined("there is no last item of an empty list");
  if (input.is_dict()) return input.dict().members.back().first;
  if (input.is_items()) return input.sequence().items.back();
  return item_of(runtime, input, Value::integer(-1));
}

Value length_filter(Runtime&, const Value& input, const Arguments& arguments) {
  bound("length", arguments, {}, 0);
  const auto size = length(input);
  if (!size) fail("expected something that has a length, got {}", type_name(input));
  return Value::integer(*size, input.source());
}

Value list_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  bound("list", arguments, {}, 0);
  return Value::list(listed(runtime, input), input.source());
}

Value items_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  bound("items", arguments, {}, 0);
  if (!input.is_undefined() && !input.is_dict())
    fail("expected a dict before 'items', got {}", type_name(input));
  if (input.is_undefined()) return make_iterator([] { return std::optional<Value>(); }, 0);
  return make_iterator(
      [&runtime, input, i = std::size_t{0}]() mutable -> std::optional<Value> {
        runtime.charge(1);
        const auto& members = input.dict().members;
        if (i >= members.size()) return std::nullopt;
        const auto& [key, value] = members[i++];
        return Value::tuple({key, value}, input.source());
      },
      input.depth(), input.source());
}

Value reverse(Runtime& runtime, const Value& input, const Arguments& arguments) {
  bound("reverse", arguments, {}, 0);
  if (input.is_text()) return slice_of(runtime, input, Value(), Value(), Value::integer(-1));
  std::vector<Value> items = listed(runtime, input);
  std::ranges::reverse(items);
  if (input.is(Kind::kIterator)) return Value::list(std::move(items), input.source());
  const Value list = Value::list(std::move(items), input.source());
  return make_iterator(iterate(runtime, list), list.depth(), list.source());
}

Value default_filter(Runtime&, const Value& input, const Arguments& arguments) {
  const auto given = bound("default", arguments, {"default_value", "boolean"}, 0);
  if (input.is_undefined() || (given[1] && truth(*given[1]) && !truth(input)))
    return given[0].value_or(Text());
  return input;
}

Value attr(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const auto given = bound("attr", arguments, {"name"}, 1);
  const Text name = text_argument("attr", *given[0]);
  refuse_undefined(input);
  // Only attributes, and no items: a dict's key is none.
  if (!input.is_dict()) return attribute_of(runtime, input, name.bytes());
  return item_of(runtime, make_dict(std::make_shared<DictData>()), name);
}

// The arguments behind the first `skipped`.
Arguments behind(const Arguments& arguments, std::size_t skipped) {
  Arguments rest;
  const auto begin = static_cast<std::ptrdiff_t>(std::min(skipped, arguments.positional.size()));
  rest.positional.assign(arguments.positional.begin() + begin, arguments.positional.end());
  rest.named = arguments.named;
  return rest;
}

int depth_of(const Value& input, const Arguments& arguments) {
  int depth = input.depth();
  for (const Value& value : arguments.positional) depth = std::max(depth, value.depth());
  for (const auto& [name, value] : arguments.named) depth = std::max(depth, value.depth());
  return depth;
}

using Convert = std::function<Value(Runtime&, const Value&)>;

// What map does with each item, from map's arguments.
Convert conversion(const Arguments& arguments) {
  const auto named = [&](std::string_view name) -> const Value* {
    for (const auto& [key, value] : arguments.named) {
      if (key == name) return &value;
    }
    return nullptr;
  };
  if (const Value* attribute = named("attribute"); attribute != nullptr && arguments.positional.empty()) {
    for (const auto& [key, value] : arguments.named) {
      if (key != "attribute" && key != "default")
        fail("expected no argument '{}' of 'map', got one", printable(key, 40));
    }
    const Value* fallback = named("default");
    const Value otherwise = fallback != nullptr ? *fallback : Value();
    return [path = *attribute, otherwise](Runtime& runtime, const Value& item) {
      return item_at_path(runtime, item, path, otherwise.is_none() ? nullptr : &otherwise);
    };
  }
  if (arguments.positional.empty()) fail("expected the name of a filter in 'map', got none");
  return [name = text_argument("map", arguments.positional[0]), rest = behind(arguments, 1)](
             Runtime& runtime, const Value& item) { return apply_filter(runtime, name.bytes(), item, rest); };
}

// The items of a list on which `step` works one by one, from when the first is asked for. Nothing of what is
// false.
template <class Begin>
Value lazily(Runtime& runtime, const Value& input, const Arguments& arguments, const Begin& begin) {
  IteratorData::Next next;
  return make_iterator(
      [&runtime, input, arguments, begin, next, begun = false]() mutable -> std::optional<Value> {
        if (!std::exchange(begun, true)) {
          next = truth(input) ? begin(runtime, input, arguments) : [] { return std::optional<Value>(); };
        }
        return next();
      },
      depth_of(input, arguments), input.source());
}

Value map(Runtime& runtime, const Value& input, const Arguments& arguments) {
  return lazily(runtime, input, arguments,
                [](Runtime& at, const Value& list, const Arguments& given) -> IteratorData::Next {
                  return [&at, convert = conversion(given),
                          items = iterate(at, list)]() -> std::optional<Value> {
                    const auto item = items();
                    return item ? std::optional(convert(at, *item)) : std::nullopt;
                  };
                });
}

// select, reject, selectattr and rejectattr: items of which a test, or their truth, is as wanted.
template <bool wanted, bool by_attribute>
Value choose(Runtime& runtime, const Value& input, const Arguments& arguments) {
  return lazily(
      runtime, input, arguments,
      [](Runtime& at, const Value& list, const Arguments& given) -> IteratorData::Next {
        const std::size_t skipped = by_attribute ? 1 : 0;
        if (given.positional.size() < skipped)
          fail("expected the name of an attribute in 'selectattr', got none");
        const bool has_test = given.positional.size() > skipped;
        return [&at, given, has_test, rest = behind(given, skipped + 1),
                items = iterate(at, list)]() -> std::optional<Value> {
          while (auto item = items()) {
            const Value tried = by_attribute ? item_at_path(at, *item, given.positional[0]) : *item;
            const bool holds =
                has_test
                    ? apply_test(at, text_argument("select", given.positional[by_attribute ? 1 : 0]).bytes(),
                                 tried, rest)
                    : truth(tried);
            if (holds == wanted) return item;
          }
          return std::nullopt;
        };
      });
}

Value batch(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const auto given = bound("batch", arguments, {"linecount", "fill_with"}, 1);
  const Value size = *given[0], fill = given[1].value_or(Value());
  const Source source = input.source();
  return make_iterator(
      [&runtime, size, fill, source, items = IteratorData::Next(), input,
       begun = false]() mutable -> std::optional<Value> {
        if (!std::exchange(begun, true)) items = iterate(runtime, input);
        const std::int64_t most = whole_argument("batch", size);
        std::vector<Value> line;
        // A size below one never matches that of a list that has items.
        while (most <= 0 || static_cast<std::int64_t>(line.size()) < most) {
          auto item = items();
          if (!item) break;
          line.push_back(std::move(*item));
          runtime.check_items(line.size());
        }
        if (line.empty()) return std::nullopt;
        if (!fill.is_none() && static_cast<std::int64_t>(line.size()) < most) {
          runtime.check_items(static_cast<std::size_t>(most));
          line.resize(static_cast<std::size_t>(most), fill);
        }
        return Value::list(std::move(line), source);
      },
      std::max(input.depth(), fill.depth()), input.source());
}

Value slice(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const auto given = bound("slice", arguments, {"slices", "fill_with"}, 1);
  const Value count = *given[0], fill = given[1].value_or(Value());
  return make_iterator(
      [&runtime, count, fill, input, all = std::vector<Value>(), at = std::size_t{0},
       i = std::int64_t{-1}]() mutable -> std::optional<Value> {
        const std::int64_t slices = whole_argument("slice", count);
        if (i < 0) {
          all = listed(runtime, input);
          if (slices == 0) fail("expected at least one slice in 'slice', got none");
          i = 0;
        }
        if (i >= slices) return std::nullopt;
        const auto size = static_cast<std::int64_t>(all.size());
        const bool extra = i < size % slices;
        const auto end = at + static_cast<std::size_t>(size / slices + (extra ? 1 : 0));
        std::vector<Value> part(all.begin() + static_cast<std::ptrdiff_t>(at),
                                all.begin() + static_cast<std::ptrdiff_t>(end));
        if (!fill.is_none() && !extra) part.push_back(fill);
        at = end;
        ++i;
        runtime.charge(part.size());
        return Value::list(std::move(part), input.source());
      },
      std::max(input.depth(), fill.depth()), input.source());
}

constexpr NamedFilter kItemFilters[] = {
    {"attr", attr},
    {"batch", batch},
    {"count", length_filter},
    {"d", default_filter},
    {"default", default_filter},
    {"first", first},
    {"items", items_filter},
    {"last", last},
    {"length", length_filter},
    {"list", list_filter},
    {"map", map},
    {"reject", choose<false, false>},
    {"rejectattr", choose<false, true>},
    {"reverse", reverse},
    {"select", choose<true, false>},
    {"selectattr", choose<true, true>},
    {"slice", slice},
};

}  // namespace

std::span<const NamedFilter> item_filters() { return kItemFilters; }

Value item_at_path(Runtime& runtime, const Value& value, const Value& path, const Value* fallback) {
  if (path.is_none()) return value;
  const auto step = [&](const Value& from, const Value& key) {
    Value item = item_of(runtime, from, key);
    return fallback != nullptr && item.is_undefined() ? *fallback : item;
  };
  if (!path.is_text()) return step(value, path);
  Value at = value;
  for (const Text& part : split(runtime, path.text(), Text("."), -1)) {
    const bool index =
        !part.empty() && part.bytes().find_first_not_of("0123456789") == std::string_view::npos;
    at = step(at, index ? Value::integer(*parsed_whole(part.bytes(), 10)) : Value(part));
  }
  return at;
}

}  // namespace refocus::jinja
