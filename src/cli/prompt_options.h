// A prompt as text (-p), from a file (-f) or as token ids (--tokens).
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/chat_options.h"
#include "cli/model_options.h"
#include "intervene/target.h"
#include "prompt/origins.h"

namespace refocus::cli {

// A prompt as a command computes with it.
struct ReadPrompt {
  std::vector<std::int32_t> tokens;
  Prompt pieces;                         // none of a prompt of ids
  EncodedPrompt encoded;                 // of the pieces
  const Tokenizer* tokenizer = nullptr;  // or null

  // Where its tokens are from, and `generated` ones after them; nothing of a prompt of ids.
  TokenOrigins origins(std::int64_t generated = 0) const;
  // What an intervention acts on in it, or in its first `count` tokens; null where that does not depend on
  // the prompt.
  std::shared_ptr<const InterventionTarget> aim(const InterventionSpec& spec) const {
    return aim(spec, std::ssize(tokens));
  }
  std::shared_ptr<const InterventionTarget> aim(const InterventionSpec& spec, std::int64_t count) const;
};

struct PromptOptions {
  std::string text, file, ids;
  bool plain = false;  // special tokens in the text are text
  ChatOptions chat;
  CLI::Option* text_option = nullptr;
  CLI::Option* file_option = nullptr;
  CLI::Option* ids_option = nullptr;

  // Returns the group of which exactly one must be given, so that a command can add other choices to it.
  CLI::Option_group* add(CLI::App& command);
  // -p, -f, --no-special and the options of a conversation alone.
  CLI::Option_group* add_text(CLI::App& command);
  bool is_chat() const {
    return chat.chat || !chat.system.empty() || !chat.template_file.empty() || !chat.arguments.empty();
  }
  bool is_text() const { return text_option->count() > 0 || file_option->count() > 0; }
  // The text as one piece: a template's, since the user wrote the whole prompt, or data with --no-special.
  // With --chat, the conversation whose user says the text. InputError where the file cannot be read.
  Prompt prompt(const OpenModel& model) const;
  // The same of another text.
  Prompt prompt_of(const OpenModel& model, std::string text) const;
  // Its ids, with what the model's tokenizer puts around it.
  EncodedPrompt encoded(const OpenModel& model, const Prompt& prompt) const;
  // The text's pieces and ids, with the BOS that the model's tokenizer adds, or --tokens as given. Marks (<<
  // >>) are read where one of the interventions asks for them. Warns where keys= of one chooses nothing.
  ReadPrompt read(const OpenModel& model, std::span<const InterventionSpec> specs = {}) const;
};

}  // namespace refocus::cli
