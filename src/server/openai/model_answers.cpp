#include "server/openai/model_answers.h"

#include "base/json_reader.h"
#include "base/utf8.h"
#include "server/openai/scored_token.h"

namespace refocus::openai {
namespace {

using nlohmann::ordered_json;

ordered_json model_json(const ModelNames& names, const ServedModel& model, const ModelFacts& facts) {
  return {{"id", model.id},
          {"object", "model"},
          {"created", facts.created},
          {"owned_by", "refocus"},
          {"root", names.served()},
          {"parent", model.id == names.served() ? ordered_json() : ordered_json(names.served())},
          {"max_model_len", facts.context},
          {"refocus",
           {{"intervention", model.spec ? ordered_json(*model.spec) : ordered_json()},
            {"layers", facts.layers},
            {"heads", facts.heads},
            {"chat", facts.chat}}}};
}

ordered_json special_text(const Tokenizer& tokenizer, const std::string& name) {
  const auto found = tokenizer.special_texts().find(name);
  return found == tokenizer.special_texts().end() ? ordered_json() : ordered_json(found->second);
}

}  // namespace

std::string models_answer(const ModelNames& names, const ModelFacts& facts) {
  ordered_json data = ordered_json::array();
  for (const ServedModel& model : names.listed()) data.push_back(model_json(names, model, facts));
  return json_text(ordered_json{{"object", "list"}, {"data", std::move(data)}});
}

std::string model_answer(const ModelNames& names, const ServedModel& model, const ModelFacts& facts) {
  return json_text(model_json(names, model, facts));
}

std::string tokenizer_info_answer(const Tokenizer& tokenizer, std::int64_t context) {
  ordered_json out = ordered_json::object();
  for (const char* name : {"bos_token", "eos_token", "pad_token", "unk_token"}) {
    out[name] = special_text(tokenizer, name);
  }
  // A model can name its end token by number alone.
  const auto& ends = tokenizer.eos_ids();
  if (out["eos_token"].is_null() && !ends.empty() && tokenizer.contains(ends[0])) {
    out["eos_token"] = tokenizer.piece(ends[0]);
  }
  if (const auto bos = tokenizer.bos_id(); out["bos_token"].is_null() && bos && tokenizer.contains(*bos)) {
    out["bos_token"] = tokenizer.piece(*bos);
  }
  const auto& templates = tokenizer.chat_templates();
  const auto usual = templates.find("default");
  out["chat_template"] = usual == templates.end() ? ordered_json() : ordered_json(usual->second);
  out["vocab_size"] = tokenizer.vocab_size();
  out["model_max_length"] = context;
  return json_text(out);
}

std::string tokenize_answer(const TokenizeRequest& request, const Tokenizer& tokenizer,
                            std::span<const std::int32_t> tokens, std::int64_t context) {
  const auto bytes = [&](std::int32_t id) { return token_score(tokenizer, id, 0).bytes; };
  ordered_json list = ordered_json::array();
  if (request.pieces && request.llama_cpp) {
    for (const std::int32_t id : tokens) {
      const std::string piece = bytes(id);
      ordered_json shown = piece;
      if (!is_valid_utf8(piece)) shown = std::vector<std::uint8_t>(piece.begin(), piece.end());
      list.push_back({{"id", id}, {"piece", std::move(shown)}});
    }
    return json_text(ordered_json{{"tokens", std::move(list)}});
  }
  ordered_json spellings;
  if (request.pieces) {
    spellings = ordered_json::array();
    for (const std::int32_t id : tokens) spellings.push_back(replace_invalid_utf8(bytes(id)));
  }
  for (const std::int32_t id : tokens) list.push_back(id);
  return json_text(ordered_json{{"tokens", std::move(list)},
                                {"count", tokens.size()},
                                {"max_model_len", context},
                                {"token_strs", std::move(spellings)}});
}

std::string detokenize_answer(std::string_view text) {
  const std::string valid = replace_invalid_utf8(text);
  return json_text(ordered_json{{"prompt", valid}, {"content", valid}});
}

std::string health_answer(bool ready) {
  return json_text(ordered_json{{"status", ready ? "ok" : "loading"}});
}

}  // namespace refocus::openai
