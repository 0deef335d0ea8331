// Saved responses read again by both rule sets: counts by hand, every kind of file, and what is refused.
#include "eval/audit/audit.h"

#include <fstream>

#include "eval/audit/audit_file.h"
#include "eval/audit/audit_report.h"
#include "eval/audit/rule_agreement.h"
#include "eval/audited_run.h"
#include "eval/recording_support.h"
#include "eval/score/arm_report.h"
#include "eval/score/comparison.h"
#include "eval/score/finished_run.h"

namespace refocus {
namespace {

using ::testing::AllOf;
using testing::error_of;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempDir;
namespace fs = std::filesystem;

Verdict on_answer(const Audit& audit, std::size_t arm, std::size_t place, std::optional<char> letter) {
  const AuditedAnswer& answer = audit.arms[arm].tasks[0].answers[place];
  Verdict v;
  v.arm = audit.arms[arm].asked.name;
  v.subject = answer.item->subject;
  v.index = answer.item->index;
  v.letter = letter;
  v.reviewer = "anna";
  v.time = "2026-01-31T12:00:00Z";
  v.response_hash = response_hash(answer.response.text);
  return v;
}

void write_reports(const fs::path& path, bool ignores_verdicts = false) {
  const RunDirectory run = RunDirectory::reopen(path);
  const Audit audit = audit_run(path, Journal(run), {.verdicts = !ignores_verdicts});
  for (const AuditedArm& arm : audit.arms) {
    write_arm_report(run, {arm.asked, ExtractionRules::kAnchored, 0, ignores_verdicts},
                     judged_by(arm, ExtractionRules::kAnchored));
  }
}

class AuditRun : public ::testing::Test {
 protected:
  void SetUp() override { testing::write_audited_run(run); }
  TempDir dir;
  const fs::path run = dir / "run";
};

TEST_F(AuditRun, CountsAsByHand) {
  const Audit audit = audit_run(run);
  EXPECT_TRUE(audit.finished());
  EXPECT_FALSE(audit.reported);
  ASSERT_EQ(audit.arms.size(), 2u);
  const ArmAgreement cot = agreement_of(audit.arms[0]);
  EXPECT_EQ(cot.anchored.correct, 2);
  EXPECT_EQ(cot.anchored.labelled, 5);
  EXPECT_EQ(cot.anchored.unparsed, 1);
  EXPECT_EQ(cot.published.correct, 2);
  EXPECT_EQ(cot.published.unparsed, 0);
  EXPECT_EQ(cot.rules.responses, 5);
  EXPECT_EQ(cot.rules.same, 1);
  EXPECT_EQ(cot.rules.differ, 3);
  EXPECT_EQ(cot.rules.only_a, 0);
  EXPECT_EQ(cot.rules.only_b, 1);
  EXPECT_EQ(cot.rules.neither, 0);
  EXPECT_EQ(cot.rules.both_right, 1);
  EXPECT_EQ(cot.rules.only_a_right, 1);
  EXPECT_EQ(cot.rules.only_b_right, 1);
  EXPECT_EQ(cot.rules.both_wrong, 2);
  EXPECT_EQ(cot.verdicts, 0);
  const ArmAgreement direct = agreement_of(audit.arms[1]);
  EXPECT_EQ(direct.rules.same, 5);
  EXPECT_EQ(direct.rules.both_right, 5);
  EXPECT_EQ(direct.anchored.correct, 5);
}

TEST_F(AuditRun, VerdictsOverrideBothRules) {
  {
    const Audit before = audit_run(run);
    Journal journal(RunDirectory::reopen(run));
    // Right where published was wrong; no answer where anchored read one; and a text that both arms have.
    journal.put({{on_answer(before, 0, 1, 'C'), on_answer(before, 0, 4, std::nullopt),
                  on_answer(before, 0, 0, 'D')}});
  }
  const Audit audit = audit_run(run);
  const ArmAgreement cot = agreement_of(audit.arms[0]);
  EXPECT_EQ(cot.verdicts, 3);
  EXPECT_EQ(cot.anchored_confirmed, 1);
  EXPECT_EQ(cot.published_confirmed, 0);
  EXPECT_EQ(cot.anchored.manual, 3);
  EXPECT_EQ(cot.anchored.correct, 1);   // anatomy 1
  EXPECT_EQ(cot.published.correct, 2);  // anatomy 1 and 2
  EXPECT_EQ(cot.anchored.unparsed, 2);
  EXPECT_EQ(cot.rules.same, 1);  // what the rules read is as it was
  EXPECT_EQ(cot.rules.both_right, 1);
  EXPECT_EQ(agreement_of(audit.arms[1]).verdicts, 1);
  EXPECT_EQ(agreement_of(audit.arms[1]).anchored.correct, 4);
  const ArmAgreement without = agreement_of(audit_run(run, {.verdicts = false}).arms[0]);
  EXPECT_EQ(without.verdicts, 0);
  EXPECT_EQ(without.anchored.correct, 2);
  EXPECT_THAT(audit_table(audit),
              HasSubstr("  verdicts: 3; anchored reads as they do in 1 (33.3%), published in 0 (0.0%)\n"));
}

TEST_F(AuditRun, ReportsAndComparisonsHaveTheVerdicts) {
  write_reports(run);
  const auto correct = [&] {
    std::int64_t right = 0;
    const std::vector<FinishedArm> arms = read_finished_run(run);
    for (const Answer& a : arms[0].tasks[0].answers.answers) right += *a.correct ? 1 : 0;
    return right;
  };
  EXPECT_EQ(correct(), 2);
  {
    const Audit before = audit_run(run);
    EXPECT_EQ(before.reported, ExtractionRules::kAnchored);
    Journal journal(RunDirectory::reopen(run));
    journal.put({{on_answer(before, 0, 4, 'B'), on_answer(before, 0, 1, std::nullopt)}});
    journal.put({{on_answer(before, 0, 2, 'A')}});
  }
  EXPECT_EQ(correct(), 3);  // without the reports being written anew
  write_reports(run);
  EXPECT_EQ(correct(), 3);
  std::ifstream in(run / "arms/cot-none/samples_mmlu_anatomy_refocus.jsonl");
  std::string line;
  std::getline(in, line);
  EXPECT_THAT(line, AllOf(HasSubstr("\"rule\":\"header\""), HasSubstr("\"span\":[10,11]")));
  std::getline(in, line);
  EXPECT_THAT(line, AllOf(HasSubstr("\"filtered_resps\":[\"[invalid]\"]"), HasSubstr("\"rule\":\"manual\""),
                          HasSubstr("\"span\":null"), HasSubstr("\"acc\":0.0")));
  std::getline(in, line);
  EXPECT_THAT(line, AllOf(HasSubstr("\"filtered_resps\":[\"A\"]"), HasSubstr("\"rule\":\"manual\""),
                          HasSubstr("\"span\":null"), HasSubstr("\"acc\":1.0")));
  std::ifstream results(run / "arms/cot-none/results_refocus.json");
  const auto json = nlohmann::ordered_json::parse(results);
  EXPECT_EQ(json["results"]["mmlu"]["manual"], 3);
  EXPECT_EQ(json["results"]["mmlu_anatomy"]["manual"], 2);
  EXPECT_FALSE(json["config"].contains("verdicts"));

  write_reports(run, true);
  EXPECT_EQ(correct(), 2);  // such reports stay the rules' own, whatever the journal has
  EXPECT_TRUE(audit_run(run).reports_ignore_verdicts);
}

TEST_F(AuditRun, NeedsNoDataWhereItsReportsSayWhatWasAsked) {
  const fs::path old = dir / "old";
  testing::write_audited_run(old, {.questions = false});
  EXPECT_THAT(error_of([&] { audit_run(old); }),
              AllOf(HasSubstr("does not say what was asked"), HasSubstr("repeat the eval command")));
  write_reports(run);
  fs::copy(run / "arms", old / "arms", fs::copy_options::recursive);
  const Audit from_reports = audit_run(old), from_journal = audit_run(run);
  EXPECT_EQ(audit_json(from_reports)["arms"], audit_json(from_journal)["arms"]);
  EXPECT_EQ(from_reports.tasks->front().items[3].fields, from_journal.tasks->front().items[3].fields);
  EXPECT_EQ(from_reports.arms[1].asked.arm.prompt, PromptKind::kDirect);
}

TEST_F(AuditRun, UnfinishedOnesCountWhatIsThere) {
  const fs::path open = dir / "open";
  testing::write_audited_run(open, {.finished = false});
  const Audit audit = audit_run(open);
  EXPECT_FALSE(audit.finished());
  EXPECT_EQ(audit.answers(), 9);
  EXPECT_EQ(agreement_of(audit.arms[1]).rules.responses, 4);
}

TEST_F(AuditRun, ListsWhatDiffersAndNoControlCharacters) {
  const Audit audit = audit_run(run);
  const std::string list = disagreement_list(audit);
  EXPECT_THAT(list,
              HasSubstr("\ncot-none, anatomy 1: anchored C (header), published A (first_letter), right C\n"
                        "  | Option {{A}}: no. Response: [[C]]\n"));
  EXPECT_THAT(list, HasSubstr("philosophy 0: anchored -, published A (most_similar), right D\n"
                              "  | I do not know.\n"));
  EXPECT_THAT(list, Not(HasSubstr("direct-none")));
  const auto json = audit_json(audit, {.list = true, .written = {}});
  EXPECT_EQ(json["disagreements"].size(), 4u);
  EXPECT_EQ(json["disagreements"][0]["published"]["span"], nlohmann::ordered_json({7, 8}));
  EXPECT_FALSE(audit_json(audit).contains("disagreements"));
}

class AuditFile : public ::testing::Test {
 protected:
  fs::path written(const std::string& name, const std::string& text) {
    std::ofstream(dir / name, std::ios::binary) << text;
    return dir / name;
  }
  std::string refused(const std::string& text, const std::string& name = "x.jsonl") {
    return error_of([&] { audit_file(written(name, text)); });
  }
  static const AuditedAnswer& only(const Audit& audit) { return audit.arms.at(0).tasks.at(0).answers.at(0); }
  TempDir dir;
};

TEST_F(AuditFile, AByteOrderMarkStandsAtTheStartOnly) {
  const std::string mark = "\xEF\xBB\xBF", line = "{\"choices\":[\"x\",\"y\"],\"response\":\"B\"}\n";
  EXPECT_EQ(agreement_of(audit_file(written("x.jsonl", mark + line)).arms[0]).rules.responses, 1);
  EXPECT_THAT(refused(line + mark + line),
              HasSubstr("x.jsonl:2] expected JSON with a value at column 1, got a byte order mark (U+FEFF)"));
}

TEST_F(AuditFile, ReadsTheLinesOfExtract) {
  const Audit audit = audit_file(written(
      "x.jsonl",
      "{\"choices\":[\"x\",\"y\"],\"response\":\"Response: B\",\"answer\":\"B\",\"subject\":\"s\",\"id\":7}\n"
      "{\"choices\":[\"x\",\"y\",\"z\"],\"response\":\"Option A: no. Response: C\",\"target\":2}\n"
      "{\"choices\":[\"x\",\"y\"],\"response\":\"B\"}\n\n"));
  const ArmAgreement found = agreement_of(audit.arms[0]);
  EXPECT_EQ(found.rules.responses, 3);
  EXPECT_EQ(found.anchored.labelled, 2);
  EXPECT_EQ(found.anchored.correct, 2);
  EXPECT_EQ(found.published.correct, 1);
  EXPECT_EQ(found.rules.differ, 1);
  EXPECT_EQ(found.recorded.answered, 0);
  EXPECT_EQ(only(audit).item->subject, "s");
  EXPECT_EQ(only(audit).item->index, 7);
}

TEST_F(AuditFile, ReadsSamplesOfBothPrograms) {
  const fs::path run = dir / "run";
  testing::write_audited_run(run);
  write_reports(run);
  const Audit own = audit_file(run / "arms/cot-none/samples_mmlu_anatomy_refocus.jsonl");
  const ArmAgreement found = agreement_of(own.arms[0]);
  EXPECT_EQ(found.rules.responses, 3);
  EXPECT_EQ(found.rules.differ, 2);
  EXPECT_EQ(found.recorded.answered, 3);
  EXPECT_EQ(found.recorded.correct, 2);
  EXPECT_EQ(found.anchored_recorded.same, 3);
  EXPECT_EQ(found.published_recorded.same, 1);
  // As lm-evaluation-harness writes mmlu_flan_cot_zeroshot.
  const Audit harness = audit_file(written(
      "h.jsonl",
      R"j({"doc_id":0,"doc":{"question":"q","subject":"law","choices":["w","x","y","z"],"answer":2},)j"
      R"j("target":"(C)","arguments":{},"resps":[["So the answer is (C)."]],"filtered_resps":["(C)"]})j"
      "\n"));
  EXPECT_EQ(only(harness).item->label, 'C');
  EXPECT_EQ(only(harness).item->subject, "law");
  EXPECT_EQ(only(harness).anchored.letter, 'C');
  EXPECT_EQ(only(harness).recorded->letter, 'C');
}

TEST_F(AuditFile, ReadsThePublishedCsv) {
  const Audit audit = audit_file(written("anatomy.csv",
                                         "question,A,B,C,D,answer,model_output,model_response,correctness\n"
                                         "\"two\nlines\",w,x,y,z,C,A,\"Option A: no.\r\nResponse: C\",False\n"
                                         "q,w,x,y,z,B,B,Response: B,True\n"
                                         "q,w,x,y,,D,,Response: D,False\n"));
  const ArmAgreement found = agreement_of(audit.arms[0]);
  EXPECT_EQ(only(audit).item->subject, "anatomy");
  EXPECT_EQ(only(audit).response.text, "Option A: no.\r\nResponse: C");
  EXPECT_EQ(found.anchored.correct, 3);
  EXPECT_EQ(found.recorded.correct, 1);
  EXPECT_EQ(found.recorded.unparsed, 1);
  EXPECT_EQ(found.anchored_recorded.same, 1);
  EXPECT_EQ(found.anchored_recorded.differ, 1);
  EXPECT_EQ(found.anchored_recorded.only_a, 1);
  EXPECT_EQ(found.anchored_recorded.only_a_right, 2);
  EXPECT_THAT(audit_table(audit), AllOf(HasSubstr("  recorded "), HasSubstr("  anchored, recorded ")));
}

TEST_F(AuditFile, RefusesWithOneLineThatNamesThePlace) {
  const std::string good = R"({"choices":["x","y"],"response":"B"})"
                           "\n";
  EXPECT_THAT(refused(good + "\x1b[2J\n"),
              HasSubstr("x.jsonl:2] expected JSON with a value at column 1, got '\\x1b'"));
  EXPECT_THAT(refused(good + "[1]\n"), HasSubstr("x.jsonl:2] expected a JSON object"));
  EXPECT_THAT(refused(R"({"choices":["x","y"]})"), HasSubstr(":1] expected a text 'response', got none"));
  EXPECT_THAT(refused(R"({"choices":["x",2],"response":""})"),
              HasSubstr(":1] expected a list 'choices' of 1 to 26"));
  EXPECT_THAT(refused(R"({"choices":["x"],"response":"","answer":"B"})"),
              HasSubstr("expected the letter of an option in 'answer', got '\"B\"'"));
  EXPECT_THAT(refused(R"({"doc":{},"resps":[[[-1.5,true]]]})"),
              HasSubstr("expected a response in words in 'resps'"));
  EXPECT_THAT(refused(R"({"resps":[["x"]]})"), HasSubstr("expected an object 'doc'"));
  EXPECT_THAT(refused(R"({"choices":["x"],"response":"","id":3})"
                      "\n"
                      R"({"choices":["x"],"response":"","id":3})"),
              HasSubstr("got two of subject 'responses', number 3"));
  EXPECT_THAT(refused(""), HasSubstr("expected responses, got none"));
  EXPECT_THAT(refused("a,b\n1,2\n", "x.csv"), HasSubstr("got 'a,b'; give the CSV of a subject"));
  EXPECT_THAT(refused("A,B,model_response\nx,y\n", "x.csv"),
              HasSubstr("x.csv:2] expected 3 fields as in the header, got 2"));
  EXPECT_THAT(refused("A,B,answer,model_response\nx,y,E,z\n", "x.csv"),
              HasSubstr(":2] expected the letter of an option"));
  EXPECT_THAT(refused("A,B,model_response\nx,y,\"z\n", "x.csv"), HasSubstr("expected RFC 4180 CSV"));
  EXPECT_THAT(refused("A,B,model_response\nx,y,\xff\n", "x.csv"), HasSubstr("line 2: expected UTF-8"));
}

}  // namespace
}  // namespace refocus
