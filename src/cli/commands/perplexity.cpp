// refocus eval perplexity: how well models predict a text, and how far arms are from a reference.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "cli/checks.h"
#include "cli/cluster_session.h"
#include "cli/command.h"
#include "cli/commands/perplexity_chats.h"
#include "cli/model_hashes.h"
#include "cli/options/asking_options.h"
#include "cli/options/chat_options.h"
#include "cli/options/model_options.h"
#include "eval/journal/fingerprint.h"
#include "eval/run/perplexity_report.h"
#include "eval/run/perplexity_run.h"
#include "eval/run/perplexity_text.h"
#include "eval/text/progress.h"
#include "eval/text/sha256.h"

namespace refocus::cli {

namespace {

constexpr std::int64_t kLongestDefaultContext = 2048;

struct PerplexityOptions {
  ModelOptions model;
  std::string file, against, chat_template;
  bool chat = false;   // the file has conversations
  ModelOptions other;  // of --against: how it computes
  std::vector<std::string> interventions;
  std::int64_t stride = 0;  // 0: half of the context
  bool json = false;

  Activations against_activations() const {
    ModelOptions out = other;
    out.device = model.device;
    return out.activation_type();
  }
};

// The model of --against, which computes with the threads of the other.
struct OtherModel {
  OtherModel(const std::string& path, RunningModel& beside, Activations activations)
      : files(open_model({.model = path}, "--against")),
        transformer(files.config, files.weights, files.directory.string(), beside.pool,
                    beside.transformer.max_rows(), beside.transformer.kv_type(), activations, beside.device,
                    beside.partition) {}

  OpenModel files;
  Transformer transformer;
};

// The interventions of -m's arms. Without --against one without intervention comes first, as the reference.
std::vector<NamedIntervention> arms_of(const PerplexityOptions& options, std::vector<NamedIntervention> out) {
  if (!options.against.empty()) return out;
  const auto none = std::find_if(out.begin(), out.end(), [](const auto& arm) { return arm.spec.is_none(); });
  if (none == out.end()) {
    out.insert(out.begin(), NamedIntervention());
  } else {
    std::rotate(out.begin(), none, none + 1);
  }
  return out;
}

// Context and stride of the windows.
void choose_windows(const PerplexityOptions& options, std::int64_t models_context, PerplexityReport& report) {
  report.context =
      options.model.context > 0 ? options.model.context : std::min(models_context, kLongestDefaultContext);
  report.stride = options.stride > 0 ? options.stride : report.context / 2;
  if (report.context < 2 || report.stride > report.context) {
    throw usage_error("--stride",
                      "expected at most the context ({}), got {}; beyond it tokens would be left out",
                      report.context, report.stride);
  }
}

// What is scored: a text, or conversations.
struct PerplexitySource {
  std::string text;
  std::optional<PerplexityChats> chats;
  std::vector<std::int32_t> tokens;

  // The same with another tokenizer.
  std::vector<std::int32_t> tokens_by(const Tokenizer& tokenizer) const {
    if (!chats) return tokenizer.encode_prompt(text);
    std::vector<std::int32_t> out;
    for (const EncodedConversation& chat : chats->conversations) {
      const std::vector<std::int32_t> own = encode_prompt(tokenizer, chat.prompt, PromptEnds::kBegin).tokens;
      out.insert(out.end(), own.begin(), own.end());
    }
    return out;
  }
  std::vector<TextWindow> windows(std::int64_t context, std::int64_t stride) const {
    return chats ? windows_of(*chats, context, stride) : sliding_windows(std::ssize(tokens), context, stride);
  }
  std::int64_t bytes(std::span<const TextWindow> windows, const Tokenizer& tokenizer) const {
    return chats ? counted_bytes(*chats, windows, tokenizer)
                 : refocus::counted_bytes(text, tokens, windows, tokenizer);
  }
  PiecesOf pieces() const {
    if (!chats) return nullptr;
    return [this](const TextWindow& window) { return pieces_of(*chats, window); };
  }
};

// Of a text, which is read already, or reads the conversations.
void read_tokens(const PerplexityOptions& options, const OpenModel& model, PerplexitySource& out) {
  const Tokenizer& tokenizer = model.need_tokenizer("download the model's tokenizer files");
  if (!options.chat) {
    out.tokens = perplexity_tokens(options.file, out.text, tokenizer);
    return;
  }
  ChatOptions chat;
  chat.chat = true;
  chat.template_file = options.chat_template;
  out.chats = read_perplexity_chats(options.file, tokenizer, *chat.find(model));
  out.tokens = out.chats->tokens;
}

void check_against(const PerplexityOptions& options, const OpenModel& model, const OpenModel& other,
                   const PerplexitySource& source) {
  const std::string where = "--against " + options.against;
  if (other.config.vocab_size != model.config.vocab_size) {
    throw input_error(where,
                      "expected a vocabulary of {} tokens, as {} has, got {}; compare models that share one",
                      model.config.vocab_size, model.directory.string(), other.config.vocab_size);
  }
  if (!other.tokenizer) return;
  check_same_tokens(where, *model.tokenizer, *other.tokenizer, source.tokens,
                    source.tokens_by(*other.tokenizer));
}

// Every arm keeps the keys and values of a whole window.
void check_memory(const PerplexityOptions& options, std::span<const PerplexityArm> arms,
                  std::int64_t window) {
  std::int64_t needed = 0;
  for (const PerplexityArm& arm : arms) {
    needed += kv_bytes(arm.model->config(), window, arm.model->kv_type(), arm.model->max_rows());
  }
  const std::int64_t limit = kv_limit(options.model, *arms.front().model);
  if (needed <= limit) return;
  const auto mib = [](std::int64_t bytes) { return ((bytes - 1) >> 20) + 1; };
  throw input_error("cache",
                    "expected at most {} MiB for the keys and values of {} arms of {} tokens, got {}; use a "
                    "smaller --context, fewer arms, or --kv-memory {}",
                    limit >> 20, arms.size(), window, mib(needed), mib(needed));
}

// Scores the windows, in this process or together with those that it was started with. Nothing where this one
// does not lead.
std::optional<std::vector<TokenScores>> score_windows(const PerplexityReport& report, const OpenModel& model,
                                                      const OpenModel* other, ThreadPool& pool,
                                                      std::span<const PerplexityArm> arms,
                                                      const PerplexitySource& source,
                                                      std::span<const TextWindow> windows) {
  ClusterSession* cluster = ClusterSession::current();
  WorkShare* share = nullptr;
  if (cluster != nullptr) {
    const auto bytes_of = [](const std::vector<std::int32_t>& tokens) {
      return std::string(reinterpret_cast<const char*>(tokens.data()), tokens.size() * sizeof tokens[0]);
    };
    nlohmann::ordered_json identity = {{kModelFiles, hash_model_files(model.files, pool)},
                                       {"context", report.context},
                                       {"stride", report.stride},
                                       {"text", sha256_hex(bytes_of(source.tokens))}};
    if (other != nullptr) identity["reference"] = hash_model_files(other->files, pool);
    bool in_bf16 = false;
    for (const PerplexityReport::Arm& arm : report.arms) {
      identity["arms"].push_back({arm.intervention, arm.activations});
      in_bf16 = in_bf16 || arm.activations == name_of(Activations::kBf16);
    }
    share = cluster->begin(facts_of(identity, in_bf16), 1);
    if (!cluster->leads()) {
      cluster->serve(
          [&](const std::string&) { return window_work(arms, source.tokens, windows, source.pieces()); });
      return std::nullopt;
    }
  }
  Progress progress("windows", report.windows, 0);
  const auto on_window = [&](std::int64_t count) { progress.advance(count); };
  if (share == nullptr) return score_tokens(arms, source.tokens, windows, on_window, source.pieces());
  return score_tokens_together(*share, arms, source.tokens, windows, on_window, source.pieces());
}

// Nothing in a process of several that does not lead.
std::optional<PerplexityReport> measure(const PerplexityOptions& options) {
  const AskedInterventions asked = parse_interventions(options.interventions);
  if (asked.needs_whole_prompt()) {
    throw usage_error(
        "--intervene",
        "expected interventions whose rows depend on nothing after them, since each token of a text is "
        "predicted from those before, got act or spotlight:scope=layer; choose others");
  }
  PerplexityReport report;
  report.file = options.file;
  PerplexitySource source;
  if (!options.chat) source.text = read_perplexity_text(options.file);
  const auto opened = open_running(options.model, kPerplexityRows);
  RunningModel& model = *opened;
  std::unique_ptr<OtherModel> other;
  if (!options.against.empty())
    other = std::make_unique<OtherModel>(options.against, model, options.against_activations());
  const ModelConfig& config = model.files.config;
  const std::vector<NamedIntervention> asked_arms = arms_of(options, asked.for_model(model.files));
  read_tokens(options, model.files, source);
  const std::vector<std::int32_t>& tokens = source.tokens;
  if (other) check_against(options, model.files, other->files, source);
  const std::int64_t other_context = other ? other->files.config.context_length() : config.context_length();
  choose_windows(options, std::min(config.context_length(), other_context), report);

  std::vector<PerplexityArm> arms;
  const auto add = [&](Transformer& transformer, const OpenModel& files, const NamedIntervention& asked_arm) {
    const std::string canonical = asked_arm.spec.canonical(files.config.num_hidden_layers);
    arms.push_back({&transformer, asked_arm.spec, files.tokenizer.get()});
    report.arms.push_back(
        {files.name(), canonical, {}, {}, std::string(name_of(transformer.activations())), asked_arm.name});
  };
  if (other) add(other->transformer, other->files, {});
  const std::size_t first = arms.size();
  for (const NamedIntervention& arm : asked_arms) add(model.transformer, model.files, arm);
  for (std::size_t i = first; i < arms.size(); ++i) {
    for (std::size_t j = first; j < i; ++j) {
      if (report.arms[i].intervention != report.arms[j].intervention) continue;
      throw usage_error("--intervene", "expected different arms, got {} twice", report.arms[i].intervention);
    }
  }

  report.tokens = static_cast<std::int64_t>(tokens.size());
  check_memory(options, arms, std::min(report.context, report.tokens));
  const std::vector<TextWindow> windows = source.windows(report.context, report.stride);
  report.windows = static_cast<std::int64_t>(windows.size());
  report.counted = counted_tokens(windows);
  report.bytes = source.bytes(windows, *model.files.tokenizer);
  const auto found =
      score_windows(report, model.files, other ? &other->files : nullptr, model.pool, arms, source, windows);
  if (!found) return std::nullopt;
  const std::vector<TokenScores>& scores = *found;
  expect_not_overwritten(model.files.files);
  if (other) expect_not_overwritten(other->files.files);
  for (std::size_t i = 0; i < arms.size(); ++i) {
    report.arms[i].perplexity = summarize_perplexity(scores[i]);
    if (i > 0) report.arms[i].divergence = summarize_divergence(scores[0], scores[i]);
  }
  if (source.chats) {
    report.texts = std::ssize(source.chats->conversations);
    for (ScoredGroup& group : scored_groups(*source.chats, windows)) {
      report.groups.push_back(summarize_group(std::move(group.name), scores, group.places));
    }
  }
  return report;
}

void run(const PerplexityOptions& options) {
  const std::optional<PerplexityReport> report = measure(options);
  if (!report) return;
  if (options.json) {
    fmt::print("{}\n", json_text(perplexity_json(*report)));
  } else {
    fmt::print("{}", perplexity_table(*report));
  }
}

// What eval has for tasks; no part of the help here.
void refuse_shard(CLI::App& command) {
  command.add_option("--shard")->group("")->expected(1)->check([](const std::string&) -> std::string {
    throw CLI::ParseError(
        "--shard: expected no shard of a text, which one process measures as a whole; leave it out, and use "
        "--threads",
        CLI::ExitCodes::InvalidError);
  });
}

}  // namespace

Action add_perplexity(CLI::App& command) {
  auto options = std::make_shared<PerplexityOptions>();
  command.add_option("file", options->file, "UTF-8 text, or with --chat conversations as JSON lines")
      ->required()
      ->check(not_empty())
      ->type_name("FILE");
  options->model.add_model(command);
  CLI::Option* chat = command.add_flag(
      "--chat", options->chat,
      "Conversations by the model's chat template ({\"messages\": [..]} a line); also by role");
  command
      .add_option("--chat-template", options->chat_template,
                  "Jinja file to use instead of the model's chat template, or the name of one of its own")
      ->needs(chat)
      ->check(not_empty())
      ->type_name("FILE|NAME");
  command
      .add_option("--against", options->against,
                  "Another model with the same vocabulary: the reference, without intervention (default: "
                  "-m without intervention)")
      ->check(not_empty())
      ->type_name("MODEL");
  options->other.add_activations(command, "--against-activations");
  command.get_option("--against-activations")
      ->description("Activations of the model of --against (the same model exactly: f32)");
  add_interventions(command, options->interventions);
  options->model.add_running(command);
  options->model.add_shared(command);
  command.get_option("--context")
      ->description("Tokens of a window (default: the model's context, at most 2048)");
  command
      .add_option("--stride", options->stride, "Tokens from window to window (default: half of --context)")
      ->check(whole_number(1, 1 << 24));
  command.add_flag("--json", options->json, "Print one JSON object");
  refuse_shard(command);
  return [options] { run(*options); };
}

}  // namespace refocus::cli
