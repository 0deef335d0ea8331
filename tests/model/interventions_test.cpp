// Every method of --intervene against its executable specification (tests/golden/interventions), on several
// families, and its bits however work is cut.
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "intervene/target.h"
#include "io/npy.h"
#include "model/engine.h"

namespace refocus {
namespace {

using nlohmann::json;
using testing::Engine;

const json& intervention_cases() {
  static const json kCases = json::parse(read_text_file(testing::golden("interventions") / "cases.json"));
  return kCases;
}

std::vector<std::int32_t> case_tokens() {
  return json::parse(read_text_file(testing::golden("families") / "cases.json"))["tokens"];
}

class InterventionGolden : public ::testing::TestWithParam<std::string> {
 protected:
  // FILE stands for the model's file of numbers.
  static std::string with_file(std::string spec) {
    const std::string file = (testing::golden("interventions") / (GetParam() + ".safetensors")).string();
    for (std::size_t at = spec.find("FILE"); at != std::string::npos;
         at = spec.find("FILE", at + file.size())) {
      spec.replace(at, 4, '"' + file + '"');
    }
    return spec;
  }
  static std::size_t prompt() { return intervention_cases()["prompt"]; }
  Engine open(int threads) const {
    const std::filesystem::path directory = testing::golden("families") / GetParam();
    return {directory.string(), read_text_file(directory / "config.json"), threads, 512, DType::kF32};
  }

  // Logits of all rows: the prompt in calls of at most `chunk` rows, and then `rest` tokens a call.
  static std::vector<float> run(Engine& engine, const std::string& text, std::size_t chunk,
                                std::size_t rest) {
    const InterventionSpec spec = parse_intervention(text);
    const std::vector<std::int32_t> tokens = case_tokens();
    Intervention intervention(spec, shape_of(*engine.model));
    intervention.aim(aim(spec, {std::span(tokens).first(prompt())}));
    KvSequence sequence(*engine.cache);
    EXPECT_TRUE(sequence.reserve(std::ssize(tokens)));
    std::vector<float> logits;
    for (std::size_t at = 0; at < tokens.size();) {
      const std::size_t most = at < prompt() ? std::min(chunk, prompt() - at) : rest;
      const auto now = std::span(tokens).subspan(at, std::min(most, tokens.size() - at));
      const SequenceInput input{&sequence, now, std::ssize(tokens), intervention.hooks(), LogitRows::kAll};
      const std::span<const float> rows = engine.model->forward({&input, 1});
      logits.insert(logits.end(), rows.begin(), rows.end());
      at += now.size();
    }
    return logits;
  }
};

TEST_P(InterventionGolden, LogitsEqualTheSpecification) {
  Engine engine = open(2);
  const NpyArray expected = read_npy(testing::golden("interventions") / (GetParam() + ".npy"));
  const std::vector<std::string> specs = intervention_cases()["interventions"];
  ASSERT_EQ(expected.shape.front(), std::ssize(specs));
  const std::size_t size = expected.f32().size() / specs.size();
  for (std::size_t c = 0; c < specs.size(); ++c) {
    const std::vector<float> own = run(engine, with_file(specs[c]), 512, 1);
    const float* rows = own.data() + own.size() - size;
    float off = 0;
    for (std::size_t i = 0; i < size; ++i) {
      off = std::max(off, std::abs(rows[i] - expected.f32()[c * size + i]));
    }
    EXPECT_LE(off, 1e-4f) << specs[c];
  }
}

TEST_P(InterventionGolden, ChunksAndThreadsChangeNoBit) {
  Engine one = open(1), two = open(2);
  for (const std::string text : intervention_cases()["interventions"]) {
    const std::string spec = with_file(text);
    const std::vector<float> whole = run(two, spec, 512, 1);
    // Some need the prompt in one call; what comes after it may be cut as one likes.
    const std::size_t least = parse_intervention(spec).needs_whole_prompt() ? prompt() : 1;
    for (const std::size_t chunk : {1, 5})
      EXPECT_EQ(run(one, spec, std::max(chunk, least), 3), whole) << spec;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, InterventionGolden,
                         ::testing::ValuesIn(intervention_cases()["models"].get<std::vector<std::string>>()),
                         [](const auto& info) { return info.param; });

std::vector<float> logits_under(Engine& engine, const std::string& text, bool* hooked) {
  const InterventionSpec spec = parse_intervention(text);
  const std::vector<std::int32_t> tokens = case_tokens();
  Intervention intervention(spec, shape_of(*engine.model));
  intervention.aim(aim(spec, {tokens}));
  *hooked = intervention.hooks() != nullptr;
  KvSequence sequence(*engine.cache);
  EXPECT_TRUE(sequence.reserve(std::ssize(tokens)));
  const SequenceInput input{&sequence, tokens, std::ssize(tokens), intervention.hooks(), LogitRows::kAll};
  const std::span<const float> rows = engine.model->forward({&input, 1});
  return {rows.begin(), rows.end()};
}

TEST(IdleInterventions, AreTheRunOfAnEngineWithout) {
  const std::filesystem::path directory = testing::golden("families") / "llama_yarn";
  Engine engine(directory.string(), read_text_file(directory / "config.json"), 1, 512);
  bool hooked = false;
  const std::vector<float> plain = logits_under(engine, "none", &hooked);
  EXPECT_FALSE(hooked);
  for (const char* text :
       {"rebalance:alpha=0", "scale:factor=1,keys=positions:1-3", "boost:factor=1,keys=positions:1-3",
        "guide:delta=0,keys=positions:2", "pasta:alpha=1,keys=positions:2", "temperature:tau=1",
        "rebalance:alpha=0.2,depth=1,layers=1,heads=1.0", "rebalance:alpha=0+temperature:tau=1"}) {
    EXPECT_EQ(logits_under(engine, text, &hooked), plain) << text;
    EXPECT_EQ(hooked, std::string_view(text).find("depth") != std::string_view::npos) << text;
  }
  if (testing::test_device()) return;  // whose softmax hooks have another rounding
  // Keys that are yet to come, and heads that are not there to see a change of.
  for (const char* text : {"boost:keys=positions:40", "spotlight:keys=positions:30", "boost:keys=generated",
                           "rebalance:heads=0.1"}) {
    EXPECT_EQ(logits_under(engine, text, &hooked), plain) << text;
  }
}

// One part alone on everything is the same however it is written.
TEST(IdleInterventions, SelectorsOfEverythingChangeNoBit) {
  const std::filesystem::path directory = testing::golden("families") / "qwen3";
  Engine engine(directory.string(), read_text_file(directory / "config.json"), 1, 512);
  bool hooked = false;
  const std::vector<float> all = logits_under(engine, "rebalance:alpha=0.7,threshold=0.02", &hooked);
  for (const char* more : {",layers=0-2", ",layers=every:1", ",heads=0.0-2;1.0-2;2.0-2", ",rows=all",
                           ",rows=positions:0-400", ",rows=prompt", ",layers=1-2"}) {
    EXPECT_EQ(logits_under(engine, std::string("rebalance:alpha=0.7,threshold=0.02") + more, &hooked), all)
        << more;
  }
}

TEST(AimlessInterventions, AreRefusedNotGuessed) {
  const InterventionSpec spec = parse_intervention("boost:keys=positions:1");
  Intervention intervention(spec, {2, 2, 16});
  EXPECT_THAT(testing::error_of([&] { intervention.hooks(); }),
              ::testing::HasSubstr("the same for every prompt"));
  EXPECT_THAT(testing::error_of([&] { intervention.aim(nullptr); }),
              ::testing::HasSubstr("the same for every prompt"));
}

}  // namespace
}  // namespace refocus
