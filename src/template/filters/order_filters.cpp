// Filters that compare items: sort, unique, min, max, groupby, dictsort; and sum.
#include <algorithm>
#include <unordered_set>

#include "template/characters.h"
#include "template/filters/filters.h"
#include "template/operators.h"
#include "template/text_operations.h"

namespace refocus::jinja {

Value without_case(Runtime& runtime, const Value& value) {
  if (!value.is_text()) return value;
  runtime.charge(value.text());
  return in_case(value.text(), Case::kLower, runtime.limits.text);
}

namespace {

bool asked_for(const std::optional<Value>& value) { return value && truth(*value); }
Value or_none(const std::optional<Value>& value) { return value.value_or(Value()); }

// What an item is compared by.
Value key_of(Runtime& runtime, const Value& item, const Value& path, bool case_sensitive,
             const Value* fallback = nullptr) {
  const Value key = item_at_path(runtime, item, path, fallback);
  return case_sensitive ? key : without_case(runtime, key);
}

struct Keyed {
  Value key, item;
};

// In the order of their keys, and where these are equal in the order that they were in, reversed or not: as
// Python's sorted().
void sort_by_key(Runtime& runtime, std::vector<Keyed>& items, bool reversed) {
  const auto before = [&](const Keyed& a, const Keyed& b) {
    return reversed ? less(runtime, b.key, a.key) : less(runtime, a.key, b.key);
  };
  std::stable_sort(items.begin(), items.end(), before);
}

std::vector<Value> items_of(const std::vector<Keyed>& keyed) {
  std::vector<Value> out;
  for (const Keyed& one : keyed) out.push_back(one.item);
  return out;
}

Value sort(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const auto given = bound("sort", arguments, {"reverse", "case_sensitive", "attribute"}, 0);
  std::vector<Value> paths = {or_none(given[2])};
  if (paths[0].is_text()) {
    const auto parts = split(runtime, paths[0].text(), Text(","), -1);
    paths.assign(parts.begin(), parts.end());
  }
  std::vector<Keyed> keyed;
  for (const Value& item : listed(runtime, input)) {
    std::vector<Value> key;
    for (const Value& path : paths) key.push_back(key_of(runtime, item, path, asked_for(given[1])));
    keyed.push_back({Value::list(std::move(key)), item});
  }
  sort_by_key(runtime, keyed, asked_for(given[0]));
  return Value::list(items_of(keyed), input.source());
}

Value dictsort(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const auto given = bound("dictsort", arguments, {"case_sensitive", "by", "reverse"}, 0);
  const std::string by = given[1] ? std::string(text_argument("dictsort", *given[1]).bytes()) : "key";
  if (by != "key" && by != "value")
    fail("expected 'key' or 'value' to sort a dict by, got '{}'", printable(by, 40));
  refuse_undefined(input);
  if (!input.is_dict()) fail("expected a dict before 'dictsort', got {}", type_name(input));
  std::vector<Keyed> keyed;
  for (const auto& [key, value] : input.dict().members) {
    const Value& by_what = by == "key" ? key : value;
    keyed.push_back({asked_for(given[0]) ? by_what : without_case(runtime, by_what),
                     Value::tuple({key, value}, input.source())});
  }
  sort_by_key(runtime, keyed, asked_for(given[2]));
  return Value::list(items_of(keyed), input.source());
}

Value unique(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const auto given = bound("unique", arguments, {"case_sensitive", "attribute"}, 0);
  return make_iterator(
      [&runtime, input, case_sensitive = asked_for(given[0]), path = or_none(given[1]),
       items = IteratorData::Next(),
       seen = std::unordered_set<std::string>()]() mutable -> std::optional<Value> {
        if (!items) items = iterate(runtime, input);
        while (auto item = items()) {
          const Value key = key_of(runtime, *item, path, case_sensitive);
          refuse_strict(key);
          auto name = hash_name(key);
          if (!name) fail("expected items that can be looked up before 'unique', got {}", type_name(key));
          if (seen.insert(std::move(*name)).second) return item;
        }
        return std::nullopt;
      },
      input.depth(), input.source());
}

template <bool largest>
Value extreme(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const auto given = bound(largest ? "max" : "min", arguments, {"case_sensitive", "attribute"}, 0);
  const auto next = iterate(runtime, input);
  auto best = next();
  if (!best) return runtime.undefined("there is no least or greatest item of an empty list");
  const Value path = or_none(given[1]);
  Value best_key = key_of(runtime, *best, path, asked_for(given[0]));
  while (auto item = next()) {
    Value key = key_of(runtime, *item, path, asked_for(given[0]));
    if (largest ? less(runtime, best_key, key) : less(runtime, key, best_key)) {
      best = std::move(item);
      best_key = std::move(key);
    }
  }
  return *best;
}

Value group_of(const Value& grouper, std::vector<Value> items, Source source) {
  const Value tuple = Value::tuple({grouper, Value::list(std::move(items), source)}, source);
  auto data = std::make_shared<ListData>(tuple.sequence());
  data->group = true;
  return Value::of(Kind::kTuple, std::move(data), source);
}

Value groupby(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const auto given = bound("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1);
  const Value* fallback = given[1] && !given[1]->is_none() ? &*given[1] : nullptr;
  const bool case_sensitive = asked_for(given[2]);
  std::vector<Keyed> keyed;
  for (const Value& item : listed(runtime, input)) {
    keyed.push_back({key_of(runtime, item, *given[0], case_sensitive, fallback), item});
  }
  sort_by_key(runtime, keyed, false);
  std::vector<Value> groups;
  for (std::size_t i = 0; i < keyed.size();) {
    std::vector<Value> items;
    const std::size_t begin = i;
    while (i < keyed.size() && equal(runtime, keyed[i].key, keyed[begin].key))
      items.push_back(keyed[i++].item);
    // The key as the first item has it, and not in lower case.
    const Value key = item_at_path(runtime, keyed[begin].item, *given[0], fallback);
    groups.push_back(group_of(case_sensitive ? keyed[begin].key : key, std::move(items), input.source()));
  }
  return Value::list(std::move(groups), input.source());
}

Value sum(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const auto given = bound("sum", arguments, {"attribute", "start"}, 0);
  const Value path = or_none(given[0]);
  Value total = given[1].value_or(Value::integer(0));
  if (total.is_text()) fail("expected a start other than a str in 'sum', got one; use |join");
  const auto next = iterate(runtime, input);
  while (const auto item = next())
    total = arithmetic(runtime, ExprKind::kAdd, total, item_at_path(runtime, *item, path));
  return total;
}

constexpr NamedFilter kOrderFilters[] = {
    {"dictsort", dictsort}, {"groupby", groupby}, {"max", extreme<true>}, {"min", extreme<false>},
    {"sort", sort},         {"sum", sum},         {"unique", unique}};

}  // namespace

std::span<const NamedFilter> order_filters() { return kOrderFilters; }

}  // namespace refocus::jinja
