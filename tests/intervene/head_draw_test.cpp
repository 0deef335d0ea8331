// heads=random: which heads of a model it draws.
#include "intervene/grammar/head_draw.h"

#include <fstream>
#include <set>

#include "support.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kLayers = 6, kPerLayer = 4;

HeadSet drawn_set(const std::string& text) {
  const InterventionPart part = parse_intervention(text).parts.front();
  HeadSet out;
  for (const auto& [layer, of_layer] : heads_in_model(part, kLayers, kPerLayer).heads) {
    for (std::int64_t head = 0; head < kPerLayer; ++head) {
      if (of_layer.contains(head)) out.emplace_back(layer, head);
    }
  }
  return out;
}

std::vector<std::ptrdiff_t> by_layers(const HeadSet& heads) {
  std::vector<std::ptrdiff_t> out;
  for (std::int64_t l = 0; l < kLayers; ++l) out.push_back(std::ranges::count(heads, l, &Head::first));
  return out;
}

TEST(HeadDraw, ANumberOfHeadsOfTheLayersThatThePartActsOn) {
  std::set<HeadSet> seen;
  std::set<Head> heads;
  for (int seed = 0; seed < 40; ++seed) {
    const HeadSet set = drawn_set("zero:heads=random:5:" + std::to_string(seed));
    EXPECT_EQ(set.size(), 5u);
    EXPECT_EQ(set, drawn_set("zero:heads=random:5:" + std::to_string(seed)));
    seen.insert(set);
    heads.insert(set.begin(), set.end());
    for (const auto& [layer, head] : drawn_set("zero:layers=2;4,heads=random:7:" + std::to_string(seed))) {
      EXPECT_TRUE(layer == 2 || layer == 4);
    }
  }
  EXPECT_GT(seen.size(), 35u);
  EXPECT_EQ(heads.size(), static_cast<std::size_t>(kLayers * kPerLayer))
      << "each of the model's can be drawn";
  EXPECT_EQ(drawn_set("zero:layers=1,heads=random:4:3"), heads_of_layer(1, kPerLayer));
  EXPECT_EQ(by_layers(drawn_set("rebalance:heads=random:20:0")).front(), 0)
      << "never changed by re-balancing";
}

TEST(HeadDraw, OthersThanThoseOfAFileAsManyInEachLayer) {
  const testing::TempDir directory;
  const std::string file = (directory / "a:b.json").string();
  std::ofstream(file) << R"({"4": [0, 1], "1": [3]})";
  const HeadSet set = {{1, 3}, {4, 0}, {4, 1}};
  std::set<HeadSet> seen;
  for (int seed = 0; seed < 12; ++seed) {
    const HeadSet others = drawn_set("zero:heads=random:@" + file + ":" + std::to_string(seed));
    EXPECT_EQ(by_layers(others), by_layers(set));
    for (const Head& head : set) EXPECT_EQ(std::ranges::count(others, head), 0);
    EXPECT_EQ(others, random_heads(RandomHeads::kSameLayers, set, all_heads(kLayers, kPerLayer),
                                   static_cast<std::uint64_t>(seed), 0))
        << "the draw of refocus heads --random layers";
    seen.insert(others);
  }
  EXPECT_EQ(seen.size(), 3u) << "4.2 and 4.3 are left there, and three of layer 1";
  // What is in layers that the part does not act on is no part of the budget.
  EXPECT_EQ(by_layers(drawn_set("zero:layers=4,heads=random:@" + file + ":0")),
            (std::vector<std::ptrdiff_t>{0, 0, 0, 0, 2, 0}));
  // A layer that has too few others leaves the rest to the others.
  const HeadSet many = drawn_set("zero:heads=random:2.0-2:0");
  EXPECT_EQ(many.size(), 3u);
  EXPECT_EQ(std::ranges::count(many, Head{2, 3}), 1);
  EXPECT_EQ(by_layers(many)[2], 1);
}

TEST(HeadDraw, TextsAreTheDrawAndTheContentOfAFile) {
  const testing::TempDir directory;
  const std::string file = (directory / "heads.json").string();
  std::ofstream(file) << R"({"4": [0, 1], "1": [3]})";
  for (const auto& [text, canonical] : {std::pair<std::string, std::string>{"random:8:07", "random:8:7"},
                                        {"random:@" + file + ":2", "random:1.3;4.0-1:2"},
                                        {"random:@\"" + file + "\":2", "random:1.3;4.0-1:2"}}) {
    EXPECT_EQ(parse_intervention("zero:heads=" + text).canonical(6), "zero:heads=" + canonical);
    EXPECT_EQ(parse_intervention("zero:heads=" + canonical).canonical(6), "zero:heads=" + canonical);
  }
  const auto all = drawn_heads(parse_intervention("zero:heads=1.0+zero:layers=5,heads=random:4:1"), 6, 4);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].part, "zero:layers=5,heads=random:4:1");
  EXPECT_EQ(all[0].heads, "5.0-3");
}

TEST(HeadDraw, ErrorsSayWhatIsMissing) {
  const auto error = [](const char* text) {
    return testing::error_of([&] { drawn_set(std::string("zero:") + text); });
  };
  EXPECT_EQ(
      error("heads=random:25:0"),
      "[--intervene] expected heads=random:25:0 to draw from 1 to 24 heads, as many as are in the layers "
      "that the part acts on, got 25; draw another number, or name other layers");
  EXPECT_THAT(error("layers=0,heads=random:5:0"), HasSubstr("from 1 to 4 heads"));
  EXPECT_THAT(error("layers=1,heads=random:1.0-2:0"), HasSubstr("from 1 to 1 heads, as many others as are"));
  EXPECT_THAT(error("layers=2,heads=random:1.0-2:0"), HasSubstr("got 0; draw another number"));
  EXPECT_THAT(error("heads=random:6.0:0"), HasSubstr("those of the model, got 6.0"));
  EXPECT_THAT(error("heads=random:0:0"),
              HasSubstr("expected at least one head to draw, got '0' (column 19)"));
  EXPECT_THAT(error("heads=random:5"), HasSubstr("expected random:N:SEED or random:@FILE:SEED, such as"));
  EXPECT_THAT(error("heads=random:5:x"), HasSubstr("for seed, got 'x' (column 21)"));
  EXPECT_THAT(error("heads=random:-3:1"), HasSubstr("expected heads as LAYER.HEAD"));
  EXPECT_THAT(error("heads=random:random:3:1:1"), HasSubstr("expected random: once"));
}

}  // namespace
}  // namespace refocus
