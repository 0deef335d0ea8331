#include "cluster/packed_text.h"

#include <gtest/gtest.h>

namespace refocus {
namespace {

TEST(PackedText, ComesBack) {
  const std::string bytes("a:1\0\xff", 5);
  const std::string packed = Packer().add(-7).add(bytes).add("").add(INT64_MAX).take();
  Unpacker in(packed);
  EXPECT_EQ(in.number(), -7);
  EXPECT_EQ(in.text(), bytes);
  EXPECT_EQ(in.text(), "");
  EXPECT_FALSE(in.at_end());
  EXPECT_EQ(in.number(), INT64_MAX);
  EXPECT_TRUE(in.at_end());
}

TEST(PackedText, RefusesOtherMessages) {
  for (const char* text : {"", "x", "12", ":", "-:", "99999999999999999999:"}) {
    EXPECT_THROW(Unpacker(text).number(), InputError) << text;
  }
  for (const char* text : {"4:abc", "-1:abc", "9223372036854775807:abc"}) {
    EXPECT_THROW(Unpacker(text).text(), InputError) << text;
  }
}

}  // namespace
}  // namespace refocus
