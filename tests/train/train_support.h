// What tests of training share: a small tokenizer of single characters, made on the spot.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace refocus::testing {

inline void write_text(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// A byte-level tokenizer of the printable ASCII characters without merges but "ab"; <s> is 0, </s> 1.
inline void write_character_tokenizer(const std::filesystem::path& directory) {
  using Json = nlohmann::ordered_json;
  Json vocab = {{"<s>", 0}, {"</s>", 1}, {"\u0120", 2}, {"\u010A", 3}, {"ab", 4}};
  for (char c = 33; c < 127; ++c) vocab[std::string(1, c)] = static_cast<int>(vocab.size());
  const auto special = [](int id, const char* text) {
    return Json{{"id", id},        {"content", text},     {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", false}, {"special", true}};
  };
  const Json tokenizer = {
      {"version", "1.0"},
      {"added_tokens", Json::array({special(0, "<s>"), special(1, "</s>")})},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array({"a b"})}}}};
  std::filesystem::create_directories(directory);
  write_text(directory / "tokenizer.json", tokenizer.dump());
  write_text(directory / "tokenizer_config.json",
             R"({"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": true})");
}

// config.json of a model that trains in a moment.
inline std::string tiny_config() {
  return R"({"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "tie_word_embeddings": true,
    "initializer_range": 0.1})";
}

}  // namespace refocus::testing
