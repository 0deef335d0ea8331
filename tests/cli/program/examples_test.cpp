// The examples of every command's help, run one after another as a shell would, in a folder that has the
// files that they name.
#include <sstream>

#include "cli/cli_support.h"

namespace refocus {
namespace {

using testing::ProcessResult;
using testing::TempDir;
using testing::write_file;
namespace fs = std::filesystem;

// So many lines of a file of the checkout.
std::string first_lines(const fs::path& path, int count) {
  std::istringstream in(testing::file_text(path));
  std::string out, line;
  for (int i = 0; i < count && std::getline(in, line); ++i) out += line + "\n";
  return out;
}

class Examples : public ::testing::Test {
 protected:
  Examples() {
    const fs::path source = REFOCUS_SOURCE;
    fs::create_directories(home / "models");
    fs::create_directory_symlink(source / "models/small-worlds", home / "models/small-worlds");
    fs::create_directories(home / "data/worlds/test");
    write_file(home / "data/worlds/test/keys_test.csv",
               "Who?,Ann,Bob,Cy,Di,B\nWhere?,in,on,by,at,C\nWhen?,at noon,at one,at two,at three,A\n");
    write_file(home / "data/worlds/categories.json", R"({"keys":"stem"})");
    write_examples(source / "examples");
    write_data();
    testing::copy_bundled_model(work / "MODEL_DIR",
                                "{% for m in messages %}{{ m['content'] }}\n{% endfor %}Analysis:");
  }

  // Those of the checkout, shorter.
  void write_examples(const fs::path& from) {
    fs::create_directories(work / "examples");
    for (const char* name : {"facts", "pairs"}) {
      fs::copy_file(from / (std::string(name) + ".yaml"), work / "examples" / (std::string(name) + ".yaml"));
      write_file(work / "examples" / (std::string(name) + ".jsonl"),
                 first_lines(from / (std::string(name) + ".jsonl"), 12));
    }
  }
  void write_data() {
    testing::write_tasks(work / "data");
    std::string items, labels;
    for (int i = 0; i < 8; ++i) {
      items += R"({"goal":"To cool tea","sol1":"wait","sol2":"boil it"})"
               "\n";
      labels += i % 2 == 0 ? "0\n" : "1\n";
    }
    write_file(work / "data/piqa/dev.jsonl", items);
    write_file(work / "data/piqa/dev-labels.lst", labels);
    write_file(work / "prompts.jsonl", "{\"prompt\": \"The blue crate\"}\n{\"prompt\": \"Who?\"}\n");
    write_file(work / "responses.jsonl", R"({"choices":["a","b","c","d"],"response":"Response: B"})"
                                         "\n");
    write_file(work / "pairs.jsonl",
               "{\"prompt\": \"Who has the key? \", \"response\": \"Ann\"}\n"
               "{\"prompt\": \"Where is it? \", \"response\": \"in the box\"}\n");
    std::string text;
    for (int i = 0; i < 40; ++i) text += "Nina Fox reports to Hugo West. Oscar East reports to Fiona Reed. ";
    write_file(work / "text.txt", text);
    write_file(work / "keys.txt", "a key\n");
  }

  ProcessResult shell(const std::string& command) {
    const std::string path = fs::path(REFOCUS_PROGRAM).parent_path().string();
    return testing::refocus({"-c", "PATH=" + path + ":$PATH\n" + command},
                            {.program = "/bin/sh", .directory = work, .home = home.string()});
  }
  void expect_works(const std::string& command) {
    const ProcessResult result = shell(command);
    EXPECT_EQ(result.status, 0) << command << "\n" << result.err;
  }

  TempDir dir;
  const fs::path home = fs::canonical(dir.path()) / "home", work = fs::canonical(dir.path()) / "work";
};

// The lines below "Examples:" of a help text.
std::vector<std::string> examples_of(const std::string& help) {
  std::vector<std::string> out;
  std::istringstream lines(help.substr(std::min(help.find("\nExamples:\n"), help.size())));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("  refocus ")) out.push_back(line.substr(2));
    if (line.empty() && !out.empty()) break;
  }
  return out;
}

// A server until it listens, and then to its polite end.
std::string served(const std::string& example) {
  return example +
         " --port 0 >out.txt & server=$!\n"
         "for i in $(seq 600); do grep -q /v1 out.txt && break; sleep 0.1; done\n"
         "kill -TERM $server; grep -q /v1 out.txt && wait $server";
}

std::vector<std::string> commands() {
  std::vector<std::string> out;
  std::istringstream lines(testing::refocus({"help"}).out);
  for (std::string line; std::getline(lines, line) && !line.starts_with("General:");) {
    if (line.starts_with("  ") && line[2] != ' ') out.push_back(line.substr(2, line.find(' ', 2) - 2));
  }
  return out;
}

TEST_F(Examples, OfEveryHelpWork) {
  expect_works("refocus convert -m MODEL_DIR --type q8_0 -o model.gguf");
  expect_works("refocus eval mmlu -m model.gguf --data data --limit 5 --direct -o runs/second");
  expect_works("refocus dataset worlds --questions 300 --seed 1 -o texts.jsonl");
  for (const char* part : {"2", "3", "4"}) {  // the first one is an example of eval
    expect_works(std::string("refocus eval mmlu -m model.gguf --data data --shard ") + part +
                 "/4 -o runs/part" + part);
  }
  expect_works(
      "refocus eval piqa -m model.gguf --data data --loglikelihood --sweep alpha=0:1:0.5 -o runs/alpha");
  expect_works("refocus attention -p 'Analysis: the blue crate' -o seen");
  std::size_t count = 0;
  for (const std::string& command : commands()) {
    const std::vector<std::string> examples = examples_of(testing::refocus({"help", command}).out);
    EXPECT_FALSE(examples.empty()) << command;
    if (command == "attention") fs::remove_all(work / "seen");  // which its example makes
    for (const std::string& example : examples) {
      SCOPED_TRACE(example);
      expect_works(command == "serve" ? served(example) : example);
      ++count;
    }
  }
  EXPECT_GE(count, 30u);
}

TEST_F(Examples, OfTheProgramWork) {
  expect_works("refocus convert -m MODEL_DIR --type q8_0 -o model.gguf");
  const std::vector<std::string> examples = examples_of(testing::refocus({"help"}).out);
  EXPECT_EQ(examples.size(), 3u);
  for (const std::string& example : examples) expect_works(example);
}

}  // namespace
}  // namespace refocus
