#include <array>

#include "server/openai/fields.h"

namespace refocus::openai {
namespace {

// What both ways of generating read.
constexpr std::array kReadByBoth = std::to_array<FieldRule>({
    {"model"},
    {"temperature"},
    {"top_p"},
    {"top_k"},
    {"min_p"},
    {"n"},
    {"stop"},
    {"seed"},
    {"max_tokens"},
    {"stream"},
    {"stream_options"},
    {"prompt_logprobs"},
    {"priority"},
    {"refocus"},
});

// What would change an answer, of OpenAI's API, vLLM's and llama.cpp's.
constexpr std::array kNeutralForBoth = std::to_array<FieldRule>({
    {"presence_penalty", "[0]"},
    {"frequency_penalty", "[0]"},
    {"logit_bias", "[{},[]]"},
    {"response_format", R"([{"type":"text"}])"},
    {"repetition_penalty", "[1]"},
    {"min_tokens", "[0]"},
    {"use_beam_search", "[false]"},
    {"length_penalty", "[1]"},
    {"ignore_eos", "[false]"},
    {"stop_token_ids", "[[]]"},
    {"bad_words", "[[]]"},
    {"allowed_token_ids", "[]"},
    {"include_stop_str_in_output", "[false]"},
    {"skip_special_tokens", "[true]"},
    {"spaces_between_special_tokens", "[true]"},
    {"truncate_prompt_tokens", "[]"},
    {"structured_outputs", "[]"},
    {"guided_json", "[]"},
    {"guided_regex", "[]"},
    {"guided_choice", "[]"},
    {"guided_grammar", "[]"},
    {"logits_processors", "[[]]"},
    {"prompt_embeds", "[]"},
    {"vllm_xargs", "[{}]"},
    {"return_token_ids", "[false]"},
    {"return_tokens_as_token_ids", "[false]"},
    {"repeat_penalty", "[1]"},
    {"n_predict", "[]"},
    {"n_probs", "[0]"},
    {"grammar", R"([""])"},
    {"json_schema", "[]"},
    {"lora", "[[]]"},
    {"typical_p", "[1]"},
    {"mirostat", "[0]"},
    {"dynatemp_range", "[0]"},
    {"dry_multiplier", "[0]"},
    {"xtc_probability", "[0]"},
});

constexpr std::array kCompletion = std::to_array<FieldRule>({
    {"prompt"},
    {"echo"},
    {"logprobs"},
    {"add_special_tokens"},
    {"best_of", "[1]"},
    {"suffix", "[]"},
});

constexpr std::array kChat = std::to_array<FieldRule>({
    {"messages"},
    {"max_completion_tokens"},
    {"logprobs"},
    {"top_logprobs"},
    {"add_generation_prompt"},
    {"chat_template_kwargs"},
    {"tools", "[[]]"},
    {"tool_choice", R"(["none","auto"])"},
    {"functions", "[[]]"},
    {"function_call", R"(["none","auto"])"},
    {"modalities", R"([["text"]])"},
    {"audio", "[]"},
    {"prediction", "[]"},
    {"web_search_options", "[]"},
    {"reasoning_effort", "[]"},
    {"verbosity", R"(["medium"])"},
    {"echo", "[false]"},
    {"add_special_tokens", "[false]"},
    {"continue_final_message", "[false]"},
    {"chat_template", "[]"},
    {"documents", "[[]]"},
});

constexpr std::array kTokenize = std::to_array<FieldRule>({
    {"model"},
    {"prompt"},
    {"messages"},
    {"content"},
    {"add_special_tokens"},
    {"add_special"},
    {"parse_special"},
    {"with_pieces"},
    {"return_token_strs"},
    {"add_generation_prompt"},
    {"chat_template_kwargs"},
    {"continue_final_message", "[false]"},
    {"chat_template", "[]"},
    {"tools", "[[]]"},
});

constexpr std::array kDetokenize = std::to_array<FieldRule>({{"model"}, {"tokens"}});

constexpr std::array kStreamOptions = std::to_array<FieldRule>({
    {"include_usage"},
    {"include_obfuscation", "[true,false]"},
    {"continuous_usage_stats", "[false]"},
});

constexpr std::array kRefocus = std::to_array<FieldRule>({{"intervene"}, {"attention"}});

constexpr std::array kAttention = std::to_array<FieldRule>({
    {"layers"},
    {"heads"},
    {"queries"},
    {"top_k"},
    {"reduce"},
    {"before"},
    {"inline"},
});

std::vector<FieldRule> generation_fields(std::span<const FieldRule> own) {
  std::vector<FieldRule> out(kReadByBoth.begin(), kReadByBoth.end());
  out.insert(out.end(), own.begin(), own.end());
  out.insert(out.end(), kNeutralForBoth.begin(), kNeutralForBoth.end());
  return out;
}

}  // namespace

std::span<const FieldRule> fields_of(FieldsOf object) {
  static const std::vector<FieldRule> completion = generation_fields(kCompletion);
  static const std::vector<FieldRule> chat = generation_fields(kChat);
  switch (object) {
    case FieldsOf::kCompletion:
      return completion;
    case FieldsOf::kChat:
      return chat;
    case FieldsOf::kTokenize:
      return kTokenize;
    case FieldsOf::kDetokenize:
      return kDetokenize;
    case FieldsOf::kStreamOptions:
      return kStreamOptions;
    case FieldsOf::kRefocus:
      return kRefocus;
    case FieldsOf::kAttention:
      return kAttention;
  }
  return {};
}

}  // namespace refocus::openai
