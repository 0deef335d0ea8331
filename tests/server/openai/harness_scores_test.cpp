// What lm-evaluation-harness computes from an answer with echo and log-probabilities (its local-completions
// model) must be what went in, bit for bit.
#include <bit>
#include <cmath>

#include "answer_support.h"
#include "base/json_reader.h"
#include "prompt/answer_end.h"
#include "support.h"

namespace refocus::openai {
namespace {

using nlohmann::ordered_json;

struct HarnessScore {
  double sum = 0;
  bool greedy = true;
};

// The harness takes the entries from the context's end up to the last, which is the generated token's.
std::vector<HarnessScore> harness_scores(const std::string& answer,
                                         const std::vector<std::size_t>& contexts) {
  ordered_json json = parse_ordered_json_object(answer, {"answer"});
  std::sort(json["choices"].begin(), json["choices"].end(), [](const ordered_json& a, const ordered_json& b) {
    return a["index"].get<int>() < b["index"].get<int>();
  });
  std::vector<HarnessScore> out;
  for (std::size_t i = 0; i < contexts.size(); ++i) {
    const ordered_json& logprobs = json["choices"].at(i)["logprobs"];
    const ordered_json &values = logprobs["token_logprobs"], &tops = logprobs["top_logprobs"];
    HarnessScore score;
    for (std::size_t k = contexts[i]; k + 1 < values.size(); ++k) {
      const double value = values[k].get<double>();
      score.sum += value;
      double largest = -INFINITY;
      EXPECT_FALSE(tops[k].empty()) << "max() of nothing is an error";
      for (const auto& [spelling, logprob] : tops[k].items())
        largest = std::max(largest, logprob.get<double>());
      if (value != largest) score.greedy = false;
    }
    out.push_back(score);
  }
  return out;
}

// A log-probability with all 53 bits in use, of any size down to the smallest that there are.
double any_logprob(std::uint64_t draw) {
  const double unit = std::ldexp(static_cast<double>(draw >> 11), -53);
  return -std::ldexp(unit, static_cast<int>(draw % 64) - 56);
}

struct Question {
  std::size_t context = 0;
  HarnessScore expected;
  Choice choice;
};

// A prompt of `context` tokens and some of an answer, of spellings that collide often.
Question question(std::uint64_t seed, std::int64_t index) {
  const std::string spellings[] = {"a", " b", "\xE2", "\x82", "\xAC", "", "<s>", "\"\\\n"};
  std::uint64_t state = seed;
  const auto draw = [&] { return state = state * 6364136223846793005ULL + 1442695040888963407ULL; };
  const auto pick = [&](std::uint64_t many) { return (draw() >> 33) % many; };
  Question out;
  out.context = 1 + pick(5);
  const std::size_t answer = 1 + pick(6);
  out.choice = {
      .index = index, .text = "", .finish_reason = kFinishLength, .tokens = {}, .prompt_tokens = {}};
  auto& tokens = out.choice.tokens.emplace();
  for (std::size_t k = 0; k < out.context + answer + 1; ++k) {
    if (k == 0) {
      tokens.push_back(testing::unscored(1, "<s>"));
      continue;
    }
    const double best = any_logprob(draw());
    const bool greedy = pick(4) != 0;
    const TokenScore top{7, spellings[pick(8)], best, 1};
    const TokenScore token =
        greedy ? top : TokenScore{9, spellings[pick(8)], std::nextafter(best, -INFINITY), 2};
    tokens.push_back(testing::scored(token, {top}));
    const bool counted = k >= out.context && k < out.context + answer;
    if (!counted) continue;
    out.expected.sum += token.logprob;
    out.expected.greedy = out.expected.greedy && greedy;
  }
  return out;
}

TEST(HarnessScores, AreWhatWentInBitForBit) {
  int greedy = 0, all = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    Answer answer{.head = testing::head(), .choices = {}, .usage = {}, .refocus = {}};
    std::vector<std::size_t> contexts;
    std::vector<HarnessScore> expected;
    for (std::int64_t index = 0; index < 4; ++index) {
      Question one = question(seed * 4 + static_cast<std::uint64_t>(index), index);
      contexts.push_back(one.context);
      expected.push_back(one.expected);
      answer.choices.push_back(std::move(one.choice));
    }
    const std::vector<HarnessScore> found = harness_scores(completion_answer(answer), contexts);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i, ++all) {
      EXPECT_EQ(std::bit_cast<std::uint64_t>(found[i].sum), std::bit_cast<std::uint64_t>(expected[i].sum));
      EXPECT_EQ(found[i].greedy, expected[i].greedy);
      greedy += found[i].greedy ? 1 : 0;
    }
  }
  EXPECT_GT(greedy, all / 10);
  EXPECT_LT(greedy, all * 9 / 10);
}

// Logits are float32; what is made of them is written as the double that it is.
TEST(HarnessScores, EveryKindOfNumberReadsBackAsItself) {
  std::vector<double> values = {-0.0, 0.0,      -1e-320, -5e-324,    -2.2250738585072014e-308,
                                -0.1, -1.0 / 3, -9999,   -12345678.9};
  for (std::uint64_t i = 0; i < 4000; ++i) {
    values.push_back(any_logprob(i * 0x9E3779B97F4A7C15ULL));
    values.push_back(static_cast<float>(values.back()));
  }
  std::vector<ScoredToken> tokens;
  for (const double value : values) tokens.push_back(testing::scored({1, "a", value, 1}));
  const auto completion = parse_ordered_json(json_text(completion_logprobs(tokens)), {"answer"});
  const auto chat = parse_ordered_json(json_text(chat_logprobs(tokens)), {"answer"});
  const auto prompt = parse_ordered_json(json_text(prompt_logprobs(tokens)), {"answer"});
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto same = [&](const ordered_json& json) {
      return std::bit_cast<std::uint64_t>(json.get<double>()) == std::bit_cast<std::uint64_t>(values[i]);
    };
    EXPECT_TRUE(same(completion["token_logprobs"][i])) << values[i];
    EXPECT_TRUE(same(completion["top_logprobs"][i]["a"])) << values[i];
    EXPECT_TRUE(same(chat["content"][i]["logprob"])) << values[i];
    EXPECT_TRUE(same(prompt[i]["1"]["logprob"])) << values[i];
  }
}

}  // namespace
}  // namespace refocus::openai
