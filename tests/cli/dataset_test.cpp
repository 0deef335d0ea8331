// `refocus dataset` and `refocus train-tokenizer` as processes: what they write, and bad usage.
#include <algorithm>

#include "cli/cli_support.h"
#include "tokenizer/tokenizer.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using testing::file_text;
using testing::Json;
using testing::plus;
using testing::TempDir;
namespace fs = std::filesystem;

class Dataset : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return (dir / name).string(); }
  std::string worlds(const std::string& name, const Arguments& more) const {
    const auto result = testing::refocus(plus({"dataset", "worlds", "-o", path(name)}, more));
    EXPECT_EQ(result.status, 0) << result.err;
    return file_text(dir / name);
  }
  TempDir dir;
};

TEST_F(Dataset, WritesAsManyQuestionsAsAsked) {
  const std::string single = worlds("single.jsonl", {"--questions", "50"});
  EXPECT_EQ(std::ranges::count(single, '\n'), 50);
  EXPECT_EQ(worlds("again.jsonl", {"--questions", "50"}), single);
  EXPECT_NE(worlds("other.jsonl", {"--questions", "50", "--seed", "1"}), single);
  const std::string many =
      worlds("many.jsonl", {"--questions", "50", "--questions-per-world", "4", "--form", "cot"});
  std::size_t answers = 0;
  for (std::size_t at = many.find("Response:"); at != std::string::npos; at = many.find("Response:", at + 1))
    ++answers;
  EXPECT_EQ(answers, 50u);
}

TEST_F(Dataset, WritesAboutAsManyTokensAsAsked) {
  const auto result = testing::refocus({"dataset", "worlds", "-o", path("a.jsonl"), "--tokens", "20000"});
  const std::size_t about = result.err.find("about ");
  ASSERT_NE(about, std::string::npos) << result.err;
  EXPECT_NEAR(std::stod(result.err.substr(about + 6)), 20000, 300);
}

TEST_F(Dataset, DrawsFromTheSubjectsGiven) {
  const std::string text = worlds("codes.jsonl", {"--questions", "30", "--subjects", "codes,prices"});
  EXPECT_NE(text.find(" coins"), std::string::npos);
  EXPECT_EQ(text.find("Emma"), std::string::npos);
}

TEST_F(Dataset, WritesTheBenchmark) {
  const auto result =
      testing::refocus({"dataset", "benchmark", "-o", path("worlds"), "--seen", "3", "--unseen", "2"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(std::ranges::count(file_text(dir / "worlds/test/jobs_test.csv"), '\n'), 3);
  EXPECT_EQ(std::ranges::count(file_text(dir / "worlds/test/jobs_unseen_test.csv"), '\n'), 2);
  EXPECT_EQ(Json::parse(file_text(dir / "worlds/categories.json"))["jobs_unseen"], "social");
}

TEST_F(Dataset, BadUsageIsOneLine) {
  const Arguments few = {"dataset", "worlds", "-o", path("new.jsonl"), "--questions", "3"};
  expect_failure(testing::refocus(plus(few, {"--subjects", "magic"})), 2,
                 {"unknown subject 'magic'; known subjects: codes"});
  expect_failure(testing::refocus(plus(few, {"--split", "test"})), 2,
                 {"expected train or validation, got 'test'"});
  expect_failure(testing::refocus(plus(few, {"--form", "verse"})), 2,
                 {"expected mixed, cot, direct, drill, copy or pairs, got 'verse'"});
  expect_failure(testing::refocus(plus(few, {"--tokens", "10"})), 2,
                 {"one of --questions and --tokens, got both"});
  expect_failure(testing::refocus({"dataset", "worlds", "-o", path("new.jsonl")}), 2, {"got neither"});
  expect_failure(testing::refocus({"dataset", "worlds", "-o", path("new.jsonl"), "--questions", "0"}), 2,
                 {"whole number from 1"});
  expect_failure(testing::refocus(plus(few, {"--least-facts", "2", "--most-facts", "1"})), 2, {"at least 2"});
  expect_failure(testing::refocus(plus(few, {"--questions-per-world", "3", "--loss", "response"})), 2,
                 {"--loss"});
  expect_failure(testing::refocus({"dataset"}), 2, {"expected one of worlds, benchmark, got none"});
  EXPECT_FALSE(fs::exists(dir / "new.jsonl"));
  expect_failure(testing::refocus({"dataset", "worlds", "-o", dir.path().string(), "--questions", "3"}), 1,
                 {"expected a name that is free"});
  expect_failure(testing::refocus({"dataset", "benchmark", "-o", dir.path().string()}), 1,
                 {"expected a name that is free"});
}

class TrainTokenizer : public Dataset {
 protected:
  void SetUp() override { worlds("data.jsonl", {"--questions", "3000"}); }
  Arguments train(const std::string& output, const Arguments& more) const {
    return plus({"train-tokenizer", "--data", path("data.jsonl"), "-o", path(output)}, more);
  }
  Arguments symbols() const { return {"--symbols", ".", ",", ":", "?", "+", "-", "=", "A", "B", "C", "D"}; }
  std::vector<std::string> pieces(const std::string& tokenizer, const std::string& text) const {
    const Json out =
        testing::one_json_line(testing::refocus({"tokenize", "-m", path(tokenizer), "-p", text, "--json"}));
    return out["pieces"].get<std::vector<std::string>>();
  }
};

TEST_F(TrainTokenizer, WordsLettersAndLineEndsAreOnePieceEach) {
  ASSERT_EQ(testing::refocus(train("tok", plus({"--vocab-size", "1400"}, symbols()))).status, 0);
  const std::string space = "\u2581";
  EXPECT_EQ(pieces("tok", "Emma Stone works.\nA. mill\nResponse: A"),
            (std::vector<std::string>{"<s>", space + "Emma", space + "Stone", space + "works", ".", "\n", "A",
                                      ".", space + "mill", "\n", "Response", ":", space, "A"}));
}

TEST_F(TrainTokenizer, AnyTextRoundTrips) {
  ASSERT_EQ(testing::refocus(train("tok", plus({"--vocab-size", "1400"}, symbols()))).status, 0);
  const std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(dir / "tok");
  const std::string text = "Grüße,  two  spaces\n\n\ttab 12 \xF0\x9F\x99\x82 B.\n";
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
}

TEST_F(TrainTokenizer, TwoRunsGiveTheSameBytes) {
  ASSERT_EQ(testing::refocus(train("one", {"--vocab-size", "700"})).status, 0);
  ASSERT_EQ(testing::refocus(train("two", {"--vocab-size", "700"})).status, 0);
  EXPECT_EQ(file_text(dir / "one/tokenizer.model"), file_text(dir / "two/tokenizer.model"));
  EXPECT_EQ(Json::parse(file_text(dir / "one/tokenizer_config.json"))["tokenizer_class"], "LlamaTokenizer");
}

TEST_F(TrainTokenizer, ErrorsAreOneLine) {
  expect_failure(testing::refocus(train("big", {"--vocab-size", "100000"})), 1, {"--vocab-size"});
  expect_failure(testing::refocus(train("small", {"--vocab-size", "100"})), 1, {"--vocab-size"});
  expect_failure(testing::refocus({"train-tokenizer", "--data", path("none.jsonl"), "-o", path("x")}), 1,
                 {"none.jsonl"});
  testing::write_file(dir / "bad.jsonl", "{\"text\": 3}\n");
  expect_failure(testing::refocus({"train-tokenizer", "--data", path("bad.jsonl"), "-o", path("x")}), 1,
                 {"line 1"});
  testing::write_file(dir / "empty.jsonl", "\n");
  expect_failure(testing::refocus({"train-tokenizer", "--data", path("empty.jsonl"), "-o", path("x")}), 1,
                 {"empty.jsonl"});
  EXPECT_FALSE(fs::exists(dir / "x"));
  ASSERT_EQ(testing::refocus(train("tok", {"--vocab-size", "700"})).status, 0);
  expect_failure(testing::refocus(train("tok", {"--vocab-size", "700"})), 1,
                 {"a directory without a tokenizer"});
}

}  // namespace
}  // namespace refocus
