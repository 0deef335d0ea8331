#include "convert/merge.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/made_directories.h"
#include "base/text_file.h"
#include "convert/slab.h"
#include "io/safetensors.h"
#include "io/weight_file.h"
#include "model/adapter.h"
#include "tensor/block_formats.h"
#include "tokenizer/tokenizer_files.h"

namespace refocus {

namespace {

namespace fs = std::filesystem;

constexpr const char* kHead = "lm_head.weight";
constexpr const char* kEmbedding = "model.embed_tokens.weight";

// A tensor to write: where its values come from, and what is added to them.
struct Source {
  TensorView view;
  const LowRank* change = nullptr;
  bool minus_one = false;  // a norm's w, which the directory holds as w - 1
};

class MergedTensors {
 public:
  MergedTensors(const Checkpoint& base, const ModelConfig& config, const Adapter& adapter, DType type)
      : where_(base.path.string()),
        minus_one_(config.norm_plus_one && base.weights.layout == WeightMap::Layout::kGguf) {
    for (const auto& [name, entry] : base.weights.entries()) {
      if (is_known_buffer(name)) continue;  // computed from the configuration
      add(name, entry.view, adapter, type);
    }
    // An output matrix that was the embedding table becomes one of its own where it alone is changed.
    untied_ = adapter.matrices.contains("lm_head") && !sources_.contains(kHead);
    if (untied_) add(kHead, base.weights.find(kEmbedding)->view, adapter, type);
  }

  bool untied() const { return untied_; }
  const std::vector<NamedTensor>& tensors() const { return tensors_; }

  void write(const NamedTensor& tensor, AtomicFile& out, ThreadPool& pool) const {
    const Source& source = sources_.at(tensor.name);
    const std::int64_t columns = tensor.view.shape.back(),
                       rows = columns > 0 ? tensor.view.elements() / columns : 0;
    const std::int64_t slab = slab_rows(columns);
    const std::size_t row_bytes = bytes_of(tensor.view.dtype, columns);
    std::vector<std::byte> bytes;
    std::vector<std::vector<float>> values(static_cast<std::size_t>(pool.size()));
    for (std::int64_t first = 0; first < rows; first += slab) {
      const std::int64_t count = std::min(slab, rows - first);
      bytes.resize(static_cast<std::size_t>(count) * row_bytes);
      pool.parallel_for(count, [&](std::int64_t i, int thread) {
        std::vector<float>& row = values[static_cast<std::size_t>(thread)];
        row.resize(static_cast<std::size_t>(columns));
        merged_row(source, first + i, row);
        round_row(tensor, first + i, row, bytes.data() + static_cast<std::size_t>(i) * row_bytes);
      });
      out.write(bytes);
    }
  }

 private:
  void add(const std::string& name, const TensorView& view, const Adapter& adapter, DType type) {
    const std::size_t end = name.ends_with(".weight") ? name.size() - std::string_view(".weight").size() : 0;
    const auto change = adapter.matrices.find(name.substr(0, end));
    sources_[name] = {view, change == adapter.matrices.end() ? nullptr : &change->second,
                      minus_one_ && name.ends_with("norm.weight")};
    tensors_.push_back({name, {nullptr, type, view.shape}});
  }

  static void merged_row(const Source& source, std::int64_t row, std::vector<float>& out) {
    const auto columns = static_cast<std::int64_t>(out.size());
    const auto stored = static_cast<std::size_t>(stored_row(row, source.view.paired_head_dim));
    dequantize_row(source.view.dtype, source.view.data + stored * bytes_of(source.view.dtype, columns),
                   out.data(), columns);
    if (source.minus_one) {
      for (float& value : out) value -= 1;
    }
    if (source.change == nullptr) return;
    const LowRank& change = *source.change;
    std::vector<float> sum(out.size());
    for (std::int64_t k = 0; k < change.rank; ++k) {
      const float b = change.b[static_cast<std::size_t>(row * change.rank + k)];
      const float* a = change.a.data() + k * columns;
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += b * a[i];
    }
    for (std::size_t i = 0; i < sum.size(); ++i) out[i] += sum[i];
  }

  void round_row(const NamedTensor& tensor, std::int64_t row, const std::vector<float>& values,
                 std::byte* to) const {
    try {
      quantize_row(tensor.view.dtype, values.data(), to, static_cast<std::int64_t>(values.size()));
    } catch (const QuantizeError& e) {
      throw input_error(where_, "{}, the value of {} at [{}, {}] with the adapter; choose another --type",
                        e.what(), printable(tensor.name), row, e.index);
    }
  }

  std::string where_;
  bool minus_one_;  // whether the base holds norms as w
  std::map<std::string, Source, std::less<>> sources_;
  std::vector<NamedTensor> tensors_;
  bool untied_ = false;
};

DType chosen_type(const Checkpoint& base, const MergeOptions& options) {
  if (options.type) return *options.type;
  const DType own = base.weights.find("model.layers.0.self_attn.q_proj.weight")->view.dtype;
  return is_block_type(own) ? DType::kF16 : own == DType::kF64 ? DType::kF32 : own;
}

std::string merged_config(const Checkpoint& base, DType type, bool untied) {
  auto config = parse_json_object(base.config_json, {base.config_source});
  if (!config.contains("model_type")) config["model_type"] = "llama";
  if (config["model_type"] == "llama") {
    if (!config.contains("architectures")) config["architectures"] = {"LlamaForCausalLM"};
    if (!config.contains("hidden_act")) config["hidden_act"] = "silu";
  }
  config["torch_dtype"] = type == DType::kF16 ? "float16" : type == DType::kBF16 ? "bfloat16" : "float32";
  if (untied) config["tie_word_embeddings"] = false;
  return json_text(config, 2) + "\n";
}

void flush_directory(const fs::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

void merge_adapter(const Checkpoint& base, const Adapter& adapter, const MergeOptions& options,
                   ThreadPool& pool) {
  const ModelConfig config = parse_config(base.config_json, base.config_source);
  ModelWeights weights = bind_weights(config, base.weights, base.path.string());
  attach_adapter(adapter, base.path.string(), weights);         // refuses another model's
  const fs::path output = (options.output / "").parent_path();  // without a slash at its end
  if (fs::exists(output)) {
    throw input_error(output.string(), "exists already; choose another directory, or remove it");
  }
  const DType type = chosen_type(base, options);
  const MergedTensors merged(base, config, adapter, type);
  std::uint64_t total = 0, written = 0;
  for (const NamedTensor& tensor : merged.tensors()) total += tensor.view.bytes();
  fs::path unfinished = output;
  unfinished += fmt::format(".unfinished-{}", ::getpid());
  std::error_code ignored;
  MadeDirectories made(fs::absolute(output).parent_path(), "choose another place");
  try {
    fs::create_directory(unfinished);
    write_safetensors(unfinished / "model.safetensors", merged.tensors(), {{"format", "pt"}},
                      [&](const NamedTensor& tensor, AtomicFile& out) {
                        merged.write(tensor, out, pool);
                        written += tensor.view.bytes();
                        if (options.progress) options.progress(written, total);
                      });
    if (!options.tokenizer_directory.empty()) copy_tokenizer_files(options.tokenizer_directory, unfinished);
    write_file_atomically(unfinished / "config.json", merged_config(base, type, merged.untied()));
    flush_directory(unfinished);
    fs::rename(unfinished, output);
  } catch (const fs::filesystem_error& e) {
    fs::remove_all(unfinished, ignored);
    made.undo();
    throw input_error(output.string(), "cannot be written: {}; {}", e.code().message(),
                      write_remedy(e.code().value()));
  } catch (...) {
    fs::remove_all(unfinished, ignored);
    made.undo();
    throw;
  }
  flush_directory(fs::absolute(output).parent_path());
}

}  // namespace refocus
