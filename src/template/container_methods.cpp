// Methods of lists, tuples, dicts, ranges and views. What would change a list or dict is refused, as in the
// sandbox of transformers.
#include <algorithm>

#include "template/operators.h"
#include "template/runtime.h"

namespace refocus::jinja {
namespace {

using ContainerMethod = Value (*)(Runtime&, const Value& self, const Arguments& arguments);

Value view_of(const Value& self, const char* view, std::vector<Value> items) {
  const Value list = Value::list(std::move(items));
  auto data = std::make_shared<ListData>(list.sequence());
  data->view = view;
  return Value::of(Kind::kView, std::move(data), self.source());
}

Value dict_items(Runtime& runtime, const Value& self, const Arguments& arguments) {
  bound("items", arguments, {}, 0);
  std::vector<Value> items;
  for (const auto& [key, value] : self.dict().members)
    items.push_back(Value::tuple({key, value}, self.source()));
  runtime.charge(items.size());
  return view_of(self, "dict_items", std::move(items));
}

Value dict_keys(Runtime& runtime, const Value& self, const Arguments& arguments) {
  bound("keys", arguments, {}, 0);
  std::vector<Value> items;
  for (const auto& [key, value] : self.dict().members) items.push_back(key);
  runtime.charge(items.size());
  return view_of(self, "dict_keys", std::move(items));
}

Value dict_values(Runtime& runtime, const Value& self, const Arguments& arguments) {
  bound("values", arguments, {}, 0);
  std::vector<Value> items;
  for (const auto& [key, value] : self.dict().members) items.push_back(value);
  runtime.charge(items.size());
  return view_of(self, "dict_values", std::move(items));
}

Value dict_get(Runtime&, const Value& self, const Arguments& arguments) {
  const auto given = bound("get", arguments, {"", ""}, 1);
  refuse_strict(*given[0]);
  if (!hash_name(*given[0])) fail("expected a key of a dict in 'get', got {}", type_name(*given[0]));
  const Value* found = self.dict().find(*given[0]);
  return found != nullptr ? *found : given[1].value_or(Value::none());
}

Value copied(Runtime&, const Value& self, const Arguments& arguments) {
  bound("copy", arguments, {}, 0);
  return self;
}

Value count_items(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const auto given = bound("count", arguments, {""}, 1);
  std::int64_t count = 0;
  const auto next = iterate(runtime, self);
  while (const auto item = next())
    count += same(*item, *given[0]) || equal(runtime, *item, *given[0]) ? 1 : 0;
  return Value::integer(count, self.source());
}

Value index_of_item(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const auto given = bound("index", arguments, {"", "", ""}, 1);
  const std::int64_t size = *length(self);
  const auto clamped = [&](const std::optional<Value>& value, std::int64_t otherwise) {
    if (!value) return otherwise;
    const std::int64_t at = whole_argument("index", *value);
    return std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size);
  };
  const std::int64_t begin = clamped(given[1], 0), end = clamped(given[2], size);
  const auto next = iterate(runtime, self);
  for (std::int64_t i = 0; i < end; ++i) {
    const auto item = next();
    if (i < begin || !item) continue;
    if (same(*item, *given[0]) || equal(runtime, *item, *given[0])) return Value::integer(i, self.source());
  }
  fail("expected an item that is in the list in 'index', got another");
}

struct NamedMethod {
  std::string_view name;
  ContainerMethod method;
};
constexpr NamedMethod kDictMethods[] = {
    {"items", dict_items}, {"keys", dict_keys}, {"values", dict_values}, {"get", dict_get}, {"copy", copied}};
constexpr NamedMethod kListMethods[] = {{"count", count_items}, {"index", index_of_item}, {"copy", copied}};

// What would change them.
constexpr std::string_view kChangesDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
constexpr std::string_view kChangesList[] = {"append", "clear", "pop",    "reverse",
                                             "insert", "sort",  "extend", "remove"};

std::optional<Value> find_method(std::span<const NamedMethod> methods, const Value& self,
                                 std::string_view name) {
  const auto found = std::ranges::find(methods, name, &NamedMethod::name);
  if (found == methods.end()) return std::nullopt;
  return callable(
      std::string(name),
      [self, method = found->method](Runtime& runtime, const Arguments& arguments) {
        return method(runtime, self, arguments);
      },
      self.depth() + 1);
}

}  // namespace

std::optional<Value> container_method(Runtime& runtime, const Value& self, std::string_view name) {
  switch (self.kind()) {
    case Kind::kDict:
      if (std::ranges::find(kChangesDict, name) != std::end(kChangesDict))
        return unsafe_attribute(runtime, self, name);
      if (name == "fromkeys") fail("expected no method 'fromkeys' of dicts, which is not read, got it");
      return find_method(kDictMethods, self, name);
    case Kind::kList:
      if (std::ranges::find(kChangesList, name) != std::end(kChangesList))
        return unsafe_attribute(runtime, self, name);
      return find_method(kListMethods, self, name);
    case Kind::kTuple:
    case Kind::kRange:
      return name == "copy" ? std::nullopt : find_method(kListMethods, self, name);
    case Kind::kView:
      if (name == "mapping" || name == "isdisjoint")
        fail("expected no attribute '{}' of views, which is not read, got it", name);
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

}  // namespace refocus::jinja
