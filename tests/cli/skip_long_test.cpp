// refocus eval --skip-long: items that do not fit into the context are left out, counted and told.
#include "cli/cli_support.h"

namespace refocus {
namespace {

using testing::Arguments;
using ::testing::HasSubstr;
using testing::Json;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;

class SkipLong : public ::testing::Test {
 protected:
  // Questions of subjects a and b; the context of 128 tokens is too short for two of them.
  void SetUp() override {
    std::string many;
    for (int k = 0; k < 100; ++k) many += "Nina Fox reports to Hugo West. ";
    std::string lines;
    for (const auto& [subject, is_long] : {std::pair("a", false), {"a", true}, {"a", false}, {"b", true}}) {
      lines += Json({{"subject", subject},
                     {"question", is_long ? many : "Who is it?"},
                     {"x", "Nina Fox"},
                     {"y", "Hugo West"},
                     {"answer", "A"}})
                   .dump() +
               "\n";
    }
    testing::write_file(dir / "q.jsonl", lines);
    testing::write_file(dir / "own.json", R"({"task": "own", "type": "multiple_choice", "dataset": "q.jsonl",
      "subject_field": "subject", "options": ["x", "y"], "answer": "answer",
      "prompt": {"body": "{question}\nA. {x}\nB. {y}\nResponse:"},
      "loglikelihood": {"context": "{question}"}})");
  }
  ProcessResult eval(const std::string& name, const Arguments& more) {
    return testing::refocus(
        plus({"eval", (dir / "own.json").string(), "-m", testing::bundled_model().string(), "--context",
              "128", "-o", (dir / name).string()},
             more));
  }
  TempDir dir;
};

TEST_F(SkipLong, WithoutItTheErrorNamesIt) {
  for (const Arguments& how : {Arguments{"--direct"}, {"--loglikelihood"}}) {
    testing::expect_failure(eval("none", how), 1, {"128", "--skip-long"});
  }
  EXPECT_FALSE(std::filesystem::exists(dir / "none"));
}

TEST_F(SkipLong, LongItemsAreCountedAndTold) {
  for (const Arguments& how : {Arguments{"--direct", "--max-new-tokens", "2"}, {"--loglikelihood"}}) {
    const std::string name = how.front().substr(2);
    const ProcessResult result = eval(name, plus(how, {"--skip-long"}));
    ASSERT_EQ(result.status, 0) << result.err;
    const Json run = Json::parse(testing::file_text(dir / name / "run.json"))["identity"];
    EXPECT_EQ(run["items"], 2);
    EXPECT_EQ(run["left_out_long"], Json({{"own", {{"a", 1}, {"b", 1}}}}));
    EXPECT_EQ(run["subjects"], Json({"a"})) << "nothing is left of b";
    const std::string note = "2 items were left out, too long for the context: a 1, b 1";
    EXPECT_THAT(result.out, HasSubstr(note));
    EXPECT_THAT(testing::file_text(dir / name / "report.html"), HasSubstr(note));
    EXPECT_EQ(eval(name, plus(how, {"--skip-long"})).status, 0) << "and goes on";
  }
}

TEST_F(SkipLong, WhereAllFitNothingIsLeftOut) {
  testing::write_file(dir / "q.jsonl",
                      "{\"subject\": \"a\", \"question\": \"Who?\", \"x\": \"1\", \"y\": \"2\", "
                      "\"answer\": \"A\"}\n");
  const ProcessResult result = eval("run", {"--skip-long", "--loglikelihood"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, ::testing::Not(HasSubstr("left out")));
  EXPECT_FALSE(
      Json::parse(testing::file_text(dir / "run" / "run.json"))["identity"].contains("left_out_long"));
  EXPECT_EQ(eval("run", {"--loglikelihood"}).status, 0) << "the same run as without the option";
}

TEST_F(SkipLong, AnItemMustBeLeft) {
  const ProcessResult result = eval("run", {"--skip-long", "--loglikelihood", "--subjects", "b"});
  testing::expect_failure(result, 1, {"128", "context"});
}

}  // namespace
}  // namespace refocus
