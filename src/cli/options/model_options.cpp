#include "cli/options/model_options.h"
#include "cli/cluster_session.h"

#include <vector>

#include "cli/checks.h"
#include "opened/bundled.h"

namespace refocus::cli {

namespace {

thread_local RunningModel* open_already = nullptr;

}  // namespace

ComputeWith::ComputeWith(RunningModel& model) { open_already = &model; }
ComputeWith::~ComputeWith() { open_already = nullptr; }

std::shared_ptr<RunningModel> open_running(const OpenSettings& settings, std::int64_t max_rows) {
  if (open_already != nullptr) return {std::shared_ptr<RunningModel>(), open_already};
  return std::make_shared<RunningModel>(settings, max_rows, partition_of(settings));
}

ModelOptions::ModelOptions() {
  if (open_already != nullptr) static_cast<OpenSettings&>(*this) = open_already->settings;
}

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
          "products, bf16 for the fastest prompts (with AMX, or of float weights with AVX-512 BF16), or f16 "
          "(of a device) (default: int8, or f16 on a device)")
      ->check(one_of(activation_names()));
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

void ModelOptions::add_shared(CLI::App& command) {
  command
      .add_option("--pipeline", pipeline,
                  "Processes that have a part of the layers each, started with mpirun or srun "
                  "(docs/cluster.md); does not change results")
      ->capture_default_str()
      ->check(whole_number(1, 1024));
  command
      .add_option(
          "--tensor", tensor,
          "Processes that have a part of each layer's matrices and heads each; times --pipeline where "
          "both are given; does not change results")
      ->capture_default_str()
      ->check(whole_number(1, 1024));
}

}  // namespace refocus::cli
