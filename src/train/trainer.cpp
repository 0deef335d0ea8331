#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/used_file.h"
#include "io/peft/peft_adapter.h"
#include "io/peft/peft_config.h"
#include "model/weights.h"
#include "tensor/block_formats.h"

namespace refocus {

using nlohmann::json;
using nlohmann::ordered_json;

namespace {

AlignedBuffer<float> floats(std::int64_t size) {
  return AlignedBuffer<float>(static_cast<std::size_t>(size));
}

// Everything of the options that decides the result.
json described(const TrainerOptions& o, const TrainingModel& model, std::int64_t context, json settings) {
  const OptimizerOptions& a = o.optimizer;
  settings["steps"] = a.steps;
  settings["warmup"] = a.warmup;
  settings["lr"] = a.learning_rate;
  settings["min-lr"] = a.min_learning_rate;
  settings["beta1"] = a.beta1;
  settings["beta2"] = a.beta2;
  settings["weight-decay"] = a.weight_decay;
  settings["clip"] = a.clip;
  settings["batch-tokens"] = o.batch_tokens;
  settings["accumulate"] = o.accumulate;
  settings["context"] = context;
  settings["seed"] = o.seed;
  settings["order"] = o.shuffle ? "shuffled" : "file";
  settings["lora-rank"] = model.lora ? json(model.lora->rank) : json();
  settings["lora-alpha"] = model.lora ? json(model.lora->alpha) : json();
  settings["lora-targets"] = model.lora ? json(model.lora->targets) : json();
  return settings;
}

std::unique_ptr<const ParameterList> parameters_of(const TrainingModel& model) {
  if (model.lora) return std::make_unique<LoraLayout>(model.config, *model.lora);
  return std::make_unique<ParameterLayout>(model.config, model.tied);
}

std::unique_ptr<FrozenWeights> base_of(const TrainingModel& model, ThreadPool& pool) {
  if (!model.lora) return nullptr;
  return std::make_unique<FrozenWeights>(model.config, model.base, model.base_name, pool);
}

TrainingGraph graph_of(const ModelConfig& config, const ParameterList& parameters, FrozenWeights* base,
                       ThreadPool& pool, std::int64_t context) {
  if (base != nullptr)
    return TrainingGraph(config, *base, static_cast<const LoraLayout&>(parameters), pool, context);
  return TrainingGraph(config, static_cast<const ParameterLayout&>(parameters), pool, context);
}

// Refuses to go on from other files than a run began with, or from files that it does not know.
void expect_same_files(const json& before, const json& now, const std::filesystem::path& checkpoint) {
  if (!now.contains(kTrainingFiles)) return;
  const json known = before.value(kTrainingFiles, json());
  if (known.is_null()) {
    throw input_error(
        checkpoint.string(),
        "expected the hashes of the files that the run began from, got a checkpoint of an earlier "
        "version, which has none: that they are the same cannot be shown; begin anew in another "
        "directory");
  }
  const JsonSource state{checkpoint.string(), "delete this checkpoint"};
  const std::string difference =
      difference_of(read_file_hashes(known, state), read_file_hashes(now.at(kTrainingFiles), state));
  if (difference.empty()) return;
  throw input_error(
      checkpoint.string(),
      "expected the files that the run began from, got others: {}; bring them back, or choose another "
      "directory",
      difference);
}

// Copies the tensors of a checkpoint's file into their places.
void restore(const std::filesystem::path& path, const std::vector<NamedTensor>& places) {
  WeightMap map;
  read_safetensors(path, map);
  for (const NamedTensor& place : places) {
    const WeightMap::Entry* entry = map.find(place.name);
    if (entry == nullptr || entry->view.shape != place.view.shape || entry->view.dtype != DType::kF32) {
      throw input_error(path.string(), "expected float32 tensor {} {}, got {}; delete this checkpoint",
                        place.name, shape_text(place.view.shape),
                        entry == nullptr ? "none" : shape_text(entry->view.shape));
    }
    std::memcpy(const_cast<std::byte*>(place.view.data), entry->view.data, place.view.bytes());
  }
}

}  // namespace

Trainer::Trainer(const TrainingModel& model, const TrainerOptions& options, std::int64_t context,
                 const TrainingSet& training, const TrainingSet* validation, json settings,
                 TrainingDirectory directory, ThreadPool& pool)
    : model_(model),
      options_(options),
      validation_(validation),
      directory_(std::move(directory)),
      pool_(pool),
      parameters_(parameters_of(model_)),
      base_(base_of(model_, pool)),
      graph_(graph_of(model_.config, *parameters_, base_.get(), pool, context)),
      optimizer_(*parameters_, options_.optimizer, pool),
      packer_(training, options_.batch_tokens, options_.seed, options_.shuffle),
      weights_(floats(parameters_->size())),
      gradients_(floats(parameters_->size())) {
  state_.settings = described(options_, model_, context, std::move(settings));
  if (model_.lora) {
    warnings_ = base_->warnings();
    initialise_lora(static_cast<const LoraLayout&>(*parameters_), options_.seed, weights_.data());
    model_.files.adapter_config =
        peft_config_json({model_.lora->rank, model_.lora->alpha, model_.lora->targets, model_.base_name});
    return;
  }
  const auto& layout = static_cast<const ParameterLayout&>(*parameters_);
  if (model_.base) {
    warnings_ = load_weights(layout, model_.config, *model_.base, model_.base_name, weights_.data());
  } else {
    initialise_weights(layout, {options_.seed, model_.initial_deviation, model_.initial_embedding_mean},
                       weights_.data());
  }
}

void Trainer::resume(const std::filesystem::path& checkpoint) {
  RunState state = read_state(checkpoint);
  expect_same_files(state.settings, state_.settings, checkpoint);
  for (const auto& [key, value] : state_.settings.items()) {
    const json before = state.settings.value(key, json());
    if (key != kTrainingFiles && before != value) {
      throw input_error(checkpoint.string(),
                        "expected the settings of the run, got {} {} where it has {}; repeat its command, or "
                        "choose another directory",
                        key, printable(json_text(value), 40), printable(json_text(before), 40));
    }
  }
  if (state.data.next > packer_.sequences()) {
    throw input_error(checkpoint.string(),
                      "expected a place among {} sequences, got {}; delete this checkpoint",
                      packer_.sequences(), state.data.next);
  }
  restore(checkpoint / model_.files.weights_name(), named_tensors(*parameters_, weights_.data()));
  std::vector<NamedTensor> moments = named_tensors(*parameters_, optimizer_.m(), "m.");
  const std::vector<NamedTensor> v = named_tensors(*parameters_, optimizer_.v(), "v.");
  moments.insert(moments.end(), v.begin(), v.end());
  restore(checkpoint / "optimizer.safetensors", moments);
  packer_.seek(state.data);
  state_ = std::move(state);
  tokens_before_ = state_.tokens;
}

void Trainer::refuse_non_finite(std::string_view what, std::int64_t step) const {
  if (const auto culprit = model_.base ? find_non_finite(*model_.base) : std::nullopt) {
    throw input_error(model_.base_name,
                      "expected finite weights, got NaN or infinity in {}; download the checkpoint again",
                      *culprit);
  }
  const auto kept = directory_.last_checkpoint();
  std::string remedy = "begin again";
  if (kept && model_.lora) {
    remedy = fmt::format("{} is the last good adapter; begin again in another directory", kept->string());
  } else if (kept) {
    remedy =
        fmt::format("train on --model {}, the last good checkpoint, into another directory", kept->string());
  }
  throw input_error(directory_.path().string(),
                    "expected a finite {}, got NaN or infinity at step {}; {} with a smaller --lr, a longer "
                    "--warmup or a smaller --clip",
                    what, step, remedy);
}

TrainingProgress Trainer::one_step() {
  const auto begin = std::chrono::steady_clock::now();
  const std::int64_t step = state_.step + 1;
  std::vector<TrainingBatch> batches;
  std::int64_t counted = 0;
  for (std::int64_t i = 0; i < options_.accumulate; ++i) {
    batches.push_back(packer_.next());
    counted += batches.back().counted();
    state_.tokens += static_cast<std::uint64_t>(batches.back().rows());
  }
  std::fill_n(gradients_.data(), gradients_.size(), 0.0f);
  const auto scale = static_cast<float>(1 / static_cast<double>(counted));
  double sum = 0;
  for (const TrainingBatch& batch : batches) {
    sum += graph_.loss_and_gradients(weights_.data(), batch, scale, gradients_.data());
  }
  last_batch_ = std::move(batches.back());
  TrainingProgress out;
  out.step = step;
  out.loss = sum / static_cast<double>(counted);
  out.learning_rate = learning_rate_at(options_.optimizer, step);
  if (!std::isfinite(out.loss)) refuse_non_finite("loss", step);
  out.gradient_norm = optimizer_.gradient_norm(gradients_.data());
  if (!std::isfinite(out.gradient_norm)) refuse_non_finite("gradient", step);
  optimizer_.update(step, gradients_.data(), out.gradient_norm, weights_.data());
  state_.step = step;
  state_.data = packer_.position();
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  out.tokens_per_second = static_cast<double>(state_.tokens - tokens_before_) / std::max(seconds_, 1e-9);
  return out;
}

double Trainer::validation_loss() {
  BatchPacker packer(*validation_, options_.batch_tokens, 0, /*shuffle=*/false);
  double sum = 0;
  std::int64_t counted = 0;
  for (std::size_t done = 0; done < validation_->size();) {
    TrainingBatch batch = packer.next_of_epoch();
    done += batch.sequences.size();
    sum += graph_.loss(weights_.data(), batch);
    counted += batch.counted();
  }
  if (!std::isfinite(sum)) refuse_non_finite("validation loss", state_.step);
  return sum / static_cast<double>(counted);
}

void Trainer::checkpoint() {
  // Weights that have just left the range of float32 must not replace a good checkpoint.
  if (!std::isfinite(graph_.loss(weights_.data(), last_batch_))) refuse_non_finite("loss", state_.step + 1);
  std::vector<NamedTensor> moments = named_tensors(*parameters_, optimizer_.m(), "m.");
  const std::vector<NamedTensor> v = named_tensors(*parameters_, optimizer_.v(), "v.");
  moments.insert(moments.end(), v.begin(), v.end());
  directory_.write_checkpoint(state_, model_.files, named_tensors(*parameters_, weights_.data()), moments);
}

// Gives the tensor the type of the output; `bytes` holds its values.
void Trainer::narrow_tensor(NamedTensor& tensor, std::vector<std::byte>& bytes) const {
  const std::int64_t elements = tensor.view.elements();
  bytes.resize(bytes_of(options_.output_type, elements));
  try {
    quantize_row(options_.output_type, reinterpret_cast<const float*>(tensor.view.data), bytes.data(),
                 elements);
  } catch (const QuantizeError& e) {
    const auto kept = directory_.last_checkpoint();
    throw input_error(directory_.path().string(),
                      "{}, a value of {}; repeat the command with --resume and another --type, such as f32, "
                      "or use {}, which has float32",
                      e.what(), tensor.name, kept ? kept->string() : "a checkpoint");
  }
  tensor.view.dtype = options_.output_type;
  tensor.view.data = bytes.data();
}

void Trainer::write_model() {
  std::vector<NamedTensor> tensors = named_tensors(*parameters_, weights_.data());
  std::vector<std::vector<std::byte>> narrow;
  if (options_.output_type != DType::kF32) {
    for (NamedTensor& tensor : tensors) narrow_tensor(tensor, narrow.emplace_back());
  }
  directory_.write_model(model_.files, tensors);
}

void Trainer::log(const ordered_json& line) {
  std::ofstream out(directory_.log_path(), std::ios::app | std::ios::binary);
  out << json_text(line) << '\n';
  out.flush();
  if (!out) {
    throw input_error(directory_.log_path().string(), "cannot be written: free some space; --resume goes on");
  }
}

void Trainer::run(const std::function<void(const TrainingProgress&)>& progress) {
  const std::int64_t steps = options_.optimizer.steps, first = state_.step;
  directory_.trim_log(first);
  while (state_.step < steps) {
    TrainingProgress now = one_step();
    const bool last = state_.step == steps;
    const auto due = [&](std::int64_t every) { return last || (every > 0 && state_.step % every == 0); };
    log({{"step", now.step},
         {"loss", now.loss},
         {"learning_rate", now.learning_rate},
         {"gradient_norm", now.gradient_norm},
         {"tokens", state_.tokens},
         {"tokens_per_second", std::round(now.tokens_per_second)}});
    if (validation_ != nullptr && due(options_.validate_every)) {
      now.validation_loss = validation_loss();
      log({{"step", now.step}, {"validation_loss", *now.validation_loss}});
    }
    if (due(options_.checkpoint_every)) {
      checkpoint();
      directory_.write_loss_curve();
    }
    now.seconds_left =
        seconds_ / static_cast<double>(state_.step - first) * static_cast<double>(steps - state_.step);
    progress(now);
  }
  write_model();
}

}  // namespace refocus
