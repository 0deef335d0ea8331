#include "base/error.h"

#include <gtest/gtest.h>

namespace refocus {
namespace {

TEST(Error, NamesThePlaceAndFormatsTheMessage) {
  const InputError e = input_error("config.json", "expected {}, got {}; do {}", 1, "two", "this");
  EXPECT_STREQ(e.what(), "[config.json] expected 1, got two; do this");
}

TEST(Error, PrintableKeepsToOneLineAndCutsBetweenCharacters) {
  EXPECT_EQ(printable("a\nb\x01"), "a\\x0ab\\x01");
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(printable("ab\xC3\xA9tude", 3).substr(0, 2), "ab");
}

}  // namespace
}  // namespace refocus
