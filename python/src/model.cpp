#include "model.h"

#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/json_reader.h"
#include "cli/options/asking_options.h"
#include "cli/options/chat_options.h"

namespace refocus::python {
namespace {

void expect_one_of(std::string_view name, const std::string& got, const std::vector<std::string>& known) {
  if (got.empty() || std::ranges::find(known, got) != known.end()) return;
  std::string all;
  for (const std::string& one : known)
    all += (all.empty() ? "" : &one == &known.back() ? " or " : ", ") + one;
  throw usage_error(name, "expected {}, got '{}'", all, printable(got));
}

const OpenSettings& checked(const OpenSettings& settings) {
  expect_one_of("kv_type", settings.kv_type, kv_names());
  expect_one_of("activations", settings.activations, activation_names());
  if (settings.device != "cpu" && !device_number(settings.device)) {
    throw usage_error("device", "expected cpu, cuda or cuda:N, got '{}'", printable(settings.device));
  }
  return settings;
}

}  // namespace

Model::Model(const OpenSettings& settings)
    : running_(std::make_shared<RunningModel>(checked(settings))), process_(::getpid()) {}

std::shared_ptr<RunningModel> Model::shared() const {
  if (!running_) throw input_error("model", "expected an open model, got one that was closed; load it again");
  if (::getpid() != process_) {
    throw input_error(
        "model",
        "expected the process that loaded the model, got one that was forked from it and has none "
        "of its threads; load the model in each process");
  }
  return running_;
}

void Model::close() {
  const auto lock = computing();
  running_.reset();
}

const Tokenizer& Model::tokenizer() const {
  return running().files.need_tokenizer("give token ids instead of text");
}

InterventionSpec Model::intervention(const std::string& spec) const {
  return cli::parse_interventions({spec}).one_for_model(running().files);
}

std::string Model::canonical(const std::string& spec) const {
  return intervention(spec).canonical(running().files.config.num_hidden_layers);
}

KeptPrompt Model::read_text(const std::string& text, bool special, const InterventionSpec& spec) const {
  Prompt pieces = {special ? template_piece(text) : data_piece(text)};
  return {read_prompt(tokenizer(), std::move(pieces), PromptEnds::kModel, {&spec, 1}),
          running().files.tokenizer};
}

KeptPrompt Model::read_chat(const ChatCall& chat, const InterventionSpec& spec) const {
  return {read_prompt(tokenizer(), chat_pieces(chat), PromptEnds::kBegin, {&spec, 1}),
          running().files.tokenizer};
}

KeptPrompt Model::read_tokens(std::vector<std::int32_t> tokens) const {
  const auto& tokenizer = running().files.tokenizer;
  return {read_prompt(std::move(tokens), tokenizer.get()), tokenizer};
}

Prompt Model::chat_pieces(const ChatCall& chat) const {
  const std::string where = "messages";
  const auto json = [](const std::string& text, std::string_view name) {
    return parse_ordered_json(text, {std::string(name), "give what OpenAI's API takes"});
  };
  const nlohmann::ordered_json list = json(chat.messages, where);
  if (!list.is_array() || list.empty())
    throw input_error(where, "expected a list of messages, got none; each is {{'role': .., 'content': ..}}");
  std::vector<ChatMessage> messages;
  for (const auto& message : list) {
    messages.push_back(chat_message(message, static_cast<int>(messages.size()), where));
  }
  ChatSettings settings;
  settings.generation_prompt = chat.generation_prompt;
  settings.date = today();
  if (!chat.tools.empty()) settings.tools = json(chat.tools, "tools");
  settings.arguments =
      chat.arguments.empty() ? nlohmann::ordered_json::object() : json(chat.arguments, "template_args");
  const std::string name = running().files.directory.string();
  const auto found = chat.chat_template.empty()
                         ? find_chat_template(tokenizer(), name, "", !settings.tools.is_null())
                         : cli::chat_template_of(chat.chat_template, tokenizer(), name);
  if (!found) {
    throw input_error(where,
                      "expected a model with a chat template, got one without; name a file with "
                      "chat_template=, or give a text");
  }
  return found->apply(messages, settings).prompt;
}

}  // namespace refocus::python
