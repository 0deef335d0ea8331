// A prompt as text (-p), from a file (-f) or as token ids (--tokens).
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/options/chat_options.h"
#include "cli/options/model_options.h"
#include "intervene/read_prompt.h"

namespace refocus::cli {

struct PromptOptions {
  std::string text, file, ids, messages;
  bool plain = false;  // special tokens in the text are text
  ChatOptions chat;
  CLI::Option* text_option = nullptr;
  CLI::Option* file_option = nullptr;
  CLI::Option* ids_option = nullptr;
  CLI::Option* messages_option = nullptr;

  // Returns the group of which exactly one must be given, so that a command can add other choices to it.
  CLI::Option_group* add(CLI::App& command);
  // -p, -f, --messages, --no-special and the options of a conversation alone.
  CLI::Option_group* add_text(CLI::App& command);
  bool is_chat() const {
    return !messages.empty() || chat.chat || !chat.system.empty() || !chat.template_file.empty() ||
           !chat.arguments.empty();
  }
  // What stands around the prompt's own tokens.
  PromptEnds ends() const { return is_chat() ? PromptEnds::kBegin : PromptEnds::kModel; }
  bool is_text() const {
    return text_option->count() > 0 || file_option->count() > 0 || messages_option->count() > 0;
  }
  // The text as one piece: a template's, since the user wrote the whole prompt, or data with --no-special.
  // With --chat, the conversation whose user says the text; with --messages, that of the file. InputError
  // where a file cannot be read.
  Prompt prompt(const OpenModel& model) const;
  // The same of another text.
  Prompt prompt_of(const OpenModel& model, std::string text) const;
  // Its ids, with what the model's tokenizer puts around it.
  EncodedPrompt encoded(const OpenModel& model, const Prompt& prompt) const;
  // The text's pieces and ids, with the BOS that the model's tokenizer adds, or --tokens as given. Marks (<<
  // >>) are read where one of the interventions asks for them. Warns where keys= of one chooses nothing.
  ReadPrompt read(const OpenModel& model, std::span<const InterventionSpec> specs = {}) const;

 private:
  Prompt conversation(const OpenModel& model) const;  // of --messages
};

}  // namespace refocus::cli
