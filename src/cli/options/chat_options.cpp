#include "cli/options/chat_options.h"

#include <charconv>
#include <filesystem>

#include "base/error.h"
#include "base/json_reader.h"
#include "cli/checks.h"

namespace refocus::cli {

std::tm parse_date(const std::string& text) {
  const auto number = [&](std::size_t at, std::size_t size) {
    int value = -1;
    const char* begin = text.data() + std::min(at, text.size());
    const char* end = text.data() + std::min(at + size, text.size());
    return std::from_chars(begin, end, value).ptr == end ? value : -1;
  };
  std::tm out{};
  const int year = number(0, 4), month = number(5, 2), day = number(8, 2);
  const bool shaped = text.size() == 10 && text[4] == '-' && text[7] == '-';
  out.tm_year = year - 1900;
  out.tm_mon = month - 1;
  out.tm_mday = day;
  out.tm_hour = 12;
  std::tm normal = out;
  if (!shaped || year < 1970 || timegm(&normal) == -1 || normal.tm_mon != month - 1 ||
      normal.tm_mday != day) {
    throw usage_error("--date", "expected a day such as 2024-07-26, got '{}'", printable(text, 40));
  }
  return normal;
}

void ChatOptions::add(CLI::App& command, bool has_default) {
  CLI::Option* on = command.add_flag(
      "--chat", chat,
      has_default
          ? "Ask as the user of a conversation, by the model's chat template (default where it has one)"
          : "The prompt is the user's message of a conversation, by the model's chat template");
  if (has_default) {
    command.add_flag("--no-chat", no_chat, "Ask without the model's chat template")->excludes(on);
  }
  add_template(command);
}

void ChatOptions::add_template(CLI::App& command) {
  command.add_option("--system", system, "System message of the conversation")->type_name("TEXT");
  add_settings(command);
}

void ChatOptions::add_settings(CLI::App& command) {
  command
      .add_option("--chat-template", template_file,
                  "Jinja file to use instead of the model's chat template, or the name of one of its own")
      ->check(not_empty())
      ->type_name("FILE|NAME");
  command
      .add_option("--template-arg", arguments,
                  "A name that the chat template sees, such as enable_thinking=false; several times")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("KEY=VALUE");
  command.add_option("--date", date, "The day that a chat template is told")->type_name("YYYY-MM-DD");
}

std::shared_ptr<const ChatTemplate> chat_template_of(const std::string& file_or_name,
                                                     const Tokenizer& tokenizer, const std::string& model) {
  if (std::filesystem::is_regular_file(file_or_name)) return read_chat_template(file_or_name, tokenizer);
  return find_chat_template(tokenizer, model, file_or_name);
}

void ChatOptions::refuse_with_harness() const {
  if (!asked()) return;
  throw usage_error(
      "--chat",
      "expected a task of lm-evaluation-harness to be asked as it is written, got a conversation; "
      "leave out what makes one");
}

std::shared_ptr<const ChatTemplate> ChatOptions::find(const OpenModel& model) const {
  if (no_chat) {
    if (asked())
      throw usage_error("--no-chat", "expected no --system, --chat-template or --template-arg with it");
    return nullptr;
  }
  if (!model.tokenizer) {
    if (!asked()) return nullptr;
    model.need_tokenizer("leave --chat out and give token ids");
  }
  auto found = chat_template_of(template_file, *model.tokenizer, model.directory.string());
  if (!found && asked()) {
    throw input_error(model.directory.string(),
                      "expected a model with a chat template, got one without; it may be a base model: leave "
                      "--chat out, or name a file with --chat-template");
  }
  return found;
}

ChatSettings ChatOptions::settings(const std::tm& otherwise) const {
  ChatSettings out;
  out.date = date.empty() ? otherwise : parse_date(date);
  if (!arguments.empty()) out.arguments = nlohmann::ordered_json::object();
  for (const std::string& argument : arguments) {
    const std::size_t equals = argument.find('=');
    if (equals == 0 || equals == std::string::npos) {
      throw usage_error("--template-arg", "expected KEY=VALUE, got '{}'", printable(argument, 60));
    }
    const std::string value = argument.substr(equals + 1);
    const auto json = json_or_nothing(value);
    out.arguments[argument.substr(0, equals)] =
        json ? parse_ordered_json(value, {"--template-arg"}) : nlohmann::ordered_json(value);
  }
  return out;
}

std::vector<ChatMessage> ChatOptions::messages(std::string user) const {
  std::vector<ChatMessage> out;
  const auto add = [&](const char* role, PromptPiece piece) {
    piece.origin.role = role;
    piece.origin.message = static_cast<int>(out.size());
    ChatMessage message;
    message.role = role;
    append(message.content, std::move(piece));
    out.push_back(std::move(message));
  };
  if (!system.empty()) add("system", data_piece(system));
  add("user", data_piece(std::move(user)));
  return out;
}

}  // namespace refocus::cli
