// JSON nested far deeper than a stack is, in every file that a command reads: an error that names the file,
// never a crash.
#include "cli/cli_support.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::bundled_model;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;
using testing::write_file;
namespace fs = std::filesystem;

constexpr int kLevels = 200'000;

std::string lists() { return std::string(kLevels, '[') + std::string(kLevels, ']'); }
std::string deep_object() { return "{\"a\":" + lists() + "}"; }

class NestedJson : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return (dir / name).string(); }

  // A copy of the bundled model, without its weights where `weights` is false.
  std::string model(const std::string& name) const {
    fs::create_directories(dir / name);
    for (const char* file :
         {"config.json", "tokenizer.model", "tokenizer_config.json", "model.safetensors"}) {
      fs::copy_file(bundled_model() / file, dir / name / file);
      fs::permissions(dir / name / file, fs::perms::owner_write, fs::perm_options::add);
    }
    return path(name);
  }

  static void expect_refused(const Arguments& arguments, const std::string& file,
                             const std::string& input = "") {
    const ProcessResult result = testing::refocus(arguments, {.input = input});
    EXPECT_EQ(result.signal, 0) << file;
    EXPECT_NE(result.status, 0) << file;
    EXPECT_THAT(result.err, HasSubstr(file));
    EXPECT_THAT(result.err, HasSubstr("nested too deeply"));
    EXPECT_THAT(result.err, Not(HasSubstr("json.exception")));
    EXPECT_EQ(result.out, "") << file;
  }

  TempDir dir;
};

TEST_F(NestedJson, OfModels) {
  for (const char* file : {"config.json", "tokenizer_config.json", "special_tokens_map.json",
                           "added_tokens.json", "generation_config.json"}) {
    const std::string m = model(std::string("m-") + file);
    write_file(fs::path(m) / file, deep_object());
    expect_refused({"tokenize", "-m", m, "-p", "x"}, file);
    expect_refused({"convert", "-m", m, "-o", path("out.gguf"), "--type", "f16"}, file);
  }
  const std::string words = model("words");
  fs::remove(fs::path(words) / "tokenizer.model");
  write_file(fs::path(words) / "tokenizer.json", deep_object());
  expect_refused({"tokenize", "-m", words, "-p", "x"}, "tokenizer.json");

  const std::string index = model("index");
  fs::remove(fs::path(index) / "model.safetensors");
  write_file(fs::path(index) / "model.safetensors.index.json", deep_object());
  expect_refused({"info", "-m", index}, "model.safetensors.index.json");

  const std::string header = model("header");
  const std::string text = deep_object();
  const std::uint64_t bytes = text.size();
  write_file(fs::path(header) / "model.safetensors",
             std::string(reinterpret_cast<const char*>(&bytes), sizeof bytes) + text);
  expect_refused({"info", "-m", header}, "model.safetensors");

  fs::create_directories(dir / "adapter");
  write_file(dir / "adapter/adapter_config.json", deep_object());
  expect_refused(
      {"merge", "-m", bundled_model().string(), "--adapter", path("adapter"), "-o", path("merged")},
      "adapter_config.json");
  EXPECT_FALSE(fs::exists(dir / "merged"));
}

TEST_F(NestedJson, OfQuestions) {
  const fs::path data = testing::write_tasks(dir / "data");
  const Arguments eval = {"eval", "-m", bundled_model().string(), "--data", data.string(), "-o", path("run")};
  write_file(data / "piqa/dev.jsonl",
             "{\"goal\":\"x\",\"sol1\":\"y\",\"sol2\":\"z\",\"a\":" + lists() + "}\n");
  expect_refused(plus(eval, {"piqa"}), "dev.jsonl:1]");
  write_file(data / "siqa/dev.jsonl", lists() + "\n");
  expect_refused(plus(eval, {"siqa"}), "dev.jsonl:1]");
  write_file(dir / "profile.json", deep_object());
  expect_refused(plus(eval, {"mmlu", "--profile", path("profile.json")}), "profile.json");
  write_file(dir / "task.json", deep_object());
  expect_refused(plus(eval, {path("task.json")}), "task.json");
  for (const char* file : {"rows.jsonl", "rows.json"}) {
    write_file(dir / file, file == std::string("rows.json") ? "[" + deep_object() + "]" : deep_object());
    write_file(dir / "own.yaml",
               fmt::format("dataset: {}\nanswer: key\nmetric: exact_match\nprompt: '{{q}}'\n", file));
    expect_refused(plus(eval, {path("own.yaml")}), file);
  }
  fs::create_directories(dir / "worlds/worlds");
  fs::copy(bundled_model().parent_path().parent_path() / "data/worlds", dir / "worlds/worlds",
           fs::copy_options::recursive);
  for (const auto& entry : fs::recursive_directory_iterator(dir / "worlds")) {
    fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
  }
  write_file(dir / "worlds/worlds/categories.json", deep_object());
  expect_refused(
      {"eval", "worlds", "-m", bundled_model().string(), "--data", path("worlds"), "-o", path("run")},
      "categories.json");
  EXPECT_FALSE(fs::exists(dir / "run"));
  expect_refused({"extract", "--task", "mmlu", "-"}, "[standard input:1]", deep_object());
  write_file(dir / "saved.jsonl", deep_object());
  expect_refused({"rescore", path("saved.jsonl")}, "saved.jsonl:1]");
}

// YAML has its own reader, and two ways of standing for more than is written: depth, and aliases.
TEST_F(NestedJson, OfYaml) {
  const auto refused = [&](const std::string& text) {
    write_file(dir / "task.yaml", text);
    const ProcessResult result =
        testing::refocus({"eval", path("task.yaml"), "-m", bundled_model().string(), "-o", path("run")});
    EXPECT_EQ(result.status, 1) << result.signal;
    EXPECT_THAT(result.err, HasSubstr("task.yaml"));
    EXPECT_FALSE(fs::exists(dir / "run"));
    return result.err;
  };
  EXPECT_THAT(refused("a: " + lists()), HasSubstr("nested too deeply"));
  std::string blocks = "a:\n";
  for (int i = 0; i < 2000; ++i) blocks += std::string(static_cast<std::size_t>(i) + 1, ' ') + "- b:\n";
  refused(blocks);
  refused("- " + std::string(100'000, '-'));
  std::string dashes;
  for (int i = 0; i < 100'000; ++i) dashes += "- ";
  EXPECT_THAT(refused(dashes + "x"), HasSubstr("nested too deeply"));
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    laughs += fmt::format("a{}: &a{} [", i, i);
    for (int k = 0; k < 10; ++k) laughs += fmt::format("{}*a{}", k > 0 ? ", " : "", i - 1);
    laughs += "]\n";
  }
  EXPECT_THAT(refused(laughs), HasSubstr("write it without aliases"));
  std::string copies = "a: &a \"" + std::string(1 << 20, 'x') + "\"\nb: [";
  for (int i = 0; i < 20'000; ++i) copies += "*a, ";
  EXPECT_THAT(refused(copies + "x]\n"), HasSubstr("write it without aliases"));
  refused("a: &a [*a]\n");
}

TEST_F(NestedJson, OfTraining) {
  const Arguments train = {"train", "--from", bundled_model().string(), "-o", path("run"), "--steps",
                           "1",     "--data", path("lines.jsonl")};
  write_file(dir / "lines.jsonl", "{\"text\": \"a b c\"}\n{\"text\":" + lists() + "}\n");
  expect_refused(train, "lines.jsonl line 2]");
  EXPECT_FALSE(fs::exists(dir / "run"));
  expect_refused(
      {"train-tokenizer", "--data", path("lines.jsonl"), "--vocab-size", "300", "-o", path("tokens")},
      "lines.jsonl line 2]");
  EXPECT_FALSE(fs::exists(dir / "tokens"));
  write_file(dir / "config.json", deep_object());
  expect_refused({"train", "--config", path("config.json"), "--tokenizer", bundled_model().string(), "-o",
                  path("run"), "--data", path("lines.jsonl")},
                 "config.json");
  fs::create_directories(dir / "run/checkpoints/step-00000001");
  write_file(dir / "run/checkpoints/step-00000001/state.json", deep_object());
  write_file(dir / "lines.jsonl", "{\"text\": \"a b c\"}\n");
  const ProcessResult resumed = testing::refocus(plus(train, {"--resume"}));
  EXPECT_EQ(resumed.status, 1) << resumed.signal;
  EXPECT_THAT(resumed.err, HasSubstr("state.json] expected JSON of at most 64 levels"));
}

TEST_F(NestedJson, OfRuns) {
  const Arguments eval = {"eval",       "worlds",      "-m",       bundled_model().string(),
                          "--direct",   "--limit",     "1",        "--subjects",
                          "codes,jobs", "--intervene", "none",     "--intervene",
                          "rebalance",  "-o",          path("run")};
  const ProcessResult made = testing::refocus(eval);
  ASSERT_EQ(made.status, 0) << made.err;
  const fs::path run = dir / "run";
  const auto with = [&](const std::string& file, const Arguments& arguments) {
    const std::string good = testing::file_text(run / file);
    write_file(run / file, deep_object());
    expect_refused(arguments, fs::path(file).filename().string());
    write_file(run / file, good);
  };
  with("run.json", {"compare", run.string()});
  with("run.json", {"rescore", run.string()});
  with("arms/direct-none/results_refocus.json", {"compare", run.string()});
  with("arms/direct-none/results_refocus.json", {"rescore", run.string()});
  const auto files = testing::files_below(run / "arms/direct-none");
  const auto samples =
      std::ranges::find_if(files, [](const std::string& f) { return f.starts_with("samples_"); });
  ASSERT_NE(samples, files.end());
  with("arms/direct-none/" + *samples, {"compare", run.string()});
  write_file(run / "sweep.json",
             R"({"format":"refocus-sweep","version":1,"axes":[],"tasks":[{"task":3,"curves":[]}]})");
  testing::expect_failure(
      testing::refocus({"report", run.string(), "-o", path("report.html")}), 1,
      {"sweep.json] expected a text as 'tasks[0].task', got a number 3; repeat the sweep"});
  write_file(run / "sweep.json", deep_object());
  expect_refused({"report", run.string(), "-o", path("report.html")}, "sweep.json");
  EXPECT_FALSE(fs::exists(dir / "report.html"));
  fs::remove(run / "sweep.json");
  write_file(dir / "verdicts.jsonl", deep_object());
  expect_refused({"rescore", run.string(), "--import-verdicts", path("verdicts.jsonl")}, "verdicts.jsonl:1]");

  const ProcessResult captured = testing::refocus(
      {"attention", "-m", bundled_model().string(), "-p", "Nina Fox", "-o", path("attention")});
  ASSERT_EQ(captured.status, 0) << captured.err;
  for (const char* file : {"attention.json", "statistics.json", "lens.json"}) {
    const std::string good = testing::file_text(dir / "attention" / file);
    write_file(dir / "attention" / file, deep_object());
    expect_refused({"explore", path("attention")}, file);
    write_file(dir / "attention" / file, good);
  }
}

// What is JSON, but of other types than the reader expects: our words, and where.
TEST_F(NestedJson, OtherTypesAreNamedByTheirPlace) {
  const ProcessResult captured = testing::refocus(
      {"attention", "-m", bundled_model().string(), "-p", "Nina Fox", "-o", path("attention")});
  ASSERT_EQ(captured.status, 0) << captured.err;
  const fs::path attention = dir / "attention/attention.json";
  const testing::Json good = testing::Json::parse(testing::file_text(attention));
  const auto refused = [&](const char* key, const testing::Json& value, const std::string& message) {
    testing::Json changed = good;
    if (value.is_discarded()) {
      changed.erase(key);
    } else {
      changed[key] = value;
    }
    write_file(attention, changed.dump());
    testing::expect_failure(testing::refocus({"explore", path("attention")}), 1,
                            {"attention.json] " + message});
  };
  const testing::Json absent(testing::Json::value_t::discarded);
  refused("layers", 3, "expected a list as 'layers', got a number 3");
  refused("layers", absent, "expected 'layers', got none");
  refused("model", "x", "expected an object as 'model', got a text \"x\"");
  refused("arms", testing::Json::array({1}), "expected an object");
  refused("version", "1", "expected refocus-attention version 1");
  refused("format", 7, "expected refocus-attention version 1");
  refused("kind", 1, "expected a text as 'kind', got a number 1");
  refused("before", "no", "expected true or false as 'before', got a text \"no\"");
  refused("queries", "x", "expected a list as 'queries'");
  refused("keys", -1, "expected a whole number from 0 as 'keys', got a number -1");
}

}  // namespace
}  // namespace refocus
