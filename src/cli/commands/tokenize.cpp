// refocus tokenize: the ids of a text, as a prompt has them (with the model's BOS), and where each is from.
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "cli/command.h"
#include "cli/options/intervention_file.h"
#include "cli/options/model_options.h"
#include "cli/options/prompt_options.h"
#include "intervene/grammar/head_draw.h"
#include "intervene/grammar/named.h"
#include "opened/bundled.h"
#include "opened/open_model.h"
#include "tokenizer/tokenizer.h"

namespace refocus::cli {

namespace {

struct TokenizeOptions {
  std::string model;
  PromptOptions prompt;
  bool json = false, pieces = false;
  std::string intervene = "none";
};

// What an intervention acts on: of each token, "1k 1r 2r" where it is a key of part 1 and a row of parts 1
// and 2.
std::vector<std::string> touched(const InterventionSpec& spec, const ReadPrompt& prompt) {
  std::vector<std::string> out(prompt.tokens.size());
  const auto target = prompt.aim(spec);
  for (std::size_t p = 0; p < spec.parts.size(); ++p) {
    for (std::size_t t = 0; t < out.size(); ++t) {
      const auto at = static_cast<std::int64_t>(t);
      const auto add = [&](char what) {
        out[t] += fmt::format("{}{}{}", out[t].empty() ? "" : " ", p + 1, what);
      };
      if (target && target->keys[p].contains(at)) add('k');
      if (spec.parts[p].rows.contains(at, std::ssize(prompt.tokens))) add('r');
    }
  }
  return out;
}

// Heads are drawn of a model's, which is opened for nothing else here.
std::vector<std::string> heads_of(const InterventionSpec& spec, const TokenizeOptions& options) {
  std::vector<std::string> out(spec.parts.size());
  const auto draws = [](const InterventionPart& part) { return part.heads && part.heads->draw; };
  if (std::ranges::none_of(spec.parts, draws)) return out;
  OpenSettings settings;
  settings.model = options.model;
  const ModelConfig config = open_model(settings).config;
  for (std::size_t p = 0; p < out.size(); ++p) {
    if (!draws(spec.parts[p])) continue;
    out[p] = heads_in_model(spec.parts[p], config.num_hidden_layers, config.num_attention_heads).text();
  }
  return out;
}

void print_parts(const InterventionSpec& spec, const std::vector<std::string>& heads) {
  for (std::size_t p = 0; p < spec.parts.size(); ++p) {
    fmt::print("# {}: {}{}{}\n", p + 1, spec.parts[p].canonical(std::nullopt),
               heads[p].empty() ? "" : ", which draws the heads ", heads[p]);
  }
  if (!spec.is_none()) fmt::print("# last column: 1k a key, 1r a row of part 1\n");
}

// A line a token: place, id, vocabulary piece, where it is from.
void print_pieces(const Tokenizer& tokenizer, const ReadPrompt& prompt, const InterventionSpec& spec,
                  const std::vector<std::string>& heads) {
  print_parts(spec, heads);
  const std::vector<std::string> marks = touched(spec, prompt), origins = prompt.origins().texts;
  for (std::size_t t = 0; t < prompt.tokens.size(); ++t) {
    const std::int32_t id = prompt.tokens[t];
    fmt::print("{}\t{}\t{}\t{}{}{}\n", t, id, printable(tokenizer.piece(id), 200), origins[t],
               spec.is_none() ? "" : "\t", marks[t]);
  }
}

void print_json(const Tokenizer& tokenizer, const ReadPrompt& prompt, const InterventionSpec& spec,
                const std::vector<std::string>& heads) {
  nlohmann::ordered_json out{
      {"tokens", prompt.tokens}, {"pieces", nlohmann::json::array()}, {"origins", prompt.origins().texts}};
  for (const std::int32_t id : prompt.tokens) out["pieces"].push_back(tokenizer.piece(id));
  if (!spec.is_none()) out["touched"] = touched(spec, prompt);
  for (std::size_t p = 0; p < heads.size(); ++p) {
    if (!heads[p].empty()) out["drawn_heads"][std::to_string(p + 1)] = heads[p];
  }
  fmt::print("{}\n", json_text(out));
}

void run(const TokenizeOptions& options) {
  OpenModel model;
  model.directory = resolve_model(options.model);
  model.tokenizer = open_tokenizer(model.directory);
  const Tokenizer* tokenizer = model.tokenizer.get();
  const InterventionSpec spec = parse_named_intervention(intervention_text(options.intervene)).spec;
  const ReadPrompt prompt = options.prompt.read(model, {&spec, 1});
  if (options.json) {
    print_json(*tokenizer, prompt, spec, heads_of(spec, options));
  } else if (options.pieces || !spec.is_none()) {  // ids alone would not say what it touches
    print_pieces(*tokenizer, prompt, spec, heads_of(spec, options));
  } else {
    fmt::print("{}\n", fmt::join(prompt.tokens, ","));
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
  command
      .add_option("--intervene", options->intervene,
                  "Say which tokens are keys and rows of each part (with --pieces, or --json)")
      ->type_name("SPEC");
  return [options] { run(*options); };
}

}  // namespace refocus::cli
