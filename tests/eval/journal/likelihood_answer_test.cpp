// Log-likelihoods to answers and accuracies, against lm-evaluation-harness' formulae worked out by hand.
#include "eval/journal/likelihood_answer.h"

#include <cmath>

#include "eval/recording_support.h"
#include "eval/score/results.h"
#include "eval/text/sha256.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;

struct ToyItem {
  std::vector<std::string> choices;
  std::vector<double> loglikelihoods;
  std::optional<char> label;
};

// acc takes the largest log-likelihood, acc_norm the largest over length in code points, both the first among
// equals:
//   0: -2, -3; over lengths 2 and 8: -1, -0.375          acc A, acc_norm B
//   1: -4, -4; over 8 and 4: -0.5, -1                    acc A (a tie), acc_norm A
//   2: -4, -4.5; over 2 and 3 code points: -2, -1.5      acc A, acc_norm B (over 4 and 3 bytes: A)
//   3: -2, -4; over 2 and 4: -1, -1                      acc A, acc_norm A (a tie)
//   4: -5, -1; over 5 and 1: -1, -1                      acc B, acc_norm A (a tie)
//   5: no label
const std::vector<ToyItem> kItems = {{{"ab", "abcdefgh"}, {-2, -3}, 'B'},
                                     {{"abcdefgh", "abcd"}, {-4, -4}, 'B'},
                                     {{"\u00e9\u00e9", "abc"}, {-4, -4.5}, 'B'},
                                     {{"ab", "abcd"}, {-2, -4}, 'A'},
                                     {{"abcde", "a"}, {-5, -1}, 'B'},
                                     {{"a", "b"}, {-1, -0.1}, std::nullopt}};

struct Toy {
  std::vector<Task> tasks;
  std::vector<TaskAnswers> answers;
};

std::unique_ptr<Toy> toy(const std::string& task) {
  auto out = std::make_unique<Toy>();
  Task piqa{task, {"physicaliqa"}, {}};
  std::vector<Response> responses;
  for (std::size_t i = 0; i < kItems.size(); ++i) {
    Item item;
    item.subject = "physicaliqa";
    item.index = static_cast<int>(i);
    item.choices = kItems[i].choices;
    item.fields = {{"goal", "G"}, {"sol1", item.choices[0]}, {"sol2", item.choices[1]}};
    item.label = kItems[i].label;
    piqa.items.push_back(item);
    std::vector<OptionLikelihood> options;
    for (const double value : kItems[i].loglikelihoods) options.push_back({value, value > -2});
    responses.push_back(
        testing::response("loglikelihood-none", "physicaliqa", item.index, likelihoods_text(options)));
    responses.back().finish_reason = kLikelihoodRule;
    responses.back().generated_tokens = 0;
  }
  out->tasks = {piqa};
  out->answers = judge(out->tasks, std::move(responses), judge_likelihoods);
  return out;
}

TEST(LikelihoodAnswer, EqualsTheFormulaeOfTheHarness) {
  const auto all = toy("piqa");
  std::string letters, by_length;
  for (const Answer& answer : all->answers[0].answers) {
    letters += *answer.extraction.letter;
    by_length += chosen_letter_by_length(*answer.item, answer.likelihoods->options);
  }
  EXPECT_EQ(letters, "AAAABB");
  EXPECT_EQ(by_length, "BABAAB");
  const Tally tally = score(all->answers[0]).all;
  EXPECT_EQ(tally.answered, 6);
  EXPECT_EQ(tally.labelled, 5);
  EXPECT_EQ(tally.correct, 2);            // items 3 and 4
  EXPECT_EQ(tally.correct_by_length, 3);  // items 0, 2 and 3
  EXPECT_DOUBLE_EQ(*tally.accuracy(), 0.4);
  EXPECT_DOUBLE_EQ(*tally.accuracy_by_length(), 0.6);
  // Sample standard deviation (n - 1) of 0, 0, 0, 1, 1, over sqrt(5): that of three 1s is the same.
  EXPECT_DOUBLE_EQ(*tally.standard_error(), std::sqrt((3 * 0.16 + 2 * 0.36) / 4 / 5));
  EXPECT_DOUBLE_EQ(*tally.standard_error_by_length(), std::sqrt((3 * 0.16 + 2 * 0.36) / 4 / 5));
  EXPECT_EQ(tally.unparsed + tally.truncated + tally.empty + tally.characters, 0);
}

TEST(LikelihoodAnswer, OnlyPiqaIsNormalised) {
  const auto all = toy("siqa");
  const Tally tally = score(all->answers[0]).all;
  EXPECT_EQ(tally.correct, 2);
  EXPECT_FALSE(tally.accuracy_by_length());
}

TEST(LikelihoodAnswer, TheTextKeepsEveryBit) {
  const std::vector<OptionLikelihood> options = {
      {-1.0 / 3, false}, {-12345.678901234567, true}, {-4.9406564584124654e-324, false}, {0, true}};
  const std::string text = likelihoods_text(options);
  EXPECT_TRUE(text.starts_with("[[-0.3333333333333333,false],[")) << text;
  const std::vector<OptionLikelihood> back = parse_likelihoods(text, 4, "here");
  for (std::size_t k = 0; k < 4; ++k) {
    EXPECT_EQ(back[k].loglikelihood, options[k].loglikelihood);
    EXPECT_EQ(back[k].is_greedy, options[k].is_greedy);
  }
  for (const char* bad : {"", "B"}) {
    EXPECT_THAT(error_of([&] { parse_likelihoods(bad, 2, "here"); }), HasSubstr("[here] expected JSON with"))
        << bad;
  }
  for (const char* bad : {"[]", "[[-1,false]]", "[[-1,false],[\"x\",true]]", "[[-1,false],[-2]]"}) {
    EXPECT_THAT(error_of([&] { parse_likelihoods(bad, 2, "here"); }), HasSubstr("[here] expected 2 log-like"))
        << bad;
  }
}

TEST(LikelihoodReports, HaveTheLayoutOfTheHarness) {
  const auto all = toy("piqa");
  ReportOptions options;
  options.arm = "loglikelihood-none";
  options.loglikelihood = true;
  const ordered_json sample = ordered_json::parse(sample_line(all->answers[0].answers[2], options));
  EXPECT_EQ(
      sample["arguments"].dump(),
      R"({"gen_args_0":{"arg_0":"Question 2","arg_1":" éé"},"gen_args_1":{"arg_0":"Question 2","arg_1":" abc"}})");
  EXPECT_EQ(sample["resps"].dump(), "[[[-4.0,false]],[[-4.5,false]]]");
  EXPECT_EQ(sample["filtered_resps"].dump(), "[[-4.0,false],[-4.5,false]]");
  EXPECT_EQ(sample["metrics"].dump(), R"(["acc","acc_norm"])");
  EXPECT_EQ(sample["acc"], 0.0);
  EXPECT_EQ(sample["acc_norm"], 1.0);
  EXPECT_EQ(sample["target"], "B");
  EXPECT_EQ(sample["rule"], "loglikelihood");
  EXPECT_TRUE(sample["span"].is_null());
  EXPECT_EQ(sample["prompt_hash"], sha256_hex("Question 2"));
  const ordered_json unlabelled = ordered_json::parse(sample_line(all->answers[0].answers[5], options));
  EXPECT_EQ(unlabelled["metrics"].dump(), "[]");
  EXPECT_FALSE(unlabelled.contains("acc_norm"));

  const ordered_json file = ordered_json::parse(results_json({score(all->answers[0])}, options));
  const ordered_json& piqa = file["results"]["piqa"];
  EXPECT_EQ(piqa["acc,none"], 0.4);
  EXPECT_EQ(piqa["acc_norm,none"], 0.6);
  EXPECT_DOUBLE_EQ(piqa["acc_stderr,none"], std::sqrt(0.06));
  EXPECT_DOUBLE_EQ(piqa["acc_norm_stderr,none"], std::sqrt(0.06));
  EXPECT_FALSE(piqa.contains("unparsed"));
  EXPECT_EQ(file["configs"]["piqa"]["output_type"], "multiple_choice");
  EXPECT_EQ(file["configs"]["piqa"]["metric_list"].size(), 2u);
  EXPECT_FALSE(file["configs"]["piqa"].contains("generation_kwargs"));
  EXPECT_EQ(file["higher_is_better"]["piqa"].dump(), R"({"acc":true,"acc_norm":true})");
}

}  // namespace
}  // namespace refocus
