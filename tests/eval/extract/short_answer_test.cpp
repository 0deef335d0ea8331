// Hand-worked answers of each measure.
#include "eval/extract/short_answer.h"

#include <cmath>

#include "support.h"

namespace refocus {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

TEST(NormalisedAnswer, IsThatOfSquad) {
  EXPECT_EQ(normalised_answer("  The  Battle of\tHastings. "), "battle of hastings");
  EXPECT_EQ(normalised_answer("An apple, a pear & the fig!"), "apple pear fig");
  EXPECT_EQ(normalised_answer("U.S.A."), "usa");
  EXPECT_EQ(normalised_answer("theatre another"), "theatre another") << "articles are whole words";
  EXPECT_EQ(normalised_answer("ÉCOLE Ünïversität"), "école ünïversität");
  EXPECT_EQ(normalised_answer("Ελλάδα\u00A0\u2003Москва"), "ελλάδα москва") << "Unicode white space";
  EXPECT_EQ(normalised_answer("“Paris”"), "“paris”") << "only ASCII punctuation goes";
  EXPECT_EQ(normalised_answer(""), "");
}

TEST(NormalisedAnswer, LeavesSomethingOfAnythingThatIsNotBlank) {
  EXPECT_EQ(normalised_answer("A"), "a") << "a letter is an answer, not an article";
  EXPECT_EQ(normalised_answer("The the"), "the the");
  EXPECT_EQ(normalised_answer("+"), "+");
  EXPECT_EQ(normalised_answer("..."), "...");
  EXPECT_FALSE(exact_match("+", "-"));
  EXPECT_FALSE(exact_match("a", "the"));
}

TEST(ExactMatch, ComparesNormalForms) {
  EXPECT_TRUE(exact_match("**The Nile**", "nile."));
  EXPECT_FALSE(exact_match("the Nile river", "Nile"));
}

TEST(TokenF1, CountsCommonWords) {
  // Common: cat, sat (2). Words: 3 (cat sat down), 4 (cat sat on mat). 2 * 2 / 7.
  EXPECT_DOUBLE_EQ(token_f1("the cat sat down", "a cat sat on the mat"), 4.0 / 7);
  EXPECT_DOUBLE_EQ(token_f1("Paris", "paris!"), 1);
  EXPECT_DOUBLE_EQ(token_f1("London", "Paris"), 0);
  // A word counts as often as it occurs in both: min(3, 1) of "no", 2 * 1 / (3 + 1).
  EXPECT_DOUBLE_EQ(token_f1("no no no", "no"), 0.5);
  EXPECT_DOUBLE_EQ(token_f1("", "Paris"), 0);
  EXPECT_DOUBLE_EQ(token_f1("", " "), 1);
  EXPECT_DOUBLE_EQ(token_f1("Été à Paris", "été À LYON"), 2.0 * 2 / 6);
}

std::optional<double> number(std::string_view text) {
  const auto found = last_number(text);
  return found ? std::optional(found->value) : std::nullopt;
}

TEST(LastNumber, ReadsWhatIsWritten) {
  EXPECT_EQ(number("2 + 3 = 5."), 5);
  EXPECT_EQ(number("so $1,234,567.50 in all"), 1234567.5);
  EXPECT_EQ(number("it is -3"), -3);
  EXPECT_EQ(number("it is \u22123.5 degrees"), -3.5) << "U+2212";
  EXPECT_EQ(number("5-3"), 3) << "a sign after a digit is an operator";
  EXPECT_EQ(number("(5)-3"), 3);
  EXPECT_EQ(number("+7"), 7);
  EXPECT_EQ(number(".5"), 0.5);
  EXPECT_EQ(number("1e3"), 1000);
  EXPECT_EQ(number("3eggs"), 3);
  EXPECT_EQ(number("50%"), 50);
  EXPECT_EQ(number("1,2345"), 2345) << "no group of three";
  EXPECT_EQ(number("none"), std::nullopt);
  EXPECT_EQ(number(""), std::nullopt);
  EXPECT_EQ(number("1e999"), std::nullopt) << "beyond a double";
  EXPECT_EQ(number("٣"), std::nullopt) << "ASCII digits only";
  const auto found = last_number("é 12 kg");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->span.begin, 3u);
  EXPECT_EQ(found->span.end, 5u);
}

TEST(WholeNumberText, IsOneNumberAndNothingElse) {
  EXPECT_EQ(whole_number_text(" 1,000 "), 1000);
  EXPECT_EQ(whole_number_text("-0.5"), -0.5);
  EXPECT_EQ(whole_number_text("$5"), std::nullopt);
  EXPECT_EQ(whole_number_text("1 2"), std::nullopt);
  EXPECT_EQ(whole_number_text("five"), std::nullopt);
}

TEST(NumbersAgree, UpToTheTolerance) {
  EXPECT_TRUE(numbers_agree(0.30, 0.3, 0));
  EXPECT_FALSE(numbers_agree(0.1 + 0.2, 0.3, 0)) << "without a tolerance they must be the same";
  EXPECT_TRUE(numbers_agree(1.1, 1.0, 0.1)) << "although 1.1 - 1.0 > 0.1 in binary";
  EXPECT_FALSE(numbers_agree(3.1501, 3.14, 0.01));
  EXPECT_TRUE(numbers_agree(-2, -2.5, 0.5));
}

std::optional<std::string> answer(const ShortAnswerRules& rules, std::string_view response) {
  return extract_short_answer(rules, response).text;
}

TEST(ExtractShortAnswer, TakesWhatFollowsTheLastHeader) {
  const ShortAnswerRules rules;
  EXPECT_EQ(answer(rules, " Paris\n"), "Paris");
  EXPECT_EQ(answer(rules, "Response: no. Analysis... Response: Paris "), "Paris");
  EXPECT_EQ(answer(rules, "Response: \n"), std::nullopt);
  EXPECT_EQ(answer(rules, ""), std::nullopt);
  const Extraction found = extract_short_answer(rules, "é Response: Rome\n");
  EXPECT_EQ(found.rule, "header");
  EXPECT_EQ(found.span_begin, 13);
  EXPECT_EQ(found.span_end, 17);
  EXPECT_TRUE(found.found());
  EXPECT_FALSE(found.letter);
}

TEST(ExtractShortAnswer, TakesTheLastMatchOfAPattern) {
  EXPECT_EQ(answer({.pattern = "so (\\w+)"}, "so one, so two."), "two");
  EXPECT_EQ(answer({.pattern = "<.*?>"}, "<a> <b>"), "<b>") << "without a group the whole match";
  EXPECT_EQ(answer({.pattern = "so (\\w+)"}, "Response: one"), std::nullopt);
  EXPECT_EQ(answer({.pattern = "x*"}, "yüy"), std::nullopt) << "empty matches are no answers, and end";
  EXPECT_EQ(answer({.pattern = "(?:a(b))|c"}, "ab c"), "b") << "a group without part is no answer";
}

TEST(ExtractShortAnswer, OfNumbersTakesTheLastOfThatPart) {
  ShortAnswerRules rules{.metric = ShortMetric::kNumeric};
  EXPECT_EQ(answer(rules, "3 + 4 = 7 coins"), "7");
  EXPECT_EQ(answer(rules, "1 2 Response: 12 of 13. Response: none"), std::nullopt);
  const Extraction found = extract_short_answer(rules, "Response: about 1,500 m");
  EXPECT_EQ(*found.text, "1,500");
  EXPECT_EQ(found.span_begin, 16);
}

TEST(ShortAnswerPattern, SaysWhatIsWrongWithIt) {
  EXPECT_EQ(short_answer_pattern_error("so (\\d+)"), std::nullopt);
  EXPECT_THAT(*short_answer_pattern_error("so ("), HasSubstr("parenthesis at byte 4"));
  EXPECT_THAT(*short_answer_pattern_error("so \\C"), HasSubstr("\\C")) << "it would match half a character";
}

// A task of one item with these right answers.
Task short_task(ShortMetric metric, std::vector<std::string> answers) {
  auto kind = std::make_shared<TaskKind>();
  kind->name = "t";
  kind->type = AnswerType::kShort;
  kind->short_answer.metric = metric;
  kind->definition = "{}";
  Task task{"t", {"t"}, {}};
  task.own = kind;
  Item item;
  item.subject = "t";
  item.answers = std::move(answers);
  task.items.push_back(item);
  return task;
}

Answer judged(const Task& task, const std::string& text) {
  Response response;
  response.subject = "t";
  response.text = text;
  return judge_text(task, task.items[0], response, ExtractionRules::kAnchored);
}

TEST(JudgeText, TakesTheBestOfSeveralRightAnswers) {
  const Task task = short_task(ShortMetric::kF1, {"the big apple", "New York City"});
  const Answer answer = judged(task, "Response: New York");
  EXPECT_EQ(answer.correct, false);
  EXPECT_DOUBLE_EQ(*answer.f1, 2.0 * 2 / 5);
  EXPECT_EQ(judged(task, "new york city").correct, true);
  EXPECT_DOUBLE_EQ(*judged(task, "Big Apple").f1, 1);
  const Answer none = judged(task, "Response:");
  EXPECT_EQ(none.correct, false);
  EXPECT_DOUBLE_EQ(*none.f1, 0);
}

TEST(JudgeText, OfOtherMetricsHasNoF1) {
  EXPECT_FALSE(judged(short_task(ShortMetric::kExactMatch, {"x"}), "x").f1);
  const Task numbers = short_task(ShortMetric::kNumeric, {"1,000"});
  EXPECT_EQ(judged(numbers, "about 1000").correct, true);
  EXPECT_EQ(judged(numbers, "1001").correct, false);
  EXPECT_EQ(judged(numbers, "many").correct, false);
}

TEST(JudgeText, APatternThatCannotFinishIsAnError) {
  Task task = short_task(ShortMetric::kExactMatch, {"x"});
  auto kind = std::make_shared<TaskKind>(*task.own);
  kind->short_answer.pattern = "(?:a+)+$";
  task.own = kind;
  EXPECT_THAT(error_of([&] { judged(task, std::string(5000, 'a') + "!"); }),
              HasSubstr("[t item 0] expected an answer_pattern that finds its way"));
}

TEST(Tally, SumsUpF1) {
  const Task task = short_task(ShortMetric::kF1, {"a b"});
  Tally tally;
  tally.add(judged(task, "b b"));  // "b" of the right answer: its article is gone. 2 * 1 / (2 + 1)
  tally.add(judged(task, "b"));
  tally.add(judged(task, "c"));
  EXPECT_DOUBLE_EQ(*tally.mean_f1(), (2.0 / 3 + 1) / 3);
  // Of 2/3, 1, 0: mean 5/9; deviations 1/9, 4/9, -5/9; squares 42/81, over 2 and over 3.
  EXPECT_NEAR(*tally.standard_error_of_f1(), std::sqrt(42.0 / 81 / 2 / 3), 1e-15);
  EXPECT_EQ(tally.correct, 1);
  Tally sum;
  sum.add(tally);
  EXPECT_DOUBLE_EQ(*sum.mean_f1(), *tally.mean_f1());
}

}  // namespace
}  // namespace refocus
