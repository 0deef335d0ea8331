// refocus generate --batch: many prompts of a JSONL file, answered together; a line of JSON each, in order.
#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/record_kind.h"
#include "base/text_file.h"
#include "cli/cluster_session.h"
#include "cli/interrupt.h"
#include "cli/options/asking_options.h"
#include "cli/options/generate_options.h"
#include "eval/text/progress.h"

namespace refocus::cli {

namespace {

using nlohmann::ordered_json;

// A line of the file, ready to be asked.
struct BatchPrompt {
  ordered_json kept;  // "id" and "custom_id", or else "line"
  std::vector<std::int32_t> tokens;
  std::shared_ptr<const InterventionTarget> target;  // null where the intervention needs none
};

// Reads lines; the chat templates are found once.
class BatchReader {
 public:
  BatchReader(const GenerateOptions& options, const OpenModel& model, const InterventionSpec& intervention)
      : options_(options.prompt),
        intervention_(intervention),
        model_(model),
        tokenizer_(model.need_tokenizer("use a model with a tokenizer")),
        settings_(options.prompt.chat.settings(today())) {}

  BatchPrompt read(const JsonLine& line, const std::string& where) {
    const ordered_json json = parse_ordered_json_object(line.text, {where, "correct the line", true});
    check_keys(json, where);
    BatchPrompt out;
    for (const char* name : {"id", "custom_id"}) {
      if (json.contains(name)) out.kept[name] = json[name];
    }
    if (out.kept.is_null()) out.kept["line"] = line.number;
    if (json.contains("messages")) {
      const Prompt prompt = conversation(json, where);
      take(prompt, encode_prompt(tokenizer_, prompt, PromptEnds::kBegin), out);
    } else if (json["prompt"].is_string()) {
      const std::string text = json["prompt"];
      const Prompt prompt = options_.prompt_of(model_, text);
      take(prompt, options_.encoded(model_, prompt), out);
    } else {
      throw input_error(where, "expected a text for \"prompt\", got {}; correct the line",
                        json_kind(json["prompt"]));
    }
    return out;
  }

 private:
  void take(const Prompt& prompt, const EncodedPrompt& encoded, BatchPrompt& out) const {
    out.tokens = encoded.tokens;
    out.target = aim(intervention_, tokenizer_, prompt, encoded);
  }

  static void check_keys(const ordered_json& json, const std::string& where) {
    constexpr const char* kKnown[] = {"id", "custom_id", "prompt", "messages", "tools"};
    if (!json.contains("prompt") && !json.contains("messages")) {
      const RecordKind kind = kind_of_record(json, {});
      if (!kind.name.empty())
        throw input_error(where, "expected \"prompt\" or \"messages\", got {}; {}", kind.name, kind.remedy);
    }
    for (const auto& [name, value] : json.items()) {
      if (std::ranges::find(kKnown, name) == std::end(kKnown)) {
        throw input_error(where,
                          "expected id, custom_id, prompt, messages or tools, got '{}'; remove it, and give "
                          "settings as options",
                          printable(name, 40));
      }
    }
    if (json.contains("prompt") == json.contains("messages")) {
      throw input_error(where, "expected \"prompt\" or \"messages\", got {}; correct the line",
                        json.contains("prompt") ? "both" : "neither");
    }
    if (json.contains("tools") && !json.contains("messages")) {
      throw input_error(where, "expected \"messages\" beside \"tools\", got none; correct the line");
    }
  }

  Prompt conversation(const ordered_json& json, const std::string& where) {
    const ordered_json& list = json["messages"];
    if (!list.is_array() || list.empty()) {
      throw input_error(where, "expected a list of messages for \"messages\", got {}; correct the line",
                        list.is_array() ? "an empty one" : json_kind(list));
    }
    const bool own_system = list[0].is_object() && list[0].value("role", ordered_json()) == "system";
    std::vector<ChatMessage> messages;
    if (!options_.chat.system.empty()) {
      if (own_system) {
        throw input_error(where,
                          "expected no system message beside --system, got one; leave one of them out");
      }
      messages = options_.chat.messages("");
      messages.pop_back();
    }
    for (const ordered_json& message : list) {
      messages.push_back(chat_message(message, static_cast<int>(messages.size()), where));
    }
    const bool tools = json.contains("tools") && !json["tools"].is_null();
    ChatSettings settings = settings_;
    if (tools) settings.tools = json["tools"];
    return template_for(tools, where).apply(messages, settings).prompt;
  }

  const ChatTemplate& template_for(bool tools, const std::string& where) {
    std::shared_ptr<const ChatTemplate>& found = templates_[tools ? 1 : 0];
    if (!found) {
      const std::string& named = options_.chat.template_file;
      found = named.empty() ? find_chat_template(tokenizer_, model_.directory.string(), "", tools)
                            : chat_template_of(named, tokenizer_, model_.directory.string());
    }
    if (!found) {
      throw input_error(where,
                        "expected a model with a chat template for \"messages\", got one without; name a "
                        "file with --chat-template");
    }
    return *found;
  }

  const PromptOptions& options_;
  const InterventionSpec& intervention_;
  const OpenModel& model_;
  const Tokenizer& tokenizer_;
  ChatSettings settings_;
  std::shared_ptr<const ChatTemplate> templates_[2];  // without tools, and with them
};

std::vector<BatchPrompt> read_prompts(const GenerateOptions& options, const OpenModel& model,
                                      const InterventionSpec& intervention, const Scheduler& scheduler) {
  const std::string text = read_text_file(options.batch);
  BatchReader reader(options, model, intervention);
  std::vector<BatchPrompt> out;
  for (const JsonLine& line : json_lines(text, options.batch, BlankLines::kSkip)) {
    const std::string where = fmt::format("{} line {}", options.batch, line.number);
    try {
      out.push_back(reader.read(line, where));
      scheduler.check(out.back().tokens, intervention);
    } catch (const InputError& error) {
      const std::string message = error.what();
      if (message.starts_with("[" + where)) throw;
      throw input_error(where, "{}", message);
    }
  }
  if (out.empty()) throw input_error(options.batch, "expected at least one prompt, got none; add lines");
  const auto lost = std::ranges::count_if(
      out, [](const BatchPrompt& prompt) { return prompt.target && !prompt.target->unmatched.empty(); });
  if (lost > 0) spdlog::warn("keys= of --intervene chooses nothing in {} of {} prompts", lost, out.size());
  return out;
}

// Writes lines in the order of the prompts, each as soon as those before it are written.
class OrderedLines {
 public:
  OrderedLines(const std::string& path, std::size_t count) : path_(path), lines_(count) {
    if (path.empty()) return;
    if (std::filesystem::exists(path)) {
      throw input_error(path, "expected a new file for the answers, got one that is there; name another one");
    }
    file_.reset(std::fopen(path.c_str(), "wb"));
    if (!file_) throw input_error(path, "expected a file that can be written; {}", write_remedy(errno));
  }

  void put(std::size_t place, std::string line) {
    lines_[place] = std::move(line);
    while (next_ < lines_.size() && lines_[next_]) write(next_++);
  }
  // Also those behind a gap.
  void put_rest() {
    for (; next_ < lines_.size(); ++next_) {
      if (lines_[next_]) write(next_);
    }
  }
  std::size_t written() const { return written_; }

 private:
  void write(std::size_t place) {
    std::FILE* out = file_ ? file_.get() : stdout;
    const std::string line = std::move(*lines_[place]) + "\n";
    lines_[place].emplace();
    if (std::fwrite(line.data(), 1, line.size(), out) != line.size() || std::fflush(out) != 0) {
      throw input_error(path_.empty() ? "standard output" : path_, "cannot be written to; {}",
                        write_remedy(errno));
    }
    ++written_;
  }

  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::vector<std::optional<std::string>> lines_;  // finished ones
  std::size_t next_ = 0, written_ = 0;
};

struct Interrupted {};

}  // namespace

void generate_batch(const GenerateOptions& options) {
  const AskedInterventions asked = parse_interventions({options.intervene});
  const auto opened = open_running(options.model);
  RunningModel& model = *opened;
  const OpenModel& files = model.files;
  const InterventionSpec intervention = asked.one_for_model(files);
  const std::int64_t context = options.model.context_for(files.config);
  const Tokenizer& tokenizer = files.need_tokenizer("use a model with a tokenizer");
  const AnswerEnds ends = answer_ends(files, options.stop);
  const std::vector<std::int32_t> eos = options.eos_of(files);
  Scheduler scheduler(model.transformer,
                      {options.batch_size, context,
                       kv_budget(options.model, model.transformer, options.batch_size, context)});
  const std::vector<BatchPrompt> prompts = read_prompts(options, files, intervention, scheduler);
  OrderedLines lines(is_first_rank() ? options.output : "", prompts.size());
  Progress progress("generate", static_cast<std::int64_t>(prompts.size()), 0);
  watch_interrupts();
  std::size_t next = 0;
  const auto source = [&]() -> std::optional<GenerationRequest> {
    if (next == prompts.size()) return std::nullopt;
    GenerationRequest request;
    request.prompt = prompts[next].tokens;
    request.max_new_tokens = options.max_new_tokens;
    request.intervention = intervention;
    request.target = prompts[next].target;
    request.sampling = options.sampling;
    add_ends(request, files, ends, eos);
    request.id = next++;
    return request;
  };
  const auto on_done = [&](GenerationResult&& result) {
    ordered_json out = prompts[result.id].kept;
    const FinishedAnswer answer = finished_answer(tokenizer, ends, result.tokens, eos);
    out["text"] = answer.text;
    out["tokens"] = result.tokens;
    out["finish_reason"] = answer.finish_reason;
    lines.put(result.id, json_text(out));
    progress.advance(static_cast<std::int64_t>(result.tokens.size()));
  };
  try {
    scheduler.run(source, on_done, [](const GeneratedToken&) {
      if (interrupt_signal() != 0) throw Interrupted();
    });
  } catch (const Interrupted&) {
    lines.put_rest();
    end_by_interrupt(fmt::format("stopped; {} of {} answers are kept", lines.written(), prompts.size()));
  }
}

}  // namespace refocus::cli
