#include "cli/options/prompt_options.h"

#include <charconv>

#include <iostream>
#include <iterator>

#include <spdlog/spdlog.h>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "cli/cluster_session.h"

namespace refocus::cli {

CLI::Option_group* PromptOptions::add_text(CLI::App& command) {
  auto* group = command.add_option_group("prompt", "The prompt, exactly one of");
  text_option =
      group
          ->add_option("-p,--prompt", text,
                       "Text, encoded with the model's BOS; special tokens such as <|im_end|> are read")
          ->type_name("TEXT");
  file_option = group->add_option("-f,--file", file, "The same from a file, or - for standard input")
                    ->type_name("FILE");
  messages_option =
      group
          ->add_option("--messages", messages,
                       "A conversation by the model's chat template: a JSON file with a list of "
                       "messages, {\"role\": .., \"content\": ..}, or - for standard input")
          ->type_name("FILE");
  group->require_option(1);
  command.add_flag("--no-special", plain, "Special tokens in the text are text");
  chat.add(command, /*has_default=*/false);
  return group;
}

CLI::Option_group* PromptOptions::add(CLI::App& command) {
  CLI::Option_group* group = add_text(command);
  ids_option =
      group->add_option("--tokens", ids, "Token ids, used as given, without a BOS")->type_name("1,2,3");
  return group;
}

namespace {

std::string text_of_file(const std::string& file) {
  return file == "-" ? standard_input() : read_text_file(file);
}

}  // namespace

Prompt PromptOptions::prompt(const OpenModel& model) const {
  if (messages_option->count() > 0) return conversation(model);
  return prompt_of(model, file_option->count() > 0 ? text_of_file(file) : text);
}

Prompt PromptOptions::conversation(const OpenModel& model) const {
  const nlohmann::ordered_json list = parse_ordered_json(text_of_file(messages), {messages});
  if (!list.is_array() || list.empty()) {
    throw input_error(messages, "expected a list of messages, got {}; correct the file",
                      list.is_array() ? "an empty one" : json_kind(list));
  }
  std::vector<ChatMessage> said;
  if (!chat.system.empty()) said.push_back(chat.messages("").front());
  for (const auto& message : list) {
    said.push_back(chat_message(message, static_cast<int>(said.size()), messages));
  }
  ChatOptions how = chat;
  how.chat = true;  // without a template there is no prompt
  return how.find(model)->apply(said, chat.settings(today())).prompt;
}

Prompt PromptOptions::prompt_of(const OpenModel& model, std::string all) const {
  if (const auto chat_template = is_chat() ? chat.find(model) : nullptr) {
    return chat_template->apply(chat.messages(std::move(all)), chat.settings(today())).prompt;
  }
  return {plain ? data_piece(std::move(all)) : template_piece(std::move(all))};
}

EncodedPrompt PromptOptions::encoded(const OpenModel& model, const Prompt& prompt) const {
  return encode_prompt(*model.tokenizer, prompt, ends());
}

namespace {

void warn_of_unmatched(const ReadPrompt& prompt, std::span<const InterventionSpec> specs) {
  for (const InterventionSpec& spec : specs) {
    const auto target = prompt.aim(spec);
    if (!target) continue;
    for (const std::string& keys : target->unmatched) {
      spdlog::warn("keys={} chooses nothing of this prompt, so its part changes nothing", printable(keys));
    }
  }
}

}  // namespace

ReadPrompt PromptOptions::read(const OpenModel& model, std::span<const InterventionSpec> specs) const {
  if (is_text()) {
    model.need_tokenizer("give token ids with --tokens");
    ReadPrompt read = read_prompt(*model.tokenizer, prompt(model), ends(), specs);
    warn_of_unmatched(read, specs);
    return read;
  }
  if (is_chat()) throw usage_error("--tokens", "expected a prompt as text with --chat, got token ids");
  std::vector<std::int32_t> out;
  const char* at = ids.data();
  const char* end = at + ids.size();
  while (true) {
    std::int32_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (next != end && *next != ',')) {
      throw usage_error("--tokens", "expected ids separated by commas, such as 1,2,3, got '{}'",
                        printable(ids));
    }
    out.push_back(id);
    if (next == end) break;
    at = next + 1;
  }
  ReadPrompt read = read_prompt(std::move(out), model.tokenizer.get());
  warn_of_unmatched(read, specs);
  return read;
}

}  // namespace refocus::cli
