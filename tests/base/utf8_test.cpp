#include "base/utf8.h"

#include <gtest/gtest.h>

namespace refocus {
namespace {

TEST(Utf8, ReplacesMaximalInvalidParts) {
  EXPECT_EQ(replace_invalid_utf8("plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"),
            "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80");
  EXPECT_EQ(replace_invalid_utf8(std::string("a\0\"\\\n", 5)), std::string("a\0\"\\\n", 5));
  EXPECT_EQ(replace_invalid_utf8("x\xf0\x9f\x98"), "x\xef\xbf\xbd");
  EXPECT_EQ(replace_invalid_utf8("\xff\xfey"), "\xef\xbf\xbd\xef\xbf\xbdy");
  EXPECT_EQ(replace_invalid_utf8("\xe2\x82z"), "\xef\xbf\xbdz");
}

TEST(Utf8, KnowsWhatIsInvalid) {
  EXPECT_FALSE(is_valid_utf8("\xed\xa0\x80"));      // a surrogate
  EXPECT_FALSE(is_valid_utf8("\xc0\x80"));          // overlong
  EXPECT_FALSE(is_valid_utf8("\xf4\x90\x80\x80"));  // beyond U+10FFFF
  EXPECT_FALSE(is_valid_utf8("\xe2\x82"));          // cut off
  EXPECT_TRUE(is_valid_utf8(""));
  EXPECT_TRUE(is_valid_utf8("\xf4\x8f\xbf\xbf"));
}

TEST(Utf8, AppendsACodePoint) {
  std::string text = "a";
  append_utf8(0x20AC, text);
  EXPECT_EQ(text, "a\xE2\x82\xAC");
}

}  // namespace
}  // namespace refocus
