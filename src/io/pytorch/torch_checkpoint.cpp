#include "io/pytorch/torch_checkpoint.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/mapped_file.h"
#include "io/byte_reader.h"
#include "io/pytorch/unpickler.h"
#include "io/pytorch/zip_directory.h"
#include "io/weight_file.h"

namespace refocus {

namespace {

constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils._rebuild_parameter";

struct StorageType {
  std::string_view global;
  std::string_view name;
  std::size_t bytes;
  std::optional<DType> dtype;  // nothing: a type that the program does not read
};

constexpr std::array<StorageType, 10> kStorageTypes = {{{"torch.FloatStorage", "F32", 4, DType::kF32},
                                                        {"torch.HalfStorage", "F16", 2, DType::kF16},
                                                        {"torch.BFloat16Storage", "BF16", 2, DType::kBF16},
                                                        {"torch.DoubleStorage", "F64", 8, DType::kF64},
                                                        {"torch.LongStorage", "I64", 8, {}},
                                                        {"torch.IntStorage", "I32", 4, {}},
                                                        {"torch.ShortStorage", "I16", 2, {}},
                                                        {"torch.CharStorage", "I8", 1, {}},
                                                        {"torch.ByteStorage", "U8", 1, {}},
                                                        {"torch.BoolStorage", "BOOL", 1, {}}}};

std::vector<std::string_view> allowed_globals() {
  std::vector<std::string_view> globals = {kRebuildTensor, kRebuildParameter};
  for (const StorageType& type : kStorageTypes) globals.push_back(type.global);
  return globals;
}

struct Storage {
  const StorageType* type;
  std::span<const std::byte> bytes;
};

// Turns the pickled calls that rebuild tensors into views of the archive's entries.
class TensorReader {
 public:
  TensorReader(const Pickle& pickle, const ZipDirectory& archive, std::string prefix, std::string_view where)
      : pickle_(pickle), archive_(archive), prefix_(std::move(prefix)), where_(where) {}

  // Nothing for a known buffer of a type that the program does not read.
  std::optional<TensorView> read(std::string_view name, Pickle::Id id) {
    name_ = name;
    const Pickle::Tuple* arguments = call(id, kRebuildParameter);
    if (arguments != nullptr) {  // (tensor, requires_grad, backward_hooks)
      if (arguments->items.size() != 3) malformed("3 arguments of a parameter");
      id = arguments->items[0];
    }
    arguments = call(id, kRebuildTensor);
    if (arguments == nullptr) refuse_value(id);
    return read_tensor(arguments->items);
  }

 private:
  [[noreturn]] void malformed(std::string_view expected) const {
    throw input_error(where_,
                      "expected {} '{}', got something else; save the checkpoint again with torch.save",
                      expected, printable(name_));
  }

  [[noreturn]] void refuse_value(Pickle::Id id) const {
    const bool nested = pickle_.get_if<Pickle::Dict>(id) != nullptr;
    throw input_error(where_, "expected every entry to be a tensor, got {} as '{}'; {}",
                      kind_of(pickle_.at(id)), printable(name_),
                      nested ? "if the weights are in there, save that dictionary by itself with torch.save"
                             : "save the model's state dict alone with torch.save");
  }

  // The arguments of a call of `function`; null where the value is anything else.
  const Pickle::Tuple* call(Pickle::Id id, std::string_view function) const {
    const auto* called = pickle_.get_if<Pickle::Call>(id);
    if (called == nullptr || pickle_.get_if<Pickle::Global>(called->function)->name != function)
      return nullptr;
    return pickle_.get_if<Pickle::Tuple>(called->arguments);
  }

  // (storage, storage_offset, size, stride, requires_grad, backward_hooks [, metadata])
  std::optional<TensorView> read_tensor(const std::vector<Pickle::Id>& arguments) {
    if (arguments.size() < 6 || arguments.size() > 7) malformed("6 or 7 arguments of tensor");
    if (arguments.size() == 7) check_metadata(arguments[6]);
    const Storage storage = read_storage(arguments[0]);
    const auto* offset = pickle_.get_if<std::int64_t>(arguments[1]);
    if (offset == nullptr) malformed("an integer as storage offset of tensor");
    const auto shape = read_integers(arguments[2]);
    const auto strides = read_integers(arguments[3]);
    if (shape.size() != strides.size()) malformed("as many strides as dimensions of tensor");
    const auto bytes = stored_bytes(shape, storage.type->bytes);
    std::int64_t begin = 0;
    const bool fits =
        bytes && *offset >= 0 &&
        !__builtin_mul_overflow(*offset, static_cast<std::int64_t>(storage.type->bytes), &begin) &&
        static_cast<std::uint64_t>(begin) <= storage.bytes.size() &&
        static_cast<std::uint64_t>(*bytes) <= storage.bytes.size() - static_cast<std::size_t>(begin);
    if (!fits) {
      throw input_error(
          where_,
          "expected tensor '{}' of shape {} at element {} to lie within its storage of {} bytes, got "
          "more; download the file again",
          printable(name_), printable(shape_text(shape)), *offset, storage.bytes.size());
    }
    check_contiguous(shape, strides);
    if (!storage.type->dtype) {
      if (is_known_buffer(name_)) return std::nullopt;
      refuse_dtype(where_, name_, storage.type->name);
    }
    return TensorView{storage.bytes.data() + begin, *storage.type->dtype, shape};
  }

  // Marks such as "negated" or "conjugated", which change the values.
  void check_metadata(Pickle::Id id) const {
    const auto* marks = pickle_.get_if<Pickle::Dict>(id);
    const bool none =
        pickle_.get_if<Pickle::None>(id) != nullptr || (marks != nullptr && marks->items.empty());
    if (!none) malformed("no marks on tensor");
  }

  // ('storage', type, key, location, elements)
  Storage read_storage(Pickle::Id id) const {
    const auto* persistent = pickle_.get_if<Pickle::Persistent>(id);
    const auto* tuple = persistent ? pickle_.get_if<Pickle::Tuple>(persistent->id) : nullptr;
    if (tuple == nullptr || tuple->items.size() != 5) malformed("a storage of 5 parts for tensor");
    const auto* tag = pickle_.get_if<std::string_view>(tuple->items[0]);
    const auto* global = pickle_.get_if<Pickle::Global>(tuple->items[1]);
    const auto* key = pickle_.get_if<std::string_view>(tuple->items[2]);
    const auto* elements = pickle_.get_if<std::int64_t>(tuple->items[4]);
    if (!tag || *tag != "storage" || !global || !key || !elements) malformed("a storage for tensor");
    const auto type = std::find_if(kStorageTypes.begin(), kStorageTypes.end(),
                                   [&](const StorageType& t) { return t.global == global->name; });
    if (type == kStorageTypes.end()) malformed("a storage type for tensor");
    const auto entry = archive_.find(fmt::format("{}data/{}", prefix_, *key));
    if (entry == archive_.end()) {
      throw input_error(
          where_, "expected storage '{}' of tensor '{}' in the archive, got none; download the file again",
          printable(*key), printable(name_));
    }
    const auto bytes = stored_bytes({*elements}, type->bytes);
    if (!bytes || static_cast<std::uint64_t>(*bytes) != entry->second.size()) {
      throw input_error(
          where_,
          "expected {} elements of {} in storage '{}' of tensor '{}', got {} bytes; download the "
          "file again",
          *elements, type->name, printable(*key), printable(name_), entry->second.size());
    }
    return {&*type, entry->second};
  }

  std::vector<std::int64_t> read_integers(Pickle::Id id) const {
    const auto* tuple = pickle_.get_if<Pickle::Tuple>(id);
    if (tuple == nullptr) malformed("a tuple of integers for tensor");
    std::vector<std::int64_t> integers;
    for (const Pickle::Id item : tuple->items) {
      const auto* integer = pickle_.get_if<std::int64_t>(item);
      if (integer == nullptr) malformed("a tuple of integers for tensor");
      integers.push_back(*integer);
    }
    return integers;
  }

  // Row-major, where the stride of a dimension of size 1 is never used; a tensor without elements always is.
  void check_contiguous(const std::vector<std::int64_t>& shape,
                        const std::vector<std::int64_t>& strides) const {
    if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return;
    std::int64_t expected = 1;
    for (std::size_t i = shape.size(); i-- > 0;) {
      if (shape[i] != 1 && strides[i] != expected) {
        throw input_error(where_,
                          "expected tensor '{}' of shape {} to be contiguous, got strides {}; save "
                          "tensor.contiguous() instead",
                          printable(name_), printable(shape_text(shape)), printable(shape_text(strides)));
      }
      expected *= shape[i];
    }
  }

  const Pickle& pickle_;
  const ZipDirectory& archive_;
  std::string prefix_;
  std::string_view where_;
  std::string_view name_;
};

void refuse_other_formats(const std::filesystem::path& path, std::span<const std::byte> file,
                          std::string_view where) {
  refuse_other_format(path, file, FileFormat::kTorchZip);
  const std::string_view text = ByteReader::as_text(file);
  if (text.starts_with("PK")) return;
  throw input_error(
      where,
      "expected a zip archive as torch.save writes it, got a file that begins with '{}'; download "
      "it again",
      printable(text.substr(0, 8)));
}

// The name of the archive's one folder, with its slash.
std::string find_prefix(const ZipDirectory& archive, std::string_view where) {
  constexpr std::string_view kPickle = "/data.pkl";
  std::optional<std::string> prefix;
  for (const auto& [name, bytes] : archive) {
    if (!name.ends_with(kPickle)) continue;
    if (prefix)
      throw input_error(where, "expected one data.pkl in the archive, got several; make the file again");
    prefix = name.substr(0, name.size() - kPickle.size() + 1);
  }
  if (!prefix) {
    throw input_error(where,
                      "expected <name>/data.pkl in the archive, got none: torch.save did not write it; give "
                      "the model's own "
                      "file");
  }
  return *prefix;
}

void check_byte_order(const ZipDirectory& archive, const std::string& prefix, std::string_view where) {
  const auto order = archive.find(prefix + "byteorder");
  if (order == archive.end()) return;  // PyTorch before 2.1 wrote none
  const std::string_view text = ByteReader::as_text(order->second);
  if (text != "little") {
    throw input_error(where,
                      "expected byte order 'little', got '{}'; save the checkpoint again on a little-endian "
                      "machine",
                      printable(text));
  }
}

}  // namespace

void read_torch_checkpoint(const std::filesystem::path& path, WeightMap& weights) {
  const auto file = MappedFile::open(path);
  const std::string where = where_of(path);
  refuse_other_formats(path, file->bytes(), where);
  const ZipDirectory archive = read_zip_directory(file->bytes(), where);
  const std::string prefix = find_prefix(archive, where);
  check_byte_order(archive, prefix, where);
  const Pickle pickle = unpickle(archive.find(prefix + "data.pkl")->second, allowed_globals(), where);
  const auto* state = std::get_if<Pickle::Dict>(&pickle.root());
  if (state == nullptr) {
    throw input_error(where,
                      "expected a dictionary of tensors, got {}; save the model's state dict with torch.save",
                      kind_of(pickle.root()));
  }
  TensorReader reader(pickle, archive, prefix, where);
  std::set<std::string_view> names;
  std::vector<std::pair<std::string, TensorView>> tensors;
  for (const auto& [key, value] : state->items) {
    const auto* name = pickle.get_if<std::string_view>(key);
    if (name == nullptr) {
      throw input_error(where, "expected names of tensors as keys, got {}; save the model's state dict alone",
                        kind_of(pickle.at(key)));
    }
    if (!names.insert(*name).second) {
      throw input_error(where, "has tensor '{}' twice; make the file again", printable(*name));
    }
    if (const auto* other = weights.find(*name)) {
      throw input_error(where, "tensor {} is also in {}; keep one of the two files", printable(*name),
                        other->source);
    }
    if (auto view = reader.read(*name, value)) tensors.emplace_back(*name, std::move(*view));
  }
  for (auto& [name, view] : tensors) weights.insert(std::move(name), std::move(view), where, file);
}

}  // namespace refocus
