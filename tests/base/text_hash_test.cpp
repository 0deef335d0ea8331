#include "base/text_hash.h"

#include <gtest/gtest.h>

namespace refocus {
namespace {

// Test vectors that the authors of FNV-1a published.
TEST(TextHash, IsFnv1a) {
  EXPECT_EQ(text_hash(""), 0xcbf29ce484222325u);
  EXPECT_EQ(text_hash("a"), 0xaf63dc4c8601ec8cu);
  EXPECT_EQ(text_hash("foobar"), 0x85944171f73967e8u);
}

}  // namespace
}  // namespace refocus
