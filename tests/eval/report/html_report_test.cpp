// The report's data and HTML are those of the run: its flips, its numbers, its texts, whatever they hold.
#include "eval/report/html_report.h"

#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "eval/recording_support.h"
#include "eval/report/comparison_files.h"
#include "eval/report/html_answers.h"
#include "eval/report/html_settings.h"
#include "eval/report/html_sweep.h"
#include "eval/score/arm_labels.h"
#include "eval/text/html_text.h"
#include "eval/toy_run.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempDir;
using testing::ToyRun;

constexpr const char* kRebalance = "rebalance:alpha=0.2,threshold=0.01,depth=3,mode=mask";

// anatomy 1 is fixed, philosophy 0 is broken; 'B' is right.
ToyRun reported_toy() {
  ToyRun run;
  run.tasks.push_back(testing::toy_mmlu({{"anatomy", 3}, {"philosophy", 2}}));
  run.arms.push_back({PromptKind::kCot, "none", {{"anatomy", "BAB"}, {"philosophy", "B?"}}});
  run.arms.push_back({PromptKind::kCot, kRebalance, {{"anatomy", "BBb"}, {"philosophy", "CC"}}});
  return run;
}

class HtmlReport : public ::testing::Test {
 protected:
  // What the report of the run in dir/run is made from.
  Comparison comparison() const {
    return compare_runs(read_finished_run(dir / "run", {.documents = true}), {}, {});
  }
  ordered_json block(const Comparison& compared, const std::string& id) const {
    const ReportView view = report_view(compared, {"run"}, {read_run_record(dir / "run")});
    for (const PageBlock& each : answer_blocks(view)) {
      if (each.id == id) return ordered_json::parse(each.bytes);
    }
    return nullptr;
  }
  TempDir dir;
};

TEST_F(HtmlReport, IndexHoldsEveryItemsLettersAndVerdicts) {
  testing::write_toy_run(dir / "run", reported_toy());
  const Comparison compared = comparison();
  EXPECT_EQ(block(compared, "index-0"), ordered_json::parse(R"({
    "subjects": ["anatomy", "philosophy"], "groups": [[0, 3], [1, 2]], "items": [0, 1, 2, 0, 1], "labels": "BBBBB",
    "arms": [{"letters": "BABB-", "correct": "10110", "cut": "00000", "unfinished": "00000"},
             {"letters": "BBBCC", "correct": "11100", "cut": "00100", "unfinished": "00100"}],
    "chunks": [0]})"));
  const ordered_json answers = block(compared, "answers-0-0");
  ASSERT_EQ(answers.size(), 5u);
  EXPECT_EQ(answers[1], ordered_json::parse(R"(["anatomy question 1", ["one", "two", "three", "four"],
    [["A because of cot-none", 0, 1, "first", 3],
     ["B because of cot-rebalance_alpha=0.2_threshold=0.01_depth=3_mode=mask", 0, 1, "first", 3]]])"));
  EXPECT_EQ(answers[4][2][0], ordered_json::parse(R"(["? because of cot-none", -1, -1, "", 3])"));
}

TEST_F(HtmlReport, ListsExactlyTheKnownFlips) {
  testing::write_toy_run(dir / "run", reported_toy());
  const Comparison compared = comparison();
  ASSERT_EQ(compared.tasks[0].pairs.size(), 1u);
  const std::string html = html_flips(report_view(compared, {"run"}, {read_run_record(dir / "run")}), false);
  const auto row = [](const char* subject, int item, const char* letters) {
    return fmt::format(
        "<tr><th scope=\"row\" class=\"name\">{}</th><td class=\"n\" data-value=\"{}\">{}</td>{}</tr>",
        subject, item, item, letters);
  };
  EXPECT_THAT(html, HasSubstr(row("anatomy", 1, "<td>B</td><td>A</td><td>B</td><td>fixed</td>")));
  EXPECT_THAT(html, HasSubstr(row("philosophy", 0, "<td>B</td><td>B</td><td>C</td><td>broken</td>")));
  std::size_t rows = 0;
  for (std::size_t at = html.find("<tr>"); at != std::string::npos; at = html.find("<tr>", at + 1)) ++rows;
  EXPECT_EQ(rows, 3u) << html;
}

TEST_F(HtmlReport, SaysWhatWasFoundInASentence) {
  testing::write_toy_run(dir / "run", reported_toy());
  write_run_report(dir / "run", nullptr);
  const std::string html = read_text_file(dir / "run" / "report.html");
  EXPECT_THAT(html, HasSubstr("<strong>rebalance alpha=0.2 against none</strong>: 0.0 points"));
  EXPECT_THAT(html, HasSubstr("McNemar p = 1. No clear difference: 1 fixed, 1 broken of 5 questions."));
  EXPECT_THAT(html, HasSubstr("60.0 <span class=\"interval\">[23.1, 88.2]</span>"));
}

TEST_F(HtmlReport, ShowsWhatUntilEndedAndWhatWasReadFromUnfinishedAnswers) {
  testing::write_toy_run(dir / "run", reported_toy());
  Comparison compared = comparison();
  const std::string html = html_arms(report_view(compared, {"run"}, {read_run_record(dir / "run")}));
  EXPECT_THAT(html, HasSubstr(">read from an unfinished answer</th>"));
  EXPECT_THAT(html, HasSubstr("<td class=\"n\" data-value=\"1\">1 (1 right)</td>"));
  EXPECT_THAT(html, Not(HasSubstr("ended by until")));
  // One answer of the first arm ended by a text of `until`.
  Answer& answer = compared.arms[0].arm.tasks[0].answers.answers[0];
  answer.response.finish_reason = "stop";
  compared.tasks[0].tallies[0].back().stopped = 1;
  const ReportView view = report_view(compared, {"run"}, {read_run_record(dir / "run")});
  EXPECT_THAT(html_arms(view), HasSubstr(">ended by until</th>"));
  EXPECT_EQ(block(compared, "index-0")["arms"][0]["cut"], "20000");
}

// The plots are made of the same intervals.
TEST_F(HtmlReport, ADifferenceOfNothingHasAnInterval) {
  ToyRun run = reported_toy();
  run.arms[1].answers = run.arms[0].answers;
  testing::write_toy_run(dir / "run", run);
  const std::string html = html_report({dir / "run"});
  EXPECT_THAT(
      html, HasSubstr(": 0.0 points [−43.4, +43.4], McNemar p = 1. No clear difference: 0 fixed, 0 broken"));
}

TEST_F(HtmlReport, IsTheSameFromAComparisonThatIsThere) {
  testing::write_toy_run(dir / "run", reported_toy());
  const Comparison compared = comparison();
  EXPECT_EQ(html_report({dir / "run"}, compared), html_report({dir / "run"}));
}

TEST_F(HtmlReport, OfOneArmHasNoComparisons) {
  ToyRun run = reported_toy();
  run.arms.pop_back();
  testing::write_toy_run(dir / "run", run);
  const std::string html = html_report({dir / "run"});
  EXPECT_THAT(html,
              HasSubstr("mmlu: <strong>none</strong> answers 60.0% [23.1, 88.2] of 5 questions right."));
  EXPECT_THAT(html, Not(HasSubstr("<section id=\"comparisons\"")));
  EXPECT_THAT(html, Not(HasSubstr("<section id=\"flips\"")));
}

TEST_F(HtmlReport, HostileTextStaysText) {
  ToyRun run = reported_toy();
  run.tasks[0].items[1].fields[0].second = "</script><img src=x onerror=alert(1)>";
  testing::write_toy_run(dir / "run", run);
  const Comparison compared = comparison();
  const std::string html = html_report({dir / "run"}, compared);
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  const std::string plain = html_flips(report_view(compared, {"run"}, {read_run_record(dir / "run")}), true);
  EXPECT_THAT(plain, HasSubstr("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;"));
  EXPECT_THAT(plain, HasSubstr("<mark>A</mark> because of cot-none"));
}

TEST(HtmlAnswers, SpansCountAsJavaScriptDoes) {
  EXPECT_EQ(utf16_length(""), 0);
  EXPECT_EQ(utf16_length("abc"), 3);
  EXPECT_EQ(utf16_length("\xC3\xA9"), 1);                  // é
  EXPECT_EQ(utf16_length("\xE9\xAA\xA8\xE3\x81\xAF"), 2);  // two CJK characters
  EXPECT_EQ(utf16_length("\xF0\xA0\xAE\xB7"), 2);          // a CJK character beyond the basic plane
  EXPECT_EQ(utf16_length("\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x94\xAC"),
            5);  // an emoji of three code points
}

TEST(HtmlAnswers, QuestionsAreToldFromOptionsAndLabels) {
  const auto parts = [](std::vector<std::pair<std::string, std::string>> fields) {
    Item item;
    item.fields = std::move(fields);
    item.choices = choices_of_fields(item.fields);
    return question_parts(item);
  };
  const QuestionParts siqa =
      parts({{"context", "c"}, {"question", "q"}, {"answerA", "1"}, {"answerB", "2"}, {"answerC", "3"}});
  EXPECT_EQ(siqa.question, "c\nq");
  EXPECT_THAT(siqa.options, ElementsAre("1", "2", "3"));
  const QuestionParts piqa = parts({{"goal", "g"}, {"sol1", "1"}, {"sol2", "2"}});
  EXPECT_EQ(piqa.question, "g");
  EXPECT_THAT(piqa.options, ElementsAre("1", "2"));
  const QuestionParts mmlu = parts({{"question", "q"}, {"A", "1"}, {"B", "2"}, {"answer", "B"}});
  EXPECT_EQ(mmlu.question, "q");
  EXPECT_THAT(mmlu.options, ElementsAre("1", "2"));
}

std::vector<ComparedArm> arms_of(const std::vector<std::pair<std::string, std::string>>& arms) {
  std::vector<ComparedArm> out;
  for (const auto& [prompt, intervention] : arms) {
    ComparedArm arm;
    arm.arm.name = prompt + "-" + intervention;
    arm.arm.prompt = prompt;
    arm.arm.intervention = intervention;
    out.push_back(std::move(arm));
  }
  return out;
}

TEST(ArmLabels, HaveOnlyWhatTellsArmsApart) {
  EXPECT_THAT(arm_labels(arms_of({{"cot", "none"}, {"cot", "rebalance:alpha=0.2,depth=3"}}), {"r"}),
              ElementsAre("none", "rebalance alpha=0.2"));
  EXPECT_THAT(arm_labels(arms_of({{"cot", "none"}, {"direct", "none"}}), {"r"}),
              ElementsAre("cot, none", "direct, none"));
  EXPECT_THAT(
      arm_labels(arms_of({{"cot", "rebalance:alpha=0.2,depth=3"}, {"cot", "rebalance:alpha=0.2,depth=4"}}),
                 {"r"}),
      ElementsAre("rebalance depth=3", "rebalance depth=4"));
  std::vector<ComparedArm> two = arms_of({{"cot", "none"}, {"cot", "none"}});
  two[1].run = 1;
  EXPECT_THAT(arm_labels(two, {"runs/a", "runs/b"}), ElementsAre("none of runs/a", "none of runs/b"));
  EXPECT_THAT(arm_labels(two, {"a", "a"}), ElementsAre("cot-none of run 1", "cot-none of run 2"));
}

TEST(HtmlText, WritesNumbersAsPeopleDo) {
  EXPECT_EQ(html_points(0.0123), "+1.2");
  EXPECT_EQ(html_points(-0.0123),
            "\xE2\x88\x92"
            "1.2");
  EXPECT_EQ(html_points(-0.0001), "0.0");
  EXPECT_EQ(html_p(0.00001), "&lt;0.0001");
  EXPECT_EQ(html_p(1.0), "1");
  EXPECT_EQ(html_p(0.9999), "0.9999");
  EXPECT_EQ(html_p(0.03125), "0.0312");
  EXPECT_EQ(html_percent(std::nullopt), "\xE2\x80\x93");
}

TEST(HtmlSettings, ShowTheCommandAndEscapeIt) {
  const std::vector<ComparedArm> arms = arms_of({{"cot", "none"}});
  Comparison comparison;
  comparison.arms = arms_of({{"cot", "none"}});
  RunRecord record;
  record.identity = {
      {"generation", {{"max_new_tokens", 7}}}, {"prompt", "two\nlines <b>"}, {"tasks", {"a", "b"}}};
  record.sessions = {{{"command", "refocus eval -o '<x>'"}, {"version", "1"}}};
  const std::string html = html_settings(report_view(comparison, {"r"}, {record}));
  EXPECT_THAT(html, HasSubstr("<pre>refocus eval -o &#39;&lt;x&gt;&#39;</pre>"));
  EXPECT_THAT(html, HasSubstr(">generation.max_new_tokens</th><td class=\"setting\">7</td>"));
  EXPECT_THAT(html, HasSubstr("<pre>two\nlines &lt;b&gt;</pre>"));
  EXPECT_THAT(html, HasSubstr("<td class=\"setting\">a, b</td>"));
}

TEST(HtmlSweep, SaysHowManyChoicesTie) {
  const auto sentence = [](int tied) {
    const ordered_json selection = {
        {"prompt", "cot"},
        {"axis", "alpha"},
        {"best", {{"x", 0.0}, {"fixed", {{"depth", 3}}}, {"tied", tied}}},
        {"chosen_on", {{"n", 50}, {"accuracy", 0.66}}},
        {"reported_on", {{"n", 40}, {"accuracy", 0.64}, {"baseline_accuracy", 0.6}}}};
    const ordered_json task = {
        {"task", "t"}, {"curves", ordered_json::array()}, {"selection", ordered_json::array({selection})}};
    const ordered_json sweep = {{"axes", ordered_json::array()}, {"tasks", ordered_json::array({task})}};
    return html_sweep(sweep, "sweep.json").selections;
  };
  EXPECT_THAT(sentence(7),
              HasSubstr("<strong>alpha = 0</strong> (the first of 8 that tie) was best on the 50"));
  EXPECT_THAT(sentence(0), HasSubstr("<strong>alpha = 0</strong> was best on the 50"));
}

TEST(HtmlSweep, RefusesOtherFiles) {
  TempDir dir;
  EXPECT_TRUE(read_sweep(dir.path()).is_null());
  const std::pair<const char*, const char*> cases[] = {
      {"", "expected JSON with a value"},
      {"[]", "expected a JSON object, got a list"},
      {"{\"format\": \"x\"}", "expected \"format\": \"refocus-sweep\""},
      {"\xFF", "expected UTF-8"}};
  for (const auto& [text, says] : cases) {
    write_file_atomically(dir / "sweep.json", text);
    EXPECT_THAT(error_of([&] { read_sweep(dir.path()); }), HasSubstr(says)) << text;
  }
  write_file_atomically(dir / "sweep.json", R"({"format": "refocus-sweep", "version": 2})");
  EXPECT_THAT(error_of([&] { read_sweep(dir.path()); }), HasSubstr("expected version 1, got 2"));
  for (const char* text : {"{}", R"({"axes": [], "tasks": 3})", R"({"axes": [], "tasks": [{"task": "t"}]})",
                           R"({"axes": [], "tasks": [{"task": "t", "curves": [{"prompt": 3}]}]})"}) {
    EXPECT_THAT(error_of([&] { html_sweep(ordered_json::parse(text), "sweep.json"); }),
                ::testing::AllOf(HasSubstr("[sweep.json] expected "), HasSubstr("repeat the sweep")))
        << text;
  }
}

TEST_F(HtmlReport, RefusesSpansOutsideTheText) {
  testing::write_toy_run(dir / "run", reported_toy());
  const auto path = dir / "run/arms/cot-none/samples_mmlu_anatomy_refocus.jsonl";
  const std::string whole = read_text_file(path);
  for (const char* span : {"[0,1000]", "[3,1]", "[-1,1]", "[0]"}) {
    std::string text = whole;
    text.replace(text.find("[0,1]"), 5, span);
    write_file_atomically(path, text);
    EXPECT_THAT(error_of([&] { html_report({dir / "run"}); }), HasSubstr("refocus.jsonl:1]")) << span;
  }
}

}  // namespace
}  // namespace refocus
