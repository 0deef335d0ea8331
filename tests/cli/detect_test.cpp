// refocus heads --detect: what every head does, with and without a task and a search.
#include <cmath>
#include <sstream>

#include "cli/cli_support.h"

namespace refocus {
namespace {

using testing::Arguments;
using ::testing::HasSubstr;
using testing::Json;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;

std::filesystem::path example(const char* name) {
  return std::filesystem::path(REFOCUS_SOURCE) / "examples" / name;
}

class Detect : public ::testing::Test {
 protected:
  ProcessResult detect(const std::string& name, const Arguments& more) const {
    return testing::refocus(plus(plus({"heads", "-m", testing::bundled_model().string(), "--detect"}, more),
                                 {"-o", (dir / name).string()}));
  }
  std::string file(const std::string& name) const { return testing::file_text(dir / name); }
  TempDir dir;
};

const Arguments kFacts = {example("facts.yaml").string(), "--limit", "12"};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

TEST_F(Detect, NeedsNoTask) {
  const ProcessResult result = detect("run", {"--no-needles", "--stimulus-sequences", "3"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("stimulus: 3 sequences of 50 random tokens"));
  const Json found = Json::parse(file("run/detectors.json"));
  std::vector<std::string> names;
  for (const auto& item : found["detectors"].items()) {
    names.push_back(item.key());
    ASSERT_EQ(item.value()["scores"].size(), 4u);
    for (const Json& layer : item.value()["scores"]) {
      ASSERT_EQ(layer.size(), 5u);
      for (const Json& score : layer) EXPECT_GE(score.get<double>(), 0) << item.key();
    }
  }
  EXPECT_EQ(names, (std::vector<std::string>{"previous_token", "duplicate_token", "induction",
                                             "previous_token_mul", "duplicate_token_mul", "induction_mul",
                                             "sink_mass", "entropy", "received_mean", "received_max"}));
  const std::vector<std::string> lines = lines_of(file("run/detectors.csv"));
  ASSERT_EQ(lines.size(), 21u);
  EXPECT_THAT(lines.front(), HasSubstr("layer,head,previous_token,duplicate_token,induction,"));
  EXPECT_THAT(lines[6], ::testing::StartsWith("1,0,"));
  EXPECT_THAT(file("run/report.html"), HasSubstr("<svg"));
  EXPECT_THAT(file("run/detector_induction.svg"), HasSubstr("induction"));
  // A mean over rows that have the pattern, and one over all rows, which sum to 1: 50 of the 101 have it.
  const double own = found["detectors"]["induction"]["scores"][2][3],
               all = found["detectors"]["induction_mul"]["scores"][2][3];
  EXPECT_NEAR(own * 50 / 101, all, 1e-6);
}

TEST_F(Detect, SaysWhatTheHeadsOfASearchDo) {
  const ProcessResult result = detect("run", plus(kFacts, {"--top", "1", "--draws", "2", "--no-needles"}));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("Detector scores of the search's best heads"));
  const Json found = Json::parse(file("run/detectors.json")), search = Json::parse(file("run/results.json"));
  EXPECT_EQ(found["effects"].size(), found["detectors"].size());
  EXPECT_EQ(found["effects"]["logit_attribution"]["heads"], 20);
  const std::vector<std::string> lines = lines_of(file("run/detectors.csv"));
  EXPECT_THAT(lines.front(), ::testing::EndsWith(",accuracy_change,likelihood_change"));
  EXPECT_EQ(search["heads_tried"].size(), 20u);
  const std::string page = file("run/report.html");
  EXPECT_THAT(page, HasSubstr("Which heads matter"));
  EXPECT_THAT(page, HasSubstr("What heads do"));
}

TEST_F(Detect, TakesLogitDifferencesApart) {
  const ProcessResult result =
      detect("run", plus(kFacts, {"--no-search", "--no-needles", "--json", "--threads", "1"}));
  ASSERT_EQ(result.status, 0) << result.err;
  const Json found = testing::one_json_line(result);
  const Json& parts = found["logit_attribution"];
  EXPECT_EQ(parts["items"], 12);
  double sum = parts["embedding"].get<double>() + parts["last_biases"].get<double>();
  for (const char* part : {"heads", "mlps", "attention_biases"}) {
    for (const Json& one : parts[part]) sum += one.get<double>();
  }
  EXPECT_NEAR(sum, parts["difference"].get<double>(), 1e-6);
  EXPECT_LT(parts["largest_error"].get<double>(), 1e-3);
  EXPECT_GT(parts["difference"].get<double>(), 3);  // it knows the answers
  EXPECT_EQ(found["detectors"]["lookback"]["on"], "task");
  EXPECT_FALSE(std::filesystem::exists(dir / "run" / "results.json"));
  // The same whatever is computed at once.
  const ProcessResult again = detect(
      "other", plus(kFacts, {"--no-search", "--no-needles", "--json", "--threads", "3", "--batch", "2"}));
  EXPECT_EQ(again.out, result.out);
}

TEST_F(Detect, FindsHeadsThatRetrieve) {
  const ProcessResult result =
      detect("run", {"--stimulus-sequences", "1", "--haystack", example("haystack.txt").string(), "--needles",
                     example("needles.jsonl").string(), "--needle-question", "{question}", "--needle-lengths",
                     "110"});
  ASSERT_EQ(result.status, 0) << result.err;
  const Json found = Json::parse(file("run/detectors.json"));
  ASSERT_EQ(found["needles"]["prompts"].size(), 9u);
  int counted = 0;
  for (const Json& one : found["needles"]["prompts"]) {
    EXPECT_LE(one["tokens"].get<int>(), 112);
    counted += one["counts"].get<bool>();
  }
  EXPECT_GE(counted, 5);
  double most = 0;
  for (const Json& layer : found["detectors"]["retrieval"]["scores"]) {
    for (const Json& score : layer) most = std::max(most, score.get<double>());
  }
  EXPECT_GT(most, 0.3);
}

TEST_F(Detect, SaysWhereNoNeedleWasRepeated) {
  const ProcessResult result =
      detect("run", {"--stimulus-sequences", "1", "--needle-lengths", "100", "--needle-depths", "50"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("needles: 0 of 3 replies"));
  EXPECT_FALSE(Json::parse(file("run/detectors.json"))["detectors"].contains("retrieval"));
}

TEST_F(Detect, GoesIntoTheDirectoryOfTheSameQuestionAlone) {
  ASSERT_EQ(detect("run", {"--no-needles"}).status, 0);
  const std::string before = file("run/detectors.json");
  ASSERT_EQ(detect("run", {"--no-needles"}).status, 0);
  EXPECT_EQ(file("run/detectors.json"), before);
  testing::expect_failure(detect("run", {"--no-needles", "--seed", "1"}), 1, {"stimulus.seed", "0", "1"});
}

TEST_F(Detect, RefusesWhatItCannotDo) {
  testing::expect_failure(testing::refocus({"heads", "-m", testing::bundled_model().string()}), 2,
                          {"TASK", "--detect"});
  testing::expect_failure(detect("r", {"--by", "uniform"}), 2, {"--by", "a search"});
  testing::expect_failure(detect("r", {"--limit", "3"}), 2, {"--limit", "a TASK"});
  testing::expect_failure(detect("r", plus(kFacts, {"--no-search", "--draws", "3"})), 2,
                          {"--draws", "a search"});
  testing::expect_failure(detect("r", {"--stimulus-length", "300", "--no-needles"}), 1,
                          {"--stimulus-length", "255"});
  testing::expect_failure(detect("r", {"--stimulus-length", "5000", "--no-needles"}), 1,
                          {"--stimulus-length", "5000"});
  testing::expect_failure(detect("r", {"--needle-lengths", "500"}), 1, {"--needle-lengths", "512"});
  testing::expect_failure(testing::refocus({"heads", "worlds", "--no-needles"}), 2,
                          {"--no-needles", "--detect"});
  EXPECT_FALSE(std::filesystem::exists(dir / "r"));
}

}  // namespace
}  // namespace refocus
