#include "server/openai/model_names.h"

#include "server/openai/api_error.h"
#include "support.h"

namespace refocus::openai {
namespace {

using refocus::testing::error_of;
using ::testing::HasSubstr;

const std::vector<ModelAlias> kArms = {{"reb", "rebalance:alpha=0.2"}, {"off", "none"}};

std::optional<ApiFault> fault_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ApiError& e) {
    return e.fault();
  }
  return std::nullopt;
}

TEST(ModelNames, ListsTheModelAndItsArms) {
  const ModelNames names("org/small", kArms, false);
  ASSERT_EQ(names.listed().size(), 3u);
  EXPECT_EQ(names.served(), "org/small");
  EXPECT_EQ(names.listed()[0].spec, std::nullopt);
  EXPECT_EQ(names.listed()[1].id, "org/small@reb");
  EXPECT_EQ(names.listed()[2].spec, "none");
}

TEST(ModelNames, FindsWhatIsListedAndWhatHasNoName) {
  const ModelNames names("org/small", kArms, false);
  EXPECT_EQ(names.find("org/small@reb").spec, "rebalance:alpha=0.2");
  EXPECT_EQ(names.find("org/small").spec, std::nullopt);
  EXPECT_EQ(names.find("").id, "org/small");
}

TEST(ModelNames, NoOtherIsServedInSilence) {
  const ModelNames names("small", kArms, false);
  for (const char* other : {"gpt-4o", "small@", "small@none", "reb", "small@reb ", "Small", "@reb"}) {
    const std::optional<ApiFault> fault = fault_of([&] { names.find(other); });
    ASSERT_TRUE(fault) << other;
    EXPECT_EQ(fault->status, 404);
    EXPECT_EQ(fault->code, "model_not_found");
    EXPECT_EQ(fault->param, "model");
  }
  EXPECT_EQ(error_of([&] { names.find("gpt-4o"); }),
            "[request] expected one of small, small@reb, small@off as 'model', got 'gpt-4o'; GET /v1/models "
            "lists them");
}

TEST(ModelNames, SpecsInNamesAreAChoice) {
  const ModelNames names("a@b", kArms, true);
  EXPECT_EQ(names.find("a@b@rebalance:alpha=0.5,depth=3").spec, "rebalance:alpha=0.5,depth=3");
  EXPECT_EQ(names.find("a@b@rebalance:alpha=0.5").id, "a@b@rebalance:alpha=0.5");
  EXPECT_EQ(names.find("a@b@reb").spec, "rebalance:alpha=0.2") << "an arm's name comes first";
  EXPECT_THAT(error_of([&] { names.find("a@b@"); }), HasSubstr(" or a@b@SPEC as 'model', got 'a@b@'"));
}

TEST(ModelNames, NamesAreFitToBeNames) {
  const auto error = [](const std::string& served, std::vector<ModelAlias> arms) {
    return error_of([&] { ModelNames(served, arms, false); });
  };
  EXPECT_THAT(error("", {}), HasSubstr("expected a name of 1 to 256 bytes"));
  EXPECT_THAT(error("a\nb", {}), HasSubstr("without control characters"));
  EXPECT_THAT(error("\xff", {}), HasSubstr("without control characters"));
  EXPECT_THAT(error(std::string(257, 'a'), {}), HasSubstr("1 to 256 bytes"));
  EXPECT_THAT(error("a", {{"", "none"}}), HasSubstr("[arm ]"));
  EXPECT_THAT(error("a", {{"x@y", "none"}}), HasSubstr("no '@' in the name"));
  EXPECT_THAT(error("a", {{"x", ""}}), HasSubstr("expected NAME=SPEC"));
  EXPECT_THAT(error("a", {{"x", "none"}, {"x", "none"}}), HasSubstr("got 'x' twice"));
}

// Upper case and lower case mean the same here; "bad" means nothing.
std::string canonical(const std::string& spec) {
  if (spec == "bad") throw input_error("--intervene", "expected a name, got 'bad'; correct it");
  std::string out = spec;
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

TEST(InterventionOf, OnePlaceIsEnough) {
  EXPECT_EQ(intervention_of({}, canonical), std::nullopt);
  EXPECT_EQ(intervention_of({.model = "a", .body = {}, .header = {}}, canonical), "a");
  EXPECT_EQ(intervention_of({.model = {}, .body = "b", .header = {}}, canonical), "b");
  EXPECT_EQ(intervention_of({.model = {}, .body = {}, .header = "c"}, canonical), "c");
  EXPECT_EQ(intervention_of({.model = {}, .body = {}, .header = " \t"}, canonical), std::nullopt);
}

TEST(InterventionOf, PlacesThatMeanTheSameAgree) {
  EXPECT_EQ(intervention_of({.model = "A", .body = "a", .header = "a"}, canonical), "A");
  EXPECT_EQ(intervention_of({.model = {}, .body = "none", .header = "NONE"}, canonical), "none");
}

TEST(InterventionOf, PlacesThatDisagreeAreNamed) {
  EXPECT_EQ(error_of([] { intervention_of({.model = "a", .body = {}, .header = "b"}, canonical); }),
            "[request] expected one intervention, got 'a' from the model's name and 'b' from the header "
            "X-Refocus-Intervene; leave one of them out");
  const auto third =
      fault_of([] { intervention_of({.model = "a", .body = "A", .header = "none"}, canonical); });
  ASSERT_TRUE(third);
  EXPECT_EQ(third->param, "X-Refocus-Intervene");
  EXPECT_EQ(third->status, 400);
  const auto second =
      fault_of([] { intervention_of({.model = "a", .body = "none", .header = {}}, canonical); });
  ASSERT_TRUE(second);
  EXPECT_EQ(second->param, "refocus.intervene");
}

TEST(InterventionOf, AFaultySpecKeepsItsMessage) {
  const auto ask = [] { intervention_of({.model = "a", .body = "bad", .header = {}}, canonical); };
  EXPECT_EQ(error_of(ask), "[--intervene] expected a name, got 'bad'; correct it");
  EXPECT_EQ(fault_of(ask)->param, "refocus.intervene");
  const auto alone = [](const SpecChannels& channels) {
    return fault_of([&] { intervention_of(channels, canonical); })->param;
  };
  EXPECT_EQ(alone({.model = "bad", .body = {}, .header = {}}), "model");
  EXPECT_EQ(alone({.model = {}, .body = "bad", .header = {}}), "refocus.intervene");
  EXPECT_EQ(alone({.model = {}, .body = {}, .header = "bad"}), "X-Refocus-Intervene");
  EXPECT_THAT(error_of([] {
                intervention_of({.model = {}, .body = {}, .header = std::string(8193, 'a')}, canonical);
              }),
              HasSubstr("at most 8192 bytes in the header X-Refocus-Intervene, got 8193"));
}

}  // namespace
}  // namespace refocus::openai
