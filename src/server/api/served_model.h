// What a server serves: one model with its tokenizer and chat template, by its names, and which interventions
// requests may ask of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "intervene/grammar/spec.h"
#include "prompt/chat.h"
#include "server/openai/model_names.h"
#include "tokenizer/tokenizer.h"

namespace refocus::server {

struct ServedModel {
  const Tokenizer& tokenizer;
  const ModelConfig& config;
  std::vector<std::int32_t> eos;                      // that end an answer
  std::shared_ptr<const ChatTemplate> chat_template;  // null: none
  ChatSettings chat;  // arguments that requests may add to; without a date it is that of each request
  openai::ModelNames names;
  // Of model files, program and instruction set: what decides an answer beside the request.
  std::string identity;
  std::int64_t created = 0;  // seconds since 1970
  std::string version;       // of the program

  // A SPEC of a request. UsageError or InputError where it is none, or does not fit the model. It may name no
  // file, which only who starts the server may, in an alias.
  InterventionSpec intervention(const std::string& spec) const;
  // The one form of a SPEC, of an alias or a request.
  std::string canonical(const std::string& spec) const;
  // "fp_" and 16 hexadecimal digits: equal where equal requests have equal answers.
  std::string fingerprint(const std::string& canonical_intervention) const;
};

}  // namespace refocus::server
