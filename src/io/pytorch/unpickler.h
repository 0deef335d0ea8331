// Reads a Python pickle as a tree of plain values. Nothing is executed: a call of a global stays a value that
// says which global and which arguments, and only the globals on the caller's list may be named at all.
//
// Not a general unpickler: it knows the opcodes with which torch.save (pickle protocols 2 to 5) writes
// tensors in dictionaries, and refuses every other one by name. Opcodes: Lib/pickletools.py of CPython.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace refocus {

class Pickle {
 public:
  using Id = std::uint32_t;  // a value of this pickle; values may be shared and may contain themselves

  struct None {};
  struct Tuple {
    std::vector<Id> items;
  };
  struct List {
    std::vector<Id> items;
  };
  struct Dict {  // of dict or collections.OrderedDict, in the order of insertion; keys may repeat
    std::vector<std::pair<Id, Id>> items;
  };
  struct Global {
    std::string_view name;  // "module.name", one of the allowed ones
  };
  struct Call {  // function(*arguments), not carried out
    Id function;
    Id arguments;  // a Tuple
  };
  struct Persistent {  // what a persistent id stands for: in torch files, a storage
    Id id;
  };
  using Value = std::variant<None, bool, std::int64_t, double, std::string_view, Tuple, List, Dict, Global,
                             Call, Persistent>;

  const Value& root() const { return values_[root_]; }
  const Value& at(Id id) const { return values_[id]; }

  // Null where the value is of another kind.
  template <class T>
  const T* get_if(Id id) const {
    return std::get_if<T>(&values_[id]);
  }

 private:
  friend class Unpickler;
  std::vector<Value> values_;
  Id root_ = 0;
};

// What a value is called in messages, e.g. "an integer".
std::string_view kind_of(const Pickle::Value& value);

// Reads the pickle `stream`. Texts in the result point into `stream`, names of globals into `allowed_globals`
// ("collections.OrderedDict", which is always allowed, makes a Dict). InputError, with `where`, for a stream
// that is cut short or malformed, and for any other global or opcode. Memory is bounded by a constant times
// the stream, which may have at most kMaxPickleBytes.
Pickle unpickle(std::span<const std::byte> stream, std::span<const std::string_view> allowed_globals,
                std::string_view where);

// The state of a model with thousands of tensors takes less than one MiB.
inline constexpr std::size_t kMaxPickleBytes = std::size_t{4} << 20;

}  // namespace refocus
