// The directory of a training run: checkpoints that are whole or not there, the log, and at the end the
// model.
//
//   DIR/config.json, model.safetensors, tokenizer files     the trained model, once the run is done
//   DIR/checkpoints/step-00000100/                          the last checkpoint: a model directory with
//   float32
//                                                           weights, optimizer.safetensors and state.json
//   DIR/log.jsonl                                           a line a step, and one a validation
//   DIR/loss.svg                                            the same as a drawing, as of the last checkpoint
//
// A run that trains an adapter writes adapter_config.json and adapter_model.safetensors in place of the
// model's files (io/peft/peft_adapter.h).
//
// A checkpoint is written under another name, flushed to the disk and renamed; only then is the one before it
// removed. So there is a whole one at any moment.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "train/dataset.h"

namespace refocus {

// Files that make a model directory besides its weights, or an adapter's directory.
struct ModelFiles {
  std::string config_json;
  std::filesystem::path tokenizer_directory;
  std::string adapter_config = {};  // of an adapter; the two above then do not matter

  const char* weights_name() const;
};

struct RunState {
  std::int64_t step = 0;  // finished steps
  std::uint64_t tokens = 0;
  DataPosition data;
  nlohmann::json settings;  // of the run; a resumed one must have the same
};

class TrainingDirectory {
 public:
  // `path`/checkpoints must be there before anything is cleaned or written.
  explicit TrainingDirectory(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path log_path() const { return path_ / "log.jsonl"; }

  // Removes what interrupted writes left behind; only while no other process writes.
  void clean() const;
  // The newest checkpoint, if there is one.
  std::optional<std::filesystem::path> last_checkpoint() const;
  bool holds_a_run() const;

  // `weights` and `moments` (of the optimizer) are float32. InputError where it cannot be written; the
  // checkpoint before it is then untouched.
  void write_checkpoint(const RunState& state, const ModelFiles& files,
                        const std::vector<NamedTensor>& weights,
                        const std::vector<NamedTensor>& moments) const;
  void write_model(const ModelFiles& files, const std::vector<NamedTensor>& weights) const;

  // Drops lines of steps after `step`, which a resumed run will write again.
  void trim_log(std::int64_t step) const;
  // Draws the log.
  void write_loss_curve() const;

 private:
  std::filesystem::path path_;
};

// state.json of a checkpoint. InputError where it is damaged.
RunState read_state(const std::filesystem::path& checkpoint);

}  // namespace refocus
