// What templates compute with: the values of Python that Jinja templates of chats and tasks meet.
//
// A Value is cheap to copy; lists and dicts are shared and never change (a template's ways to change them are
// refused), only namespaces do. Whole numbers have 64 bits, and what does not fit is an InputError. Numbers,
// true, false and None carry an origin as texts do, for when they are printed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "template/text.h"

namespace refocus::jinja {

enum class Kind : std::uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInteger,
  kFloat,
  kText,
  kList,
  kTuple,
  kView,  // items(), keys() and values() of a dict: walked over like a list, but not indexed
  kDict,
  kRange,
  kIterator,  // walked over once: what map, select, reverse ... give
  kNamespace,
  kLoop,
  kCallable,
};

// Values nest at most this deep, so that functions that walk them may call themselves.
inline constexpr int kValueDepth = 200;

class Value;
struct ListData;
struct DictData;
struct RangeData;
struct IteratorData;
struct UndefinedData;

class Value {
 public:
  Value() : kind_(Kind::kNone) {}
  Value(const Text& text) : kind_(Kind::kText), object_(text.data()) {}  // NOLINT: a text is a value
  static Value boolean(bool value, Source source = {});
  static Value integer(std::int64_t value, Source source = {});
  static Value number(double value, Source source = {});
  static Value none(Source source = {});
  // `why` ends up in the message where it is used as if it were a value.
  static Value undefined(std::string why);
  static Value list(std::vector<Value> items, Source source = {});
  static Value tuple(std::vector<Value> items, Source source = {});
  static Value of(Kind kind, std::shared_ptr<const Object> object, Source source = {});

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_text() const { return kind_ == Kind::kText; }
  bool is_dict() const { return kind_ == Kind::kDict; }
  // A bool is a whole number too, as in Python.
  bool is_whole() const { return kind_ == Kind::kInteger || kind_ == Kind::kBool; }
  bool is_number() const { return is_whole() || kind_ == Kind::kFloat; }
  // A list, tuple or view.
  bool is_items() const { return kind_ == Kind::kList || kind_ == Kind::kTuple || kind_ == Kind::kView; }

  // What it is; the kind must be right. whole() and real() take bools too, and real() every number.
  bool truth_value() const { return whole_ != 0; }
  std::int64_t whole() const { return whole_; }
  double real() const { return kind_ == Kind::kFloat ? real_ : static_cast<double>(whole_); }
  Text text() const { return Text(std::static_pointer_cast<const TextData>(object_)); }
  const ListData& sequence() const;
  const DictData& dict() const;
  const RangeData& range() const;
  IteratorData& iterator() const;
  const UndefinedData& undefined_data() const;
  const std::shared_ptr<const Object>& object() const { return object_; }

  // Where it is from: of a text, its source(); of a list or dict, where its brackets would be from.
  Source source() const { return is_text() ? text().source() : source_; }
  // The same value, said to be from there.
  Value from(Source source) const;
  int depth() const { return object_ ? object_->depth : 0; }

 private:
  Kind kind_;
  Source source_;
  union {
    std::int64_t whole_ = 0;
    double real_;
  };
  std::shared_ptr<const Object> object_;
};

// `a` where it is data, otherwise `b`: where something made of both is from.
inline Source joined(Source a, Source b) { return a.origin != kTemplateOrigin ? a : b; }

struct ListData : Object {
  std::vector<Value> items;
  const char* view = "";  // of a view: "dict_items", "dict_keys", "dict_values"
  bool group = false;     // of a tuple: what groupby gives, with .grouper and .list
};

// In the order of insertion. Keys are texts, numbers, true, false, None and tuples of such; 1, 1.0 and true
// are one key, as in Python.
struct DictData : Object {
  std::vector<std::pair<Value, Value>> members;

  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  // Sets the value of a key, which keeps its place where it was there before. False where the key is of a
  // kind that cannot be one (a list, a dict).
  bool set(Value key, Value value);

 private:
  const Value* find_named(const std::string& name) const;
  std::unordered_map<std::string, std::size_t> places_;  // hash_name of a key -> place in members
};
Value make_dict(std::shared_ptr<DictData> data, Source source = {});

struct RangeData : Object {
  std::int64_t start = 0, stop = 0, step = 1, length = 0;
  std::int64_t at(std::int64_t i) const { return start + i * step; }
};

struct IteratorData : Object {
  using Next = std::function<std::optional<Value>()>;
  IteratorData(Next step, int levels) : Object(levels), next(std::move(step)) {}
  mutable Next next;  // nothing at the end
};

struct UndefinedData : Object {
  std::string why;      // "'x' is undefined"
  bool strict = false;  // refuses to be printed, compared, walked over and asked for its truth
};

// A text that two values share exactly where Python finds them equal and hashes them alike; nothing where the
// value cannot be hashed. Objects that are equal only to themselves go by their address.
std::optional<std::string> hash_name(const Value& value);

// The word for the kind in messages, as Python names types: "str", "list", "NoneType".
std::string_view type_name(const Value& value);

}  // namespace refocus::jinja
