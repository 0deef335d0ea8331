// refocus heads --by patch: a search as a user runs it.
#include <map>

#include "cli/cli_support.h"
#include "eval/journal/journal.h"
#include "eval/score/held_out.h"

namespace refocus {
namespace {

using testing::Arguments;
using ::testing::HasSubstr;
using testing::Json;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;

class HeadsPatch : public ::testing::Test {
 protected:
  HeadsPatch() { write(kRows, "{clean}", "{corrupted}"); }

  void write(const std::vector<std::string>& rows, const std::string& context, const std::string& corrupted,
             const std::string& answer = "answer", const std::string& corrupted_answer = "corrupted_answer") {
    std::string all;
    for (const std::string& row : rows) all += row + "\n";
    testing::write_file(dir / "d.jsonl", all);
    testing::write_file(dir / "t.yaml", "task: t\ndataset: d.jsonl\noptions: [A, B]\nanswer: " + answer +
                                            "\nprompt: \"" + context + "\"\nloglikelihood:\n  context: \"" +
                                            context + "\"\n  corrupted: \"" + corrupted +
                                            "\"\n  corrupted_answer: " + corrupted_answer + "\n");
  }
  ProcessResult heads(const std::string& name, const Arguments& more) const {
    return testing::refocus(plus({"heads", (dir / "t.yaml").string(), "-m", testing::bundled_model().string(),
                                  "-o", (dir / name).string(), "--top", "1,2", "--draws", "2"},
                                 more));
  }

  static std::string row(const std::string& thing, const std::string& a, const std::string& b,
                         const std::string& more = "") {
    const auto text = [&](const std::string& place, const std::string& other) {
      return "the " + thing + " lies in the " + place + ". the green cart lies in the " + other +
             ". which room must one search for the " + thing + "?\\nA. " + a + "\\nB. " + b +
             "\\nAnalysis: the " + thing + " lies in the";
    };
    return "{\"clean\":\"" + text(a, b) + "\",\"corrupted\":\"" + more + text(b, a) + "\",\"A\":\"" + a +
           "\",\"B\":\"" + b + "\",\"answer\":\"A\",\"corrupted_answer\":\"B\"}";
  }
  const std::vector<std::string> kRows = {
      row("black sack", "study", "stable"), row("blue purse", "cellar", "studio"),
      row("old box", "stable", "cellar"),   row("white cart", "studio", "study"),
      row("long ring", "study", "cellar"),  row("new pen", "stable", "studio")};
  TempDir dir;
};

TEST_F(HeadsPatch, RecoverWhatTheCorruptedPromptTookAway) {
  const ProcessResult result = heads("run", {"--by", "patch"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("heads of the clean run put into the corrupted one, at all tokens"));
  EXPECT_THAT(result.out, HasSubstr("recovered"));
  const Json found = Json::parse(testing::file_text(dir / "run" / "results.json"));
  EXPECT_EQ(found["method"], "patch:direction=denoise");
  EXPECT_EQ(found["want"], "gain");
  EXPECT_EQ(found["heads_tried"].size(), 20u);
  const Json& held_out = found["held_out"];
  EXPECT_GT(held_out["clean"]["log_odds"].get<double>(), 0);
  EXPECT_LT(held_out["corrupted"]["log_odds"].get<double>(), 0);
  // The prompts end with the same token, and options have one: with all heads patched the last row is the
  // clean one.
  EXPECT_EQ(held_out["all_heads_recovered"].get<double>(), 1);
  EXPECT_EQ(held_out["all_heads_accuracy"], held_out["clean"]["accuracy"]);

  // The fraction is what the journal's log-likelihoods make.
  std::map<std::string, double> mean;
  for (const std::string& arm :
       {std::string("clean"), std::string("corrupted"),
        "patch:direction=denoise,heads=" + found["heads_tried"][0]["heads"].get<std::string>()}) {
    int items = 0;
    Journal::open_read_only(dir / "run").for_each(arm, [&](const Response& r) {
      const Json options = Json::parse(r.text);
      ++items;
      if (half_of_item(r.subject, r.index) != 0) return;
      mean[arm] += options[0][0].get<double>() - options[1][0].get<double>();
    });
    EXPECT_GE(items, 3) << arm;
  }
  const double base = mean["corrupted"];
  EXPECT_NEAR(found["heads_tried"][0]["recovered"]["difference"].get<double>(),
              (std::prev(mean.end())->second - base) / (mean["clean"] - base), 1e-9);
  for (const char* file :
       {"tried.csv", "tested.csv", "heads.json", "heatmap.svg", "held_out.svg", "report.html"}) {
    EXPECT_FALSE(testing::file_text(dir / "run" / file).empty()) << file;
  }
  EXPECT_THAT(testing::file_text(dir / "run" / "heatmap.svg"), HasSubstr("Recovered (%)"));
  EXPECT_THAT(testing::file_text(dir / "run" / "tried.csv"), HasSubstr("layer,head,rank,recovered,"));
  EXPECT_THAT(testing::file_text(dir / "run" / "report.html"), HasSubstr("What is recovered"));
}

// Detectors read the clean prompts, and stand beside what each head recovers.
TEST_F(HeadsPatch, MayHaveDetectorsBeside) {
  const testing::ProcessResult result = heads("run", {"--by", "patch", "--detect", "--no-needles"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out,
              HasSubstr("score and share of the difference that patching it recovers over the 20 heads"));
  const Json found = Json::parse(testing::file_text(dir / "run" / "results.json"));
  const std::string table = testing::file_text(dir / "run" / "detectors.csv");
  const std::string header = table.substr(0, table.find('\n'));
  EXPECT_TRUE(header.ends_with(",logit_attribution,accuracy_change,likelihood_change,recovered")) << header;
  const std::string best = found["heads_tried"][0]["heads"];
  const std::string line =
      "\n" + best.substr(0, best.find('.')) + "," + best.substr(best.find('.') + 1) + ",";
  const std::size_t begin = table.find(line);
  ASSERT_NE(begin, std::string::npos) << line;
  const std::string row = table.substr(begin + 1, table.find('\n', begin + 1) - begin - 1);
  EXPECT_NEAR(std::stod(row.substr(row.rfind(',') + 1)),
              found["heads_tried"][0]["recovered"]["difference"].get<double>(), 1e-12);
}

TEST_F(HeadsPatch, GoOnWhereTheyStopped) {
  ASSERT_EQ(heads("run", {"--by", "patch", "--batch", "1"}).status, 0);
  const std::string before = testing::file_text(dir / "run" / "results.json");
  const ProcessResult again = heads("run", {"--by", "patch"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("answers are there"));
  EXPECT_EQ(testing::file_text(dir / "run" / "results.json"), before);
  ASSERT_EQ(heads("other", {"--by", "patch", "--threads", "1"}).status, 0);
  EXPECT_EQ(testing::file_text(dir / "other" / "results.json"), before);
  testing::expect_failure(heads("run", {"--by", "patch", "--direction", "noise"}), 1, {"method", "denoise"});
}

// Noise is denoising with the prompts, and with them the options that are right, exchanged.
TEST_F(HeadsPatch, LoseWithNoiseWhatExchangedPairsRecover) {
  const ProcessResult noise = heads("noise", {"--by", "patch", "--direction", "noise", "--json"});
  ASSERT_EQ(noise.status, 0) << noise.err;
  write(kRows, "{corrupted}", "{clean}", "corrupted_answer", "answer");
  const ProcessResult denoise = heads("denoise", {"--by", "patch", "--json"});
  ASSERT_EQ(denoise.status, 0) << denoise.err;
  const Json lost = testing::one_json_line(noise), recovered = testing::one_json_line(denoise);
  EXPECT_EQ(lost["want"], "drop");
  for (std::size_t i = 0; i < 20; ++i) {
    const Json &one = lost["heads_tried"][i], &other = recovered["heads_tried"][i];
    EXPECT_EQ(one["heads"], other["heads"]) << i;
    EXPECT_EQ(one["lost"]["difference"], other["recovered"]["difference"]) << i;
    EXPECT_EQ(one["lost"]["p_holm"], other["recovered"]["p_holm"]) << i;
  }
  EXPECT_EQ(lost["sets"][0]["held_out"]["difference"], recovered["sets"][0]["held_out"]["difference"]);
}

TEST_F(HeadsPatch, AlignPromptsOrSayWhichCannotBe) {
  std::vector<std::string> rows = kRows;
  rows[2] = row("old box", "stable", "cellar", "the new jar lies in the study. ");
  write(rows, "{clean}", "{corrupted}");
  testing::expect_failure(heads("r", {"--by", "patch"}), 1,
                          {"t item 2", "--positions last", "--skip-unaligned"});
  EXPECT_FALSE(std::filesystem::exists(dir / "r"));
  const ProcessResult last = heads("last", {"--by", "patch", "--positions", "last", "--json"});
  ASSERT_EQ(last.status, 0) << last.err;
  const Json found = testing::one_json_line(last);
  EXPECT_EQ(found["method"], "patch:direction=denoise,rows=last");
  EXPECT_EQ(found["selection"]["items"].get<int>() + found["held_out"]["items"].get<int>(), 6);
  const ProcessResult skipped = heads("skip", {"--by", "patch", "--skip-unaligned"});
  ASSERT_EQ(skipped.status, 0) << skipped.err;
  EXPECT_THAT(skipped.out,
              HasSubstr("Left out, since their prompts have different numbers of tokens: 1 pair"));
  const Json kept = Json::parse(testing::file_text(dir / "skip" / "results.json"));
  EXPECT_EQ(kept["pairs_left_out"], 1);
  EXPECT_EQ(kept["selection"]["items"].get<int>() + kept["held_out"]["items"].get<int>(), 5);
}

TEST_F(HeadsPatch, RefuseWhatTheyCannotDo) {
  testing::expect_failure(heads("r", {"--direction", "noise"}), 2, {"--direction", "--by patch"});
  testing::expect_failure(heads("r", {"--by", "patch", "--shuffle-labels", "1"}), 2, {"--shuffle-labels"});
  testing::expect_failure(heads("r", {"--by", "patch:direction=noise"}), 2, {"--by", "patch"});
  testing::expect_failure(
      testing::refocus({"heads", "worlds", "-m", testing::bundled_model().string(), "--by", "patch"}), 2,
      {"--by", "corrupted", "worlds"});
  testing::expect_failure(testing::refocus({"generate", "-m", testing::bundled_model().string(), "-p", "Hi",
                                            "--intervene", "patch"}),
                          2, {"patch"});
  write(kRows, "{clean}", "{clean}");
  testing::expect_failure(heads("r", {"--by", "patch"}), 1, {"differ", "all 6 pairs"});
  write(kRows, "{clean}", "{corrupted}", "answer", "answer");
  testing::expect_failure(heads("r", {"--by", "patch"}), 1, {"row 1", "another option than the right one"});
  write(kRows, "{clean}", "{corrupted}", "answer", "nothing");
  testing::expect_failure(heads("r", {"--by", "patch"}), 1, {"nothing"});
  write(kRows, "{clean}", "{corrupted} {corrupted_answer}");
  testing::expect_failure(heads("r", {"--by", "patch"}), 1, {"corrupted_answer"});
  EXPECT_FALSE(std::filesystem::exists(dir / "r"));
  // A model that answers the other way round has nothing to recover.
  write(kRows, "{corrupted}", "{clean}");
  const ProcessResult wrong = heads("wrong", {"--by", "patch"});
  EXPECT_EQ(wrong.status, 1);
  EXPECT_THAT(wrong.err, HasSubstr("choose pairs that the model tells apart"));
}

}  // namespace
}  // namespace refocus
