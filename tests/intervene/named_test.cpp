// Names of arms before a specification.
#include "intervene/grammar/named.h"

#include "support.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;

TEST(NamedIntervention, ANameStandsBeforeItsSpecification) {
  const WrittenIntervention strong = parse_named_intervention("strong=boost:factor=9,keys=field:question");
  EXPECT_EQ(strong.name, "strong");
  EXPECT_EQ(strong.spec.canonical(4), "boost:factor=9,keys=field:question");
  EXPECT_TRUE(strong.given[0].contains("factor"));
  EXPECT_EQ(parse_named_intervention("0.5_x-Y=nosink+zero").name, "0.5_x-Y");
  EXPECT_EQ(parse_named_intervention("base=none").name, "base");
  EXPECT_TRUE(parse_named_intervention("base=none").spec.is_none());
  EXPECT_EQ(parse_named_intervention("none=none").name, "") << "the name that it has anyway";
}

TEST(NamedIntervention, SpecificationsWithoutANameAreReadAsBefore) {
  for (const char* text : {"none", "rebalance", "rebalance:alpha=0.5", "zero+boost:factor=2,keys=bos",
                           "boost:keys=text:\"a=b\"", "nosink"}) {
    const WrittenIntervention read = parse_named_intervention(text);
    EXPECT_EQ(read.name, "") << text;
    EXPECT_EQ(read.spec.canonical(4), parse_intervention(text).canonical(4));
  }
}

TEST(NamedIntervention, BadNamesAreRefusedWithTheirColumn) {
  const auto error = [](const char* text) {
    return testing::error_of([&] { parse_named_intervention(text); });
  };
  EXPECT_EQ(error("rebalance=alpha=0.2"),
            "[--intervene] expected an arm's name before '=', got the method rebalance; write "
            "rebalance:alpha=0.2 (column 1)");
  EXPECT_THAT(error("boost=factor=3,keys=bos"), HasSubstr("write boost:factor=3,keys=bos"));
  EXPECT_THAT(error("none=zero"),
              HasSubstr("expected a name for 'zero', got none, which is the arm without"));
  EXPECT_THAT(error("a b=zero"), HasSubstr("of letters, digits, '_', '-' and '.', got 'a b' (column 2)"));
  EXPECT_THAT(error("a/b=zero"), HasSubstr("(column 2)"));
  EXPECT_THAT(error("=zero"), HasSubstr("begins with a letter or a digit, got ''"));
  EXPECT_THAT(error("..=zero"), HasSubstr("begins with a letter or a digit"));
  EXPECT_THAT(error((std::string(61, 'a') + "=zero").c_str()), HasSubstr("at most 60 characters, got 61"));
  EXPECT_THAT(error("strong=bost:factor=3"), HasSubstr("got 'bost'; did you mean boost? (column 8)"))
      << "columns count from the name";
  EXPECT_THAT(error("strong=boost:factor=x,keys=bos"), HasSubstr("(column 21)"));
  EXPECT_THAT(error("strong="), HasSubstr("(column 8)"));
  EXPECT_THAT(error("a=b=zero"), HasSubstr("got 'b=zero' (column 3)"));
}

TEST(NamedIntervention, ANameIsForOneArm) {
  const std::vector<std::string> two = {"x=zero", "x=uniform"}, unnamed = {"zero", "uniform", "x=nosink"};
  EXPECT_EQ(testing::error_of([&] { parse_named_interventions(two); }),
            "[--intervene] expected a name for one arm, got x for two; rename one (column 1)");
  EXPECT_EQ(parse_named_interventions(unnamed).size(), 3u);
}

}  // namespace
}  // namespace refocus
