// A training run from its data to a model directory, resumable at every checkpoint to bitwise the same
// results.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/thread_pool.h"
#include "train/dataset.h"
#include "train/graph.h"
#include "train/optimizer.h"
#include "train/run_directory.h"

namespace refocus {

struct TrainerOptions {
  OptimizerOptions optimizer;
  std::int64_t batch_tokens = 4096;  // rows of one batch
  std::int64_t accumulate = 1;       // batches whose gradients make one step
  std::uint64_t seed = 0;            // of the starting weights and the order of the data
  bool shuffle = true;
  std::int64_t validate_every = 0;    // steps; 0: at the end only
  std::int64_t checkpoint_every = 0;  // steps; 0: at the end only
  DType output_type = DType::kF32;    // of the trained model; checkpoints are float32
};

struct TrainingProgress {
  std::int64_t step = 0;
  double loss = 0, learning_rate = 0, gradient_norm = 0;
  double tokens_per_second = 0, seconds_left = 0;
  std::optional<double> validation_loss;  // after a validation
};

// What a run starts from.
struct TrainingModel {
  ModelConfig config;
  bool tied = false;
  ModelFiles files;
  double initial_deviation = 0.02;  // of random starting weights (InitialWeights)
  double initial_embedding_mean = 0;
  std::shared_ptr<const WeightMap> base;  // or these, where given
  std::string base_name;
  std::optional<LoraOptions> lora;  // train adapters beside `base`, which must be given
};

// The setting that holds the FileHashes of the model that a run began from and of its tokenizer.
inline constexpr const char* kTrainingFiles = "files";

class Trainer {
 public:
  // `training` and `validation` (or null) must outlive the trainer. `settings` describes everything outside
  // of `options` that decides the result (data, model); a resumed run must have the same.
  Trainer(const TrainingModel& model, const TrainerOptions& options, std::int64_t context,
          const TrainingSet& training, const TrainingSet* validation, nlohmann::json settings,
          TrainingDirectory directory, ThreadPool& pool);

  // Continues from the directory's last checkpoint. InputError where its settings differ (the message names
  // the first one that does, or the files) or its files do not fit.
  void resume(const std::filesystem::path& checkpoint);

  // Trains the remaining steps and writes the model. InputError where a loss or gradient is not finite (the
  // last checkpoint stays as it is) or a file cannot be written.
  void run(const std::function<void(const TrainingProgress&)>& progress);

  // The next step, of which nothing is written: to see what a run takes, by a trainer that is not run
  // afterwards.
  TrainingProgress try_step() { return one_step(); }

  std::int64_t step() const { return state_.step; }
  std::int64_t trained() const { return parameters_->size(); }       // parameters
  std::int64_t frozen() const { return base_ ? base_->size() : 0; }  // those of the matrices
  // One line each: where the base's config and its files differ.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  TrainingProgress one_step();
  double validation_loss();
  void checkpoint();
  void write_model();
  void narrow_tensor(NamedTensor& tensor, std::vector<std::byte>& bytes) const;
  void log(const nlohmann::ordered_json& line);
  [[noreturn]] void refuse_non_finite(std::string_view what, std::int64_t step) const;

  TrainingModel model_;
  TrainerOptions options_;
  const TrainingSet* validation_;
  TrainingDirectory directory_;
  ThreadPool& pool_;
  std::unique_ptr<const ParameterList> parameters_;
  std::unique_ptr<FrozenWeights> base_;  // with adapters only
  TrainingGraph graph_;
  AdamW optimizer_;
  std::vector<std::string> warnings_;
  BatchPacker packer_;
  RunState state_;
  AlignedBuffer<float> weights_, gradients_;
  TrainingBatch last_batch_;
  double seconds_ = 0;               // spent in steps of this process
  std::uint64_t tokens_before_ = 0;  // this process
};

}  // namespace refocus
