// The "post_processor" of a tokenizer.json: the tokens that a prompt begins and ends with.
//
// Known: TemplateProcessing (its "single" part), ByteLevel (which changes offsets only), RobertaProcessing,
// BertProcessing and Sequence.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tokenizer/json.h"

namespace refocus {

struct PromptFrame {
  std::vector<std::int32_t> prefix, suffix;  // token ids before and after the text's own
};

PromptFrame read_post_processor(const std::string& where, JsonObject json);

}  // namespace refocus
