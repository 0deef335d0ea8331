// refocus eval perplexity: what it prints, how arms are chosen, bad input, and the quantised conversions of a
// real model against it.
#include <cmath>

#include "cli/cli_support.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using testing::golden_model;
using ::testing::HasSubstr;
using testing::Json;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;
using testing::write_file;
namespace fs = std::filesystem;

constexpr const char* kText = "the sun is up and the moon is down\n\xC3\xA9t\xC3\xA9 and the sea\n";  // été

// A golden checkpoint with a tokenizer of single characters: a to z, space, line feed, and the bytes of é.
fs::path model_with_tokenizer(const std::string& name, const fs::path& to, bool bos = true) {
  const fs::path model = testing::copy_model(name, to);
  Json vocab;
  const std::vector<std::string> specials = {"<unk>", "<s>", "</s>"};
  for (const std::string& special : specials) vocab[special] = vocab.size();
  for (const char* other : {"Ġ", "Ċ", "Ã", "©"}) vocab[other] = vocab.size();
  for (char c = 'a'; c <= 'z'; ++c) vocab[std::string(1, c)] = vocab.size();
  Json added = Json::array();
  for (std::size_t id = 0; id < specials.size(); ++id)
    added.push_back({{"id", id}, {"content", specials[id]}, {"special", true}, {"normalized", false}});
  const Json tokenizer = {
      {"version", "1.0"},
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array()}}}};
  write_file(model / "tokenizer.json", tokenizer.dump());
  write_file(model / "tokenizer_config.json",
             Json{{"add_bos_token", bos}, {"bos_token", "<s>"}, {"eos_token", "</s>"}}.dump());
  return model;
}

class Perplexity : public ::testing::Test {
 protected:
  void SetUp() override {
    model = model_with_tokenizer("mha-f32", dir / "model").string();
    text = (dir / "text.txt").string();
    write_file(text, kText);
  }
  ProcessResult run(const Arguments& more) const {
    return testing::refocus(plus({"eval", "perplexity", text, "-m", model}, more));
  }
  Json json(const Arguments& more) const { return testing::one_json_line(run(plus(more, {"--json"}))); }

  TempDir dir;
  std::string model, text;
};

std::vector<std::string> interventions(const Json& out) {
  std::vector<std::string> names;
  for (const Json& arm : out["arms"]) names.push_back(arm["intervention"]);
  return names;
}

constexpr const char* kRebalanceSpec = "rebalance:alpha=0.2,threshold=0.01,depth=3,mode=mask";

TEST_F(Perplexity, CountsAllTokensAndBytesAfterABos) {
  const Json out = json({"--context", "16"});
  const std::int64_t bytes = std::string(kText).size();
  EXPECT_EQ(out["tokens"], bytes + 1);  // one a byte, and the BOS
  EXPECT_EQ(out["counted_tokens"], bytes);
  EXPECT_EQ(out["counted_bytes"], bytes);
  EXPECT_EQ(out["context"], 16);
  EXPECT_EQ(out["stride"], 8);
  EXPECT_EQ(out["windows"], (bytes + 1 - 16 + 7) / 8 + 1);
  const Json& arm = out["arms"][0];
  EXPECT_EQ(arm["model"], model);
  EXPECT_NEAR(arm["bits_per_byte"].get<double>(), arm["mean_nll"].get<double>() / std::log(2), 1e-12);
  EXPECT_NEAR(arm["perplexity"].get<double>(), std::exp(arm["mean_nll"].get<double>()), 1e-9);
}

TEST_F(Perplexity, AByteOrderMarkIsNoText) {
  Json without = json({});
  write_file(text, std::string("\xEF\xBB\xBF") + kText);
  EXPECT_EQ(json({}), without);
  write_file(text, "\xEF\xBB\xBF");
  expect_failure(run({}), 1, {"expected a text, got an empty file"});
  write_file(text, std::string("\xEF\xBB\xBF"
                               "ab\xFF"));
  expect_failure(run({}), 1, {"an invalid sequence at byte 5"});  // of the file
  write_file(text, std::string("\xFF\xFE"
                               "a\0b\0",
                               6));
  expect_failure(run({}), 1, {"the byte order mark of UTF-16", "iconv"});
}

TEST_F(Perplexity, LeavesOutWhatNothingStandsBefore) {
  model = model_with_tokenizer("mha-f32", dir / "bare", /*bos=*/false).string();
  const std::int64_t bytes = std::string(kText).size();
  Json out = json({});
  EXPECT_EQ(out["tokens"], bytes);
  EXPECT_EQ(out["counted_bytes"], bytes - 1);
  EXPECT_EQ(out["context"], 512);
  out = json({"--context", "10", "--stride", "10"});
  EXPECT_EQ(out["counted_tokens"], bytes - out["windows"].get<std::int64_t>());
  EXPECT_EQ(out["counted_bytes"], out["counted_tokens"]);
}

TEST_F(Perplexity, AnArmWithoutInterventionIsTheReference) {
  using ::testing::ElementsAre;
  EXPECT_THAT(interventions(json({})), ElementsAre("none"));
  const Json out = json({"--intervene", "rebalance"});
  EXPECT_THAT(interventions(out), ElementsAre("none", kRebalanceSpec));
  EXPECT_EQ(out, json({"--intervene", "rebalance", "--intervene", "none"}));
  EXPECT_FALSE(out["arms"][0].contains("kl_divergence"));
  const Json& arm = out["arms"][1];
  EXPECT_GT(arm["kl_divergence"]["mean"], 1e-4);
  EXPECT_GE(arm["kl_divergence"]["max"], arm["kl_divergence"]["p99"]);
  EXPECT_NEAR(arm["nll_difference"].get<double>(),
              arm["mean_nll"].get<double>() - out["arms"][0]["mean_nll"].get<double>(), 1e-12);
  const Json same = json({"--intervene", "rebalance:alpha=0"})["arms"][1];
  EXPECT_EQ(same["kl_divergence"]["max"], 0);
  EXPECT_EQ(same["top1_agreement"], 1);
}

// Each arm says how it computed. Float weights always meet float32 activations.
TEST_F(Perplexity, AgainstOtherActivations) {
  const auto activations = [&](const Arguments& more) {
    const Json out = json(plus({"--against", model}, more));
    EXPECT_EQ(out["arms"][1]["kl_divergence"]["max"], 0);
    return std::vector<std::string>{out["arms"][0]["activations"], out["arms"][1]["activations"]};
  };
  EXPECT_THAT(activations({}), ::testing::ElementsAre("int8", "int8"));
  EXPECT_THAT(activations({"--against-activations", "f32"}), ::testing::ElementsAre("f32", "int8"));
  EXPECT_THAT(activations({"--activations", "f32"}), ::testing::ElementsAre("int8", "f32"));
  EXPECT_THAT(run({"--against", model, "--against-activations", "f32"}).out,
              HasSubstr(", none, activations f32 (the"));
}

TEST_F(Perplexity, AgainstAnotherModel) {
  const std::string other = model_with_tokenizer("gqa-f32", dir / "other").string();
  const Json out = json({"--against", other, "--intervene", "rebalance"});
  EXPECT_THAT(interventions(out), ::testing::ElementsAre("none", kRebalanceSpec));
  EXPECT_EQ(out["arms"][0]["model"], other);
  EXPECT_EQ(out["arms"][1]["model"], model);
  EXPECT_THAT(interventions(json({"--against", other})), ::testing::ElementsAre("none", "none"));
  const Json same = json({"--against", model})["arms"][1];
  EXPECT_EQ(same["kl_divergence"]["max"], 0);
  EXPECT_EQ(same["nll_difference"], 0);
  // A reference without a tokenizer is taken at its word, but not one of another size.
  EXPECT_EQ(json({"--against", golden_model("gqa-f32")})["arms"], [&] {
    Json arms = json({"--against", other})["arms"];
    arms[0]["model"] = golden_model("gqa-f32");
    return arms;
  }());
  expect_failure(run({"--against", golden_model("mqa-f32")}), 1,
                 {"--against", "a vocabulary of 101 tokens", "got 67"});
}

TEST_F(Perplexity, OtherTokensAreRefused) {
  const fs::path other = model_with_tokenizer("gqa-f32", dir / "other");
  std::string tokenizer = testing::file_text(other / "tokenizer.json");
  const auto swap = [&](const std::string& from, const std::string& to) {
    const std::size_t at = tokenizer.find(from);
    ASSERT_NE(at, std::string::npos);
    tokenizer.replace(at, from.size(), to);
  };
  swap("\"a\":7", "\"A\":7");
  write_file(other / "tokenizer.json", tokenizer);
  expect_failure(run({"--against", other.string()}), 1, {"--against", "'A' as token 7, which is 'a'"});
  model_with_tokenizer("gqa-f32", dir / "bare", /*bos=*/false);
  expect_failure(run({"--against", (dir / "bare").string()}), 1, {"--against", "at token 0"});
}

TEST_F(Perplexity, PrintsATable) {
  const ProcessResult result = run({"--intervene", "rebalance", "--threads", "1"});
  EXPECT_EQ(result.status, 0) << result.err;
  for (const char* part : {"perplexity of ", "none (the reference)", "mean NLL", "bits per byte",
                           "KL, median", "99th percentile", "top-1 agreement", " ± "}) {
    EXPECT_THAT(result.out, HasSubstr(part));
  }
  EXPECT_EQ(result.out, run({"--intervene", "rebalance", "--threads", "2"}).out);
  EXPECT_THAT(result.err, HasSubstr("windows: 1 of 1 (100%)"));
}

TEST_F(Perplexity, BadText) {
  const auto with_text = [&](std::string_view content) {
    write_file(text, content);
    return run({});
  };
  expect_failure(with_text(""), 1, {"text.txt] expected a text, got an empty file"});
  expect_failure(with_text("the s\xFFn"), 1, {"expected UTF-8", "at byte 5"});
  expect_failure(with_text("sea \xC3"), 1, {"expected UTF-8", "at byte 4"});
  EXPECT_EQ(with_text("a").status, 0);
  model = model_with_tokenizer("mha-f32", dir / "bare", /*bos=*/false).string();
  expect_failure(with_text("a"), 1, {"text.txt] expected a text of at least 2 tokens, got 1"});
  text = (dir / "missing.txt").string();
  expect_failure(run({}), 1, {"missing.txt] cannot be read", "check the path"});
  text = dir.path().string();
  expect_failure(run({}), 1, {"cannot be read"});
}

TEST_F(Perplexity, BadUsage) {
  const std::string help = "`refocus eval perplexity --help`";
  expect_failure(testing::refocus({"eval", "perplexity"}), 2, {"required", help});
  expect_failure(testing::refocus({"eval", "-m", model, "perplexity", text}), 2, {"--model", "after", help});
  expect_failure(testing::refocus({"eval", "mmlu", "perplexity", text}), 2, {"task", "after", help});
  expect_failure(run({"--stride", "0"}), 2, {"--stride", "'0'"});
  expect_failure(run({"--context", "1"}), 2, {"--context", "'1'"});
  expect_failure(run({"--context", "8", "--stride", "9"}), 2, {"[--stride]", "at most the context (8)", "9"});
  expect_failure(run({"--intervene", "rebalanse"}), 2, {"[--intervene]", "'rebalanse'"});
  expect_failure(run({"--intervene", "rebalance", "--intervene", "rebalance:alpha=0.2"}), 2,
                 {"different arms"});
  expect_failure(run({"--against", "/nonexistent"}), 1, {"[--against]", "/nonexistent"});
  const std::string bare = golden_model("mha-f32");
  expect_failure(testing::refocus({"eval", "perplexity", text, "-m", bare}), 1, {bare, "tokenizer"});
  EXPECT_THAT(testing::refocus({"eval", "perplexity", "--help"}).out, HasSubstr("--stride"));
}

TEST_F(Perplexity, MemoryForKeysAndValuesIsBounded) {
  std::string words;
  for (int i = 0; i < 400; ++i) words += "the sea is deep ";
  write_file(text, words);
  const Arguments wide = {"--context", "6000", "--kv-memory", "8"};
  expect_failure(run(plus(wide, {"--intervene", "rebalance"})), 1,
                 {"[cache]", "at most 8 MiB", "2 arms of 6000 tokens", "--context", "--kv-memory 21"});
  // What the message says is enough.
  EXPECT_EQ(run({"--context", "6000", "--kv-memory", "21", "--intervene", "rebalance"}).status, 0);
  EXPECT_EQ(json({"--context", "64", "--kv-memory", "8"})["context"], 64);
}

// The questions of SIQA, as far as a small model bears them: text that nobody made for it.
std::string prose() {
  std::istringstream lines(testing::file_text(testing::shared("data/siqa/dev.jsonl")));
  std::string out;
  for (std::string line; out.size() < 20000 && std::getline(lines, line);) {
    const Json item = Json::parse(line);
    for (const char* key : {"context", "question", "answerA"}) out += item[key].get<std::string>() + " ";
    out += "\n";
  }
  return out;
}

// Mean KL divergence of a conversion from the F32 model.
double divergence_of(const std::string& type, const TempDir& dir) {
  const std::string gguf = (dir / (type + ".gguf")).string(), text = (dir / "prose.txt").string();
  write_file(text, prose());
  const ProcessResult converted =
      testing::refocus({"convert", "-m", testing::small_model(), "-o", gguf, "--type", type});
  EXPECT_EQ(converted.status, 0) << converted.err;
  const Json out = testing::one_json_line(testing::refocus(
      {"eval", "perplexity", text, "-m", gguf, "--against", testing::small_model(), "--json"}));
  EXPECT_GT(out["counted_tokens"], 10000);
  const Json& arm = out["arms"][1];
  std::printf("%s: KL %s, top-1 agreement %s\n", type.c_str(), arm["kl_divergence"].dump().c_str(),
              arm["top1_agreement"].dump().c_str());
  return arm["kl_divergence"]["mean"];
}

TEST(ConversionDivergence, StaysBelowItsBounds) {
  REFOCUS_NEEDS_SHARED(testing::kSmallModel);
  REFOCUS_NEEDS_SHARED("data/siqa/dev.jsonl");
  const TempDir dir;
  EXPECT_EQ(divergence_of("f32", dir), 0);
  const double f16 = divergence_of("f16", dir), q8_0 = divergence_of("q8_0", dir);
  EXPECT_GT(f16, 0);
  EXPECT_LT(f16, q8_0);
  EXPECT_LE(q8_0, 1e-3);
  EXPECT_GT(divergence_of("q4_0", dir), q8_0);
}

}  // namespace
}  // namespace refocus
