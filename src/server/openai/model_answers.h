// Answers about the models and the tokenizer: /v1/models, /tokenizer_info, /tokenize and /detokenize, the
// last two in the dialects of vLLM and llama.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "server/openai/model_names.h"
#include "server/openai/request.h"

namespace refocus::openai {

struct ModelFacts {
  std::int64_t created = 0;  // seconds since 1970
  std::int64_t context = 0;  // most tokens of a sequence: max_model_len
  std::int64_t layers = 0;   // of attention, and query heads of each
  std::int64_t heads = 0;
  bool chat = false;  // whether it has a chat template
};

std::string models_answer(const ModelNames& names, const ModelFacts& facts);
// GET /v1/models/ID; `model` is what ModelNames::find gave.
std::string model_answer(const ModelNames& names, const ServedModel& model, const ModelFacts& facts);

// Has the key eos_token (null where the tokenizer has none), by which lm-evaluation-harness knows that the
// server has a tokenizer.
std::string tokenizer_info_answer(const Tokenizer& tokenizer, std::int64_t context);

// {tokens, count, max_model_len, token_strs}; for llama.cpp's `with_pieces` {tokens: [{id, piece}]}, where
// the piece of a token that is no UTF-8 alone is a list of bytes.
std::string tokenize_answer(const TokenizeRequest& request, const Tokenizer& tokenizer,
                            std::span<const std::int32_t> tokens, std::int64_t context);

// {prompt, content}: the names of vLLM and of llama.cpp.
std::string detokenize_answer(std::string_view text);

// GET /health: {status: "ok"}, or "loading" (with status 503).
std::string health_answer(bool ready);

}  // namespace refocus::openai
