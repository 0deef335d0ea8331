// refocus chat: a conversation in the terminal, with or without an intervention.
#include <fmt/core.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/options/asking_options.h"
#include "cli/options/chat_options.h"
#include "cli/options/generate_options.h"
#include "cli/options/model_options.h"
#include "cli/wrapped_lines.h"
#include "eval/text/display_width.h"
#include "eval/text/table_text.h"
#include "generate/scheduler.h"

namespace refocus::cli {

namespace {

using nlohmann::ordered_json;

constexpr const char* kCommands =
    "/intervene SPEC   answer under an intervention from now on (none: without)\n"
    "/compare SPEC     the last question again, answered under SPEC, beside the answer that stands\n"
    "/undo             forget the last question and its answer\n"
    "/save FILE        keep the conversation as JSON\n"
    "/help             this\n"
    "/quit             the end, as Ctrl-D\n";

struct ChatCommandOptions {
  ModelOptions model;
  ChatOptions chat;
  SamplingOptions sampling;
  std::int64_t max_new_tokens = 1024;
  std::string intervene = "none";
  std::vector<std::string> stop;
};

// Two texts beside each other, each under its name.
std::string side_by_side(const std::string& name_a, std::string_view a, const std::string& name_b,
                         std::string_view b, int columns) {
  const int width = (columns - 3) / 2;
  std::vector<std::string> left_lines = wrapped_lines(a, width), right_lines = wrapped_lines(b, width);
  left_lines.insert(left_lines.begin(), {name_a, repeated('-', width)});
  right_lines.insert(right_lines.begin(), {name_b, repeated('-', width)});
  TextLines out;
  for (std::size_t k = 0; k < std::max(left_lines.size(), right_lines.size()); ++k) {
    out.line(left(k < left_lines.size() ? left_lines[k] : "", width) + " | " +
             (k < right_lines.size() ? right_lines[k] : ""));
  }
  return out.take();
}

// A conversation and the model that takes part in it.
class Conversation {
 public:
  explicit Conversation(const ChatCommandOptions& options)
      : options_(options),
        model_(options.model),
        tokenizer_(model_.files.need_tokenizer("use refocus generate with --tokens")),
        template_(options.chat.find(model_.files)),
        settings_(options.chat.settings(today())),
        ends_(answer_ends(model_.files, options.stop)),
        context_(options.model.context_for(model_.files.config)),
        scheduler_(model_.transformer,
                   {1, context_, kv_budget(options.model, model_.transformer, 1, context_)}) {
    if (!template_) {
      throw input_error(model_.files.directory.string(),
                        "expected a model with a chat template, got one without; it may be a base model: use "
                        "refocus generate, or name a file with --chat-template");
    }
    intervene(options.intervene);
    if (!options.chat.system.empty()) add("system", options.chat.system);
  }

  void intervene(const std::string& spec) {
    intervention_ = parse_interventions({spec}).one_for_model(model_.files);
  }
  std::string intervention_name() const { return intervention_.canonical(layers()); }

  // Asks, prints the answer as it comes, and keeps both. Nothing is kept where it fails.
  void ask(const std::string& question) {
    const std::size_t before = messages_.size();
    add("user", question);
    try {
      const std::string answer = generate(intervention_, /*shown=*/true);
      add("assistant", answer);
      names_.back() = intervention_name();
    } catch (const InputError&) {
      shorten(before);
      throw;
    }
  }

  // The last question's answer, and what it would be under another intervention; the conversation stays.
  std::string compare(const std::string& spec) {
    if (!answered()) throw input_error("/compare", "expected an answered question, got none; ask one first");
    const InterventionSpec other = parse_interventions({spec}).one_for_model(model_.files);
    const ChatMessage last = std::move(messages_.back());
    messages_.pop_back();
    std::string answer;
    try {
      answer = generate(other, /*shown=*/false);
    } catch (...) {
      messages_.push_back(last);
      throw;
    }
    messages_.push_back(last);
    return side_by_side(names_.back(), text_of(last.content), other.canonical(layers()), answer,
                        terminal_columns(100));
  }

  void undo() {
    if (!answered()) throw input_error("/undo", "expected an answered question, got none; ask one first");
    shorten(messages_.size() - 2);
  }

  void save(const std::string& path) const {
    if (path.empty()) throw input_error("/save", "expected a file's name, got none; write /save FILE");
    ordered_json out = {{"model", model_.files.name()}, {"messages", ordered_json::array()}};
    for (std::size_t k = 0; k < messages_.size(); ++k) {
      ordered_json one = {{"role", messages_[k].role}, {"content", text_of(messages_[k].content)}};
      if (!names_[k].empty()) one["intervention"] = names_[k];
      out["messages"].push_back(std::move(one));
    }
    write_file_atomically(path, json_text(out, 2) + "\n");
  }

 private:
  std::int64_t layers() const { return model_.files.config.num_hidden_layers; }
  bool answered() const { return !messages_.empty() && messages_.back().role == "assistant"; }

  void add(const char* role, std::string text) {
    PieceOrigin origin;
    origin.role = role;
    origin.message = static_cast<int>(messages_.size());
    ChatMessage message;
    message.role = role;
    append(message.content, data_piece(std::move(text), origin));
    messages_.push_back(std::move(message));
    names_.emplace_back();
  }

  void shorten(std::size_t count) {
    messages_.resize(count);
    names_.resize(count);
  }

  std::string generate(const InterventionSpec& intervention, bool shown) {
    GenerationRequest request;
    const Prompt prompt = template_->apply(messages_, settings_).prompt;
    const EncodedPrompt encoded = encode_prompt(tokenizer_, prompt, PromptEnds::kBegin);
    request.prompt = encoded.tokens;
    request.target = aim(intervention, tokenizer_, prompt, encoded);
    if (request.target) {
      for (const std::string& keys : request.target->unmatched) {
        spdlog::warn("keys={} chooses nothing here", printable(keys));
      }
    }
    scheduler_.check(request.prompt, intervention);
    request.shared_prefix = std::ssize(request.prompt) - 1;  // the next question begins with it
    request.max_new_tokens = options_.max_new_tokens;
    request.intervention = intervention;
    request.sampling = options_.sampling;
    add_ends(request, model_.files, ends_, model_.files.eos_ids);
    request.id = next_id_++;
    AnswerStream stream(tokenizer_, ends_, model_.files.eos_ids);
    std::string text;
    const auto show = [&](std::string_view piece) {
      text += piece;
      if (!shown) return;
      std::fwrite(piece.data(), 1, piece.size(), stdout);
      std::fflush(stdout);
    };
    bool given = false;
    GenerationResult result;
    scheduler_.run([&] { return std::exchange(given, true) ? std::nullopt : std::optional(request); },
                   [&](GenerationResult&& r) { result = std::move(r); },
                   [&](const GeneratedToken& t) { show(stream.push(t.token)); });
    show(stream.finish());
    if (shown) fmt::print("\n");
    if (!stream.ended()) spdlog::warn("cut off after {} tokens", result.tokens.size());
    return text;
  }

  const ChatCommandOptions& options_;
  RunningModel model_;
  const Tokenizer& tokenizer_;
  std::shared_ptr<const ChatTemplate> template_;
  ChatSettings settings_;
  AnswerEnds ends_;
  std::int64_t context_;
  Scheduler scheduler_;
  InterventionSpec intervention_;
  std::vector<ChatMessage> messages_;
  std::vector<std::string> names_;  // of each message, the intervention that it was made under; or empty
  std::uint64_t next_id_ = 0;
};

// One line of the user's. False at the end.
bool take(Conversation& chat, const std::string& line) {
  const std::size_t blank = std::min(line.find(' '), line.size());
  const std::string word = line.substr(0, blank), rest = line.substr(std::min(blank + 1, line.size()));
  if (line.empty()) return true;
  if (line[0] != '/') {
    chat.ask(line);
  } else if (word == "/intervene") {
    if (!rest.empty()) chat.intervene(rest);
    fmt::print("answering under: {}\n", chat.intervention_name());
  } else if (word == "/compare") {
    fmt::print("{}", chat.compare(rest.empty() ? "none" : rest));
  } else if (word == "/undo") {
    chat.undo();
  } else if (word == "/save") {
    chat.save(rest);
    fmt::print("saved: {}\n", rest);
  } else if (word == "/help") {
    fmt::print("{}", kCommands);
  } else if (word == "/quit") {
    return false;
  } else {
    throw input_error(
        printable(word, 40),
        "expected /intervene, /compare, /undo, /save, /help or /quit; a line that begins with a "
        "slash is a command");
  }
  return true;
}

void run(const ChatCommandOptions& options) {
  Conversation chat(options);
  const bool person = isatty(STDIN_FILENO) == 1;
  if (person) spdlog::info("say something; /help lists what else there is");
  std::string line;
  for (;;) {
    if (person) fmt::print("> ");
    std::fflush(stdout);
    if (!std::getline(std::cin, line)) break;
    try {
      if (!take(chat, line)) return;
    } catch (const InputError& error) {
      // With a person the conversation goes on; a script should see the failure.
      if (!person) throw;
      fmt::print(stderr, "refocus: {}\n", printable(error.what(), 2000));
    }
  }
  if (person) fmt::print("\n");
}

}  // namespace

Action add_chat(CLI::App& command) {
  auto options = std::make_shared<ChatCommandOptions>();
  options->model.add_model(command);
  options->chat.chat = true;
  options->chat.add_template(command);
  command.add_option("-n,--max-new-tokens", options->max_new_tokens, "Most tokens of an answer")
      ->capture_default_str()
      ->check(whole_number(1, 1 << 24));
  add_intervention(command, options->intervene);
  add_sampling(command, options->sampling);
  add_stop(command, options->stop);
  options->model.add_running(command);
  command.footer(std::string("In the conversation:\n") + kCommands);
  return [options, &command] {
    warn_of_unused_sampling(command, options->sampling);
    run(*options);
  };
}

}  // namespace refocus::cli
