// A file or directory of another kind than an option wants: the message names what it is, and what to do.
#include "cli/cli_support.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using testing::TempDir;
using testing::write_file;
namespace fs = std::filesystem;

class OtherKinds : public ::testing::Test {
 protected:
  void refuses(const Arguments& arguments, const std::vector<std::string>& parts) {
    SCOPED_TRACE(arguments.front() + " " + arguments.back());
    expect_failure(testing::refocus(arguments), 1, parts);
  }
  std::string file(const std::string& name, std::string_view text) {
    write_file(dir / name, text);
    return (dir / name).string();
  }
  std::string out() { return (dir / "out").string(); }
  // A command that reads lines of JSON, with that file.
  std::vector<Arguments> readers_of_lines(const std::string& path) {
    return {{"train", "-m", "small-worlds", "-o", out(), "--data", path},
            {"train-tokenizer", "-o", out(), "--data", path},
            {"generate", "-m", "small-worlds", "--batch", path},
            {"calibrate", "seka", "-m", "small-worlds", "-o", out(), path},
            {"extract", "--task", "mmlu", path}};
  }
  TempDir dir;
};

TEST_F(OtherKinds, ATableWhereLinesOfJsonAreRead) {
  const std::string table = file("t.csv", "question,answer\nWho?,A\n");
  for (const Arguments& command : readers_of_lines(table)) {
    refuses(command,
            {"t.csv] expected JSON lines, got a table (.csv); give a file with a JSON object a line"});
  }
  EXPECT_FALSE(fs::exists(out()));
}

TEST_F(OtherKinds, AModelWhereLinesOfJsonAreRead) {
  const std::string model =
      file("m.gguf", std::string_view("GGUF\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24));
  for (const Arguments& command : readers_of_lines(model)) refuses(command, {"m.gguf]", "got a GGUF file"});
}

TEST_F(OtherKinds, ADocumentOverSeveralLines) {
  const std::string document = file("d.json", "[\n  {\"text\": \"a\"}\n]\n");
  for (const Arguments& command : readers_of_lines(document)) {
    refuses(command, {"d.json] expected JSON lines, got a JSON document over several lines", "jq -c"});
  }
}

TEST_F(OtherKinds, LinesOfAnotherKind) {
  const std::string sample = file("samples.jsonl", R"({"doc_id":0,"doc":{},"resps":[["x"]]})"
                                                   "\n");
  for (const Arguments& command : readers_of_lines(sample)) {
    refuses(command, {"got a sample of an evaluation; read it with `refocus rescore`"});
  }
  const std::string prompts = file("prompts.jsonl", "{\"prompt\": \"x\"}\n");
  refuses({"calibrate", "seka", "-m", "small-worlds", "-o", out(), prompts},
          {"got a prompt; give it to `refocus generate --batch`"});
  refuses({"extract", "--task", "mmlu", prompts}, {"expected a text 'response', got a prompt"});
  const std::string pairs =
      file("pairs.jsonl", R"({"context":"a","question":"b","other_question":"c","answer":"a"})"
                          "\n");
  refuses({"train", "-m", "small-worlds", "-o", out(), "--data", pairs},
          {"got a pair for keys' directions; give it to `refocus calibrate seka`"});
  const std::string unknown = file("unknown.jsonl", "{\"words\": 1}\n");
  refuses({"train", "-m", "small-worlds", "-o", out(), "--data", unknown},
          {"got none of them; correct the line"});
}

TEST_F(OtherKinds, ADirectoryOfTheProgramWhereAModelIsNamed) {
  fs::create_directory(dir / "run");
  file("run/run.json", "{}");
  refuses({"info", "-m", (dir / "run").string()}, {"got a run's directory; name the model that was asked"});
  fs::create_directory(dir / "seen");
  file("seen/attention.json", "{}");
  refuses({"info", "-m", (dir / "seen").string()}, {"got the directory of `refocus attention`"});
  refuses({"info", "-m", file("lines.csv", "a,b\n1,2\n")}, {"got a table (.csv)"});
}

TEST_F(OtherKinds, DataOrAModelWhereATaskIsNamed) {
  const auto refused = [](const std::string& task, const std::vector<std::string>& parts) {
    SCOPED_TRACE(task);
    expect_failure(testing::refocus({"eval", task}), 2, parts);
  };
  refused(file("q.csv", "question,answer\nWho?,A\n"),
          {"[task]", "got a table (.csv); name it in a task file"});
  refused(file("q.jsonl", "{\"question\": \"Who?\"}\n"), {"got JSON; name it in a task file"});
  refused(testing::bundled_model().string(), {"got a model; name it with -m"});
  fs::create_directory(dir / "run");
  file("run/run.json", "{}");
  refused((dir / "run").string(), {"got a run's directory; give it to `refocus compare`"});
}

TEST_F(OtherKinds, AModelWhereARunIsNamed) {
  refuses({"compare", testing::bundled_model().string()}, {"run.json"});
  refuses({"rescore", testing::bundled_model().string()}, {"run.json"});
  refuses({"report", testing::bundled_model().string()}, {"run.json"});
}

}  // namespace
}  // namespace refocus
