// refocus tokenize: the ids of a text, as a prompt has them (with the model's BOS).
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "cli/bundled.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "tokenizer/tokenizer.h"

namespace refocus::cli {

namespace {

struct TokenizeOptions {
  std::string model, text;
  bool json = false;
};

void run(const TokenizeOptions& options) {
  const std::unique_ptr<Tokenizer> tokenizer = open_tokenizer(resolve_model(options.model));
  const std::vector<std::int32_t> ids = tokenizer->encode_prompt(options.text);
  if (options.json) {
    nlohmann::ordered_json out{{"tokens", ids}, {"pieces", nlohmann::json::array()}};
    for (const std::int32_t id : ids) out["pieces"].push_back(tokenizer->piece(id));
    fmt::print("{}\n", json_text(out));
    return;
  }
  fmt::print("{}\n", fmt::join(ids, ","));
}

}  // namespace

Action add_tokenize(CLI::App& command) {
  auto options = std::make_shared<TokenizeOptions>();
  add_model_option(command, options->model);
  command.add_option("-p,--prompt", options->text, "The text")->required()->type_name("TEXT");
  command.add_flag("--json", options->json, "Print one JSON object with the ids and the vocabulary's pieces");
  return [options] { run(*options); };
}

}  // namespace refocus::cli
