// Classes of tokens: by the word that a token is part of, not by the token.
#include "prompt/token_class.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "prompt/function_words.h"
#include "support.h"

namespace refocus {
namespace {

using testing::TempDir;

// A byte-level tokenizer whose vocabulary is these pieces, in this order, after the special <s>. "Ġ" is a
// blank, "Ċ" a line break.
std::unique_ptr<Tokenizer> tokenizer_of(const std::vector<std::string>& pieces) {
  nlohmann::json json = {
      {"added_tokens",
       {{{"id", 0},
         {"content", "<s>"},
         {"special", true},
         {"normalized", false},
         {"single_word", false},
         {"lstrip", false},
         {"rstrip", false}}}},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", {{"<s>", 0}}}, {"merges", nlohmann::json::array()}}}};
  for (std::size_t i = 0; i < pieces.size(); ++i) json["model"]["vocab"][pieces[i]] = i + 1;
  const TempDir dir;
  std::ofstream(dir / "tokenizer.json") << json.dump();
  return load_json_tokenizer(dir.path());
}

// The classes of a text of one token a piece, by their names.
std::vector<std::string> classes_of(const std::vector<std::string>& pieces) {
  std::vector<std::string> distinct = pieces;
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  std::erase(distinct, "<s>");
  const auto tokenizer = tokenizer_of(distinct);
  std::vector<std::int32_t> ids;
  for (const std::string& piece : pieces) ids.push_back(*tokenizer->find(piece));
  std::vector<std::string> names;
  for (const TokenClass c : classify_tokens(tokenizer.get(), ids)) names.emplace_back(token_class_name(c));
  return names;
}

using Names = std::vector<std::string>;

TEST(TokenClass, IsThatOfTheText) {
  EXPECT_EQ(classes_of({"<s>", "The", "Ġcat", "Ġsat", ".", "Ċ", "Ġ", "Ġ42", "ĠĊ", "\"", "+"}),
            (Names{"special", "function_word", "content", "content", "punctuation", "white_space",
                   "white_space", "number", "white_space", "punctuation", "punctuation"}));
}

TEST(TokenClass, PiecesHaveTheClassOfTheirWord) {
  EXPECT_EQ(classes_of({"Ġun", "der"}), (Names{"function_word", "function_word"}));
  EXPECT_EQ(classes_of({"Ġund", "er", "stand"}), (Names{"content", "content", "content"}));
  EXPECT_EQ(classes_of({"Ġthe", "Ġm"}), (Names{"function_word", "content"}));
  EXPECT_EQ(classes_of({"Ġthe", "m"}), (Names{"function_word", "function_word"}));
  EXPECT_EQ(classes_of({"Ġx", "2"}), (Names{"content", "content"})) << "not a number";
  EXPECT_EQ(classes_of({"3", ".", "1", "4"}), (Names{"number", "punctuation", "number", "number"}));
  EXPECT_EQ(classes_of({"the", "<s>", "m"}), (Names{"function_word", "special", "content"}))
      << "a special token ends a word";
}

TEST(TokenClass, ApostrophesJoinLettersAlone) {
  EXPECT_EQ(classes_of({"Ġdon", "'", "t"}), (Names{"function_word", "function_word", "function_word"}));
  EXPECT_EQ(classes_of({"Ġdon", "âĢĻ", "t"}), (Names{"function_word", "function_word", "function_word"}))
      << "the typographic one";
  EXPECT_EQ(classes_of({"Ġcats", "'", "Ġtails"}), (Names{"content", "punctuation", "content"}));
  EXPECT_EQ(classes_of({"Ġcat", "'s"}), (Names{"content", "content"}));
}

TEST(TokenClass, ReadsCharactersThatSeveralTokensMake) {
  // "é" is C3 A9, here in two tokens; "—" is E2 80 94.
  EXPECT_EQ(classes_of({"Ġcaf", "Ã", "©"}), (Names{"content", "content", "content"}));
  EXPECT_EQ(classes_of({"â", "Ģ", "Ķ", "Ġa"}),
            (Names{"punctuation", "punctuation", "punctuation", "function_word"}));
}

TEST(TokenClass, IsUnknownWithoutATokenizer) {
  EXPECT_EQ(classify_tokens(nullptr, std::vector<std::int32_t>{1, 2}),
            (std::vector<TokenClass>{TokenClass::kUnknown, TokenClass::kUnknown}));
  const auto tokenizer = tokenizer_of({"a"});
  EXPECT_EQ(classify_tokens(tokenizer.get(), std::vector<std::int32_t>{1, 700}),
            (std::vector<TokenClass>{TokenClass::kFunctionWord, TokenClass::kUnknown}))
      << "an id beyond the tokenizer's";
}

TEST(FunctionWords, AreThoseOfClosedClasses) {
  for (const char* word : {"the", "of", "it's", "we'll", "don't", "can't", "won't", "cannot", "wherever"}) {
    EXPECT_TRUE(is_function_word(word)) << word;
  }
  for (const char* word : {"cat", "cat's", "run", "two", "'s", "", "t", "The"}) {
    EXPECT_FALSE(is_function_word(word)) << word;
  }
}

}  // namespace
}  // namespace refocus
