#include "base/nearest_word.h"

#include <gtest/gtest.h>

#include <vector>

namespace refocus {
namespace {

const std::vector<std::string_view> kWords = {"generate",        "eval",    "train",
                                              "train-tokenizer", "--limit", "--layers-first"};

TEST(NearestWord, OneSlipOfTheKeyboard) {
  EXPECT_EQ(nearest_word("evall", kWords), "eval");
  EXPECT_EQ(nearest_word("EVAL", kWords), "eval");
  EXPECT_EQ(nearest_word("eavl", kWords), "eval");
  EXPECT_EQ(nearest_word("genrate", kWords), "generate");
  EXPECT_EQ(nearest_word("--limt", kWords), "--limit");
  EXPECT_EQ(nearest_word("--layer-frist", kWords), "--layers-first");
}

TEST(NearestWord, ABeginningThatOnlyOneHas) {
  EXPECT_EQ(nearest_word("gen", kWords), "generate");
  EXPECT_EQ(nearest_word("trai", kWords), "train");  // one letter away
  EXPECT_EQ(nearest_word("tra", kWords), "");
  EXPECT_EQ(nearest_word("ge", kWords), "");
}

TEST(NearestWord, NothingNear) {
  EXPECT_EQ(nearest_word("help", kWords), "");
  EXPECT_EQ(nearest_word("ab", std::vector<std::string_view>{"cd"}), "");
  EXPECT_EQ(nearest_word("", kWords), "");
  EXPECT_EQ(nearest_word(std::string(1000, 'e'), kWords), "");
  EXPECT_EQ(nearest_word("eval", {}), "");
  EXPECT_EQ(did_you_mean("frobnicate", kWords), "");
  EXPECT_EQ(did_you_mean("evla", kWords), "; did you mean eval?");
}

}  // namespace
}  // namespace refocus
