#include "template/characters.h"

#include "template_support.h"

namespace refocus::jinja {
namespace {

std::string cased(const std::string& text, Case to) {
  return std::string(in_case(Text(text), to, 1000).bytes());
}

TEST(TemplateCharacters, CaseOfSeveralCharactersAndSigma) {
  EXPECT_EQ(cased("stra\u00dfe \ufb03", Case::kUpper), "STRASSE FFI");
  EXPECT_EQ(cased("\u0130I", Case::kLower), "i\u0307i");
  EXPECT_EQ(cased("\u039f\u0394\u039f\u03a3 \u03a3", Case::kLower), "\u03bf\u03b4\u03bf\u03c2 \u03c3");
  EXPECT_EQ(cased("\u0391\u03a3.\u0391", Case::kLower), "\u03b1\u03c3.\u03b1");
  EXPECT_EQ(cased("\u01c6 it's", Case::kTitle), "\u01c5 It'S");
  EXPECT_EQ(cased("\ufb01X", Case::kCapitalize), "Fix");
  EXPECT_EQ(cased("a\u00dfB", Case::kSwap), "ASSb");
  EXPECT_EQ(cased("\u1e9e", Case::kFold), "ss");
}

TEST(TemplateCharacters, EachCharacterIsFromWhereItWasMadeOf) {
  TextBuilder builder(100);
  builder.add("\u00df", Source{1});
  builder.add("a", Source{2});
  EXPECT_EQ(in_case(builder.take(), Case::kUpper, 100).runs(), (std::vector<TextRun>{{2, {1}}, {3, {2}}}));
}

TEST(TemplateCharacters, Kinds) {
  EXPECT_TRUE(is_space(0x1C) && is_space(0x3000) && !is_space(0x200B));
  EXPECT_TRUE(is_digit(0xB2) && !is_decimal(0xB2) && is_numeric(0xBD) && is_numeric(0x4E00));
  EXPECT_TRUE(is_lower(0xAA) && is_lower('a') && is_upper(0x2160) && is_title(0x1C5));
  EXPECT_TRUE(is_printable(' ') && !is_printable(0xA0) && !is_printable(0x378));
  EXPECT_EQ(digit_value(U'\u0665'), 5);
  EXPECT_EQ(digit_value(0x1D7CE), 0);
  EXPECT_EQ(digit_value(0x1D7D9), 1);
}

}  // namespace
}  // namespace refocus::jinja
