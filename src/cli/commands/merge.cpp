// refocus merge: a model with a LoRA adapter folded into its weights.
#include <spdlog/spdlog.h>

#include "architecture/gguf_names.h"
#include "base/error.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/options/model_options.h"
#include "convert/merge.h"
#include "io/gguf/gguf_model.h"
#include "model/adapter.h"
#include "opened/bundled.h"

namespace refocus::cli {

namespace {

namespace fs = std::filesystem;

struct MergeCommandOptions {
  std::string model, adapter, output, type, tokenizer;
  int threads = 0;
};

// A GGUF file has its tokenizer inside, in a form that does not go into a Hugging Face directory.
fs::path tokenizer_directory(const MergeCommandOptions& options, const Checkpoint& base) {
  if (!options.tokenizer.empty()) return resolve_tokenizer(options.tokenizer);
  if (!base.vocabulary) return fs::is_directory(base.path) ? base.path : fs::path();
  throw usage_error("merge",
                    "expected --tokenizer beside a GGUF file, got none; name a directory with its "
                    "tokenizer.model or tokenizer.json, or run the file with --adapter");
}

void run(const MergeCommandOptions& options) {
  const Checkpoint base = open_checkpoint(resolve_model(options.model));
  const ModelConfig config = parse_config(base.config_json, base.config_source);
  const Adapter adapter =
      open_adapter(options.adapter, adapter_base(config, base.weights, base.path.string()));
  MergeOptions wanted;
  wanted.output = options.output;
  wanted.tokenizer_directory = tokenizer_directory(options, base);
  if (!options.type.empty()) {
    wanted.type = options.type == "f16" ? DType::kF16 : options.type == "bf16" ? DType::kBF16 : DType::kF32;
  }
  wanted.progress = [](std::uint64_t done, std::uint64_t total) {
    if (done == total) spdlog::info("{:.1f} MB written", static_cast<double>(total) / 1e6);
  };
  if (base.weights.find(kRopeFactorsName) != nullptr) {
    spdlog::warn("the model has its RoPE scaling as a tensor, {}, which other programs may not know",
                 kRopeFactorsName);
  }
  ThreadPool pool(options.threads > 0 ? options.threads : available_threads());
  merge_adapter(base, adapter, wanted, pool);
  spdlog::info("the model is in {}", options.output);
}

}  // namespace

Action add_merge(CLI::App& command) {
  auto options = std::make_shared<MergeCommandOptions>();
  add_model_option(command, options->model, WithoutModel::kRefused);
  command.add_option("--adapter", options->adapter, "LoRA adapter: a PEFT directory")
      ->required()
      ->check(not_empty())
      ->type_name("DIR");
  command.add_option("-o,--output", options->output, "The directory to write, which must not exist")
      ->required()
      ->check(not_empty())
      ->type_name("DIR");
  command
      .add_option("--type", options->type,
                  "Type of the weights: f32, f16 or bf16 (default: the base's; f16 where that is quantised)")
      ->check(one_of({"f32", "f16", "bf16"}));
  command
      .add_option("--tokenizer", options->tokenizer,
                  "Directory with the tokenizer to copy (default: that of a base directory)")
      ->check(not_empty())
      ->type_name("DIR");
  add_threads(command, options->threads);
  return [options] { run(*options); };
}

}  // namespace refocus::cli
