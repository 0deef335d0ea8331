#include "eval/text/code_points.h"

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/text_file.h"
#include "eval/text/fuzzy_match.h"
#include "eval/text/sha256.h"
#include "support.h"

namespace refocus {
namespace {

// The golden file has a digest for each 4096 characters, of the numbers that Python or RapidFuzz gives for
// them.
void expect_as_peers(const char* property, const std::function<char32_t(char32_t)>& value) {
  const auto digests =
      nlohmann::json::parse(read_text_file(testing::golden("extraction/characters.json")))[property];
  ASSERT_EQ(digests.size(), 272u);
  for (std::size_t block = 0; block < digests.size(); ++block) {
    std::string numbers;
    for (std::size_t i = 0; i < 4096; ++i) {
      numbers += (i == 0 ? "" : " ") + std::to_string(value(static_cast<char32_t>(block * 4096 + i)));
    }
    EXPECT_EQ(sha256_hex(numbers).substr(0, 8), digests[block].get<std::string>())
        << property << " from U+" << std::hex << block * 4096;
  }
}

// What becomes of a character inside a text; 0 where nothing does.
template <class Prepare>
auto between(Prepare prepare) {
  return [prepare](char32_t c) {
    const std::u32string text = prepare(std::u32string{U'x', c, U'x'});
    return text.size() == 3 ? text[1] : U'\0';
  };
}

TEST(Characters, AllOfUnicodeIsAsPythonAndRapidFuzzHaveIt) {
  expect_as_peers("alphanumeric", [](char32_t c) { return is_alphanumeric(c) ? U'\1' : U'\0'; });
  expect_as_peers("white_space", [](char32_t c) { return is_white_space(c) ? U'\1' : U'\0'; });
  expect_as_peers("default_process", between(default_process));
  expect_as_peers("full_process", between(full_process));
}

TEST(Characters, MatchIgnoringCaseAsInPythonsRe) {
  std::map<char32_t, char32_t> least;
  for (char32_t c = 0; c < 0x110000; ++c) least.try_emplace(fold_case(c), c);
  expect_as_peers("ignoring_case", [&](char32_t c) { return least.at(fold_case(c)); });
}

TEST(Characters, LowerCaseIsOneForOne) {
  EXPECT_EQ(lower_case(U'A'), U'a');
  EXPECT_EQ(lower_case(U'\u0130'), U'i');
  EXPECT_EQ(lower_case(U'\u212A'), U'k');
  EXPECT_EQ(lower_case(U'\u03A3'), U'\u03C3');
  EXPECT_EQ(lower_case(U'\u0101'), U'\u0101');
  EXPECT_EQ(lower_case(U'\U00010400'), U'\U00010428');
}

TEST(Characters, StripsWhatPythonStrips) {
  EXPECT_EQ(stripped("\xC2\xA0\x1C A b \xE3\x80\x80\n"), "A b");
  EXPECT_EQ(stripped(" \xE2\x80\xA8\xC2\x85\t"), "");
  EXPECT_EQ(stripped(""), "");
  // A blank of no width and a zero are none.
  EXPECT_EQ(stripped("\xE2\x80\x8B x"), "\xE2\x80\x8B x");
  EXPECT_EQ(stripped(std::string_view("\0 x", 3)), std::string_view("\0 x", 3));
}

TEST(Utf8Text, ReadsInvalidBytesAsReplacementCharacters) {
  const auto chars = decode_utf8("a\xC3\xA9\xFF\xE2\x82z");
  std::u32string codes;
  for (const CodePoint& c : chars) codes += c.code;
  EXPECT_EQ(codes, U"a\u00E9\uFFFD\uFFFD\uFFFDz");
  EXPECT_EQ(chars[1].begin, 1u);
  EXPECT_EQ(chars[1].end, 3u);
  EXPECT_EQ(first_invalid_utf8("a\xC3\xA9\xFF"), 3u);
}

}  // namespace
}  // namespace refocus
