// What evaluating a template shares with the operators, filters, tests and methods that it uses.
#pragma once

#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "template/failure.h"
#include "template/template.h"
#include "template/value.h"

namespace refocus::jinja {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

class Runtime;

struct CallableData : Object {
  using Call = std::function<Value(Runtime&, const Arguments&)>;
  CallableData(std::string called, Call does, int levels = 1)
      : Object(levels), name(std::move(called)), call(std::move(does)) {}
  std::string name;
  Call call;
  bool macro = false;
};

struct NamespaceData : Object {
  mutable DictData attributes;
};

// `loop` in a loop.
struct LoopData : Object {
  Value iterable;
  mutable IteratorData::Next items;
  mutable std::int64_t index0 = -1;
  mutable std::optional<std::int64_t> length;
  mutable std::optional<Value> after, current, before;  // `after`: taken from `items`, but not yet the loop's
  mutable std::optional<std::vector<Value>> changed;    // what loop.changed was last asked about
  std::int64_t depth0 = 0;
  std::function<Value(const Value& iterable, std::int64_t depth0)> recurse;  // of a recursive loop

  std::optional<Value> next() const;
  const std::optional<Value>& peek() const;
};

// One rendering: its limits, and what lives until its end.
class Runtime {
 public:
  Runtime(const Settings& settings, const Limits& limits, const std::tm* now)
      : settings(settings), limits(limits), now(now) {}
  Runtime(const Runtime&) = delete;
  ~Runtime();

  // Counts work; Failure past the limit.
  void charge(std::size_t steps) {
    steps_ += steps;
    if (steps_ > limits.steps) fail("expected at most {} steps, got more", limits.steps);
  }
  void charge(const Text& text) { charge(1 + text.size() / 16); }
  void check_items(std::size_t count) const {
    if (count > limits.items) fail("expected lists of at most {} items, got a longer one", limits.items);
  }
  TextBuilder builder() const { return TextBuilder(limits.text); }

  // Counts levels of what calls itself; one for each.
  class Level {
   public:
    explicit Level(Runtime& runtime) : runtime_(runtime) {
      if (runtime.levels_ >= runtime.limits.depth)
        fail("expected at most {} levels of calls, got more", runtime.limits.depth);
      ++runtime.levels_;
    }
    ~Level() { --runtime_.levels_; }
    Level(const Level&) = delete;

   private:
    Runtime& runtime_;
  };

  // An undefined value of the settings' kind.
  Value undefined(std::string why) const;
  Value make_namespace();

  const Settings& settings;
  const Limits& limits;
  const std::tm* now;

 private:
  std::size_t steps_ = 0;
  int levels_ = 0;
  std::vector<std::shared_ptr<NamespaceData>>
      namespaces_;  // emptied at the end, since they may hold each other
};

Value callable(std::string name, CallableData::Call call, int depth = 1);

// Python's bool(), str(), repr(), len() and iter(). Failure where Python raises; nothing for len() of what
// has none.
bool truth(const Value& value);
Text str(Runtime& runtime, const Value& value);
void add_repr(Runtime& runtime, const Value& value, TextBuilder& out);
std::optional<std::int64_t> length(const Value& value);
IteratorData::Next iterate(Runtime& runtime, const Value& value);
std::vector<Value> listed(Runtime& runtime, const Value& value);
bool is_iterable(const Value& value);
Value make_iterator(IteratorData::Next next, int depth, Source source = {});

// Failure where the value is undefined and may not be used as if it were one.
void refuse_undefined(const Value& value);
void refuse_strict(const Value& value);

// A float as Python's repr writes it.
std::string float_text(double value);

// environment.getattr and getitem of the sandbox: x.name and x[key].
Value attribute_of(Runtime& runtime, const Value& object, std::string_view name);
Value item_of(Runtime& runtime, const Value& object, const Value& key);
Value slice_of(Runtime& runtime, const Value& object, const Value& start, const Value& stop,
               const Value& step);

Value call(Runtime& runtime, const Value& function, const Arguments& arguments);

// Methods, bound to the value; nothing where Python's type has none of the name.
std::optional<Value> text_method(const Text& self, std::string_view name);
std::optional<Value> container_method(Runtime& runtime, const Value& self, std::string_view name);
// One that a template may not have: it is said to be undefined, as jinja2's sandbox does.
Value unsafe_attribute(Runtime& runtime, const Value& self, std::string_view name);

// Arguments given by place or name, in the order of the names; nothing where one is left out. Failure for too
// many, unknown ones and missing ones (the first `required` must be there). A name "" is given by place
// alone.
std::vector<std::optional<Value>> bound(std::string_view function, const Arguments& arguments,
                                        std::initializer_list<std::string_view> names, std::size_t required);

// A whole number or text given as an argument. Failure for another type.
std::int64_t whole_argument(std::string_view function, const Value& value);
Text text_argument(std::string_view function, const Value& value);

}  // namespace refocus::jinja
