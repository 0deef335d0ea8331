#include "eval/utf8_text.h"

#include <gtest/gtest.h>

namespace refocus {
namespace {

TEST(Utf8Text, ReplacesIllFormedParts) {
  EXPECT_EQ(valid_utf8("plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"),
            "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80");
  EXPECT_EQ(valid_utf8(std::string("a\0\"\\\n", 5)), std::string("a\0\"\\\n", 5));
  // A character cut off at the end is one replacement, as Python's errors="replace" has it.
  EXPECT_EQ(valid_utf8("x\xf0\x9f\x98"), "x\xef\xbf\xbd");
  EXPECT_EQ(valid_utf8("\xff\xfey"), "\xef\xbf\xbd\xef\xbf\xbdy");
  EXPECT_EQ(valid_utf8("\xe2\x82z"), "\xef\xbf\xbdz");
  EXPECT_FALSE(is_valid_utf8("\xed\xa0\x80"));  // a surrogate
  EXPECT_FALSE(is_valid_utf8("\xc0\x80"));      // overlong
  EXPECT_TRUE(is_valid_utf8(""));
}

TEST(Utf8Text, CountsColumns) {
  EXPECT_EQ(display_width(""), 0);
  EXPECT_EQ(display_width("35.2 \xc2\xb1 0.4"), 10);
  EXPECT_EQ(display_width("\xe4\xb8\xad\xe6\x96\x87"), 4);  // two wide characters
  EXPECT_EQ(display_width("e\xcc\x81"), 1);                 // a combining accent
}

}  // namespace
}  // namespace refocus
