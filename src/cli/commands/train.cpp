// refocus train: a model from scratch or from a checkpoint, or an adapter beside one, on a JSONL file of
// texts or prompts and responses.
#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/made_directories.h"
#include "base/text_file.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/commands/train_dry_run.h"
#include "cli/interrupt.h"
#include "cli/model_hashes.h"
#include "cli/options/chat_options.h"
#include "cli/options/model_options.h"
#include "eval/journal/directory_lock.h"
#include "io/checkpoint.h"
#include "opened/bundled.h"
#include "tokenizer/tokenizer_files.h"
#include "train/trained_families.h"
#include "train/trainer.h"

namespace refocus::cli {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct TrainOptions {
  std::string data, validation, config, model, tokenizer, output, type = "f32", order = "shuffled";
  std::string lora_targets = "all", chat_template;
  std::int64_t lora_rank = 0;  // 0: all weights are trained
  std::optional<double> lora_alpha;
  std::int64_t context = 0;
  int threads = 0;
  bool resume = false, dry_run = false;
  std::optional<double> min_learning_rate;
  std::optional<std::int64_t> warmup;
  TrainerOptions trainer;
};

// config.json of the model to make: what was given, and what follows from the tokenizer and the type.
json completed_config(json config, const Tokenizer& tokenizer, const std::string& type, bool scratch) {
  if (!config.contains("vocab_size")) config["vocab_size"] = tokenizer.vocab_size();
  if (!config.contains("model_type")) config["model_type"] = "llama";
  const bool named = config["model_type"].is_string();
  const TrainedFamily* family =
      named ? find_trained_family(config["model_type"].get<std::string>()) : nullptr;
  if (family != nullptr) config["architectures"] = {family->architecture};
  if (config["model_type"] == "llama" && !config.contains("hidden_act")) config["hidden_act"] = "silu";
  // Other families' defaults are ids of their own vocabularies, which transformers refuses in a smaller one;
  // nothing is padded here.
  if (scratch && config["model_type"] != "llama" && !config.contains("pad_token_id")) {
    config["pad_token_id"] = nullptr;
  }
  config["torch_dtype"] = type == "f16" ? "float16" : type == "bf16" ? "bfloat16" : "float32";
  if (!config.contains("bos_token_id") && tokenizer.bos_id()) config["bos_token_id"] = *tokenizer.bos_id();
  if (!config.contains("eos_token_id") && !tokenizer.eos_ids().empty()) {
    config["eos_token_id"] = tokenizer.eos_ids().front();
  }
  return config;
}

// What the --lora options ask for; nothing where there are none.
std::optional<LoraOptions> lora_options(const TrainOptions& o) {
  if (o.lora_rank == 0) {
    if (!o.lora_alpha && o.lora_targets == "all") return std::nullopt;
    throw usage_error(o.lora_alpha ? "--lora-alpha" : "--lora-targets",
                      "expected --lora-rank beside it, got none; add it to train an adapter");
  }
  if (o.model.empty()) {
    throw usage_error("--lora-rank", "expected --model beside it, got none; name the model to adapt");
  }
  return LoraOptions{o.lora_rank, o.lora_alpha.value_or(2 * static_cast<double>(o.lora_rank)),
                     parse_lora_targets(o.lora_targets)};
}

struct Opened {
  TrainingModel model;
  std::unique_ptr<Tokenizer> tokenizer;
  std::vector<UsedFile> files;  // that both were read from
};

Opened open(const TrainOptions& o) {
  if (o.config.empty() == o.model.empty()) {
    throw usage_error("train", "expected one of --config (from scratch) and --model (a checkpoint), got {}",
                      o.config.empty() ? "neither" : "both");
  }
  if (o.model.empty() && o.tokenizer.empty()) {
    throw usage_error("train", "expected --tokenizer beside --config, got none; name a directory with one");
  }
  Opened out;
  out.model.lora = lora_options(o);
  const bool file = !o.model.empty() && fs::is_regular_file(o.model);
  if (!o.model.empty() && !fs::is_directory(o.model) && !(file && out.model.lora)) {
    throw usage_error("--model", "expected a model directory, got '{}'; {}", printable(o.model),
                      file ? "only an adapter (--lora-rank) can be trained on a file" : "check the path");
  }
  const fs::path tokenizer = o.tokenizer.empty() ? fs::path(o.model) : resolve_tokenizer(o.tokenizer);
  out.model.files.tokenizer_directory = tokenizer;
  out.files = tokenizer_files(tokenizer);
  const std::vector<UsedFile> tokenizer_before = out.files;
  out.tokenizer = open_tokenizer(tokenizer);
  expect_same_files(tokenizer_before, tokenizer);
  std::string text, where = o.config;
  if (o.model.empty()) {
    text = read_text_file(o.config);
  } else {
    Checkpoint checkpoint = open_checkpoint(o.model);
    text = checkpoint.config_json;
    where = checkpoint.config_source;
    out.model.base = std::make_shared<const WeightMap>(std::move(checkpoint.weights));
    out.model.base_name = o.model;
    out.files.insert(out.files.end(), checkpoint.files.begin(), checkpoint.files.end());
  }
  const json config =
      completed_config(parse_json_object(text, {where}), *out.tokenizer, o.type, o.model.empty());
  out.model.files.config_json = json_text(config, 2) + "\n";
  out.model.config = parse_config(out.model.files.config_json, where);
  expect_trained(out.model.config, where);
  for (const std::string& warning : out.model.config.warnings) spdlog::warn("{}", warning);
  out.model.tied = out.model.base ? has_tied_embeddings(out.model.config, *out.model.base)
                                  : out.model.config.tie_word_embeddings;
  const json deviation = config.value("initializer_range", json(0.02));
  if (!deviation.is_number() || !(deviation.get<double>() > 0)) {
    throw input_error(where, "expected a positive number for initializer_range, got {}",
                      printable(json_text(deviation)));
  }
  out.model.initial_deviation = deviation.get<double>();
  const json mean = config.value("initializer_embedding_mean", json(0));
  if (!mean.is_number() || !(mean.get<double>() >= 0)) {
    throw input_error(where, "expected 0 or a positive number for initializer_embedding_mean, got {}",
                      printable(json_text(mean)));
  }
  out.model.initial_embedding_mean = mean.get<double>();
  if (out.tokenizer->vocab_size() > out.model.config.vocab_size) {
    throw input_error(where, "expected a vocab_size of at least {} as the tokenizer has, got {}; raise it",
                      out.tokenizer->vocab_size(), out.model.config.vocab_size);
  }
  return out;
}

std::int64_t checked_context(const TrainOptions& o, const ModelConfig& config) {
  // Up to where angles do not depend on a sequence's length.
  const RopeScaling& scaling = config.rope.scaling;
  std::int64_t most = config.context_length();
  const char* name = "max_position_embeddings";
  if (scaling.kind == RopeScaling::Kind::kDynamic) most = config.max_position_embeddings;
  if (scaling.kind == RopeScaling::Kind::kLongrope) {
    most = std::min(most, static_cast<std::int64_t>(scaling.original_max_position_embeddings));
    name = "original_max_position_embeddings";
  }
  const std::int64_t context = o.context > 0 ? o.context : std::min(most, o.trainer.batch_tokens);
  if (context > most) {
    throw usage_error("--context", "expected at most {} ({}), got {}", most, name, context);
  }
  if (context > o.trainer.batch_tokens) {
    throw usage_error("--batch-tokens", "expected at least the context of {} tokens, got {}", context,
                      o.trainer.batch_tokens);
  }
  return context;
}

TrainingSet load(const std::string& path, const Tokenizer& tokenizer, const ChatTemplate* chat_template,
                 std::int64_t context, ThreadPool& pool) {
  TrainingSet set = TrainingSet::load(path, tokenizer, context, pool, chat_template);
  spdlog::info("{}: {} sequences, {} tokens", path, set.size(), set.total_tokens());
  if (set.cut() > 0)
    spdlog::warn("{}: {} examples are longer than {} tokens and lose their end", path, set.cut(), context);
  if (set.left_out() > 0) {
    spdlog::warn("{}: {} examples are left out, their response begins beyond {} tokens", path, set.left_out(),
                 context);
  }
  return set;
}

// One line every other second, and one for each validation.
class Progress {
 public:
  Progress(std::int64_t steps) : steps_(steps) {}
  void operator()(const TrainingProgress& p) {
    const auto now = std::chrono::steady_clock::now();
    if (p.validation_loss)
      spdlog::info("step {} of {}, validation loss {:.4f}", p.step, steps_, *p.validation_loss);
    if (p.step < steps_ && now < next_) return;
    next_ = now + std::chrono::seconds(2);
    spdlog::info("step {} of {}, loss {:.4f}, {:.0f} tokens/s, {:.0f} s left", p.step, steps_, p.loss,
                 p.tokens_per_second, p.seconds_left);
  }

 private:
  std::int64_t steps_;
  std::chrono::steady_clock::time_point next_;
};

// A directory that holds a run is gone on with, or refused.
void refuse_run(const TrainOptions& o, const TrainingDirectory& directory) {
  if (o.resume || !directory.holds_a_run()) return;
  throw input_error(o.output,
                    "expected a directory without a run, got one; add --resume to go on with it, or "
                    "choose another");
}

// Trains from where the directory is to the last step.
void train(const TrainOptions& o, const Opened& opened, const TrainingDirectory& directory, Trainer& trainer,
           const ThreadPool& pool) {
  if (opened.model.lora) {
    spdlog::info("{} parameters beside {} that stay, {} threads", trainer.trained(), trainer.frozen(),
                 pool.size());
  } else {
    spdlog::info("{} parameters, {} threads", trainer.trained(), pool.size());
  }
  if (o.resume) {
    const auto checkpoint = directory.last_checkpoint();
    if (checkpoint) trainer.resume(*checkpoint);
    spdlog::info("going on after step {}{}", trainer.step(), checkpoint ? "" : " (no checkpoint yet)");
  }
  tell_how_to_resume("stopped; --resume goes on from the last checkpoint");
  trainer.run(Progress(o.trainer.optimizer.steps));
  if (opened.model.lora) expect_not_overwritten(opened.files);  // all other weights were copied
  spdlog::info("the {} is in {}", opened.model.lora ? "adapter" : "model", o.output);
}

void run(TrainOptions o) {
  if (!o.model.empty()) o.model = resolve_model(o.model).string();
  OptimizerOptions& optimizer = o.trainer.optimizer;
  optimizer.min_learning_rate = o.min_learning_rate.value_or(optimizer.learning_rate / 10);
  optimizer.warmup = o.warmup.value_or(optimizer.steps / 20);
  o.trainer.shuffle = o.order == "shuffled";
  o.trainer.output_type = o.type == "f16" ? DType::kF16 : o.type == "bf16" ? DType::kBF16 : DType::kF32;
  const Opened opened = open(o);
  const std::int64_t context = checked_context(o, opened.model.config);

  const TrainingDirectory directory(o.output);
  refuse_run(o, directory);
  ThreadPool pool(o.threads > 0 ? o.threads : available_threads());
  const auto chat_template =
      chat_template_of(o.chat_template, *opened.tokenizer, o.tokenizer.empty() ? o.model : o.tokenizer);
  const TrainingSet training = load(o.data, *opened.tokenizer, chat_template.get(), context, pool);
  std::optional<TrainingSet> validation;
  if (!o.validation.empty())
    validation = load(o.validation, *opened.tokenizer, chat_template.get(), context, pool);

  json settings = {{kTrainingFiles, hash_model_files(opened.files, pool)},
                   {"data", training.fingerprint()},
                   {"config", opened.model.files.config_json},
                   {"validation", validation ? json(validation->fingerprint()) : json()}};
  Trainer trainer(opened.model, o.trainer, context, training, validation ? &*validation : nullptr,
                  std::move(settings), directory, pool);
  for (const std::string& warning : trainer.warnings()) spdlog::warn("{}", warning);
  if (o.dry_run) {
    return fmt::print("{}", training_dry_run(trainer, training, o.trainer, *opened.tokenizer));
  }
  // Whatever is wrong with the inputs has been said by now: from here on there is a directory.
  MadeDirectories made(fs::path(o.output) / "checkpoints",
                       "check its permissions or choose another -o directory");
  std::optional<DirectoryLock> lock;
  try {
    lock.emplace(o.output);
    refuse_run(o, directory);  // anew: another process may have begun one before we had the lock
    directory.clean();
    train(o, opened, directory, trainer, pool);
  } catch (...) {
    std::error_code ignored;
    if (!directory.holds_a_run()) {  // the first step failed
      if (lock && lock->created()) fs::remove(fs::path(o.output) / DirectoryLock::kFileName, ignored);
      made.undo();
    }
    throw;
  }
}

void add_lora(CLI::App& command, TrainOptions& o) {
  command
      .add_option("--lora-rank", o.lora_rank,
                  "Train an adapter of this rank beside --model, whose weights stay as they are")
      ->check(whole_number<std::int64_t>(1, 1 << 20));
  command
      .add_option("--lora-alpha", o.lora_alpha,
                  "Scale of the adapter, times the rank (default: twice the rank)")
      ->check(number(1e-6, 1e6));
  command
      .add_option(
          "--lora-targets", o.lora_targets,
          "Matrices that the adapter changes: q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj, "
          "some of them, or all")
      ->capture_default_str();
}

void add_schedule(CLI::App& command, TrainOptions& o) {
  TrainerOptions& t = o.trainer;
  OptimizerOptions& a = t.optimizer;
  const auto steps = whole_number<std::int64_t>(1, 1 << 30);
  const auto some = whole_number<std::int64_t>(0, 1 << 30);
  command.add_option("--steps", a.steps, "Optimizer steps of the whole run")
      ->capture_default_str()
      ->check(steps);
  command.add_option("--batch-tokens", t.batch_tokens, "Most tokens in a batch; whole sequences fill it")
      ->capture_default_str()
      ->check(whole_number<std::int64_t>(2, 1 << 24));
  command.add_option("--accumulate", t.accumulate, "Batches whose gradients make one step")
      ->capture_default_str()
      ->check(whole_number<std::int64_t>(1, 1 << 16));
  command.add_option("--context", o.context, "Most tokens in a sequence (default: the model's)")
      ->check(whole_number<std::int64_t>(2, 1 << 24));
  command.add_option("--lr", a.learning_rate, "Highest learning rate")
      ->capture_default_str()
      ->check(number(0, 1e9));
  command.add_option("--min-lr", o.min_learning_rate, "Learning rate of the last step (default: a tenth)")
      ->check(number(0, 1e9));
  command.add_option("--warmup", o.warmup, "Steps over which the rate rises (default: a twentieth)")
      ->check(some);
  command.add_option("--beta1", a.beta1, "AdamW: decay of the mean gradient")
      ->capture_default_str()
      ->check(number(0, 0.9999999));
  command.add_option("--beta2", a.beta2, "AdamW: decay of the mean square")
      ->capture_default_str()
      ->check(number(0, 0.9999999));
  command.add_option("--weight-decay", a.weight_decay, "AdamW: weight decay of matrices")
      ->capture_default_str()
      ->check(number(0, 1e3));
  command.add_option("--clip", a.clip, "Most the gradient's norm may be (0: any)")
      ->capture_default_str()
      ->check(number(0, 1e9));
  command.add_option("--seed", t.seed, "Seed of starting weights and order")
      ->capture_default_str()
      ->check(whole_number<std::uint64_t>(0, ~std::uint64_t{0}));
  command.add_option("--order", o.order, "Order of the data in each epoch: shuffled or file")
      ->capture_default_str()
      ->check(one_of({"shuffled", "file"}));
  command.add_option("--validate-every", t.validate_every, "Steps between validations (0: at the end)")
      ->capture_default_str()
      ->check(some);
  command.add_option("--checkpoint-every", t.checkpoint_every, "Steps between checkpoints (0: at the end)")
      ->capture_default_str()
      ->check(some);
}

}  // namespace

Action add_train(CLI::App& command) {
  auto options = std::make_shared<TrainOptions>();
  options->trainer.validate_every = options->trainer.checkpoint_every = 100;
  command
      .add_option("--data", options->data, R"(JSONL: {"text": ..} or {"prompt": .., "response": ..} a line)")
      ->check(not_empty())
      ->required()
      ->type_name("FILE");
  command.add_option("--validation", options->validation, "JSONL of the same kind, not trained on")
      ->check(not_empty())
      ->type_name("FILE");
  command
      .add_option("--chat-template", options->chat_template,
                  "Jinja file for conversations, or a name of the model's own (default: its usual one)")
      ->type_name("FILE|NAME");
  command.add_option("--config", options->config, "config.json of a model to train from scratch")
      ->check(not_empty())
      ->type_name("FILE");
  add_model_option(command, options->model, WithoutModel::kNothing)
      ->description("Model directory to train on, or a bundled model; for an adapter, a GGUF file will do");
  command
      .add_option("--tokenizer", options->tokenizer,
                  "Directory with the tokenizer (default: that of --model)")
      ->check(not_empty())
      ->type_name("DIR");
  command.add_option("-o,--output", options->output, "Directory of the run and the model")
      ->required()
      ->check(not_empty())
      ->type_name("DIR");
  command.add_flag("--resume", options->resume, "Go on from the directory's last checkpoint");
  command.add_flag(
      "--dry-run", options->dry_run,
      "Show the first sequence, counts, memory and about how long it takes, for which some steps are made; "
      "nothing is written");
  command.add_option("--type", options->type, "Type of the trained weights: f32, f16 or bf16")
      ->capture_default_str()
      ->check(one_of({"f32", "f16", "bf16"}));
  add_schedule(command, *options);
  add_lora(command, *options);
  add_threads(command, options->threads);
  return [options] { run(*options); };
}

}  // namespace refocus::cli
