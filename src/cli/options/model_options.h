// -m and the options of running a model, which several subcommands share.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "opened/running_model.h"

namespace refocus::cli {

// -m, the model that a command works with (resolve_model in opened/bundled.h says what it means), and what
// the command does without one: kNothing where it may have something else.
enum class WithoutModel { kBundled, kRefused, kNothing };
CLI::Option* add_model_option(CLI::App& command, std::string& model,
                              WithoutModel without = WithoutModel::kBundled);

CLI::Option* add_threads(CLI::App& command, int& threads);  // --threads; 0 where it is not given

// Within its life, commands of this thread compute with a model that is open already (cli/program.h).
class ComputeWith {
 public:
  explicit ComputeWith(RunningModel& model);
  ~ComputeWith();
  ComputeWith(const ComputeWith&) = delete;
  ComputeWith& operator=(const ComputeWith&) = delete;
};

// The model that a command computes with: opened as the settings say, or that of ComputeWith.
std::shared_ptr<RunningModel> open_running(const OpenSettings& settings,
                                           std::int64_t max_rows = kRunningRows);

struct ModelOptions : OpenSettings {
  ModelOptions();  // as a model of ComputeWith was opened

  void add_model(CLI::App& command);
  void add_adapter(CLI::App& command);  // --adapter
  void add_threads(CLI::App& command);  // --threads, --pin
  void add_kv_type(CLI::App& command);  // --kv-type
  void add_activations(CLI::App& command, const std::string& option = "--activations");
  void add_device(CLI::App& command);   // --device
  void add_running(CLI::App& command);  // those, --adapter, --context, --kv-memory
  void add_shared(CLI::App& command);   // --pipeline, --tensor
};

}  // namespace refocus::cli
