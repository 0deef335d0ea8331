// The first layer that an intervention may change.
#include "intervene/intervention.h"

#include "support.h"

namespace refocus {
namespace {

std::int64_t first_of(const char* text) {
  InterventionShape shape;
  shape.layers = 12;
  shape.heads = 4;
  shape.kv_heads = 2;
  shape.head_dim = 8;
  return first_changed_layer(parse_intervention(text), shape);
}

TEST(FirstChangedLayer, IsTheFirstOfAnyPart) {
  EXPECT_EQ(first_of("none"), 12);
  EXPECT_EQ(first_of("zero"), 0);
  EXPECT_EQ(first_of("zero:layers=3;8-11"), 3);
  EXPECT_EQ(first_of("zero:layers=last:4"), 8);
  EXPECT_EQ(first_of("zero:layers=every:2"), 0);
  EXPECT_EQ(first_of("boost:factor=2,keys=sinks,heads=5.1;7.0-2"), 5);
  EXPECT_EQ(first_of("zero:layers=0-6,heads=2.0;9.1"), 2);
  EXPECT_EQ(first_of("zero:layers=3-6,heads=2.0;9.1"), 12) << "in no layer";
  EXPECT_EQ(first_of("zero:layers=9+temperature:tau=2,layers=6-7"), 6);
  EXPECT_EQ(first_of("act:beta=0.1,theta=0.1,layers=inner:2:1"), 2);
}

// It looks at layer 0, which changes nothing; where its factor is 1 it does nothing.
TEST(FirstChangedLayer, OfRebalancing) {
  EXPECT_EQ(first_of("rebalance"), 1);
  EXPECT_EQ(first_of("rebalance:mode=self"), 1);
  EXPECT_EQ(first_of("rebalance:layers=8-11"), 8);
  EXPECT_EQ(first_of("rebalance:depth=8,layers=8-11"), 9);
  EXPECT_EQ(first_of("rebalance:layers=11"), 12) << "of depth 11";
  EXPECT_EQ(first_of("rebalance:heads=0.1;4.0"), 4);
  EXPECT_EQ(first_of("rebalance:alpha=0"), 12);
  EXPECT_EQ(first_of("rebalance:layers=8-11+zero:layers=0"), 0);
}

// Heads are drawn before it is known where they are.
TEST(FirstChangedLayer, OfDrawnHeads) {
  EXPECT_EQ(first_of("zero:heads=random:48:0"), 0) << "all of them";
  EXPECT_EQ(first_of("zero:heads=random:8:0,layers=10-11"), 10) << "all of these layers";
  EXPECT_EQ(first_of("zero:heads=random:7.0-1;9.3:0"), 7) << "others of the same layers";
  EXPECT_EQ(first_of("rebalance:heads=random:44:0"), 1) << "layer 0 has none";
}

TEST(FirstChangedLayer, OfWhatChangesNothing) {
  EXPECT_EQ(first_of("temperature:tau=1"), 12);
  EXPECT_EQ(first_of("temperature:tau=1+zero:layers=5"), 5);
  // What it is aimed at decides.
  EXPECT_EQ(first_of("boost:factor=1,keys=sinks,layers=4-6"), 4);
}

}  // namespace
}  // namespace refocus
