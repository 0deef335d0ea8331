#include "cli/model_options.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cli/bundled.h"
#include "cli/checks.h"
#include "cli/memory_use.h"
#include "io/checkpoint.h"
#include "io/peft_adapter.h"
#include "model/adapter.h"
#include "tokenizer/model_settings.h"
#include "tokenizer/stored_tokenizer.h"
#include "tokenizer/tokenizer_files.h"
#include "tokenizer/tokenizer_kind.h"
#include "train/parameters.h"

namespace refocus::cli {

namespace fs = std::filesystem;

CLI::Option* add_model_option(CLI::App& command, std::string& model, WithoutModel without) {
  const std::string otherwise =
      without == WithoutModel::kBundled ? fmt::format(" (default: {})", kDefaultModel) : "";
  return command
      .add_option(
          "-m,--model", model,
          "Model directory in the Hugging Face layout, GGUF file, or name of a bundled model" + otherwise)
      ->check(not_empty())
      ->required(without == WithoutModel::kRefused)
      ->type_name("MODEL");
}

CLI::Option* add_threads(CLI::App& command, int& threads) {
  return command
      .add_option("--threads", threads, "Threads to compute with (default: as many as there are processors)")
      ->check(whole_number(1, 1024));
}

namespace {

// Of "cuda" or "cuda:N".
std::optional<int> device_number(std::string_view text) {
  if (text == "cuda") return 0;
  if (!text.starts_with("cuda:") || text.size() > 7) return std::nullopt;
  text.remove_prefix(5);
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

// The device, or null for the processor.
std::shared_ptr<Device> open_device(const ModelOptions& options) {
  const bool half = options.activation_type() == Activations::kF16;
  if (options.on_cpu()) {
    if (half) {
      throw usage_error(
          "--activations",
          "expected int8 or f32 on the processor, got f16; choose one of them, or --device cuda");
    }
    return nullptr;
  }
  if (options.activation_type() == Activations::kInt8) {
    throw usage_error("--activations", "expected f16 or f32 on a device, got int8; choose one of them");
  }
  if (options.kv() == DType::kQ8_0) {
    throw usage_error("--kv-type", "expected f32 or f16 on a device, got q8_0; choose one of them");
  }
  return make_cuda_device(*device_number(options.device));
}

}  // namespace

void ModelOptions::add_model(CLI::App& command) { add_model_option(command, model); }

void ModelOptions::add_adapter(CLI::App& command) {
  command.add_option("--adapter", adapter, "LoRA adapter to apply beside the weights: a PEFT directory")
      ->check(not_empty())
      ->type_name("DIR");
}

void ModelOptions::add_threads(CLI::App& command) {
  cli::add_threads(command, threads);
  command.add_flag("--pin", pin, "Keep each thread on a processor of its own");
}

namespace {

constexpr std::pair<const char*, DType> kKvTypes[] = {
    {"f32", DType::kF32}, {"f16", DType::kF16}, {"q8_0", DType::kQ8_0}};

std::vector<std::string> kv_names() {
  std::vector<std::string> out;
  for (const auto& [name, type] : kKvTypes) out.emplace_back(name);
  return out;
}

}  // namespace

void ModelOptions::add_kv_type(CLI::App& command) {
  command
      .add_option("--kv-type", kv_type,
                  "Type of cached keys and values: f32, f16 for half the memory, or q8_0 for 0.28 of it, on "
                  "the processor "
                  "(default: f32, or f16 beside activations of f16)")
      ->check(one_of(kv_names()));
}

void ModelOptions::add_activations(CLI::App& command, const std::string& option) {
  command
      .add_option(
          option, activations,
          "Activations that weights are multiplied with: int8 (for weights of block types), f32 for exact "
          "products, or f16 (of a device) (default: int8, or f16 on a device)")
      ->check(one_of({"int8", "f32", "f16"}));
}

void ModelOptions::add_device(CLI::App& command) {
  command.add_option("--device", device, "Where to compute: cpu, cuda, or cuda:N for the N-th GPU from 0")
      ->capture_default_str()
      ->check(CLI::Validator(
          [](std::string& value) {
            return value == "cpu" || device_number(value) ? std::string()
                                                          : "expected cpu, cuda or cuda:N, got " + value;
          },
          "DEVICE"));
}

DType ModelOptions::kv() const {
  if (kv_type.empty()) return activation_type() == Activations::kF16 ? DType::kF16 : DType::kF32;
  for (const auto& [name, type] : kKvTypes) {
    if (kv_type == name) return type;
  }
  return DType::kF32;
}

std::string ModelOptions::kv_name() const {
  const auto* entry = std::ranges::find(kKvTypes, kv(), [](const auto& pair) { return pair.second; });
  return entry->first;
}

Activations ModelOptions::activation_type() const {
  if (activations.empty()) return on_cpu() ? Activations::kInt8 : Activations::kF16;
  if (activations == "f32") return Activations::kF32;
  return activations == "f16" ? Activations::kF16 : Activations::kInt8;
}

void ModelOptions::add_running(CLI::App& command) {
  add_threads(command);
  add_device(command);
  add_kv_type(command);
  add_activations(command);
  add_adapter(command);
  command.add_option("--context", context, "Most tokens a sequence may have (default: the model's context)")
      ->check(whole_number(2, 1 << 24));
  command
      .add_option(
          "--kv-memory", kv_memory_mib,
          "Memory for keys and values, in MiB (default: what is needed, up to half of the free memory)")
      ->check(whole_number(1, 1 << 24));
}

const Tokenizer& OpenModel::need_tokenizer(std::string_view remedy) const {
  if (tokenizer) return *tokenizer;
  if (!fs::is_directory(directory)) {
    throw input_error(directory.string(), "expected a GGUF file with a tokenizer, got one without; {}",
                      remedy);
  }
  throw input_error(directory.string(), "expected tokenizer.model or tokenizer.json, got {}; {}",
                    other_tokenizer(directory), remedy);
}

std::string OpenModel::name() const {
  return adapter ? directory.string() + " with " + adapter->source : directory.string();
}

Adapter open_adapter(const fs::path& directory, const AdapterBase& base) {
  Adapter out = read_peft_adapter(directory, base);
  for (const std::string& warning : out.warnings) spdlog::warn("{}", warning);
  return out;
}

namespace {

std::unique_ptr<Tokenizer> warned_of(std::unique_ptr<Tokenizer> tokenizer) {
  for (const std::string& warning : tokenizer->warnings()) spdlog::warn("{}", warning);
  return tokenizer;
}

}  // namespace

OpenModel open_model(const ModelOptions& options, std::string_view option) {
  const fs::path path = resolve_model(options.model, option);
  Checkpoint checkpoint = open_checkpoint(path);
  OpenModel out;
  out.directory = path;
  out.files = std::move(checkpoint.files);
  const std::vector<UsedFile> tokenizer_before = tokenizer_files(path);
  out.files.insert(out.files.end(), tokenizer_before.begin(), tokenizer_before.end());
  out.config = parse_config(checkpoint.config_json, checkpoint.config_source);
  for (const std::string& warning : out.config.warnings) spdlog::warn("{}", warning);
  out.config_json = std::move(checkpoint.config_json);
  out.weights = std::make_shared<const WeightMap>(std::move(checkpoint.weights));
  if (!options.adapter.empty()) {
    out.adapter = std::make_shared<Adapter>(
        open_adapter(options.adapter, adapter_base(out.config, *out.weights, path.string())));
    out.files.insert(out.files.end(), out.adapter->files.begin(), out.adapter->files.end());
  }
  if (checkpoint.vocabulary) {
    out.tokenizer = warned_of(make_stored_tokenizer(path.string(), *checkpoint.vocabulary));
  } else if (has_tokenizer(path)) {
    out.tokenizer = warned_of(load_tokenizer(path));
  }
  if (out.tokenizer) {
    out.eos_ids = out.tokenizer->eos_ids();
    if (out.tokenizer->vocab_size() > out.config.vocab_size) {
      throw input_error(path.string(),
                        "expected a tokenizer of at most {} tokens (vocab_size), got {}; the tokenizer is "
                        "another model's, copy the model's own files",
                        out.config.vocab_size, out.tokenizer->vocab_size());
    }
  } else if (fs::is_directory(path)) {
    out.eos_ids = read_model_settings(path).eos_ids;
  }
  expect_same_files(tokenizer_before, path);
  return out;
}

fs::path resolve_tokenizer(const std::string& given) {
  const fs::path path = given;
  if (fs::is_directory(path)) return path;
  const bool known = path.filename() == "tokenizer.model" || path.filename() == "tokenizer.json";
  if (fs::exists(path) && known) return path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (const auto bundled = find_bundled_model(given)) return *bundled;
  throw usage_error(
      "--tokenizer",
      "expected a directory with tokenizer.model or tokenizer.json, such a file, or the name of "
      "a bundled model, got '{}'; check the path",
      printable(given));
}

std::unique_ptr<Tokenizer> open_tokenizer(const fs::path& path) {
  if (fs::is_directory(path)) return warned_of(load_tokenizer(path));
  const Checkpoint checkpoint = open_checkpoint(path);
  if (!checkpoint.vocabulary) {
    throw input_error(path.string(),
                      "expected a GGUF file with a tokenizer, got one without; use the file or directory "
                      "that it was made from");
  }
  return warned_of(make_stored_tokenizer(path.string(), *checkpoint.vocabulary));
}

void expect_same_files(const std::vector<UsedFile>& before, const fs::path& path) {
  if (tokenizer_files(path) != before) refuse_changed_file(path);
}

std::optional<std::string> memory_note(const OpenModel& model) {
  PackedMemory all;
  std::string types;
  for (const auto& [type, memory] :
       packed_memory(*model.weights, has_tied_embeddings(model.config, *model.weights))) {
    if (memory.packed * 10 <= memory.stored * 11) continue;
    types += (types.empty() ? "" : ", ") + std::string(name_of(type));
    all.stored += memory.stored;
    all.packed += memory.packed;
  }
  if (types.empty()) return std::nullopt;
  const bool small = all.stored < 1'000'000;
  const auto shown = [&](std::size_t bytes) {
    return fmt::format("{:.1f} {}", static_cast<double>(bytes) / (small ? 1e3 : 1e6), small ? "KB" : "MB");
  };
  return fmt::format("weights of {} take {} of memory, {} of the file", types, shown(all.packed),
                     shown(all.stored));
}

RunningModel::RunningModel(const ModelOptions& options, std::int64_t max_rows)
    : files(open_model(options)),
      pool(options.threads > 0 ? options.threads : available_threads(),
           options.pin ? ThreadPool::Placement::kPinned : ThreadPool::Placement::kFree),
      device(open_device(options)),
      transformer(files.config, files.weights, files.directory.string(), pool,
                  options.on_cpu() || max_rows < kRunningRows ? max_rows : std::max(max_rows, kDeviceRows),
                  options.kv(), options.activation_type(), device) {
  const auto note = options.on_cpu() ? memory_note(files) : std::nullopt;
  if (note) spdlog::info("{}", *note);
  // A model that lacks one bias lacks that of every layer: one line says it.
  if (const auto& warnings = transformer.warnings(); !warnings.empty()) {
    spdlog::warn("{}{}", warnings.front(),
                 warnings.size() > 1 ? fmt::format("; {} more tensors too", warnings.size() - 1) : "");
  }
  if (files.adapter) transformer.attach(files.adapter);
}

std::int64_t kv_limit(const ModelOptions& options, const Transformer& model) {
  if (options.kv_memory_mib > 0) return options.kv_memory_mib << 20;
  return (model.device() != nullptr ? model.device()->facts().free_bytes : available_bytes()) / 2;
}

std::int64_t kv_budget(const ModelOptions& options, const Transformer& model, std::int64_t sequences,
                       std::int64_t context) {
  const std::int64_t limit = kv_limit(options, model);
  if (options.kv_memory_mib > 0) return limit;
  const std::int64_t wanted =
      kv_bytes_of_many(model.config(), sequences, context, model.kv_type(), model.max_rows());
  return std::max(kv_bytes(model.config(), kKeyBlock, model.kv_type()), std::min(wanted, limit));
}

}  // namespace refocus::cli
