// refocus tokenize: the ids of a text, as a prompt has them (with the model's BOS), and where each is from.
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "cli/bundled.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/prompt_options.h"
#include "tokenizer/tokenizer.h"

namespace refocus::cli {

namespace {

struct TokenizeOptions {
  std::string model;
  PromptOptions prompt;
  bool json = false, pieces = false;
};

std::string origin_of(const Prompt& prompt, std::int32_t piece) {
  if (piece == EncodedPrompt::kNoPiece) return "tokenizer";
  const PromptPiece& of = prompt[static_cast<std::size_t>(piece)];
  return origin_text(of.origin, of.is_template);
}

// A line a token: place, id, vocabulary piece, where it is from.
void print_pieces(const Tokenizer& tokenizer, const Prompt& prompt, const EncodedPrompt& encoded) {
  for (std::size_t t = 0; t < encoded.tokens.size(); ++t) {
    const std::int32_t id = encoded.tokens[t];
    fmt::print("{}\t{}\t{}\t{}\n", t, id, printable(tokenizer.piece(id), 200),
               origin_of(prompt, encoded.pieces[t]));
  }
}

void print_json(const Tokenizer& tokenizer, const Prompt& prompt, const EncodedPrompt& encoded) {
  nlohmann::ordered_json out{
      {"tokens", encoded.tokens}, {"pieces", nlohmann::json::array()}, {"origins", nlohmann::json::array()}};
  for (std::size_t t = 0; t < encoded.tokens.size(); ++t) {
    out["pieces"].push_back(tokenizer.piece(encoded.tokens[t]));
    out["origins"].push_back(origin_of(prompt, encoded.pieces[t]));
  }
  fmt::print("{}\n", json_text(out));
}

void run(const TokenizeOptions& options) {
  OpenModel model;
  model.directory = resolve_model(options.model);
  model.tokenizer = open_tokenizer(model.directory);
  const Tokenizer* tokenizer = model.tokenizer.get();
  const Prompt prompt = options.prompt.prompt(model);
  const EncodedPrompt encoded = options.prompt.encoded(model, prompt);
  if (options.json) {
    print_json(*tokenizer, prompt, encoded);
  } else if (options.pieces) {
    print_pieces(*tokenizer, prompt, encoded);
  } else {
    fmt::print("{}\n", fmt::join(encoded.tokens, ","));
  }
}

}  // namespace

Action add_tokenize(CLI::App& command) {
  auto options = std::make_shared<TokenizeOptions>();
  add_model_option(command, options->model);
  options->prompt.add_text(command);
  auto* pieces = command.add_flag("--pieces", options->pieces,
                                  "A line a token: its place, id, vocabulary piece and where it is from");
  command
      .add_flag("--json", options->json,
                "Print one JSON object with the ids, the vocabulary's pieces and where each is from")
      ->excludes(pieces);
  return [options] { run(*options); };
}

}  // namespace refocus::cli
