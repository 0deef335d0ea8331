// Bodies of the OpenAI API: each reader gives values or a fault of the request, and what is written is JSON
// in events of one line, whatever bytes the tokens have.
#include "base/json_reader.h"
#include "server/openai/model_names.h"
#include "server/openai/request.h"
#include "server/openai/stream.h"
#include "target.h"

namespace {

using namespace refocus;
using namespace refocus::openai;

void check_fault(const ApiError& error, std::string_view input) {
  fuzz::check_message(error.what(), input);
  fuzz::require(error.status() >= 400 && error.status() < 500 && error.status() != 429,
                "a fault of the request");
  check_json(error_text(error), {"error"});
}

// Only ApiErrors may come out; any other InputError goes on to fuzz::run as a finding here.
template <class Read>
void read_body_with(Read read, std::string_view input) {
  try {
    const auto request = read(input);
    const ModelNames names("small", {{"reb", "none"}}, true);
    intervention_of({names.find(request.model).spec, "none", std::string(input.substr(0, 64))},
                    [](const std::string& spec) { return spec; });
  } catch (const ApiError& e) {
    check_fault(e, input);
  } catch (const InputError&) {
    fuzz::require(false, "an error of a request is an ApiError");
  }
}

void check_event(std::string_view event) {
  fuzz::require(event.starts_with("data: ") && event.ends_with("\n\n"), "an event");
  event.remove_prefix(6);
  event.remove_suffix(2);
  fuzz::require(event.find('\n') == std::string_view::npos, "an event of one line");
  check_json(event, {"event"});
}

// The beginning of the input as the bytes of tokens.
void write_as_tokens(std::string_view input) {
  std::vector<ScoredToken> tokens;
  for (std::size_t at = 0; at < input.size() && at < 36; at += 3) {
    const std::string bytes(input.substr(at, 3));
    const double logprob = -1.0 / static_cast<double>(at + 1);
    const TokenScore score{static_cast<std::int32_t>(at), bytes, logprob, 0};
    tokens.push_back({score, true, {score, {-1, bytes.substr(0, 1), 2 * logprob, 0}}, 0});
  }
  const AnswerHead head{"id", 0, std::string(input.substr(0, 16)), "fp"};
  for (const auto kind : {ChunkWriter::Kind::kCompletion, ChunkWriter::Kind::kChat}) {
    check_event(ChunkWriter(kind, head, true).more(0, input, &tokens));
  }
  check_json(json_text(prompt_logprobs(tokens)), {"answer"});
}

}  // namespace

REFOCUS_FUZZ_TARGET(openai_request) {
  read_body_with(read_completion_request, input);
  read_body_with(read_chat_request, input);
  read_body_with(read_tokenize_request, input);
  read_body_with(read_detokenize_request, input);
  write_as_tokens(input);
}
