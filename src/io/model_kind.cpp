#include "io/model_kind.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"
#include "base/file_kind.h"
#include "io/peft/peft_adapter.h"
#include "io/peft/peft_config.h"
#include "io/weight_file.h"

namespace refocus {

namespace {

namespace fs = std::filesystem;

constexpr const char* kModel = "a model directory with config.json and weights, or a GGUF file";
constexpr const char* kOtherWeights = "use a copy of the model with safetensors, PyTorch or GGUF weights";

// The names in a directory, in order; few questions are asked of it, and only when a message is written.
class Listing {
 public:
  explicit Listing(const fs::path& directory) : directory_(directory) {
    std::error_code failed;
    for (fs::directory_iterator it(directory, failed), end; !failed && it != end; it.increment(failed)) {
      names_.push_back(it->path().filename().string());
    }
    std::ranges::sort(names_);
  }

  bool empty() const { return names_.empty(); }
  bool has(std::string_view name) const { return std::ranges::binary_search(names_, name); }

  std::vector<std::string> ending(std::string_view end) const {
    std::vector<std::string> out;
    std::ranges::copy_if(names_, std::back_inserter(out),
                         [&](const std::string& name) { return name.ends_with(end); });
    return out;
  }

  // The folders below that are models, DIR/NAME, as far as there are few of them.
  std::vector<fs::path> models_below(const fs::path& folder = {}) const {
    constexpr std::size_t kMostSeen = 100;
    std::vector<fs::path> out;
    const Listing inner = folder.empty() ? *this : Listing(directory_ / folder);
    for (std::size_t i = 0; i < std::min(inner.names_.size(), kMostSeen); ++i) {
      std::error_code ignored;
      const fs::path model = inner.directory_ / inner.names_[i];
      if (fs::is_regular_file(model / "config.json", ignored)) out.push_back(model);
    }
    return out;
  }

 private:
  fs::path directory_;
  std::vector<std::string> names_;
};

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 3); ++i) {
    out += (i > 0 ? ", " : "") + printable(names[i]);
  }
  return names.size() > 3 ? out + ", ..." : out;
}

OtherKind adapter_kind() {
  return {"a LoRA adapter", "name its base model here, and the adapter with --adapter"};
}

// What the directory has in place of weights that are read; nothing where that is unknown.
std::optional<OtherKind> other_weights(const fs::path& directory, const Listing& list) {
  if (is_peft_adapter(directory)) return adapter_kind();
  const auto gguf = list.ending(".gguf");
  if (const auto part = gguf.empty() ? std::nullopt : gguf_part(gguf[0]); part && part->count > 1) {
    return OtherKind{fmt::format("the parts of a split GGUF file ({})", listed(gguf)),
                     fmt::format("name one of them, {}", where_of(directory / gguf[0]))};
  }
  if (gguf.size() == 1) {
    return OtherKind{"a directory with the GGUF file " + printable(gguf[0]),
                     fmt::format("name the file, {}", where_of(directory / gguf[0]))};
  }
  if (gguf.size() > 1) {
    return OtherKind{fmt::format("a directory with {} GGUF files ({})", gguf.size(), listed(gguf)),
                     "name one of them"};
  }
  if (list.has("model_index.json"))
    return OtherKind{"a Diffusers pipeline, which makes images", "use a language model"};
  if (const auto pth = list.ending(".pth"); !pth.empty() && list.has("params.json")) {
    return OtherKind{fmt::format("LLaMA weights in Meta's own layout ({})", listed(pth)),
                     "download the model in the Hugging Face layout, or convert it with "
                     "convert_llama_weights_to_hf.py of transformers 4"};
  }
  if (const auto own = list.ending(".safetensors"); !own.empty() && list.has("params.json")) {
    return OtherKind{fmt::format("weights in Mistral's own layout ({} with params.json)", listed(own)),
                     "download the model in the Hugging Face layout"};
  }
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kFormats = {
      {{".onnx", "ONNX weights"},
       {".msgpack", "Flax weights"},
       {".h5", "TensorFlow weights"},
       {".pb", "TensorFlow weights"},
       {".npz", "NumPy or MLX weights"},
       {".ckpt", "weights in a .ckpt file"},
       {".pth", "weights in .pth files"},
       {".pt", "weights in .pt files"}}};
  for (const auto& [end, name] : kFormats) {
    const auto found = list.ending(end);
    if (!found.empty()) return OtherKind{fmt::format("{} ({})", name, listed(found)), kOtherWeights};
  }
  auto shards = list.ending(".bin");
  std::erase_if(shards, [](const std::string& name) { return !name.starts_with("pytorch_model-"); });
  if (!shards.empty()) {
    return OtherKind{fmt::format("shards ({}) without pytorch_model.bin.index.json", listed(shards)),
                     "download that too"};
  }
  for (const char* end : {".incomplete", ".part", ".crdownload", ".aria2"}) {
    const auto found = list.ending(end);
    if (!found.empty())
      return OtherKind{fmt::format("an unfinished download ({})", listed(found)),
                       "finish it, or download it again"};
  }
  return std::nullopt;
}

[[noreturn]] void refuse(const std::string& where, std::string_view expected, const OtherKind& kind) {
  throw input_error(where, "expected {}, got {}; {}", expected, kind.name, kind.remedy);
}

OtherKind directory_kind(const fs::path& directory) {
  const Listing list(directory);
  if (list.empty()) return {"an empty directory", "check the path, or download it"};
  if (const auto kind = other_weights(directory, list)) return *kind;
  // What the program itself writes.
  if (list.has("run.json"))
    return {"a run's directory", "name the model that was asked, which its run.json says (model_path)"};
  if (list.has("study.json")) return {"the directory of `refocus study`", "name the model that it was of"};
  if (list.has("attention.json"))
    return {"the directory of `refocus attention`", "name the model that it was of"};
  std::vector<fs::path> models = list.models_below();
  for (const char* folder : {"snapshots", "checkpoints"}) {  // of a download cache, of a training run
    if (models.empty() && list.has(folder)) models = list.models_below(folder);
  }
  if (!models.empty()) {
    return {"a directory that has models below it",
            fmt::format("name one of them, such as {}", where_of(models.back()))};
  }
  for (const char* end : {".safetensors", ".bin"}) {
    const auto weights = list.ending(end);
    if (!weights.empty())
      return {fmt::format("weights ({}) without config.json", listed(weights)), "download it too"};
  }
  return {"a directory without config.json", "check the path, or download it"};
}

OtherKind file_model_kind(const fs::path& path) {
  // Pieces that were cut by size have no structure of their own.
  const std::string name = path.filename().string();
  for (const char* mark : {".gguf-split-", ".gguf.part", ".safetensors.part", ".bin.part"}) {
    if (name.find(mark) != std::string::npos)
      return {"a piece of a file that was cut up", "join its pieces with cat, in order"};
  }
  const FileKind kind = kind_of_file(path);
  const bool weights = kind.format == FileFormat::kSafetensors || kind.format == FileFormat::kTorchZip ||
                       kind.format == FileFormat::kJson;
  std::error_code ignored;
  if (weights && fs::is_regular_file(path.parent_path() / "config.json", ignored)) {
    const fs::path directory = path.has_parent_path() ? path.parent_path() : ".";
    return {kind.name, fmt::format("name its directory, {}", where_of(directory))};
  }
  return {kind.name, kind.remedy};
}

}  // namespace

void refuse_model_path(const fs::path& path) {
  std::error_code failed;
  const fs::file_status status = fs::status(path, failed);
  if (failed && status.type() == fs::file_type::none) {
    refuse(where_of(path), kModel,
           {"one that cannot be looked at: " + failed.message(), "check the path and its permissions"});
  }
  if (!fs::exists(status)) refuse(where_of(path), kModel, {"nothing", "check the path"});
  if (fs::is_regular_file(status)) refuse(where_of(path), kModel, file_model_kind(path));
  if (!fs::is_directory(status))
    refuse(where_of(path), kModel, {"a device or pipe", "give a file or directory"});
  fs::directory_iterator readable(path, failed);
  if (failed) {
    refuse(where_of(path), kModel,
           {"a directory that cannot be read: " + failed.message(), "check its permissions"});
  }
  refuse(where_of(path), kModel, directory_kind(path));
}

void refuse_adapter_path(const fs::path& path) {
  const std::string expected =
      fmt::format("a PEFT adapter directory with {} and {}", kAdapterConfigName, kAdapterWeightsName);
  const auto refuse_as = [&](const OtherKind& kind) { refuse(where_of(path), expected, kind); };
  const OtherKind model = {"a model", "name it with -m, and here the adapter's own directory"};
  std::error_code failed;
  if (fs::is_directory(path, failed)) {
    if (fs::is_regular_file(path / "config.json", failed)) refuse_as(model);
    const bool weights = fs::is_regular_file(path / kAdapterWeightsName, failed);
    refuse_as({fmt::format("{} without {}", weights ? "weights" : "a directory", kAdapterConfigName),
               weights ? "download it too" : "check the path"});
  }
  if (!fs::is_regular_file(path, failed)) {
    refuse_as({fs::exists(path, failed) ? "a device or pipe" : "nothing", "check the path"});
  }
  const FileKind kind = kind_of_file(path);
  const fs::path directory = path.has_parent_path() ? path.parent_path() : ".";
  if (is_peft_adapter(directory)) {
    refuse_as({kind.name, fmt::format("name its directory, {}", where_of(directory))});
  }
  if (kind.format == FileFormat::kGguf) {
    refuse_as(
        {kind.name, "name a model with -m; of an adapter, give the PEFT directory that it was made from"});
  }
  const bool weights = kind.format == FileFormat::kSafetensors || kind.format == FileFormat::kTorchZip;
  refuse(
      where_of(path), expected,
      {kind.name, weights ? "put it beside its adapter_config.json, and name their directory" : kind.remedy});
}

void refuse_missing_weights(const fs::path& directory) {
  constexpr const char* kWeights =
      "weights (model.safetensors.index.json, model.safetensors, one *.safetensors, "
      "pytorch_model.bin.index.json or pytorch_model.bin)";
  const auto kind = other_weights(directory, Listing(directory));
  refuse(where_of(directory), kWeights, kind ? *kind : OtherKind{"none", "download the model's weights"});
}

std::string GgufPart::file_name(int part) const {
  return fmt::format("{}-{:05}-of-{:05}.gguf", stem, part, count);
}

std::optional<GgufPart> gguf_part(const fs::path& path) {
  const std::string name = path.filename().string();
  constexpr std::size_t kEnd = std::string_view("-00001-of-00002.gguf").size();
  if (name.size() <= kEnd) return std::nullopt;
  GgufPart out;
  out.stem = name.substr(0, name.size() - kEnd);
  const char* end = name.data() + name.size() - kEnd;
  std::from_chars(end + 1, end + 6, out.number);
  std::from_chars(end + 10, end + 15, out.count);
  if (name != out.file_name(out.number) || out.number < 1 || out.number > out.count) return std::nullopt;
  return out;
}

void refuse_gguf_part(const fs::path& path, std::int64_t number, std::int64_t count) {
  constexpr const char* kWhole = "a model in one file, or in all its parts beside each other";
  const std::string got = fmt::format("part {} of {}", number, count);
  const auto named = gguf_part(path);
  if (!named || named->count != count) {
    refuse(
        where_of(path), kWhole,
        {got + " under another name",
         fmt::format("give its parts the names NAME-00001-of-{0:05}.gguf to NAME-{0:05}-of-{0:05}.gguf again",
                     count)});
  }
  std::vector<std::string> missing;
  for (int part = 1; part <= named->count && missing.size() < 4; ++part) {
    std::error_code ignored;
    if (!fs::is_regular_file(path.parent_path() / named->file_name(part), ignored))
      missing.push_back(named->file_name(part));
  }
  if (missing.empty())
    refuse(where_of(path), kWhole, {got + " by its name alone", "download all parts again"});
  refuse(where_of(path), kWhole,
         {fmt::format("{}, without {}", got, listed(missing)), "download what is missing"});
}

}  // namespace refocus
