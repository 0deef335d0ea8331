// Scores of heads against whole maps in NumPy, and logit differences taken apart forwards
// (tests/golden/detect/make_goldens.py), on small models of families that differ in what matters here.
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "detect/attention_detectors.h"
#include "detect/logit_attribution.h"
#include "detect/retrieval.h"
#include "model/engine.h"
#include "tokenizer/tokenizer_support.h"

namespace refocus {
namespace {

using Json = nlohmann::json;
using testing::Engine;
using testing::Ids;

constexpr double kClose = 1e-5;

const Json& detect_cases() {
  static const Json kCases = Json::parse(read_text_file(testing::golden("detect") / "cases.json"));
  return kCases;
}

std::vector<std::string> detect_models() {
  std::vector<std::string> out;
  for (const auto& item : detect_cases()["models"].items()) out.push_back(item.key());
  return out;
}

class DetectGolden : public ::testing::TestWithParam<std::string> {
 protected:
  static const Json& expected() { return detect_cases()["models"][GetParam()]; }
  static Engine open(int threads) {
    const std::filesystem::path directory = testing::golden("families") / GetParam();
    return {directory.string(), read_text_file(directory / "config.json"), threads, 512};
  }
};

// All texts through the detectors in calls of so many rows.
void detect_texts(Engine& engine, AttentionDetectors& detectors, const std::vector<Ids>& texts,
                  std::int64_t prompt_tokens, std::int64_t call_rows) {
  std::vector<AttentionHooks> hooks(static_cast<std::size_t>(engine.model->config().num_hidden_layers));
  detectors.watch_with(hooks);
  const Watch watch{hooks.data(), nullptr, nullptr, [&](std::int64_t first, std::int64_t rows) {
                      detectors.end_call(engine.pool, first, rows);
                    }};
  for (const Ids& text : texts) {
    const std::int64_t length = std::ssize(text);
    detectors.begin_text(text, prompt_tokens > 0 ? prompt_tokens : length);
    WatchedText(*engine.model, length, call_rows).add(text, length, watch);
    detectors.end_text();
  }
}

using Scores = std::map<std::string, std::vector<double>>;

Scores scores_of(Engine& engine, std::int64_t call_rows) {
  const std::vector<Ids> stimuli = detect_cases()["stimuli"];
  const Ids text = detect_cases()["text"];
  AttentionDetectors patterns(*engine.model, call_rows, 64, {1, true});
  detect_texts(engine, patterns, stimuli, 0, call_rows);
  AttentionDetectors others(*engine.model, call_rows, 64, {detect_cases()["sink_keys"], false});
  detect_texts(engine, others, {text}, detect_cases()["prompt_tokens"], call_rows);
  return {{"previous_token", patterns.scores(kPreviousToken)},
          {"duplicate_token", patterns.scores(kDuplicateToken)},
          {"induction", patterns.scores(kInduction)},
          {"previous_token_mul", patterns.scores(kPreviousTokenMul)},
          {"duplicate_token_mul", patterns.scores(kDuplicateTokenMul)},
          {"induction_mul", patterns.scores(kInductionMul)},
          {"sink_mass", others.scores(kSinkMass)},
          {"entropy", others.scores(kRowEntropy)},
          {"received_mean", others.scores(kReceivedMean)},
          {"received_max", others.scores(kReceivedMax)},
          {"lookback", others.scores(kLookback)}};
}

std::vector<double> flat(const Json& grid) {
  std::vector<double> out;
  for (const Json& row : grid) {
    for (const Json& one : row) out.push_back(one.get<double>());
  }
  return out;
}

void expect_near(const std::vector<double>& got, const std::vector<double>& want, double tolerance,
                 const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], tolerance) << what << " " << i;
}

TEST_P(DetectGolden, ScoresEqualThoseOfWholeMaps) {
  Engine engine = open(2);
  const Scores got = scores_of(engine, 64);
  EXPECT_EQ(got.size(), expected()["scores"].size());
  for (const auto& [name, grid] : expected()["scores"].items()) {
    expect_near(got.at(name), flat(grid), kClose, name);
  }
}

TEST_P(DetectGolden, ScoresDependOnNeitherThreadsNorCalls) {
  Engine one = open(1), three = open(3);
  const Scores whole = scores_of(one, 64);
  EXPECT_EQ(scores_of(three, 64), whole);
  EXPECT_EQ(scores_of(three, 5), whole);
  EXPECT_EQ(scores_of(one, 1), whole);
}

struct TakenApart {
  Attribution parts;
  double measured = 0;
};

TakenApart take_apart(Engine& engine, std::int64_t call_rows) {
  const Json& cases = detect_cases();
  const Ids text = cases["text"], others = cases["others"];
  const std::int64_t position = cases["position"];
  const std::int32_t right = cases["right"];
  LogitAttribution attribution(*engine.model);
  std::vector<AttentionHooks> hooks(static_cast<std::size_t>(engine.model->config().num_hidden_layers));
  attribution.watch_with(hooks);
  const Watch watch{hooks.data(), attribution.tap(),
                    [&](std::int64_t first, std::int64_t rows) { attribution.begin_call(first, rows); },
                    nullptr};
  attribution.begin_text(position);
  WatchedText run(*engine.model, std::ssize(text), call_rows);
  const auto first = static_cast<std::size_t>(position + 1);
  const std::span<const float> logits = run.add(std::span(text).first(first), std::ssize(text), watch);
  TakenApart out;
  out.measured = attribution.difference_of(logits, right, others);
  run.add(std::span(text).subspan(first), std::ssize(text), watch);  // leaves what was kept as it is
  out.parts = attribution.attribute(right, others);
  return out;
}

TEST_P(DetectGolden, PartsOfALogitDifferenceEqualThoseComputedForwards) {
  Engine engine = open(2);
  const TakenApart got = take_apart(engine, 64);
  const Json& want = expected()["attribution"];
  const double total = want["total"];
  double size = std::abs(total);
  for (const double head : flat(want["heads"])) size = std::max(size, std::abs(head));
  const double tolerance = kClose * std::max(1.0, size);
  expect_near(got.parts.heads, flat(want["heads"]), tolerance, "heads");
  expect_near(got.parts.mlps, want["mlps"], tolerance, "mlps");
  expect_near(got.parts.attention_bias, want["attention_biases"], tolerance, "biases of attention");
  EXPECT_NEAR(got.parts.embedding, want["embedding"].get<double>(), tolerance);
  EXPECT_NEAR(got.parts.bias, want["bias"].get<double>(), tolerance);
  EXPECT_NEAR(got.parts.total, total, tolerance);
  EXPECT_NEAR(got.measured, total, 10 * tolerance);  // of float32 logits, and atanh where they are capped
}

TEST_P(DetectGolden, PartsSumToTheWholeWhateverTheCalls) {
  Engine one = open(1), two = open(2);
  const TakenApart whole = take_apart(one, 64), cut = take_apart(two, 4);
  double sum = whole.parts.embedding + whole.parts.bias;
  for (const auto* part : {&whole.parts.heads, &whole.parts.attention_bias, &whole.parts.mlps}) {
    for (const double value : *part) sum += value;
  }
  EXPECT_NEAR(sum, whole.parts.total, 1e-9 * std::max(1.0, std::abs(whole.parts.total)));
  EXPECT_EQ(cut.parts.heads, whole.parts.heads);
  EXPECT_EQ(cut.parts.total, whole.parts.total);
}

TEST_P(DetectGolden, RetrievalEqualsWholeMaps) {
  Engine engine = open(2);
  const auto tokenizer = testing::load_json(testing::synthetic_tokenizer("llama-2"));
  const Json& cases = detect_cases();
  const NeedlePrompt prompt{cases["asked"], cases["needle"][0], cases["needle"][1], "words"};
  const RetrievalReply reply =
      measure_retrieval(*engine.model, *tokenizer, prompt, {cases["new_tokens"], {}});
  const Json& want = expected()["retrieval"];
  EXPECT_EQ(reply.text, tokenizer->decode(want["reply"].get<Ids>()));
  expect_near(reply.scores, flat(want["scores"]), 1e-9, "retrieval");
  EXPECT_FALSE(reply.counts());
  // It ends with a token that ends it, which counts still.
  const Ids said = want["reply"];
  const RetrievalReply ended =
      measure_retrieval(*engine.model, *tokenizer, prompt, {cases["new_tokens"], {said[0]}});
  EXPECT_EQ(ended.text, "");
}

INSTANTIATE_TEST_SUITE_P(Families, DetectGolden, ::testing::ValuesIn(detect_models()),
                         [](const auto& info) { return info.param; });

// So that the comparisons say something.
TEST(DetectGoldens, SomeRetrieve) {
  int some = 0;
  for (const auto& item : detect_cases()["models"].items()) {
    for (const double score : flat(item.value()["retrieval"]["scores"])) some += score > 0;
  }
  EXPECT_GE(some, 10);
}

}  // namespace
}  // namespace refocus
