#include "eval/text/display_width.h"

#include <gtest/gtest.h>

namespace refocus {
namespace {

TEST(Utf8Text, CountsColumns) {
  EXPECT_EQ(display_width(""), 0);
  EXPECT_EQ(display_width("35.2 \xc2\xb1 0.4"), 10);
  EXPECT_EQ(display_width("\xe4\xb8\xad\xe6\x96\x87"), 4);  // two wide characters
  EXPECT_EQ(display_width("e\xcc\x81"), 1);                 // a combining accent
}

}  // namespace
}  // namespace refocus
