// SentencePiece models: a small one of the test's own, a small real one, and hostile ones.
#include <sentencepiece_processor.h>

#include "tokenizer/sentencepiece/sentencepiece_model.h"
#include "tokenizer/streaming_decoder.h"
#include "tokenizer_support.h"

namespace refocus {
namespace {

using testing::field;
using testing::float_field;
using ::testing::HasSubstr;
using testing::Ids;
using testing::ModelDir;
using testing::small_sentencepiece;

std::unique_ptr<Tokenizer> load_small(const std::string& config = "{}",
                                      const std::string& model = small_sentencepiece()) {
  const ModelDir dir{{"tokenizer.model", model}, {"tokenizer_config.json", config}};
  return load_tokenizer(dir.path());
}

std::string pieces(const Tokenizer& tokenizer, const Ids& ids) {
  std::string out;
  for (const std::int32_t id : ids) out += tokenizer.piece(id) + "|";
  return out;
}

TEST(SentencePiece, EncodesWithDummyPrefixAndByteFallback) {
  const auto t = load_small();
  EXPECT_EQ(pieces(*t, t->encode("the thing")), "▁the|▁t|h|ing|");
  EXPECT_EQ(pieces(*t, t->encode(" the")), "▁|▁the|");
  EXPECT_EQ(pieces(*t, t->encode("a\nz")), "▁a|<0x0A>|<0x7A>|");
  EXPECT_EQ(pieces(*t, t->encode(std::string_view("a\0a", 3))), "▁a|<0x00>|a|");
  EXPECT_EQ(pieces(*t, t->encode("a\xFF\x80z")), "▁a|<0xEF>|<0xBF>|<0xBD>|<0xEF>|<0xBF>|<0xBD>|<0x7A>|");
  EXPECT_EQ(t->encode(""), Ids{});
}

TEST(SentencePiece, AddsTheBosUnlessToldNotTo) {
  EXPECT_EQ(load_small()->encode_prompt("the")[0], 1);
  EXPECT_EQ(load_small(R"({"add_bos_token": false})")->encode_prompt("the"), load_small()->encode("the"));
  const auto both = load_small(R"({"add_bos_token": true, "add_eos_token": true})");
  EXPECT_EQ(both->encode_prompt(""), (Ids{1, 2}));
}

TEST(SentencePiece, SaysWhereTheModelsFilesBeginAndEndOtherwise) {
  const auto load = [](const std::string& config, const std::string& names = "{}") {
    const ModelDir dir{{"tokenizer.model", small_sentencepiece()},
                       {"tokenizer_config.json", names},
                       {"config.json", config}};
    return load_tokenizer(dir.path());
  };
  EXPECT_TRUE(load(R"({"bos_token_id": 1, "eos_token_id": 2})")->warnings().empty());
  EXPECT_TRUE(load(R"({"eos_token_id": [0, 2]})")->warnings().empty());

  // The ids of the first conversion of LLaMA; its begin token would be <unk>.
  const auto first = load(R"({"bos_token_id": 0, "eos_token_id": 1})");
  EXPECT_EQ(first->encode_prompt("the")[0], 1);
  ASSERT_EQ(first->warnings().size(), 2U);
  EXPECT_THAT(
      first->warnings()[0],
      HasSubstr("answers end with 1 ('<s>') (eos_token_id), as in transformers, and not with 2 ('</s>')"));
  EXPECT_THAT(
      first->warnings()[1],
      HasSubstr("config.json] bos_token_id is 0 ('<unk>'), but the tokenizer begins a prompt with 1"));
  // Nothing is put before a prompt: nothing to differ.
  EXPECT_EQ(load(R"({"bos_token_id": 0})", R"({"add_bos_token": false})")->warnings().size(), 0U);

  const auto beyond = load(R"({"eos_token_id": [2, 99999]})");
  ASSERT_EQ(beyond->warnings().size(), 1U);
  EXPECT_THAT(beyond->warnings()[0],
              HasSubstr("eos_token_id has 99999 (no token of the vocabulary), which no answer"));
}

TEST(SentencePiece, SpecialTokensInTheTextArePlainTextUnlessAskedFor) {
  const auto t = load_small();
  EXPECT_EQ(pieces(*t, t->encode("<s>")), "▁|<0x3C>|<0x73>|<0x3E>|");
  EXPECT_EQ(pieces(*t, t->encode("a<s>a</s>", {.parse_special = true})), "▁a|<s>|▁a|</s>|");
  const auto modern = load_small(R"({"legacy": false})");
  EXPECT_EQ(pieces(*modern, modern->encode("a<s>a</s> a", {.parse_special = true})), "▁a|<s>|a|</s>|▁a|");
  EXPECT_EQ(pieces(*modern, modern->encode("<s>a", {.parse_special = true})), "<s>|a|");
}

TEST(SentencePiece, TakesAddedTokensFromTheConfiguration) {
  const auto t = load_small(R"({"added_tokens_decoder": {"400": {"content": "<pad>", "special": true},
                               "401": {"content": "<cut>", "special": false, "normalized": false}}})");
  EXPECT_EQ(t->vocab_size(), 402);
  EXPECT_EQ(pieces(*t, t->encode("a<cut>a<pad>")), "▁a|<cut>|▁a|<0x3C>|<0x70>|a|<0x64>|<0x3E>|");
  EXPECT_EQ(t->encode("<pad>", {.parse_special = true}), Ids{400});
  EXPECT_EQ(t->decode(Ids{401, 400}), "<cut>");
  EXPECT_EQ(t->decode(Ids{300}), "");  // a gap in the ids
  EXPECT_THAT(testing::error_of([&] { t->piece(300); }), HasSubstr("got 300"));
}

TEST(SentencePiece, DecodesLikeTheLibrary) {
  sentencepiece::SentencePieceProcessor library;
  for (const bool strip : {false, true}) {
    const std::string model = small_sentencepiece(field(3, 1) + field(4, strip ? 1 : 0));
    ASSERT_TRUE(library.LoadFromSerializedProto(model).ok());
    const auto t = load_small("{}", model);
    testing::check_property("decoded texts are equal", [&] {
      // Without the unknown and the control tokens, which the library spells or lets split a character.
      const auto ids = *rc::gen::container<Ids>(
          rc::gen::oneOf(rc::gen::inRange(3, t->vocab_size()), rc::gen::inRange(259, t->vocab_size())));
      std::string expected;
      RC_ASSERT(library.Decode(ids, &expected).ok());
      RC_ASSERT(t->decode(ids) == expected);
    });
  }
}

TEST(SentencePiece, RoundTripsAnyText) {
  for (const char* config : {"{}", R"({"legacy": false})"}) {
    const auto t = load_small(config);
    testing::check_property("decode(encode(text)) is the text", [&] {
      const std::string text = *testing::any_text();
      RC_PRE(text.find("\u2581") == std::string::npos);
      RC_ASSERT(t->decode(t->encode(text)) == text);
      RC_ASSERT(t->decode(t->encode_prompt(text)) == text);
    });
  }
}

TEST(SentencePiece, RefusesDamagedFiles) {
  const std::string good = small_sentencepiece();
  EXPECT_THAT(testing::error_of([] { load_small("{}", ""); }), HasSubstr("download it again"));
  EXPECT_THAT(testing::error_of([] { load_small("{}", "no model"); }), HasSubstr("download the file again"));
  EXPECT_THAT(testing::error_of([&] { load_small("{}", good + field(1, testing::float_field(2, NAN))); }),
              HasSubstr("SentencePiece model"));
  EXPECT_THAT(testing::error_of([&] { load_small("{}", good + field(5, field(2, std::string("map")))); }),
              HasSubstr("denormalizer"));
  EXPECT_THAT(testing::error_of([&] { load_small("{}", good + field(2, field(24, 1))); }),
              HasSubstr("treat_whitespace_as_suffix"));
  EXPECT_THAT(testing::error_of([&] { load_small("{}", good + field(3, field(5, std::uint64_t{0}))); }),
              HasSubstr("escape_whitespaces"));
  // Cut off anywhere, or with any byte changed: an InputError or a tokenizer that works.
  testing::check_property("no file crashes", [&] {
    std::string file = good;
    const auto changes = *rc::gen::inRange(0, 4);
    for (int i = 0; i < changes; ++i)
      file[*rc::gen::inRange<std::size_t>(0, file.size())] = static_cast<char>(*rc::gen::inRange(0, 256));
    if (*rc::gen::arbitrary<bool>()) file.resize(*rc::gen::inRange<std::size_t>(0, file.size()));
    try {
      const auto t = load_small("{}", file);
      t->decode(t->encode("the thing <s> é\n"));
    } catch (const InputError&) {
    }
  });
}

// A character map is a double-array trie that the library follows unchecked.
std::string character_map(const std::vector<std::uint32_t>& units, const std::string& strings) {
  std::string map(4 + units.size() * 4, '\0');
  const auto bytes = static_cast<std::uint32_t>(units.size() * 4);
  std::memcpy(map.data(), &bytes, 4);
  std::memcpy(map.data() + 4, units.data(), units.size() * 4);
  return field(2, map + strings);
}

TEST(SentencePiece, RefusesACharacterMapThatLeadsOutOfTheFile) {
  std::vector<std::uint32_t> units(256, 0x80000000U);
  const std::string strings("x\0", 2);
  const auto check = [&](const std::string& normalizer) {
    check_sentencepiece_model("m", field(3, normalizer));
  };
  EXPECT_NO_THROW(check(character_map(units, strings)));
  units[0] = 1U << 10;  // children from unit 1 on
  EXPECT_NO_THROW(check(character_map(units, strings)));
  units[0] = 1000U << 10;  // beyond the end
  EXPECT_THAT(testing::error_of([&] { check(character_map(units, strings)); }),
              HasSubstr("download it again"));
  units[0] = (1U << 10) | (1U << 8);  // a value in unit 1
  units[1] = 0x80000000U | 1;
  EXPECT_NO_THROW(check(character_map(units, strings)));
  units[1] = 0x80000000U | 2;  // behind the strings
  EXPECT_THAT(testing::error_of([&] { check(character_map(units, strings)); }),
              HasSubstr("download it again"));
  units[1] = 0x80000000U;
  EXPECT_THAT(testing::error_of([&] { check(character_map(units, "x")); }), HasSubstr("download it again"));
}

constexpr const char* kSmallReal = "models/aidreams-260k";

TEST(SentencePiece, SmallRealModelRoundTripsTheData) {
  REFOCUS_NEEDS_SHARED(kSmallReal);
  REFOCUS_NEEDS_SHARED("data/piqa/dev.jsonl");
  const auto t = load_tokenizer(testing::shared(kSmallReal));
  sentencepiece::SentencePieceProcessor library;
  ASSERT_TRUE(library.Load((testing::shared(kSmallReal) / "tokenizer.model").string()).ok());
  EXPECT_EQ(t->vocab_size(), 512);
  EXPECT_EQ(t->bos_id(), 1);
  EXPECT_EQ(t->eos_ids(), Ids{2});
  std::ifstream in(testing::shared("data/piqa/dev.jsonl"));
  int lines = 0, byte_tokens = 0;
  for (std::string line; std::getline(in, line); ++lines) {
    const Ids ids = t->encode(line);
    std::vector<int> expected;
    ASSERT_TRUE(library.Encode(line, &expected).ok());
    EXPECT_EQ(ids, expected);
    EXPECT_EQ(t->decode(ids), line);
    for (const std::int32_t id : ids) byte_tokens += t->piece(id).starts_with("<0x") ? 1 : 0;
  }
  EXPECT_GT(lines, 1000);
  EXPECT_GT(byte_tokens, 0);
}

// Types that there are not, numbers that do not fit, and members of another wire type.
TEST(SentencePiece, PiecesAreThoseThatTheLibraryReads) {
  const auto piece = [](const char* text, const std::string& more) {
    return field(1, field(1, text) + float_field(2, -9) + more);
  };
  const std::string file = small_sentencepiece() + field(1, std::uint64_t{7}) +
                           piece("unknown type", field(3, std::uint64_t{0x105})) +
                           piece("far beyond", field(3, std::uint64_t{0x1'0000'0005})) +
                           piece("bytes", field(3, std::string("\x05"))) +
                           piece("twice", field(3, std::uint64_t{5}) + field(3, std::uint64_t{9})) +
                           piece("text", field(1, std::uint64_t{1}));
  sentencepiece::SentencePieceProcessor library;
  ASSERT_TRUE(library.LoadFromSerializedProto(file).ok());
  const std::vector<SentencePiecePiece> read = sentencepiece_pieces("file", file);
  ASSERT_EQ(std::ssize(read), library.GetPieceSize());
  int unused = 0;
  for (int id = 0; id < library.GetPieceSize(); ++id) {
    const SentencePiecePiece& it = read[static_cast<std::size_t>(id)];
    EXPECT_EQ(it.text, library.IdToPiece(id));
    EXPECT_EQ(it.score, library.GetScore(id)) << it.text;
    EXPECT_EQ(it.type == StoredTokenType::kUnknown, library.IsUnknown(id)) << it.text;
    EXPECT_EQ(it.type == StoredTokenType::kControl, library.IsControl(id)) << it.text;
    EXPECT_EQ(it.type == StoredTokenType::kUnused, library.IsUnused(id)) << it.text;
    EXPECT_EQ(it.type == StoredTokenType::kByte, library.IsByte(id)) << it.text;
    unused += it.type == StoredTokenType::kUnused ? 1 : 0;
  }
  EXPECT_EQ(unused, 2);
}

TEST(SentencePiece, SmallRealModelRoundTripsAnyText) {
  REFOCUS_NEEDS_SHARED(kSmallReal);
  const auto t = load_tokenizer(testing::shared(kSmallReal));
  testing::check_property("decode(encode(text)) is the text", [&] {
    const std::string text = *testing::any_text();
    RC_PRE(text.find("\u2581") == std::string::npos);
    RC_ASSERT(t->decode(t->encode(text)) == text);
  });
}

}  // namespace
}  // namespace refocus
