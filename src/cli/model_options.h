// -m and the options of running a model, which several subcommands share.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "base/used_file.h"
#include "model/transformer.h"
#include "tensor/weight_map.h"
#include "tokenizer/tokenizer.h"

namespace refocus::cli {

// -m, the model that a command works with (resolve_model in cli/bundled.h says what it means), and what the
// command does without one: kNothing where it may have something else.
enum class WithoutModel { kBundled, kRefused, kNothing };
CLI::Option* add_model_option(CLI::App& command, std::string& model,
                              WithoutModel without = WithoutModel::kBundled);

CLI::Option* add_threads(CLI::App& command, int& threads);  // --threads; 0 where it is not given

struct ModelOptions {
  std::string model;  // as given; empty for the bundled one
  int threads = 0;    // 0: as many as the process may use
  bool pin = false;
  std::int64_t context = 0;        // 0: the model's own
  std::int64_t kv_memory_mib = 0;  // 0: chosen from the free memory
  std::string device = "cpu";
  std::string kv_type = {};      // empty: f16 on a device that computes in half precision, or f32
  std::string activations = {};  // empty: f16 on a device, int8 elsewhere
  std::string adapter = {};      // a PEFT adapter's directory, or empty

  bool on_cpu() const { return device == "cpu"; }
  DType kv() const;
  // As --kv-type names it.
  std::string kv_name() const;
  Activations activation_type() const;
  std::int64_t context_for(const ModelConfig& config) const {
    return context > 0 ? context : config.context_length();
  }

  void add_model(CLI::App& command);
  void add_adapter(CLI::App& command);  // --adapter
  void add_threads(CLI::App& command);  // --threads, --pin
  void add_kv_type(CLI::App& command);  // --kv-type
  void add_activations(CLI::App& command, const std::string& option = "--activations");
  void add_device(CLI::App& command);   // --device
  void add_running(CLI::App& command);  // those, --adapter, --context, --kv-memory
};

// A checkpoint that was opened, and its tokenizer where it has one.
struct OpenModel {
  std::filesystem::path directory;  // or the GGUF file
  std::string config_json;
  ModelConfig config;
  std::shared_ptr<const WeightMap> weights;
  std::unique_ptr<Tokenizer> tokenizer;  // null where the model has none
  std::vector<std::int32_t> eos_ids;
  std::shared_ptr<const Adapter> adapter;  // null where none was given
  std::vector<UsedFile> files;             // all that was read: of the model, its tokenizer, and the adapter

  // For records and tables: the model's path, and the adapter's where there is one.
  std::string name() const;

  // InputError, with what to do instead, where the directory has no tokenizer.
  const Tokenizer& need_tokenizer(std::string_view remedy) const;
};

// Reads an adapter for the model, and prints its warnings.
Adapter open_adapter(const std::filesystem::path& directory, const AdapterBase& base);

// `option` is the one that named the model, for messages.
OpenModel open_model(const ModelOptions& options, std::string_view option = "--model");

// The directory that --tokenizer means: a directory, that of a tokenizer file, or a bundled model's.
// UsageError where it is none.
std::filesystem::path resolve_tokenizer(const std::string& given);

// The tokenizer of a model directory or a GGUF file alone. InputError where it has none.
std::unique_ptr<Tokenizer> open_tokenizer(const std::filesystem::path& path);

// The list of tokenizer_files as it was before the tokenizer was read. InputError where it is another now.
void expect_same_files(const std::vector<UsedFile>& before, const std::filesystem::path& path);

// "weights of IQ2_XS take 312.5 MB of memory, 72.3 MB of the file", of the types that take a tenth more
// memory than the file, where there are any.
std::optional<std::string> memory_note(const OpenModel& model);

// Rows that a model computes at once at most, where its logits are not wanted; on a device more.
inline constexpr std::int64_t kRunningRows = 512, kDeviceRows = 2048;

// A model ready to compute.
struct RunningModel {
  explicit RunningModel(const ModelOptions& options, std::int64_t max_rows = kRunningRows);

  OpenModel files;
  ThreadPool pool;
  std::shared_ptr<Device> device;  // null: the processor
  Transformer transformer;
};

// The most memory for keys and values: --kv-memory, or half of the free memory where the model computes.
std::int64_t kv_limit(const ModelOptions& options, const Transformer& model);

// Memory for the cache of so many sequences of `context` tokens: --kv-memory, or whole contexts as long as
// they fit into a good half of the free memory.
std::int64_t kv_budget(const ModelOptions& options, const Transformer& model, std::int64_t sequences,
                       std::int64_t context);

}  // namespace refocus::cli
