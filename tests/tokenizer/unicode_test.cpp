// UTF-8 repair and Unicode normalization.
#include <utf8proc.h>

#include "tokenizer/added_tokens.h"
#include "tokenizer/pipeline/unicode_normal_form.h"
#include "tokenizer_support.h"

namespace refocus {
namespace {

TEST(Utf8, ReplacesMaximalSubparts) {
  // The examples of The Unicode Standard, 3.9, tables 3-8 to 3-11.
  const std::string r = "\uFFFD";
  EXPECT_EQ(replace_invalid_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(replace_invalid_utf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            r + r + r + r + r + "A" + r + r + "B");
  EXPECT_EQ(replace_invalid_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), r + r + r + r + "A");
  EXPECT_EQ(replace_invalid_utf8("abcdefgh\xC3"), "abcdefgh" + r);
}

TEST(Utf8, AcceptsExactlyTheScalarValues) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    append_utf8(c, text);
    const Utf8Step step = utf8_step(text);
    ASSERT_EQ(step.status, Utf8Status::kValid);
    ASSERT_EQ(step.code_point, c);
    ASSERT_EQ(static_cast<std::size_t>(step.length), text.size());
  }
  for (const char* invalid :
       {"\xED\xA0\x80", "\xC1\x81", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\x80", "\xE0\x9F\xBF"}) {
    EXPECT_FALSE(is_valid_utf8(invalid));
  }
}

TEST(Utf8, AssemblesAnyPiecesToTheSame) {
  testing::check_property("pieces give what the whole gives", [] {
    const std::string bytes = *testing::any_bytes();
    for (const auto custom : {Utf8Assembler::Custom::kMaximalSubpart, Utf8Assembler::Custom::kEachByte}) {
      Utf8Assembler whole(custom), piecewise(custom);
      std::string expected = whole.push(bytes);
      expected += whole.finish();
      RC_ASSERT(is_valid_utf8(expected));
      std::string text;
      for (std::size_t at = 0; at < bytes.size();) {
        const auto size = *rc::gen::inRange<std::size_t>(1, 5);
        const std::string part = piecewise.push(std::string_view(bytes).substr(at, size));
        RC_ASSERT(is_valid_utf8(part));
        text += part;
        at += size;
      }
      text += piecewise.finish();
      RC_ASSERT(text == expected);
    }
  });
}

TEST(UnicodeNormalForm, KnownForms) {
  // UAX #15, figures 3 to 6.
  EXPECT_EQ(normalize_unicode("\u212b\u2126\u00f4\u1e69", NormalForm::kNfd),
            "A\u030a\u03a9o\u0302s\u0323\u0307");
  EXPECT_EQ(normalize_unicode("A\u030a\u03a9o\u0302s\u0307\u0323", NormalForm::kNfc),
            "\u00c5\u03a9\u00f4\u1e69");
  EXPECT_EQ(normalize_unicode("\u1e9b\u0323", NormalForm::kNfkc), "\u1e69");
  EXPECT_EQ(normalize_unicode("\u1e9b\u0323", NormalForm::kNfkd), "s\u0323\u0307");
  EXPECT_EQ(normalize_unicode("\ufb012\u2075", NormalForm::kNfc), "\ufb012\u2075");
  EXPECT_EQ(normalize_unicode("\ufb012\u2075", NormalForm::kNfkc), "fi25");
  EXPECT_EQ(normalize_unicode("\u1112\u1161\u11ab", NormalForm::kNfc), "\ud55c");
}

TEST(UnicodeNormalForm, AgreesWithTheLibraryAndIsStable) {
  testing::check_property("equal to utf8proc's own loop", [] {
    const auto mark = rc::gen::inRange<std::uint32_t>(0x300, 0x370);
    const auto code_point = rc::gen::oneOf(mark, rc::gen::inRange<std::uint32_t>(0x41, 0x250),
                                           rc::gen::inRange<std::uint32_t>(0x1100, 0x1200),
                                           rc::gen::inRange<std::uint32_t>(0x1E00, 0x2000));
    std::string text;
    for (const auto c : *rc::gen::container<std::vector<std::uint32_t>>(code_point)) append_utf8(c, text);
    const std::string ours = normalize_unicode(text, NormalForm::kNfc);
    utf8proc_uint8_t* theirs = nullptr;
    const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                   static_cast<utf8proc_ssize_t>(text.size()), &theirs,
                                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    RC_ASSERT(size >= 0);
    const std::string expected(reinterpret_cast<char*>(theirs), static_cast<std::size_t>(size));
    std::free(theirs);
    RC_ASSERT(ours == expected);
    RC_ASSERT(normalize_unicode(ours, NormalForm::kNfc) == ours);
  });
}

TEST(UnicodeNormalForm, SortsALongRunOfMarks) {
  std::string text = "a", marks;
  for (int i = 0; i < 200'000; ++i) text += "\u0301\u0323";  // quadratic for a loop that exchanges neighbours
  const std::string sorted = normalize_unicode(text, NormalForm::kNfd);
  EXPECT_EQ(sorted.size(), text.size());
  EXPECT_EQ(sorted.substr(1, 4), "\u0323\u0323");
  EXPECT_TRUE(sorted.ends_with("\u0301\u0301"));
}

TEST(AddedTokens, CutTheText) {
  AddedTokenMatcher matcher;
  const auto add = [&](std::int32_t id, const char* content, bool special) {
    AddedToken token;
    token.id = id;
    token.content = content;
    token.special = special;
    matcher.add(token, content);
  };
  const auto cut = [&](std::string_view text, bool parse_special) {
    std::string out;
    for (const TextPart& part : matcher.split(text, parse_special)) {
      out += part.id < 0 ? fmt::format("({})", text.substr(part.begin, part.end - part.begin))
                         : fmt::format("{}", part.id);
    }
    return out;
  };
  EXPECT_EQ(cut("a<b>", true), "(a<b>)");  // none yet
  add(1, "<b>", false);
  add(2, "<b>c", false);
  add(3, "<s>", true);
  add(4, "s", false);
  EXPECT_EQ(cut("", true), "");
  EXPECT_EQ(cut("x<b><b>cd<b", true), "(x)12(d<b)");  // the longest at one place
  EXPECT_EQ(cut("x<s>y", true), "(x)3(y)");
  EXPECT_EQ(cut("x<s>y", false), "(x<s>y)");  // refused, but it uses up its text: the s in it is not cut out
  EXPECT_EQ(cut("<<s><b>", true), "(<)31");
}

}  // namespace
}  // namespace refocus
