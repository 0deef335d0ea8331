// What the tests of src/tokenizer share: model directories made on the spot, and random text.
#pragma once

#include <rapidcheck.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support.h"
#include "tokenizer/tokenizer.h"

namespace refocus::testing {

using Ids = std::vector<std::int32_t>;

inline void write(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// A model directory with the given files.
class ModelDir : public TempDir {
 public:
  ModelDir(std::initializer_list<std::pair<std::string, std::string>> files) {
    for (const auto& [name, content] : files) write(*this / name, content);
  }
};

inline nlohmann::json read_json(const std::filesystem::path& path) {
  std::ifstream in(path);
  return nlohmann::json::parse(in);
}

inline nlohmann::json synthetic() { return read_json(golden("tokenizer/synthetic.json")); }

// The tokenizer.json of one case of synthetic.json.
inline nlohmann::json synthetic_tokenizer(const nlohmann::json& goldens, const nlohmann::json& one) {
  nlohmann::json tokenizer = one["tokenizer"];
  tokenizer["model"] = goldens["models"][one["model"].get<std::string>()];
  return tokenizer;
}
inline nlohmann::json synthetic_tokenizer(const std::string& name) {
  const nlohmann::json goldens = synthetic();
  for (const auto& one : goldens["cases"]) {
    if (one["name"] == name) return synthetic_tokenizer(goldens, one);
  }
  throw std::runtime_error("no case " + name);
}

inline std::unique_ptr<Tokenizer> load_json(const nlohmann::json& tokenizer,
                                            const std::string& config = "{}") {
  const ModelDir dir{{"tokenizer.json", tokenizer.dump()}, {"tokenizer_config.json", config}};
  return load_json_tokenizer(dir.path());
}

// Protocol buffer fields, to write small SentencePiece models.
inline std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(0x80 | (value & 0x7F));
  return out += static_cast<char>(value);
}
inline std::string field(int number, std::uint64_t value) {
  return varint(static_cast<std::uint64_t>(number) << 3) + varint(value);
}
inline std::string field(int number, const std::string& bytes) {
  return varint(static_cast<std::uint64_t>(number) << 3 | 2) + varint(bytes.size()) + bytes;
}
inline std::string float_field(int number, float value) {
  std::string bits(4, '\0');
  std::memcpy(bits.data(), &value, 4);
  return varint(static_cast<std::uint64_t>(number) << 3 | 5) + bits;
}
inline std::string piece_field(const std::string& piece, float score, int type) {
  return field(1, field(1, piece) + float_field(2, score) + field(3, static_cast<std::uint64_t>(type)));
}

// A SentencePiece BPE model like Llama-2's: byte fallback, identity normalizer, a few merges. `normalizer` is
// the content of its normalizer_spec.
inline std::string small_sentencepiece(const std::string& normalizer = field(3, 1) +
                                                                       field(4, std::uint64_t{0})) {
  std::string file = piece_field("<unk>", 0, 2) + piece_field("<s>", 0, 3) + piece_field("</s>", 0, 3);
  for (int byte = 0; byte < 256; ++byte) file += piece_field(fmt::format("<0x{:02X}>", byte), 0, 6);
  float score = 0;
  const auto normal = [&](const std::string& piece) { file += piece_field(piece, score, 1), score -= 1; };
  for (const char* merge : {"▁t", "he", "▁the", "▁a", "in", "ing", "▁▁", "▁▁▁▁", "th", "aa", "aaa"})
    normal(merge);
  for (const char* letter : {"▁", "a", "e", "g", "h", "i", "n", "t", "é"}) normal(letter);
  return file + field(2, field(3, 2) + field(35, 1)) + field(3, normalizer);
}

// Any text: code points of several kinds, with white space and characters that tokenizers treat specially.
inline rc::Gen<std::string> any_text() {
  const auto code_point = rc::gen::weightedOneOf<std::uint32_t>({
      {8, rc::gen::inRange<std::uint32_t>(0x61, 0x7B)},
      {4, rc::gen::inRange<std::uint32_t>(0x20, 0x7F)},
      {3,
       rc::gen::element<std::uint32_t>(' ', ' ', '\n', '\r', '\t', 0, 0xA0, 0x3000, 0x200D, 0xFE0F, 0x301)},
      {2, rc::gen::inRange<std::uint32_t>(0x80, 0x800)},
      {2, rc::gen::inRange<std::uint32_t>(0x800, 0xD800)},
      {1, rc::gen::inRange<std::uint32_t>(0xE000, 0x10000)},
      {1, rc::gen::inRange<std::uint32_t>(0x10000, 0x110000)},
  });
  return rc::gen::map(rc::gen::container<std::vector<std::uint32_t>>(code_point),
                      [](const auto& code_points) {
                        std::string text;
                        for (const std::uint32_t c : code_points) append_utf8(c, text);
                        return text;
                      });
}

// Any bytes, mostly invalid UTF-8.
inline rc::Gen<std::string> any_bytes() {
  const auto byte = rc::gen::weightedOneOf<int>({{2, rc::gen::inRange(0, 256)},
                                                 {1, rc::gen::inRange(0x80, 0xC0)},
                                                 {1, rc::gen::inRange(0xC2, 0xF5)},
                                                 {1, rc::gen::inRange(0x20, 0x7F)}});
  return rc::gen::map(rc::gen::container<std::vector<int>>(byte), [](const std::vector<int>& bytes) {
    std::string text;
    for (const int b : bytes) text += static_cast<char>(b);
    return text;
  });
}

// Fails the running test where `property` does not hold.
template <class Property>
void check_property(const char* what, Property&& property) {
  EXPECT_TRUE(rc::check(what, std::forward<Property>(property)));
}

// The node_modules folder with the real tokenizers (scripts/fetch_tokenizers puts them there).
inline std::filesystem::path npm_tokenizers() {
  if (const char* named = std::getenv("REFOCUS_NPM_TOKENIZERS")) return named;
  return std::filesystem::path(REFOCUS_SOURCE) / "build/npm-tokenizers/node_modules";
}

}  // namespace refocus::testing
