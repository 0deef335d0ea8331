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
  EXPECT_EQ(printable("abc", 3), "abc");
  EXPECT_EQ(printable("ab\xC3\xA9tude", 3), "ab...");
  EXPECT_EQ(printable("ab\xC3\xA9tude", 4), "ab\xC3\xA9...");
  EXPECT_EQ(printable("ab\x01\x02", 6), "ab\\x01...");
}

TEST(Error, PrintableIsUtf8WithoutControls) {
  EXPECT_EQ(printable("\xFF.\xC3.\xE2\x82"), "\\xff.\\xc3.\\xe2\\x82");
  EXPECT_EQ(printable("\xC2\x9B"
                      "31m\x7F"),
            "\\xc2\\x9b31m\\x7f")
      << "CSI in one character, and delete";
  EXPECT_EQ(printable("\xC2\xA0\xC3\xA9"), "\xC2\xA0\xC3\xA9");
}

TEST(InputError, IsOneLineOfUtf8WhateverItQuotes) {
  const InputError error(
      "a\xff"
      "b\n",
      "expected x, got '\x7f\x1b[31m\xC3\xA9\xC2\x85'");
  EXPECT_STREQ(error.what(), "[a\\xffb\\x0a] expected x, got '\\x7f\\x1b[31m\xC3\xA9\\xc2\\x85'");
  const UsageError again("--x", error.what());
  EXPECT_EQ(std::string(again.what()), "[--x] " + std::string(error.what()))
      << "what is shown stays as it is";
  EXPECT_EQ(std::string(InputError("w", std::string(100'000, 'y')).what()).size(), 100'004u);
}

}  // namespace
}  // namespace refocus
