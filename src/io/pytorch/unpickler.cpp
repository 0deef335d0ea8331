#include "io/pytorch/unpickler.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <string>

#include "base/error.h"
#include "io/byte_reader.h"
#include "io/pytorch/pickle_opcodes.h"

namespace refocus {

namespace {

constexpr std::string_view kOrderedDict = "collections.OrderedDict";

}  // namespace

// The pickle machine: a stack of values, the marks on it, and the memo.
class Unpickler {
 public:
  Unpickler(std::span<const std::byte> stream, std::span<const std::string_view> allowed,
            std::string_view where)
      : allowed_(allowed),
        where_(where),
        reader_(stream, where, "the pickle"),
        stream_bytes_(stream.size()) {}

  Pickle run() {
    for (;;) {
      op_position_ = reader_.position();
      op_ = reader_.read<std::uint8_t>();
      const auto op = static_cast<PickleOp>(op_);
      if (op == PickleOp::kStop) {
        out_.root_ = pop();
        return std::move(out_);
      }
      if (!push_scalar(op) && !push_container(op) && !use_memo(op) && !fill_container(op) &&
          !push_object(op)) {
        throw input_error(
            where_,
            "refuses the pickle opcode {} at byte {}: only tensors are read; convert the file to "
            "safetensors with a tool you trust",
            pickle_op_text(op_), op_position_);
      }
    }
  }

 private:
  using Id = Pickle::Id;

  [[noreturn]] void malformed(std::string_view expected, std::string_view got) const {
    throw input_error(where_,
                      "the pickle is malformed at byte {}: {} expected {}, got {}; download the file again",
                      op_position_, pickle_op_text(op_), expected, got);
  }

  void push(Pickle::Value value) {
    out_.values_.push_back(std::move(value));
    stack_.push_back(static_cast<Id>(out_.values_.size() - 1));
  }

  // The part of the stack that the current opcode may use: above the topmost mark.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  Id top() const {
    if (stack_.size() <= floor()) malformed("a value on the stack", "none");
    return stack_.back();
  }

  Id pop() {
    const Id id = top();
    stack_.pop_back();
    return id;
  }

  std::vector<Id> pop_to_mark() {
    if (marks_.empty()) malformed("a mark on the stack", "none");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<Id> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }

  std::vector<Id> pop_some(std::size_t count) {
    if (stack_.size() - floor() < count) malformed("more values on the stack", "too few");
    const auto begin = stack_.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<Id> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    return items;
  }

  bool push_scalar(PickleOp op) {
    switch (op) {
      case PickleOp::kProto:
        if (const auto version = reader_.read<std::uint8_t>(); version > 5) {
          malformed("a protocol of at most 5", std::to_string(version));
        }
        return true;
      case PickleOp::kFrame:  // the length of a piece of the stream, which is of no use in a mapped file
        reader_.read<std::uint64_t>();
        return true;
      case PickleOp::kNone:
        push(Pickle::None{});
        return true;
      case PickleOp::kNewTrue:
      case PickleOp::kNewFalse:
        push(op == PickleOp::kNewTrue);
        return true;
      case PickleOp::kBinInt:
        push(std::int64_t{reader_.read<std::int32_t>()});
        return true;
      case PickleOp::kBinInt1:
        push(std::int64_t{reader_.read<std::uint8_t>()});
        return true;
      case PickleOp::kBinInt2:
        push(std::int64_t{reader_.read<std::uint16_t>()});
        return true;
      case PickleOp::kLong1:
        push(read_long());
        return true;
      case PickleOp::kBinFloat:
        push(std::bit_cast<double>(__builtin_bswap64(reader_.read<std::uint64_t>())));  // big-endian
        return true;
      case PickleOp::kBinUnicode:
        push(reader_.take_text(reader_.read<std::uint32_t>()));
        return true;
      case PickleOp::kShortBinUnicode:
        push(reader_.take_text(reader_.read<std::uint8_t>()));
        return true;
      case PickleOp::kBinUnicode8:
        push(reader_.take_text(reader_.read<std::uint64_t>()));
        return true;
      default:
        return false;
    }
  }

  // Two's complement, little-endian, of as many bytes as needed; none is 0.
  std::int64_t read_long() {
    const auto count = reader_.read<std::uint8_t>();
    if (count > 8) malformed("an integer of at most 8 bytes", std::to_string(count));
    std::uint64_t bits = 0;
    int shift = 0;
    for (const std::byte byte : reader_.take(count)) {
      bits |= std::to_integer<std::uint64_t>(byte) << shift;
      shift += 8;
    }
    const bool negative = shift > 0 && ((bits >> (shift - 1)) & 1) != 0;
    if (negative && shift < 64) bits |= ~std::uint64_t{0} << shift;
    return static_cast<std::int64_t>(bits);
  }

  bool push_container(PickleOp op) {
    switch (op) {
      case PickleOp::kMark:
        marks_.push_back(stack_.size());
        return true;
      case PickleOp::kEmptyTuple:
        push(Pickle::Tuple{});
        return true;
      case PickleOp::kEmptyList:
        push(Pickle::List{});
        return true;
      case PickleOp::kEmptyDict:
        push(Pickle::Dict{});
        return true;
      case PickleOp::kTuple:
        push(Pickle::Tuple{pop_to_mark()});
        return true;
      case PickleOp::kTuple1:
      case PickleOp::kTuple2:
      case PickleOp::kTuple3:
        push(Pickle::Tuple{pop_some(op_ - static_cast<std::size_t>(PickleOp::kTuple1) + 1)});
        return true;
      default:
        return false;
    }
  }

  bool use_memo(PickleOp op) {
    switch (op) {
      case PickleOp::kBinPut:
        put(reader_.read<std::uint8_t>());
        return true;
      case PickleOp::kLongBinPut:
        put(reader_.read<std::uint32_t>());
        return true;
      case PickleOp::kMemoize:
        put(memoized_);
        return true;
      case PickleOp::kBinGet:
        get(reader_.read<std::uint8_t>());
        return true;
      case PickleOp::kLongBinGet:
        get(reader_.read<std::uint32_t>());
        return true;
      default:
        return false;
    }
  }

  // Pickles number their memo from 0 on, so an index can never reach the length of the stream.
  void put(std::size_t index) {
    if (index >= stream_bytes_) malformed("a memo index below the stream's length", std::to_string(index));
    const Id id = top();
    if (index >= memo_.size()) memo_.resize(index + 1);
    if (!memo_[index]) ++memoized_;
    memo_[index] = id;
  }

  void get(std::size_t index) {
    if (index >= memo_.size() || !memo_[index]) malformed("a memo index in use", std::to_string(index));
    stack_.push_back(*memo_[index]);
  }

  bool fill_container(PickleOp op) {
    switch (op) {
      case PickleOp::kAppend:
        append(pop_some(1));
        return true;
      case PickleOp::kAppends:
        append(pop_to_mark());
        return true;
      case PickleOp::kSetItem:
        set_items(pop_some(2));
        return true;
      case PickleOp::kSetItems:
        set_items(pop_to_mark());
        return true;
      default:
        return false;
    }
  }

  void append(const std::vector<Id>& items) {
    auto* list = std::get_if<Pickle::List>(&out_.values_[top()]);
    if (list == nullptr) malformed("a list", kind_of(out_.at(top())));
    list->items.insert(list->items.end(), items.begin(), items.end());
  }

  void set_items(const std::vector<Id>& items) {
    auto* dict = std::get_if<Pickle::Dict>(&out_.values_[top()]);
    if (dict == nullptr) malformed("a dictionary", kind_of(out_.at(top())));
    if (items.size() % 2 != 0) malformed("keys and values in pairs", "an odd number");
    for (std::size_t i = 0; i < items.size(); i += 2) dict->items.emplace_back(items[i], items[i + 1]);
  }

  bool push_object(PickleOp op) {
    switch (op) {
      case PickleOp::kGlobal: {
        const std::string_view module = reader_.take_line();
        push_global(module, reader_.take_line());
        return true;
      }
      case PickleOp::kStackGlobal: {
        const std::vector<Id> names = pop_some(2);
        const auto* module = out_.get_if<std::string_view>(names[0]);
        const auto* name = out_.get_if<std::string_view>(names[1]);
        if (module == nullptr || name == nullptr) malformed("two texts", "something else");
        push_global(*module, *name);
        return true;
      }
      case PickleOp::kReduce:
        reduce();
        return true;
      case PickleOp::kBuild:
        build();
        return true;
      case PickleOp::kBinPersId:
        push(Pickle::Persistent{pop()});
        return true;
      default:
        return false;
    }
  }

  void push_global(std::string_view module, std::string_view name) {
    const auto matches = [&](std::string_view full) {
      return full.size() == module.size() + 1 + name.size() && full.starts_with(module) &&
             full.ends_with(name) && full[module.size()] == '.';
    };
    if (matches(kOrderedDict)) return push(Pickle::Global{kOrderedDict});
    const auto found = std::find_if(allowed_.begin(), allowed_.end(), matches);
    if (found == allowed_.end()) {
      throw input_error(
          where_,
          "refuses the pickle global '{}': only tensors are read; convert the file to safetensors with "
          "a tool you trust",
          printable(fmt::format("{}.{}", module.substr(0, 200), name.substr(0, 200))));
    }
    push(Pickle::Global{*found});
  }

  void reduce() {
    const Id arguments = pop();
    const Id function = pop();
    const auto* tuple = out_.get_if<Pickle::Tuple>(arguments);
    const auto* global = out_.get_if<Pickle::Global>(function);
    if (tuple == nullptr) malformed("a tuple of arguments", kind_of(out_.at(arguments)));
    if (global == nullptr) malformed("a global to call", kind_of(out_.at(function)));
    if (global->name != kOrderedDict) return push(Pickle::Call{function, arguments});
    if (!tuple->items.empty()) malformed("an OrderedDict without arguments", "some");
    push(Pickle::Dict{});
  }

  // The attributes of an OrderedDict (a state_dict's _metadata, which holds versions) say nothing about the
  // tensors, so they are dropped. No other object has any.
  void build() {
    pop();
    if (out_.get_if<Pickle::Dict>(top()) == nullptr) malformed("a dictionary", kind_of(out_.at(top())));
  }

  std::span<const std::string_view> allowed_;
  std::string_view where_;
  ByteReader reader_;
  std::size_t stream_bytes_;
  std::uint8_t op_ = 0;
  std::size_t op_position_ = 0;
  Pickle out_;
  std::vector<Id> stack_;
  std::vector<std::size_t> marks_;  // the height of the stack at each mark
  std::vector<std::optional<Id>> memo_;
  std::size_t memoized_ = 0;
};

std::string_view kind_of(const Pickle::Value& value) {
  static constexpr std::string_view kKinds[] = {"None",     "a truth value", "an integer", "a number",
                                                "a text",   "a tuple",       "a list",     "a dictionary",
                                                "a global", "an object",     "a storage"};
  static_assert(std::size(kKinds) == std::variant_size_v<Pickle::Value>);
  return kKinds[value.index()];
}

Pickle unpickle(std::span<const std::byte> stream, std::span<const std::string_view> allowed_globals,
                std::string_view where) {
  if (stream.size() > kMaxPickleBytes) {
    throw input_error(where, "expected a pickle of at most {} bytes, got {}; save the state dict alone",
                      kMaxPickleBytes, stream.size());
  }
  return Unpickler(stream, allowed_globals, where).run();
}

}  // namespace refocus
