// refocus heads: a search as a user runs it, and its answers against those of `refocus eval`.
#include <map>

#include "cli/cli_support.h"
#include "eval/journal/journal.h"

namespace refocus {
namespace {

using testing::Arguments;
using ::testing::HasSubstr;
using testing::Json;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;

class Heads : public ::testing::Test {
 protected:
  Arguments asked() const {
    return {"worlds", "-m", testing::bundled_model().string(), "--subjects", "codes", "--limit", "8"};
  }
  ProcessResult heads(const std::string& name, const Arguments& more) const {
    return testing::refocus(plus(plus({"heads"}, asked()), plus(more, {"-o", (dir / name).string()})));
  }
  TempDir dir;
};

std::map<int, std::string> answers_of(const std::filesystem::path& run, const std::string& arm) {
  std::map<int, std::string> out;
  Journal::open_read_only(run).for_each(arm, [&](const Response& r) { out[r.index] = r.text; });
  return out;
}

TEST_F(Heads, ReportWhatEvalFinds) {
  const ProcessResult result = heads("run", {"--top", "1,3", "--draws", "3"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("Best of 20 heads on the selection half"));
  const Json found = Json::parse(testing::file_text(dir / "run" / "results.json"));
  EXPECT_EQ(found["method"], "zero");
  EXPECT_EQ(found["want"], "drop");
  EXPECT_EQ(found["heads_tried"].size(), 20u);
  EXPECT_EQ(found["selection"]["items"].get<int>() + found["held_out"]["items"].get<int>(), 8);
  ASSERT_EQ(found["sets"].size(), 2u);
  EXPECT_THAT(testing::file_text(dir / "run" / "report.html"), HasSubstr("<svg"));

  // The best three heads, as heads.json names them or a set of the report does, have eval's answers.
  const std::string set = found["sets"][1]["heads"];
  const ProcessResult eval =
      testing::refocus(plus(plus({"eval"}, asked()), {"--loglikelihood", "--intervene", "none", "--intervene",
                                                      "zero:heads=" + set, "-o", (dir / "eval").string()}));
  ASSERT_EQ(eval.status, 0) << eval.err;
  for (const std::string& arm : {std::string("none"), "zero:heads=" + set}) {
    const auto of_heads = answers_of(dir / "run", arm);
    const auto of_eval = answers_of(dir / "eval", Arm{PromptKind::kLoglikelihood, arm}.name());
    EXPECT_EQ(of_heads, of_eval) << arm;
    EXPECT_EQ(of_heads.size(), 8u) << arm;
  }
  const ProcessResult used =
      testing::refocus({"generate", "-m", testing::bundled_model().string(), "-p", "Hi", "--max-new-tokens",
                        "1", "--intervene", "zero:heads=@" + (dir / "run" / "heads.json").string()});
  EXPECT_EQ(used.status, 0) << used.err;
}

TEST_F(Heads, GoOnWhereTheyStopped) {
  ASSERT_EQ(heads("run", {"--top", "1", "--draws", "2"}).status, 0);
  const std::string before = testing::file_text(dir / "run" / "results.json");
  const ProcessResult again = heads("run", {"--top", "1", "--draws", "2"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("answers are there"));
  EXPECT_THAT(again.out, ::testing::Not(HasSubstr("Computed")));
  EXPECT_EQ(testing::file_text(dir / "run" / "results.json"), before);
  testing::expect_failure(heads("run", {"--by", "uniform"}), 1, {"method", "zero", "uniform"});
}

TEST_F(Heads, TryLayersFirst) {
  const ProcessResult result = heads("run", {"--layers-first", "2", "--top", "1", "--draws", "2", "--json"});
  ASSERT_EQ(result.status, 0) << result.err;
  const Json found = testing::one_json_line(result);
  EXPECT_EQ(found["layers_tried"].size(), 4u);
  EXPECT_EQ(found["heads_tried"].size(), 10u);
}

TEST_F(Heads, DrawFromTheSameLayersWhenAsked) {
  ASSERT_EQ(heads("run", {"--top", "2", "--draws", "3"}).status, 0);
  const ProcessResult result = heads("run", {"--top", "2", "--draws", "3", "--random", "layers"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("random: 3 sets of\nas many other heads of the same layers;"));
  EXPECT_EQ(Json::parse(testing::file_text(dir / "run" / "results.json"))["random"], "layers");
}

TEST_F(Heads, RefuseWhatTheyCannotDo) {
  testing::expect_failure(heads("r", {"--by", "zero:heads=1.0"}), 2, {"--by", "leave heads= out"});
  testing::expect_failure(heads("r", {"--by", "none"}), 2, {"--by", "none"});
  testing::expect_failure(heads("r", {"--by", "seka:from=#0123456789abcdef,keys=sinks"}), 2,
                          {"[--by] expected a method that acts on heads, got seka"});
  testing::expect_failure(heads("r", {"--top", "11"}), 2, {"--top", "10"});
  testing::expect_failure(heads("r", {"--layers-first", "5"}), 2, {"--layers-first", "4"});
  testing::expect_failure(heads("r", {"--by", "boost:keys=field:nothing,factor=wrong"}), 2,
                          {"--by", "factor"});
  EXPECT_FALSE(std::filesystem::exists(dir / "r"));
}

TEST_F(Heads, AskNoConversationOfATaskThatIsWritten) {
  testing::write_file(dir / "d.jsonl", "{\"q\":\"a\",\"a\":0}\n{\"q\":\"b\",\"a\":1}\n");
  testing::write_file(dir / "t.yaml",
                      "task: t\ndataset_path: json\ndataset_kwargs: {data_files: {test: d.jsonl}}\n"
                      "test_split: test\noutput_type: multiple_choice\ndoc_to_text: '{{q}}'\n"
                      "doc_to_choice: [x, y]\ndoc_to_target: a\n");
  for (const Arguments& how : {Arguments{"--chat"}, {"--template-arg", "k=1"}}) {
    testing::expect_failure(
        testing::refocus(plus({"heads", (dir / "t.yaml").string(), "-m", testing::bundled_model().string(),
                               "-o", (dir / "r").string()},
                              how)),
        2, {"--chat", "as it is written"});
  }
  EXPECT_FALSE(std::filesystem::exists(dir / "r"));
}

}  // namespace
}  // namespace refocus
