// Quoted YAML scalars of several lines, and what a configuration keeps of tags and quotes.
#include "eval/text/quoted_scalar.h"

#include "eval/text/config_node.h"
#include "support.h"

namespace refocus {
namespace {

std::string value_of(const std::string& yaml) {
  return parse_config("k: " + yaml + "\n", "t.yaml", false).find("k")->text;
}

TEST(QuotedScalar, FoldsLines) {
  EXPECT_EQ(value_of("'a\n  b'"), "a b");
  EXPECT_EQ(value_of("'a  \n\n   b'"), "a\nb");
  EXPECT_EQ(value_of("'a\n\n\n  b'"), "a\n\nb") << "n breaks in a row leave n - 1";
  EXPECT_EQ(value_of("'\n\n\n  '"), "\n\n") << "and at the beginning";
  EXPECT_EQ(value_of("'it''s\n\n  '''"), "it's\n'");
  EXPECT_EQ(value_of("\"a\\\n\n  b\\n\n  c\\u00e9\""), "a\nb\n cé");
  EXPECT_EQ(value_of("'one line'"), "one line");
  EXPECT_EQ(value_of("['a\n\n\n  b', c]").size(), 0u);
}

TEST(QuotedScalar, IsNothingWhereThereIsNone) {
  EXPECT_EQ(multi_line_scalar("'a\n b", 0), std::nullopt) << "it ends nowhere";
  EXPECT_EQ(multi_line_scalar("a\n b", 0), std::nullopt);
  EXPECT_EQ(multi_line_scalar("'a'", 0), std::nullopt) << "without a break nothing is read again";
  EXPECT_EQ(multi_line_scalar("\"\\q\n\"", 0), std::nullopt);
  EXPECT_EQ(multi_line_scalar("'", 9), std::nullopt);
}

TEST(ConfigNode, KeepsTagsAndQuotes) {
  const ConfigNode node =
      parse_config("a: !function u.f\nb: 3\nc: '3'\n\"d\": !!str 4\ne: !!null x\n", "t.yaml", false);
  EXPECT_EQ(node.find("a")->tag, "!function");
  EXPECT_EQ(node.find("a")->text, "u.f");
  EXPECT_TRUE(node.find("b")->is_plain);
  EXPECT_TRUE(node.find("b")->key_is_plain);
  EXPECT_FALSE(node.find("c")->is_plain);
  EXPECT_FALSE(node.find("d")->is_plain);
  EXPECT_FALSE(node.find("d")->key_is_plain);
  EXPECT_EQ(node.find("d")->tag, "");
  EXPECT_EQ(node.find("e"), nullptr);
  EXPECT_THAT(testing::error_of([&] { node.refuse_tags(); }),
              ::testing::HasSubstr("[t.yaml:1] expected plain YAML"));
}

}  // namespace
}  // namespace refocus
