// A model as Python has it: open, and computing one call at a time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "intervene/read_prompt.h"
#include "opened/running_model.h"
#include "prompt/chat.h"

namespace refocus::python {

// The settings of a conversation.
struct ChatCall {
  std::string messages;            // JSON: a list of messages as OpenAI's format has them
  std::string chat_template = {};  // a Jinja file, or the name of one of the model's own; or empty
  std::string arguments = {};      // JSON: what the template sees beside; an object, or empty
  std::string tools = {};          // JSON: a list, or empty
  bool generation_prompt = true;
};

// A prompt that keeps the tokenizer that it was read with, which may outlive the model.
struct KeptPrompt : ReadPrompt {
  std::shared_ptr<const Tokenizer> kept;
};

// Functions that compute wait for each other, so that any thread may call them; none needs the interpreter.
class Model {
 public:
  explicit Model(const OpenSettings& settings);

  // InputError where it was closed, and in a process that was forked from the one that opened it, where its
  // threads are not.
  RunningModel& running() const { return *shared(); }
  // The same, to be kept by what is under way.
  std::shared_ptr<RunningModel> shared() const;
  const Tokenizer& tokenizer() const;
  // Gives its memory back as soon as nothing is under way.
  void close();
  bool is_closed() const { return running_ == nullptr; }
  // To be held while it computes.
  std::unique_lock<std::mutex> computing() const { return std::unique_lock(mutex_); }

  // What a SPEC means for this model. UsageError and InputError as the command line.
  InterventionSpec intervention(const std::string& spec) const;
  std::string canonical(const std::string& spec) const;

  // `special`: whether special tokens are read in the text.
  KeptPrompt read_text(const std::string& text, bool special, const InterventionSpec& spec) const;
  KeptPrompt read_chat(const ChatCall& chat, const InterventionSpec& spec) const;
  KeptPrompt read_tokens(std::vector<std::int32_t> tokens) const;
  Prompt chat_pieces(const ChatCall& chat) const;

 private:
  std::shared_ptr<RunningModel> running_;
  pid_t process_;
  mutable std::mutex mutex_;
};

}  // namespace refocus::python
