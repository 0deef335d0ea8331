// refocus generate: the contract of its output, and that nothing but the settings changes its tokens.
#include "cli/cli_support.h"
#include "model/golden_cases.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::comma_list;
using testing::golden_model;
using testing::Json;
using testing::one_json_line;
using testing::plus;
using testing::TempDir;

using Ids = std::vector<std::int32_t>;

Json generate(const Arguments& arguments) {
  return one_json_line(testing::refocus(plus({"generate", "--json"}, arguments)));
}

Ids tokens_of(const Arguments& arguments) { return generate(arguments).at("tokens").get<Ids>(); }

std::vector<std::string> keys_of(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

TEST(Generate, JsonHasTheContractsKeys) {
  const Json out = generate({"-m", golden_model("mha-f32"), "--tokens", "5,6,7", "-n", "4"});
  EXPECT_THAT(keys_of(out), ::testing::ElementsAre("prompt_tokens", "tokens", "text", "finish_reason",
                                                   "intervention", "activations", "timing"));
  EXPECT_THAT(keys_of(out["timing"]), ::testing::ElementsAre("prefill_tps", "decode_tps"));
  EXPECT_EQ(out["prompt_tokens"], Json({5, 6, 7}));
  EXPECT_EQ(out["tokens"].size(), 4u);
  EXPECT_EQ(out["finish_reason"], "length");
  EXPECT_EQ(out["intervention"], "none");
  EXPECT_GT(out["timing"]["prefill_tps"].get<double>(), 0);
  EXPECT_GT(out["timing"]["decode_tps"].get<double>(), 0);
}

TEST(Generate, GreedyTokensEqualTheSpecificationThroughTheCommandLine) {
  const TempDir dir;
  std::vector<testing::GoldenCase> cases = testing::load_golden_cases(testing::golden("engine"));
  int tried = 0;
  for (std::size_t i = 0; i < cases.size(); i += 6) {
    const testing::GoldenCase& golden = cases[i];
    if (golden.calls.size() > 1 && golden.config_overrides.find("dynamic") != std::string::npos) {
      continue;  // its prompt is given in several calls, which counts there
    }
    const auto model = testing::copy_model(golden.model_dir, dir / golden.name);
    testing::write_file(model / "config.json", testing::golden_config(testing::golden("engine"), golden));
    const Json out = generate({"-m", model.string(), "--tokens", comma_list(golden.tokens), "-n",
                               std::to_string(golden.greedy.size()), "--intervene", golden.intervention,
                               "--ignore-eos", "--context", "400"});
    EXPECT_EQ(out["tokens"].get<Ids>(), golden.greedy) << golden.name;
    EXPECT_EQ(out["prompt_tokens"].get<Ids>(), golden.tokens);
    ++tried;
  }
  EXPECT_GE(tried, 5);
}

TEST(Generate, StopsAtTheModelsEndTokenUnlessToldNotTo) {
  const TempDir dir;
  const Arguments prompt = {"--tokens", "5,6,7", "-n", "12"};
  const Ids free = tokens_of(plus({"-m", golden_model("mha-f32"), "--ignore-eos"}, prompt));
  ASSERT_EQ(free.size(), 12u);
  for (const std::size_t at : {std::size_t{0}, std::size_t{3}}) {
    const auto model = testing::copy_model("mha-f32", dir / std::to_string(at));
    testing::edit_json(model / "config.json", {{"eos_token_id", free[at]}});
    const Json out = generate(plus({"-m", model.string()}, prompt));
    const auto end = std::find(free.begin(), free.end(), free[at]) + 1;
    EXPECT_EQ(out["tokens"].get<Ids>(), Ids(free.begin(), end));
    EXPECT_EQ(out["finish_reason"], "eos");
    EXPECT_EQ(tokens_of(plus({"-m", model.string(), "--ignore-eos"}, prompt)), free);
  }
}

TEST(Generate, SamplingIsReproducibleBySeed) {
  const Arguments sampled = {"-m", golden_model("gqa-f16"), "--tokens", "5,6,7",       "-n",
                             "40", "--temperature",         "1.5",      "--ignore-eos"};
  const Ids seven = tokens_of(plus(sampled, {"--seed", "7"}));
  EXPECT_EQ(tokens_of(plus(sampled, {"--seed", "7"})), seven);
  EXPECT_EQ(tokens_of(plus(sampled, {"--seed", "7", "--threads", "1"})), seven);
  EXPECT_EQ(tokens_of(plus(sampled, {"--seed", "7", "--threads", "2"})), seven);
  EXPECT_NE(tokens_of(plus(sampled, {"--seed", "8"})), seven);
  const Ids greedy =
      tokens_of({"-m", golden_model("gqa-f16"), "--tokens", "5,6,7", "-n", "40", "--ignore-eos"});
  EXPECT_NE(greedy, seven);
  EXPECT_EQ(tokens_of(plus(sampled, {"--top-k", "1"})), greedy);
  EXPECT_EQ(tokens_of(plus(sampled, {"--top-p", "0"})), greedy);
  EXPECT_EQ(tokens_of(plus(sampled, {"--min-p", "1"})), greedy);
}

TEST(Generate, InterventionIsAppliedAndNamedInFull) {
  const Arguments prompt = {"-m", golden_model("mha-f32"), "--tokens", "5,6,7,8,9,10,11,12", "-n",
                            "30", "--ignore-eos"};
  const Json changed = generate(plus(prompt, {"--intervene", "rebalance:alpha=1"}));
  const std::int64_t last = Json::parse(testing::file_text(golden_model("mha-f32") + "/config.json"))
                                .at("num_hidden_layers")
                                .get<std::int64_t>() -
                            1;
  EXPECT_EQ(changed["intervention"],
            "rebalance:alpha=1,threshold=0.01,depth=" + std::to_string(last) + ",mode=mask");
  const Ids none = tokens_of(plus(prompt, {"--intervene", "none"}));
  EXPECT_EQ(tokens_of(prompt), none);
  EXPECT_EQ(tokens_of(plus(prompt, {"--intervene", "rebalance:alpha=0"})), none);
  EXPECT_NE(changed["tokens"].get<Ids>(), none);
}

TEST(Generate, KeysAndValuesMayBeKeptInFewerBits) {
  const Arguments prompt = {"-m", golden_model("gqa-f16"), "--tokens", "5,6,7,8", "-n", "20", "--ignore-eos"};
  EXPECT_EQ(tokens_of(plus(prompt, {"--kv-type", "f32"})), tokens_of(prompt));
  for (const char* type : {"f16", "q8_0"}) {
    EXPECT_EQ(tokens_of(plus(prompt, {"--kv-type", type, "--threads", "1"})),
              tokens_of(plus(prompt, {"--kv-type", type, "--threads", "2"})));
  }
  const testing::ProcessResult bad =
      testing::refocus(plus(plus({"generate"}, prompt), {"--kv-type", "q4_0"}));
  EXPECT_EQ(bad.status, 2);
  EXPECT_NE(bad.err.find("--kv-type"), std::string::npos) << bad.err;
}

TEST(Generate, WeightsMeetActivationsOfTheTypeThatIsAsked) {
  const std::string model = (testing::golden("gguf") / "Q4_0.gguf").string();
  const Arguments prompt = {"-m", model, "--tokens", "1,17,4,30", "-n", "20", "--ignore-eos"};
  EXPECT_EQ(generate(prompt)["activations"], "int8");
  const Json exact = generate(plus(prompt, {"--activations", "f32", "--threads", "1"}));
  EXPECT_EQ(exact["activations"], "f32");
  EXPECT_EQ(exact["tokens"].get<Ids>(), tokens_of(plus(prompt, {"--activations", "f32", "--threads", "2"})));
  EXPECT_EQ(generate(plus(prompt, {"--activations", "bf16"}))["activations"], "bf16");
  const testing::ProcessResult bad =
      testing::refocus(plus(plus({"generate"}, prompt), {"--activations", "f16"}));
  EXPECT_EQ(bad.status, 2);
  EXPECT_NE(bad.err.find("--activations"), std::string::npos) << bad.err;
}

TEST(Generate, SaysWhatWeightsTakeWhereItIsMoreThanTheFile) {
  const auto ask = [](const char* type) {
    return testing::refocus({"generate", "-m",
                             (testing::golden("gguf") / (std::string(type) + ".gguf")).string(), "--tokens",
                             "1,17", "-n", "2", "--json"});
  };
  EXPECT_THAT(ask("IQ2_XS").err,
              ::testing::HasSubstr("weights of Q8_0, IQ2_XS take 86.0 KB of memory, 29.2 KB of the file"));
  EXPECT_EQ(ask("F16").err.find("MB"), std::string::npos);
}

TEST(Generate, EndsWithTheContext) {
  const Json out = generate(
      {"-m", golden_model("mha-f32"), "--tokens", "5,6,7", "-n", "50", "--context", "10", "--ignore-eos"});
  EXPECT_EQ(out["tokens"].size(), 7u);
  EXPECT_EQ(out["finish_reason"], "length");
}

TEST(Generate, TextIsEncodedWithBosAndStreamedWithoutTheEndToken) {
  REFOCUS_NEEDS_SHARED(testing::kSmallModel);
  const Arguments prompt = {"-m", testing::small_model(), "-p", "Question: why?", "-n", "100"};
  const Json out = generate(prompt);
  EXPECT_EQ(out["prompt_tokens"][0], 1);
  EXPECT_EQ(out["finish_reason"], "eos") << "this prompt is known to end early";
  EXPECT_EQ(out["tokens"].back(), 2);
  const testing::ProcessResult plain = testing::refocus(plus({"generate"}, prompt));
  EXPECT_EQ(plain.status, 0);
  EXPECT_EQ(plain.out, out["text"].get<std::string>() + "\n");
  EXPECT_EQ(plain.err, "");
  // The same ids given with --tokens, to which no BOS is added, are the same prompt.
  const Ids ids = out["prompt_tokens"].get<Ids>();
  const Json again = generate({"-m", testing::small_model(), "--tokens", comma_list(ids), "-n", "100"});
  EXPECT_EQ(again["prompt_tokens"], out["prompt_tokens"]);
  EXPECT_EQ(again["text"], out["text"]);
  const Json without = generate(
      {"-m", testing::small_model(), "--tokens", comma_list(Ids(ids.begin() + 1, ids.end())), "-n", "5"});
  EXPECT_EQ(without["prompt_tokens"].size(), ids.size() - 1);
}

TEST(Generate, AnEmptyTextIsTheBosAlone) {
  REFOCUS_NEEDS_SHARED(testing::kSmallModel);
  const Json out = generate({"-m", testing::small_model(), "-p", "", "-n", "3"});
  EXPECT_EQ(out["prompt_tokens"], Json::array({1}));
}

}  // namespace
}  // namespace refocus
