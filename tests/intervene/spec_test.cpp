#include "intervene/grammar/spec.h"

#include <fstream>

#include "support.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;

TEST(InterventionSpec, WritesEveryParameterOut) {
  EXPECT_EQ(parse_intervention("none").canonical(32), "none");
  EXPECT_EQ(parse_intervention("rebalance").canonical(32),
            "rebalance:alpha=0.2,threshold=0.01,depth=31,mode=mask");
  EXPECT_EQ(parse_intervention("rebalance:depth=31,alpha=0.50").canonical(40),
            "rebalance:alpha=0.5,threshold=0.01,depth=31,mode=mask");
  EXPECT_EQ(parse_intervention("rebalance:mode=self,depth=LAST").canonical(40),
            "rebalance:alpha=0.2,threshold=0.01,depth=39,mode=self");
  const std::string canonical = "rebalance:alpha=-0.1,threshold=0,depth=7,mode=mask";
  EXPECT_EQ(parse_intervention(canonical).canonical(99), canonical);
}

TEST(InterventionSpec, ASeedIsOfRandomMasksAlone) {
  const std::string zero = "rebalance:alpha=0.2,threshold=0.01,depth=31,mode=random,seed=0";
  EXPECT_EQ(parse_intervention("rebalance:mode=random").canonical(32), zero);
  EXPECT_EQ(parse_intervention(zero).canonical(32), zero);
  const auto seven = parse_intervention("rebalance:seed=07,mode=random").rebalance();
  EXPECT_EQ(seven->seed, 7u);
  EXPECT_EQ(seven->mode, RebalanceSpec::Mode::kRandom);
  EXPECT_EQ(parse_intervention("rebalance").rebalance()->mode, RebalanceSpec::Mode::kMask);
  EXPECT_EQ(parse_intervention("rebalance:mode=self").rebalance()->mode, RebalanceSpec::Mode::kSelf);
  const auto error = [](const char* text) { return testing::error_of([&] { parse_intervention(text); }); };
  EXPECT_EQ(error("rebalance:seed=1"),
            "[--intervene] expected seed with mode=random alone, got it with mode=mask; leave seed out, or "
            "write mode=random (column 1)");
  EXPECT_THAT(error("zero+rebalance:seed=0,mode=self"), HasSubstr("got it with mode=self; leave seed out"));
  for (const char* seed : {"-1", "1.5", "", "x", "1000000001"}) {
    EXPECT_THAT(error((std::string("rebalance:mode=random,seed=") + seed).c_str()),
                HasSubstr("expected a whole number from 0 to 1000000000 for seed, got"));
  }
}

TEST(InterventionSpec, TheFactorDampsWithDepth) {
  RebalanceSpec spec;
  EXPECT_DOUBLE_EQ(spec.excess(1, 32), 0.2 * (1 - 1.0 / 31));
  EXPECT_DOUBLE_EQ(spec.excess(31, 32), 0);
  spec.depth = 31;
  EXPECT_LT(spec.excess(39, 40), 0);  // the published constant on a 40-layer model
}

TEST(InterventionSpec, KnowsTheFirstLayerThatTurnsNegative) {
  const auto first = [](const char* text, std::int64_t layers) {
    return parse_intervention(text).rebalance()->first_negative_layer(layers);
  };
  EXPECT_EQ(first("rebalance", 4), std::nullopt);
  EXPECT_EQ(first("rebalance:alpha=-1.4", 4), std::nullopt);  // 1 - 1.4 * 2 / 3 = 0.07
  EXPECT_EQ(first("rebalance:alpha=-1.5", 4), std::nullopt) << "0 is not below 0";
  EXPECT_EQ(first("rebalance:alpha=-2", 4), 1);
  EXPECT_EQ(first("rebalance:alpha=2,depth=1", 4), 2) << "1 + 2 (1 - 2)";
  EXPECT_EQ(first("rebalance:depth=31,alpha=5", 40), 38);  // 1 - 5 * 7 / 31 = -0.13
  EXPECT_EQ(first("rebalance:depth=31,alpha=5", 38), std::nullopt);
  EXPECT_EQ(first("rebalance:alpha=-2", 1), std::nullopt) << "no later layer";
  RebalanceSpec spec;
  spec.alpha = -6;
  EXPECT_EQ(spec.factor(0, 4), 1);
  EXPECT_FLOAT_EQ(spec.factor(1, 4), -3);
  EXPECT_FLOAT_EQ(static_cast<float>(spec.largest_factor(4)), 3);
  EXPECT_EQ(RebalanceSpec().largest_factor(1), 1);
}

TEST(InterventionSpec, AlphaStaysWithinWhatFloatsCanMultiplyBy) {
  EXPECT_EQ(parse_intervention("rebalance:alpha=-1e6").canonical(2),
            "rebalance:alpha=-1000000,threshold=0.01,depth=1,mode=mask");
  EXPECT_EQ(parse_intervention("rebalance:alpha=-0,threshold=-0").canonical(2),
            "rebalance:alpha=0,threshold=0,depth=1,mode=mask");
  for (const char* alpha : {"1000000.5", "-1000001", "1e30", "1e308", "1e999", "inf", "-inf", "nan"}) {
    EXPECT_THROW(parse_intervention(std::string("rebalance:alpha=") + alpha), UsageError) << alpha;
  }
  EXPECT_EQ(testing::error_of([] { parse_intervention("rebalance:alpha=1e30"); }),
            "[--intervene] expected an alpha from -1000000 to 1000000, got '1e30' (column 17)");
  EXPECT_EQ(
      testing::error_of([] { parse_intervention("rebalance:depth=1000001"); }),
      "[--intervene] expected a depth of at most 1000000 (the last layer's index), got '1000001' (column "
      "17)");
  for (const char* depth : {"0", "-1", "1000001", "nan"}) {
    EXPECT_THROW(parse_intervention(std::string("rebalance:depth=") + depth), UsageError) << depth;
  }
}

TEST(InterventionSpec, ErrorsListWhatIsKnown) {
  const auto error = [](const char* text) { return testing::error_of([&] { parse_intervention(text); }); };
  EXPECT_EQ(
      error("rebalanse"),
      "[--intervene] expected none, rebalance, scale, pasta, boost, guide, knockout, nosink, spotlight, "
      "temperature, zero, uniform, mean, act or seka, got 'rebalanse'; did you mean rebalance? (column 1)");
  EXPECT_EQ(error("rebalance:alpa=1"),
            "[--intervene] expected rebalance's alpha, threshold, depth, mode, seed, layers, heads or rows, "
            "got 'alpa'; "
            "did you mean alpha? (column 11)");
  EXPECT_THAT(error("rebalance:alpha=x"), HasSubstr("expected a number for alpha, got 'x'"));
  EXPECT_THAT(error("rebalance:alpha="), HasSubstr("expected a number for alpha, got ''"));
  EXPECT_THAT(error("rebalance:alpha=nan"), HasSubstr("expected a number"));
  EXPECT_THAT(error("rebalance:alpha"), HasSubstr("expected alpha=VALUE"));
  EXPECT_THAT(error("rebalance:alpha=1,alpha=2"), HasSubstr("expected alpha once"));
  EXPECT_THAT(error("rebalance:threshold=1"), HasSubstr("at least 0 and below 1"));
  EXPECT_THAT(error("rebalance:depth=0"), HasSubstr("positive integer"));
  EXPECT_THAT(error("rebalance:depth=1.5"), HasSubstr("positive integer"));
  EXPECT_THAT(error("rebalance:mode=both"), HasSubstr("mask, self or random"));
  EXPECT_THAT(error("rebalance:"), HasSubstr("expected key=value"));
  EXPECT_THAT(error("rebalance:,"), HasSubstr("expected key=value beside each comma"));
  EXPECT_THAT(error("none:alpha=1"), HasSubstr("no parameters"));
  EXPECT_THAT(error(""), HasSubstr("expected none, rebalance"));
  EXPECT_THROW(parse_intervention("x"), UsageError);
}

TEST(InterventionSpec, PartsAndSelectorsAreWrittenInOneForm) {
  const std::pair<const char*, const char*> texts[] = {
      {"boost:keys=field:question", "boost:factor=3,keys=field:question"},
      {"boost:keys=text:\"a,b+c|d\",factor=2.50", "boost:factor=2.5,keys=text:\"a,b+c|d\""},
      {"boost:keys=text:plain", "boost:factor=3,keys=text:\"plain\""},
      {"boost:keys=regex:\"\\\"x\\\\d\"", "boost:factor=3,keys=regex:\"\\\"x\\\\d\""},
      {"boost:keys=not:bos|shot:3|sinks|generated|marked|class:punctuation|role:system",
       "boost:factor=3,keys=not:bos|shot:3|sinks:4|generated|marked|class:punctuation|role:system"},
      {"boost:keys=random:07:field:question|not:random:0:not:text:\"a|b:c\"|random:1:sinks",
       "boost:factor=3,keys=random:7:field:question|not:random:0:not:text:\"a|b:c\"|random:1:sinks:4"},
      {"boost:keys=positions:12;4-7;5-8", "boost:factor=3,keys=positions:4-8;12"},
      {"knockout:keys=bos", "knockout:keys=bos"},
      {"knockout:keys=bos,rows=last", "knockout:keys=bos"},
      {"knockout:keys=bos,rows=all", "knockout:keys=bos,rows=all"},
      {"nosink", "nosink:keys=sinks:1"},
      {"zero:layers=last:2", "zero:layers=6-7"},
      {"zero:layers=every:3", "zero:layers=0;3;6"},
      {"zero:layers=window:6:4", "zero:layers=4-7"},
      {"zero:heads=7.3-4;2.5;7.0", "zero:heads=2.5;7.0;7.3-4"},
      {"temperature:tau=1e+0+uniform:rows=positions:3-4", "temperature:tau=1+uniform:rows=positions:3-4"},
      {"rebalance+pasta:keys=bos",
       "rebalance:alpha=0.2,threshold=0.01,depth=7,mode=mask+pasta:alpha=0.01,mode=exclude,variant=once,"
       "keys=bos"},
  };
  for (const auto& [text, canonical] : texts) {
    EXPECT_EQ(parse_intervention(text).canonical(8), canonical) << text;
    EXPECT_EQ(parse_intervention(canonical).canonical(8), canonical);
  }
}

TEST(InterventionSpec, ErrorsSayTheColumn) {
  const auto error = [](const char* text) { return testing::error_of([&] { parse_intervention(text); }); };
  EXPECT_THAT(error("zero+bost"), HasSubstr("got 'bost'; did you mean boost? (column 6)"));
  EXPECT_THAT(error("zero+"), HasSubstr("expected a part after '+', got nothing (column 6)"));
  EXPECT_THAT(error("boost:factor=2"), HasSubstr("expected boost:keys=KEYS, such as field:question"));
  EXPECT_THAT(error("temperature"), HasSubstr("expected temperature:tau=VALUE"));
  EXPECT_THAT(error("boost:keys=bos|sink"), HasSubstr("got 'sink' (column 16)"));
  EXPECT_THAT(error("boost:keys=random:0"), HasSubstr("expected random:SEED:SELECTOR, such as "
                                                      "random:0:field:question, got 'random:0' (column 12)"));
  EXPECT_THAT(error("boost:keys=bos|random"), HasSubstr("got 'random' (column 16)"));
  EXPECT_THAT(error("boost:keys=random:x:bos"), HasSubstr("for seed, got 'x' (column 19)"));
  EXPECT_THAT(error("boost:keys=not:random:0:sink"), HasSubstr("got 'sink' (column 25)"));
  EXPECT_THAT(error("boost:keys=random:0:random:1:bos"), HasSubstr("got 'random:1:bos' (column 21)"));
  EXPECT_THAT(error("boost:keys=text:\"a"), HasSubstr("one pair of double quotes"));
  EXPECT_THAT(error("boost:keys=text:"), HasSubstr("expected text:SOMETHING, got nothing"));
  EXPECT_THAT(error("boost:keys=bos:1"), HasSubstr("expected bos alone"));
  EXPECT_THAT(error("boost:keys=class:verb"), HasSubstr("special, punctuation, white_space"));
  EXPECT_THAT(error("boost:keys=positions:7-4"), HasSubstr("got '7-4' (column 22)"));
  EXPECT_THAT(error("zero:layers=first:2"), HasSubstr("every:2, window:12:10 or inner:2:1"));
  EXPECT_THAT(error("zero:layers=last:0"), HasSubstr("at least one layer"));
  EXPECT_THAT(error("zero:heads=3"), HasSubstr("LAYER.HEAD"));
  EXPECT_THAT(error("zero:rows=first"), HasSubstr("all, prompt, generated, last or positions"));
  EXPECT_THAT(error("zero:keys=bos"), HasSubstr("expected zero's layers, heads or rows, got 'keys'"));
  EXPECT_THAT(error("spotlight:target=1,keys=bos"), HasSubstr("above 0 and below 1"));
  EXPECT_THAT(error("scale:factor=-1,keys=bos"), HasSubstr("from 0 to 1000000"));
  EXPECT_THAT(error("zero+zero+zero+zero+zero+zero+zero+zero+zero+zero+zero+zero+zero"),
              HasSubstr("at most 12 parts"));
}

TEST(InterventionSpec, DefaultsAreThePublishedOnes) {
  const auto canonical = [](const char* text) { return parse_intervention(text).canonical(32); };
  const auto error = [](const char* text) { return testing::error_of([&] { parse_intervention(text); }); };
  EXPECT_EQ(canonical("act"), "act:beta=0.4,theta=0.1,layers=2-30");
  EXPECT_EQ(canonical("spotlight:keys=bos"), "spotlight:target=0.2,scope=row,keys=bos");
  EXPECT_EQ(canonical("seka:from=#0123456789abcdef,keys=bos"),
            "seka:from=#0123456789abcdef,gain=0.8,negative=0.2,keys=bos,layers=22-31");
  EXPECT_EQ(canonical("zero:layers=inner:0:30"), "zero:layers=0-1");
  EXPECT_TRUE(parse_intervention("act").needs_target());
  EXPECT_TRUE(parse_intervention("zero+act").needs_whole_prompt());
  EXPECT_TRUE(parse_intervention("spotlight:keys=bos,scope=layer").needs_whole_prompt());
  EXPECT_FALSE(parse_intervention("spotlight:keys=bos").needs_whole_prompt());
  EXPECT_THAT(error("act:beta=1.5"), HasSubstr("expected a beta from 0 to 1, got '1.5'"));
  EXPECT_THAT(error("spotlight:keys=bos,scope=rows"), HasSubstr("expected scope row or layer, got 'rows'"));
  EXPECT_THAT(error("seka:from=#0123456789abcdef,keys=bos,rows=all"),
              HasSubstr("keys or layers, got 'rows'"));
  EXPECT_THAT(error("mean:from="), HasSubstr("expected from=FILE, got nothing"));
  EXPECT_THAT(testing::error_of([] { parse_intervention("act").canonical(3); }),
              HasSubstr("expected layers=inner:2:1 to leave some of the model's 3, got none"));
}

TEST(InterventionSpec, LayersAndHeadsAreThoseOfTheModel) {
  ModelConfig model;
  model.num_hidden_layers = 4;
  model.num_attention_heads = 2;
  const auto error = [&](const char* text) {
    return testing::error_of([&] { check_intervention(parse_intervention(text), model); });
  };
  EXPECT_NO_THROW(check_intervention(parse_intervention("zero:layers=3"), model));
  EXPECT_THAT(error("zero:layers=1-4"), HasSubstr("expected layers from 0 to 3, those of the model, got 4"));
  EXPECT_THAT(error("zero:layers=window:9:2"), HasSubstr("got 9"));
  EXPECT_THAT(error("zero:heads=3.2"),
              HasSubstr("expected heads from 0.0 to 3.1, those of the model, got 3.2"));
  EXPECT_THAT(error("zero:heads=4.0"), HasSubstr("got 4.0"));
}

void write_heads(const std::filesystem::path& path, const char* text) { std::ofstream(path) << text; }

TEST(InterventionSpec, HeadsAreReadFromPastasFiles) {
  const testing::TempDir directory;
  write_heads(directory / "heads.json", "{\"14\": [0, 2, 1], \"3\": [5]}");
  const std::string file = (directory / "heads.json").string();
  EXPECT_EQ(parse_intervention("zero:heads=@" + file).canonical(20), "zero:heads=3.5;14.0-2");
  write_heads(directory / "heads.json", "{\"a\": [0]}");
  EXPECT_THAT(testing::error_of([&] { parse_intervention("zero:heads=@" + file); }),
              HasSubstr("expected lists of heads by layer"));
}

// A request's text must not open files, wherever in it they are named.
TEST(ParseIntervention, RefusesFilesWhereTheyMayNotBeNamed) {
  for (const char* spec :
       {"zero:heads=@/etc/passwd", "zero:heads=random:@/etc/passwd:1", "mean:from=/etc/passwd",
        "rebalance+mean:from=/etc/passwd", "mean:heads=0.1,from=\"x,y\"",
        "rebalance:alpha=1+seka:gain=1,from=x,keys=first:1"}) {
    try {
      parse_intervention(spec, "intervene", SpecFiles::kRefused);
      ADD_FAILURE() << spec;
    } catch (const UsageError& e) {
      const std::string said = e.what();
      EXPECT_NE(said.find("a request may name no file"), std::string::npos) << said;
    }
  }
  EXPECT_EQ(parse_intervention("boost:factor=2,keys=text:\"x,from=y\"", "intervene", SpecFiles::kRefused)
                .parts.size(),
            1u);
}

}  // namespace
}  // namespace refocus
