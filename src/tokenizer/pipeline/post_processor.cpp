#include "tokenizer/pipeline/post_processor.h"

#include "base/error.h"
#include "tokenizer/token_table.h"

namespace refocus {
namespace {

// Appends the ids of the special token `name` as the template's own list gives them.
void append_special(const std::string& where, JsonObject json, std::string_view name,
                    std::vector<std::int32_t>& ids) {
  const JsonObject tokens = required(where, "special_tokens", json_object(where, json, "special_tokens"));
  const JsonObject token = required(where, name, json_object(where, tokens, name));
  for (const JsonValue value : required(where, "ids", json_array(where, token, "ids"))) {
    const std::int64_t id = as_integer(where, "a token id", value);
    if (id < 0 || id >= TokenTable::kMaxIds) {
      throw input_error(where, "expected token ids from 0 to {}, got {} in the template; the file is damaged",
                        TokenTable::kMaxIds - 1, id);
    }
    ids.push_back(static_cast<std::int32_t>(id));
  }
}

PromptFrame read_template(const std::string& where, JsonObject json) {
  PromptFrame frame;
  bool text_seen = false;
  for (const JsonValue value : required(where, "single", json_array(where, json, "single"))) {
    const JsonObject item = as_object(where, "an item of a template", value);
    if (json_object(where, item, "Sequence")) {
      if (text_seen)
        throw input_error(where,
                          "expected a template with one text, got more; this tokenizer is not supported");
      text_seen = true;
      continue;
    }
    const JsonObject special = required(where, "SpecialToken", json_object(where, item, "SpecialToken"));
    append_special(where, json, required(where, "id", json_string(where, special, "id")),
                   text_seen ? frame.suffix : frame.prefix);
  }
  if (!text_seen) throw input_error(where, "expected a template with a text, got none; the file is damaged");
  return frame;
}

// RobertaProcessing and BertProcessing: ["<s>", 0] before the text and ["</s>", 2] after it.
std::vector<std::int32_t> named_token(const std::string& where, JsonObject json, std::string_view key) {
  const JsonArray pair = required(where, key, json_array(where, json, key));
  const std::int64_t id = pair.size() == 2 ? as_integer(where, "a token id", pair.at(1)) : -1;
  if (id < 0 || id >= TokenTable::kMaxIds) {
    throw input_error(where, "expected a token and its id as \"{}\", got another; the file is damaged", key);
  }
  return {static_cast<std::int32_t>(id)};
}

}  // namespace

PromptFrame read_post_processor(const std::string& where, JsonObject json) {
  const std::string_view type = json_type(where, json);
  if (type == "ByteLevel") return {};
  if (type == "TemplateProcessing") return read_template(where, json);
  if (type == "RobertaProcessing" || type == "BertProcessing") {
    return {named_token(where, json, "cls"), named_token(where, json, "sep")};
  }
  if (type != "Sequence") {
    throw input_error(where,
                      "expected a post-processor of type TemplateProcessing, ByteLevel, RobertaProcessing, "
                      "BertProcessing or Sequence, got '{}'; this tokenizer is not supported",
                      printable(type));
  }
  PromptFrame frame;
  for (const JsonValue part : required(where, "processors", json_array(where, json, "processors"))) {
    const PromptFrame next = read_post_processor(where, as_object(where, "a post-processor", part));
    frame.prefix.insert(frame.prefix.begin(), next.prefix.begin(), next.prefix.end());
    frame.suffix.insert(frame.suffix.end(), next.suffix.begin(), next.suffix.end());
  }
  return frame;
}

}  // namespace refocus
