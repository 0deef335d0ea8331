// Which responses come before a person, what becomes of a verdict, and what the page shows and hides.
#include "eval/audit/review.h"

#include <algorithm>
#include <set>

#include "base/utf8.h"
#include "eval/audit/response_text.h"
#include "eval/audit/review_page.h"
#include "eval/audited_run.h"
#include "eval/recording_support.h"
#include "eval/text/display_width.h"

namespace refocus {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempDir;
using Only = ReviewOptions::Only;

std::string all_of(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

class ReviewRun : public ::testing::Test {
 protected:
  void SetUp() override { testing::write_audited_run(run); }

  static std::vector<std::string> names(const std::vector<ReviewedAnswer>& answers) {
    std::vector<std::string> out;
    for (const ReviewedAnswer& reviewed : answers) {
      out.push_back(reviewed.answer->item->subject + " " + std::to_string(reviewed.answer->item->index));
    }
    return out;
  }
  static std::multiset<std::string> wanted(const Audit& audit, const ReviewOptions& options) {
    const auto found = names(answers_to_review(audit, options));
    return {found.begin(), found.end()};
  }

  TempDir dir;
  const std::filesystem::path run = dir / "run";
};

TEST_F(ReviewRun, ChoosesWhatIsAskedFor) {
  const Audit audit = audit_run(run);
  const std::multiset<std::string> differing = {"anatomy 1", "anatomy 2", "philosophy 1"};
  std::multiset<std::string> both = differing;
  both.insert("philosophy 0");
  EXPECT_EQ(wanted(audit, {.only = Only::kUnparsed}), std::multiset<std::string>{"philosophy 0"});
  EXPECT_EQ(wanted(audit, {.only = Only::kDisagree}), differing);
  EXPECT_EQ(wanted(audit, {.only = Only::kBoth}), both);
  // Of ten responses one text is both arms'.
  EXPECT_EQ(wanted(audit, {.only = Only::kAll}).size(), 9u);
  EXPECT_EQ(wanted(audit, {.only = Only::kAll, .arm = "direct-none"}).size(), 5u);
  EXPECT_EQ(wanted(audit, {.subject = "anatomy"}), (std::multiset<std::string>{"anatomy 1", "anatomy 2"}));
  EXPECT_THAT(error_of([&] { answers_to_review(audit, {.arm = "cot"}); }),
              HasSubstr("[--arm] expected one of cot-none, direct-none, got 'cot'"));
  EXPECT_THAT(error_of([&] { answers_to_review(audit, {.subject = "law"}); }),
              HasSubstr("[--subject] expected one of anatomy, philosophy, got 'law'"));
  EXPECT_THAT(error_of([&] { parse_only("some"); }), HasSubstr("got 'some'"));
  EXPECT_THAT(error_of([&] { checked_reviewer("a\x1b"); }), HasSubstr("got 'a\\x1b'"));
}

TEST_F(ReviewRun, TheSeedDecidesTheOrder) {
  const Audit audit = audit_run(run);
  const auto order = [&](std::uint64_t seed) {
    return names(answers_to_review(audit, {.only = Only::kAll, .seed = seed}));
  };
  EXPECT_EQ(order(1), order(1));
  std::set<std::vector<std::string>> orders;
  for (std::uint64_t seed = 0; seed < 6; ++seed) orders.insert(order(seed));
  EXPECT_GT(orders.size(), 3u);
}

TEST_F(ReviewRun, KeepsEachVerdictAtOnceAndGoesOnWhereItStopped) {
  std::vector<std::string> rest;
  {
    const RunDirectory open = RunDirectory::reopen(run);
    Journal journal(open);
    const Audit audit = audit_run(run, journal);
    Review review(audit, answers_to_review(audit, {}), "anna", journal);
    ASSERT_EQ(review.size(), 4u);
    rest = names(answers_to_review(audit, {}));
    EXPECT_FALSE(review.back());
    review.judge('C');
    EXPECT_EQ(Journal::open_read_only(run).verdicts().size(), 1u);
    review.judge(std::nullopt);
    EXPECT_TRUE(review.back());
    ASSERT_NE(review.own(), nullptr);
    EXPECT_FALSE(review.own()->letter);
    review.judge('B');
    review.skip();
    review.judge('A');
    EXPECT_TRUE(review.at_end());
    review.skip();
    EXPECT_EQ(review.own(), nullptr);
    review.back();
    review.withdraw();
    EXPECT_EQ(review.own(), nullptr);
    review.withdraw();  // there is none any more
    EXPECT_EQ(review.verdicts(), 5);
    EXPECT_EQ(review.judged(), 2);
  }
  const std::vector<Verdict> kept = Journal::open_read_only(run).verdicts();
  ASSERT_EQ(kept.size(), 5u);
  EXPECT_EQ(kept[0].letter, 'C');
  EXPECT_EQ(kept[0].reviewer, "anna");
  EXPECT_EQ(kept[0].arm, "cot-none");
  EXPECT_EQ(kept[0].published, 'A');
  EXPECT_EQ(kept[0].time.size(), 20u);
  EXPECT_TRUE(kept[4].withdrawn);
  const Audit again = audit_run(run);
  EXPECT_EQ(names(answers_to_review(again, {.reviewer = "anna"})),
            std::vector<std::string>(rest.begin() + 2, rest.end()));
  EXPECT_EQ(names(answers_to_review(again, {.reviewer = "anna", .again = true})), rest);
  EXPECT_EQ(names(answers_to_review(again, {.reviewer = "ben"})), rest);
}

class ReviewPage : public ReviewRun {
 protected:
  std::string page(const PageOptions& options, const ReviewOptions& which = {}) {
    const RunDirectory open = RunDirectory::reopen(run);
    Journal journal(open);
    const Audit audit = audit_run(run, journal);
    return all_of(review_page(Review(audit, answers_to_review(audit, which), "anna", journal), options));
  }
  void add_response(const std::string& text) {
    Journal journal(RunDirectory::reopen(run));
    Response r = testing::response("direct-none", "philosophy", 1, text);
    journal.put(r);
  }
};

TEST_F(ReviewPage, HidesTheRightAnswerAndTheArm) {
  const ReviewOptions one = {.only = Only::kDisagree, .subject = "philosophy"};
  EXPECT_EQ(page({}, one),
            "1 of 1   philosophy, item 1\n"
            "\n"
            "philosophy question 1\n"
            "  A. one\n"
            "  B. two\n"
            "  C. three\n"
            "  D. four\n"
            "\n"
            "Response\n"
            "  Option {{A}}: no. Response: [[C]]\n"
            "\n"
            "[[anchored ]]  C  header\n"
            "{{published}}  A  first_letter\n");
  const std::string shown = page({.show_arm = true, .show_label = true}, one);
  EXPECT_THAT(shown, HasSubstr("arm cot-none\n"));
  EXPECT_THAT(shown, HasSubstr("* B. two\n"));
  EXPECT_THAT(shown, HasSubstr("right answer: B\n"));
  const std::string blind = page({.hide_rules = true}, one);
  EXPECT_THAT(blind, ::testing::EndsWith("Response\n  Option A: no. Response: C\n"));
}

TEST_F(ReviewPage, CutsLongResponsesAroundWhatWasRead) {
  std::filesystem::remove_all(run);
  testing::write_audited_run(run, {.finished = false});
  std::string text;
  for (int i = 0; i < 100; ++i) text += "line " + std::to_string(i) + (i == 50 ? " option A: no" : "") + "\n";
  add_response(text + "Response: C");
  const ReviewOptions one = {.only = Only::kDisagree, .arm = "direct-none", .subject = "philosophy"};
  const std::string cut = page({.rows = 26}, one);
  EXPECT_LE(std::ranges::count(cut, '\n'), 26);
  for (const char* kept :
       {"  line 0\n", "line 50 option {{A}}: no\n", "Response: [[C]]\n", " left out, m shows them"}) {
    EXPECT_THAT(cut, HasSubstr(kept));
  }
  EXPECT_THAT(cut, Not(HasSubstr("line 25\n")));
  EXPECT_THAT(page({.rows = 26, .whole = true}, one), HasSubstr("line 25\n"));
  EXPECT_THAT(page({}, one), HasSubstr("line 25\n"));
}

TEST_F(ReviewPage, ColoursWhatWasRead) {
  const std::string shown = page({.colours = true}, {.only = Only::kDisagree, .subject = "philosophy"});
  EXPECT_THAT(shown, HasSubstr("Option \x1b[30;43mA\x1b[0m: no. Response: \x1b[30;42mC\x1b[0m\n"));
}

TEST(ResponseText, PassesNoControlCharacterOn) {
  std::string hostile;
  for (char32_t c = 0; c < 0x3000; ++c) append_utf8(c, hostile);
  hostile += "\xff\xfe cut \xf0\x9f";
  for (const TextLine& line : wrapped(hostile, 60)) {
    const std::string text = plain_text(line);
    EXPECT_TRUE(is_valid_utf8(text));
    for (std::string_view rest = text; !rest.empty();) {
      const Utf8Step step = utf8_step(rest);
      EXPECT_TRUE(step.code_point >= 0x20 && (step.code_point < 0x7F || step.code_point > 0x9F)) << text;
      EXPECT_FALSE(step.code_point >= 0x202A && step.code_point <= 0x202E) << text;
      rest.remove_prefix(static_cast<std::size_t>(step.length));
    }
  }
  EXPECT_EQ(plain_text(wrapped("a\x1b[31m\tb", 60)[0]), "a<U+001B>[31m b");
}

TEST(ResponseText, WrapsBetweenWordsByColumns) {
  const auto lines = [](std::string_view text, int width) {
    std::vector<std::string> out;
    for (const TextLine& line : wrapped(text, width)) out.push_back(plain_text(line));
    return out;
  };
  EXPECT_EQ(lines("one two three four", 10), (std::vector<std::string>{"one two", "three four"}));
  EXPECT_EQ(lines("abcdefghijklmno", 10), (std::vector<std::string>{"abcdefghij", "klmno"}));
  EXPECT_EQ(lines("a\r\n\nb\n", 10), (std::vector<std::string>{"a", "", "b", ""}));
  EXPECT_EQ(lines("日本語日本語", 10), (std::vector<std::string>{"日本語日本", "語"}));
  EXPECT_EQ(lines("", 10), (std::vector<std::string>{""}));
  for (const std::string& line : lines(std::string(300, 'x') + " " + std::string(40, '\x1b'), 33)) {
    EXPECT_LE(display_width(line), 33);
  }
}

TEST(ResponseText, MarksOverlap) {
  const auto line = wrapped("abcdef", 20, {{1, 4, kReadAnchored}, {3, 5, kReadPublished}});
  EXPECT_EQ(plain_text(line[0]), "a[[bc]]{[d]}{{e}}f");
}

}  // namespace
}  // namespace refocus
