#include "template/value.h"

#include <fmt/core.h>

#include <cmath>
#include <cstring>

#include "template/failure.h"

namespace refocus::jinja {
namespace {

int levels_of(const std::vector<Value>& items) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  return depth + 1;
}

Value of_items(Kind kind, std::vector<Value> items, Source source) {
  auto data = std::make_shared<ListData>();
  data->depth = levels_of(items);
  data->items = std::move(items);
  return Value::of(kind, std::move(data), source);
}

// A double that is a whole number of 64 bits goes by the name of that number.
std::string name_of_number(double value) {
  constexpr double kPastEnd = 9223372036854775808.0;
  if (value == std::floor(value) && value >= -kPastEnd && value < kPastEnd) {
    return fmt::format("n{}", static_cast<std::int64_t>(value));
  }
  return fmt::format("f{}", value);
}

}  // namespace

Value Value::boolean(bool value, Source source) {
  Value out = integer(value ? 1 : 0, source);
  out.kind_ = Kind::kBool;
  return out;
}

Value Value::integer(std::int64_t value, Source source) {
  Value out;
  out.kind_ = Kind::kInteger;
  out.source_ = source;
  out.whole_ = value;
  return out;
}

Value Value::number(double value, Source source) {
  Value out;
  out.kind_ = Kind::kFloat;
  out.source_ = source;
  out.real_ = value;
  return out;
}

Value Value::none(Source source) {
  Value out;
  out.source_ = source;
  return out;
}

Value Value::undefined(std::string why) {
  auto data = std::make_shared<UndefinedData>();
  data->why = std::move(why);
  return of(Kind::kUndefined, std::move(data));
}

Value Value::list(std::vector<Value> items, Source source) {
  return of_items(Kind::kList, std::move(items), source);
}

Value Value::tuple(std::vector<Value> items, Source source) {
  return of_items(Kind::kTuple, std::move(items), source);
}

Value Value::of(Kind kind, std::shared_ptr<const Object> object, Source source) {
  if (object->depth > kValueDepth) {
    fail("expected values of at most {} levels, got more", kValueDepth);
  }
  Value out;
  out.kind_ = kind;
  out.source_ = source;
  out.object_ = std::move(object);
  return out;
}

const ListData& Value::sequence() const { return static_cast<const ListData&>(*object_); }
const DictData& Value::dict() const { return static_cast<const DictData&>(*object_); }
const RangeData& Value::range() const { return static_cast<const RangeData&>(*object_); }
IteratorData& Value::iterator() const {
  return const_cast<IteratorData&>(static_cast<const IteratorData&>(*object_));
}
const UndefinedData& Value::undefined_data() const { return static_cast<const UndefinedData&>(*object_); }

Value Value::from(Source source) const {
  Value out = *this;
  out.source_ = source;
  return out;
}

const Value* DictData::find_named(const std::string& name) const {
  const auto place = places_.find(name);
  return place == places_.end() ? nullptr : &members[place->second].second;
}

const Value* DictData::find(const Value& key) const {
  const auto name = hash_name(key);
  return name ? find_named(*name) : nullptr;
}

const Value* DictData::find(std::string_view key) const { return find_named("s" + std::string(key)); }

bool DictData::set(Value key, Value value) {
  auto name = hash_name(key);
  if (!name) return false;
  depth = std::max({depth, key.depth() + 1, value.depth() + 1});
  const auto [place, fresh] = places_.emplace(std::move(*name), members.size());
  if (fresh) {
    members.emplace_back(std::move(key), std::move(value));
  } else {
    members[place->second].second = std::move(value);
  }
  return true;
}

Value make_dict(std::shared_ptr<DictData> data, Source source) {
  return Value::of(Kind::kDict, std::move(data), source);
}

std::optional<std::string> hash_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kText:
      return "s" + std::string(value.text().bytes());
    case Kind::kBool:
    case Kind::kInteger:
      return fmt::format("n{}", value.whole());
    case Kind::kFloat:
      return name_of_number(value.real());
    case Kind::kNone:
      return "N";
    case Kind::kUndefined:
      return "U";
    case Kind::kTuple: {
      std::string name = "(";
      for (const Value& item : value.sequence().items) {
        const auto inner = hash_name(item);
        if (!inner) return std::nullopt;
        name += fmt::format("{}:{}", inner->size(), *inner);
      }
      return name;
    }
    case Kind::kList:
    case Kind::kDict:
      return std::nullopt;
    default:
      return fmt::format("@{}", static_cast<const void*>(value.object().get()));
  }
}

std::string_view type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInteger:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kText:
      return "str";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kView:
      return value.sequence().view;
    case Kind::kDict:
      return "dict";
    case Kind::kRange:
      return "range";
    case Kind::kIterator:
      return "generator";
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kLoop:
      return "LoopContext";
    case Kind::kCallable:
      return "function";
  }
  return "object";
}

}  // namespace refocus::jinja
