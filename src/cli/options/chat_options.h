// How a prompt becomes a conversation: --chat and what goes with it, which several subcommands share.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/options/model_options.h"
#include "prompt/chat.h"

namespace refocus::cli {

// A date as a template's strftime_now tells it. UsageError where `text` is no YYYY-MM-DD.
std::tm parse_date(const std::string& text);

// A file's template, or the one of a model's own that is called so (the usual one where it is empty); null
// where there is none. InputError as read_chat_template and find_chat_template.
std::shared_ptr<const ChatTemplate> chat_template_of(const std::string& file_or_name,
                                                     const Tokenizer& tokenizer, const std::string& model);

struct ChatOptions {
  bool chat = false, no_chat = false;
  std::string system, template_file, date;
  std::vector<std::string> arguments;  // KEY=VALUE

  // --chat and --no-chat where `has_default`, else --chat alone; and the others.
  void add(CLI::App& command, bool has_default);
  void add_template(CLI::App& command);  // the others alone
  void add_settings(CLI::App& command);  // of these, those that are no part of a conversation

  // Whether something on the command line makes a conversation.
  bool asked() const { return chat || !system.empty() || !template_file.empty() || !arguments.empty(); }
  // UsageError where one is asked for: tasks of lm-evaluation-harness are asked as they are written.
  void refuse_with_harness() const;

  // The template to use: --chat-template's file or name, or the model's own. InputError where there is none
  // and --chat asks for one; null where there is none otherwise, or --no-chat was given.
  std::shared_ptr<const ChatTemplate> find(const OpenModel& model) const;

  // --template-arg, --date (otherwise `date`), and what a prompt for an answer needs. A value is JSON where
  // it can be read so, and text otherwise. UsageError for one without '='.
  ChatSettings settings(const std::tm& otherwise) const;

  // The conversation of the user's one message, whose text is data, after the system message if there is one.
  std::vector<ChatMessage> messages(std::string user) const;
};

}  // namespace refocus::cli
