// Requests of the OpenAI API as typed values: text of a body in, a struct out, or an ApiError with status
// 400.
//
// Sources: OpenAI's reference (https://platform.openai.com/docs/api-reference: completions, chat), vLLM's
// OpenAI-compatible server for prompt_logprobs, add_special_tokens, top_k, min_p, chat_template_kwargs,
// /tokenize and /detokenize, and llama.cpp's server for its form of the last two.
//
// A field that is null is absent. What is absent has OpenAI's default, which is not that of `refocus
// generate`: temperature 1, top_p 1, and 16 tokens of a completion. A field that would change the answer and
// that nothing acts on is refused (code unsupported_parameter) unless its value changes nothing; any other
// unknown field is ignored and named in `ignored`. Fields and limits are in fields.h, openapi.json has all of
// them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "prompt/chat.h"

namespace refocus::openai {

inline constexpr std::int64_t kCompletionTokens = 16;  // max_tokens of a completion without it
inline constexpr std::size_t kMostPrompts = 256;
inline constexpr std::size_t kMostMessages = 4096;  // of a request
inline constexpr std::size_t kMostMembers = 64;     // of a message
inline constexpr std::size_t kMostStops = 16, kLongestStop = 256;
inline constexpr std::int64_t kMostChoices = 16;                            // n
inline constexpr std::int64_t kMostAlternatives = 20;                       // logprobs, top_logprobs
inline constexpr std::size_t kMostArguments = 64, kArgumentBytes = 65'536;  // chat_template_kwargs
inline constexpr std::int64_t kMostPriority = 1'000'000;                    // and the least, below 0
inline constexpr std::size_t kLongestSpec = 8192;                           // bytes; of a model's name too

struct Sampling {
  double temperature = 1;  // 0 to 2; 0: greedy
  double top_p = 1;        // 0 to 1
  double min_p = 0;        // 0 to 1
  std::int64_t top_k = 0;  // 0: all
  std::optional<std::int64_t> seed;
};

// refocus.attention: which weights are kept, for GET /v1/attention/ID. Numbers of layers, heads and rows
// count from 0; whether the model has them is not known here.
struct AttentionRequest {
  enum class Queries { kGenerated, kAll, kListed };
  std::vector<std::int32_t> layers, heads;  // as given; empty: all
  // kGenerated: the rows that the answer's tokens were chosen from, the prompt's last and those of the
  // answer's tokens but its last.
  Queries queries = Queries::kGenerated;
  std::vector<std::int32_t> rows;  // positions, where listed
  std::int32_t top_k = 32;         // keys kept of a row, 1 to 4096
  bool mean_heads = false;         // reduce: "mean_heads"
  bool before = false;             // the weights before the intervention too
  bool inline_rows = false;        // in the answer itself
};

// The field `refocus`, this server's own. A SPEC is text here (intervene/spec.h reads it).
struct RefocusRequest {
  std::optional<std::string> intervene;
  std::optional<AttentionRequest> attention;
};

// What completions and chats share.
struct GenerationRequest {
  std::string model;  // as given; empty where it is absent
  Sampling sampling;
  std::int64_t n = 1;  // choices a prompt
  std::vector<std::string> stop;
  bool stream = false;
  bool include_usage = false;                   // in a last chunk of the stream
  std::optional<std::int64_t> prompt_logprobs;  // alternatives to each token of the prompt
  std::int64_t priority = 0;                    // vLLM's: lower ones are begun first
  RefocusRequest refocus;
  std::vector<std::string> ignored;  // names of fields that are not known: at most 32
};

// Text, tokens, or messages to which the model's chat template is applied.
using PromptInput = std::variant<std::string, std::vector<std::int32_t>, std::vector<ChatMessage>>;

struct CompletionRequest : GenerationRequest {
  std::vector<PromptInput> prompts;  // at least one
  std::int64_t max_tokens = kCompletionTokens;
  bool echo = false;
  std::optional<std::int64_t> logprobs;  // alternatives to each token, 0 to 20
  bool add_special_tokens = true;        // what the tokenizer puts before a text, mostly the BOS
};

struct ChatRequest : GenerationRequest {
  std::vector<ChatMessage> messages;       // at least one
  std::optional<std::int64_t> max_tokens;  // nothing: what the context has room for
  bool logprobs = false;
  std::int64_t top_logprobs = 0;              // 0 to 20
  bool add_generation_prompt = true;          // for ChatSettings::generation_prompt
  nlohmann::ordered_json template_arguments;  // chat_template_kwargs, for ChatSettings::arguments; or null
};

struct TokenizeRequest {
  std::string model;
  PromptInput prompt;                 // text or messages
  bool add_special_tokens = true;     // false for messages and for llama.cpp's `content` unless asked for
  std::optional<bool> parse_special;  // llama.cpp's: whether "<s>" in a text is the token
  bool pieces = false;                // with_pieces or return_token_strs: the tokens' spellings too
  bool llama_cpp = false;             // `content`: the answer of with_pieces is llama.cpp's
  bool add_generation_prompt = true;
  nlohmann::ordered_json template_arguments;
};

struct DetokenizeRequest {
  std::string model;
  std::vector<std::int32_t> tokens;  // may be none
};

CompletionRequest read_completion_request(std::string_view body);
ChatRequest read_chat_request(std::string_view body);
TokenizeRequest read_tokenize_request(std::string_view body);
DetokenizeRequest read_detokenize_request(std::string_view body);

}  // namespace refocus::openai
