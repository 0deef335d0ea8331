// Bundled models and data: names, defaults, and where they are looked for; installing.
#include "cli/cli_support.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using testing::file_text;
using ::testing::HasSubstr;
using testing::Json;
using ::testing::Not;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;
using testing::write_file;
namespace fs = std::filesystem;

std::size_t line_count(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

// REFOCUS_HOME with two models of the golden ones; commands run in another directory.
class BundledModels : public ::testing::Test {
 protected:
  BundledModels() {
    fs::create_directories(home / "models");
    fs::create_directories(work);
    testing::copy_model("mha-f32", home / "models/small-worlds");
    testing::copy_model("gqa-f32", home / "models/other");
  }
  ProcessResult run(const Arguments& arguments) {
    return testing::refocus(arguments, {.directory = work, .home = home.string()});
  }
  TempDir dir;
  const fs::path home = fs::canonical(dir.path()) / "home", work = fs::canonical(dir.path()) / "work";
};

TEST_F(BundledModels, AreFoundByNameFromAnywhere) {
  const ProcessResult result = run({"info", "-m", "other", "--json"});
  EXPECT_EQ(testing::one_json_line(result)["model"], (home / "models/other").string());
  EXPECT_EQ(result.err, "");
  const auto within = testing::refocus({"info", "-m", "other", "--json"}, {.directory = home, .home = home});
  EXPECT_EQ(testing::one_json_line(within)["model"], "models/other") << "relative where it lies below";
  EXPECT_EQ(run({"convert", "-m", "other", "-o", "x.gguf", "--type", "f32"}).status, 0);
  EXPECT_TRUE(fs::exists(work / "x.gguf"));
}

TEST_F(BundledModels, OneIsTheDefaultAndStandardErrorSaysSo) {
  const std::vector<Arguments> commands = {{"info", "--json"},
                                           {"generate", "--tokens", "1,2,3", "-n", "2", "--json"},
                                           {"logits", "--tokens", "1,2,3", "-o", "out.npy"},
                                           {"bench", "--repeats", "1", "--json"}};
  for (const Arguments& command : commands) {
    const ProcessResult result = run(command);
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(line_count(result.err), 1u) << result.err;
    EXPECT_THAT(result.err, HasSubstr((home / "models/small-worlds").string() + " (bundled"));
    const Arguments named = plus(command, {"-m", "small-worlds"});
    EXPECT_EQ(run(named).err, "") << "a model that was asked for needs no word";
  }
  EXPECT_EQ(testing::one_json_line(run({"info", "--json"}))["num_key_value_heads"],
            testing::one_json_line(run({"info", "--json", "-m", "small-worlds"}))["num_key_value_heads"]);
}

TEST_F(BundledModels, GiveWayToAPathThatExists) {
  testing::copy_model("mqa-bf16", work / "other");
  const Json own = testing::one_json_line(run({"info", "-m", "other", "--json"}));
  EXPECT_EQ(own["model"], "other");
  EXPECT_EQ(own["num_key_value_heads"], 1);
}

TEST_F(BundledModels, AreListedWhereANameIsUnknown) {
  const std::vector<Arguments> commands = {
      {"info", "-m"}, {"tokenize", "-p", "x", "-m"}, {"convert", "-o", "x.gguf", "--type", "f32", "-m"}};
  for (const Arguments& command : commands) {
    expect_failure(run(plus(command, {"smal-worlds"})), 1,
                   {"[--model]", "(other, small-worlds)", "'smal-worlds'", "does not exist"});
  }
  expect_failure(run({"info", "-m", "../models/other"}), 1, {"does not exist"});
  EXPECT_EQ(testing::files_below(work), std::vector<std::string>{});
}

TEST_F(BundledModels, HomeMustBeADirectory) {
  const testing::ProcessOptions nowhere{.directory = work, .home = (dir / "nowhere").string()};
  for (const Arguments& command : {Arguments{"info"}, Arguments{"info", "-m", "other"}}) {
    expect_failure(testing::refocus(command, nowhere), 1, {"[REFOCUS_HOME]", "/nowhere'", "unset"});
  }
  const std::string path = (home / "models/other").string();
  EXPECT_EQ(testing::refocus({"info", "-m", path}, nowhere).status, 0) << "a path needs no home";
}

// The program is looked at where it really is: a copy in a build directory, in a prefix, or behind a link.
TEST_F(BundledModels, LieBesideTheProgram) {
  const fs::path checkout = work / "checkout", prefix = work / "prefix";
  for (const fs::path& place : {checkout / "build/release", prefix / "bin", prefix / "share/refocus"}) {
    fs::create_directories(place);
  }
  const auto info = [&](const fs::path& program) {
    return testing::refocus({"info", "--json"}, {.program = program.string(), .directory = "/"});
  };
  fs::copy_file(REFOCUS_PROGRAM, checkout / "build/release/refocus");
  expect_failure(info(checkout / "build/release/refocus"), 1,
                 {"[--model]", "models/small-worlds of " + checkout.string(), "REFOCUS_HOME"});
  fs::copy(home / "models", checkout / "models", fs::copy_options::recursive);
  const std::string model = testing::one_json_line(info(checkout / "build/release/refocus"))["model"];
  EXPECT_TRUE(model.ends_with("checkout/models/small-worlds")) << model;
  fs::create_symlink(checkout / "build/release/refocus", work / "link");
  EXPECT_EQ(info(work / "link").status, 0);

  fs::rename(checkout / "build/release/refocus", prefix / "bin/refocus");
  fs::copy(home / "models", prefix / "share/refocus/models", fs::copy_options::recursive);
  const std::string installed = testing::one_json_line(info(prefix / "bin/refocus"))["model"];
  EXPECT_TRUE(installed.ends_with("prefix/share/refocus/models/small-worlds")) << installed;
}

// The small trained model as the bundled one, and two subjects as the bundled benchmark.
class BundledEval : public ::testing::Test {
 protected:
  void SetUp() override {
    REFOCUS_NEEDS_SHARED(testing::kSmallModel);
    fs::create_directories(home / "models");
    fs::create_directories(work);
    fs::copy(fs::canonical(testing::small_model()), home / "models/small-worlds");
    write_worlds(home / "data", {"keys", "keys_unseen"});
  }
  static void write_worlds(const fs::path& data, const std::vector<std::string>& subjects) {
    fs::create_directories(data / "worlds/test");
    Json categories;
    for (const std::string& subject : subjects) {
      categories[subject] = "stem";
      write_file(data / "worlds/test" / (subject + "_test.csv"),
                 "Who?,Ann,Bob,Cy,Di,B\nWhere?,in,on,by,at,C\n");
    }
    write_file(data / "worlds/categories.json", categories.dump());
  }
  ProcessResult eval(const Arguments& more) {
    return testing::refocus(plus({"eval", "--max-new-tokens", "6"}, more),
                            {.directory = work, .home = home.string()});
  }
  ProcessResult expect_done(const Arguments& more) {
    ProcessResult result = eval(more);
    EXPECT_EQ(result.status, 0) << result.err;
    return result;
  }
  std::vector<fs::path> runs() const {
    std::vector<fs::path> out;
    for (const auto& entry : fs::directory_iterator(work / "runs")) out.push_back(entry.path());
    return out;
  }
  // Fails so, and no run is begun.
  void expect_refused(const Arguments& more, int status, const std::vector<std::string>& parts) {
    expect_failure(eval(more), status, parts);
    EXPECT_FALSE(fs::exists(work / "runs"));
  }
  TempDir dir;
  const fs::path home = fs::canonical(dir.path()) / "home", work = fs::canonical(dir.path()) / "work";
};

TEST_F(BundledEval, NeedsNothingButItsName) {
  const ProcessResult result = expect_done({"--cot", "--direct"});
  ASSERT_EQ(runs().size(), 1u);
  const std::string name = runs()[0].filename().string();
  EXPECT_TRUE(name.starts_with("worlds-small-worlds-")) << name;
  EXPECT_EQ(name.size(), std::string("worlds-small-worlds-").size() + 8);
  EXPECT_THAT(result.out, HasSubstr("worlds: 4 questions, 2 arms"));
  EXPECT_THAT(result.out, HasSubstr("\nunseen "));
  EXPECT_THAT(result.out, HasSubstr("Answers and results: runs/" + name + "\n"));
  EXPECT_THAT(result.err, HasSubstr("small-worlds (bundled"));
  const fs::path samples = runs()[0] / "arms/cot-none/samples_worlds_keys_unseen_refocus.jsonl";
  const std::string text = file_text(samples);
  const Json first = Json::parse(text.substr(0, text.find('\n')));
  EXPECT_EQ(first["arguments"]["gen_args_0"]["arg_0"], "Who?\nA. Ann\nB. Bob\nC. Cy\nD. Di\nAnalysis:");
  EXPECT_TRUE(fs::exists(runs()[0] / "arms/direct-none/keys.csv"));

  const Json compared = testing::one_json_line(testing::refocus({"compare", runs()[0].string(), "--json"},
                                                                {.directory = work, .home = home.string()}));
  std::string kinds;
  for (const Json& set : compared["tasks"][0]["sets"]) {
    kinds += set["set"].get<std::string>() + ":" + set["kind"].get<std::string>() + " ";
  }
  EXPECT_EQ(kinds, "keys:subject keys_unseen:subject stem:category seen:novelty unseen:novelty all:all ");
}

// A task file by the path that it has in the checkout; one that lies here comes first, and other paths mean
// themselves.
TEST_F(BundledEval, FindsTaskFilesThatCameAlong) {
  fs::create_directories(home / "data/cloze");
  write_file(
      home / "data/cloze/mine.yaml",
      "task: mine\nquestions: worlds\nloglikelihood:\n  context: \"{question}\"\n  option: \" {option}\"\n");
  const auto ask = [&](const Arguments& arguments) {
    return testing::refocus(plus({"eval", "--loglikelihood"}, arguments),
                            {.directory = work, .home = home.string()});
  };
  const ProcessResult found = ask({"data/cloze/mine.yaml"});
  EXPECT_EQ(found.status, 0) << found.err;
  EXPECT_THAT(found.out, HasSubstr("mine: 4 questions"));
  expect_failure(ask({"data/cloze/other.yaml"}), 1, {"data/cloze/other.yaml", "no such file"});
  write_file(home / "models/mine.yaml", file_text(home / "data/cloze/mine.yaml"));
  for (const char* beside : {"models/mine.yaml", "data/../models/mine.yaml"}) {
    expect_failure(ask({beside}), 1, {beside, "no such file"});
  }

  fs::create_directories(work / "data/cloze");
  write_file(work / "data/cloze/mine.yaml", "task: mine\nquestions: nobody\n");
  expect_failure(ask({"data/cloze/mine.yaml"}), 1, {"data/cloze/mine.yaml", "nobody"});
}

TEST_F(BundledEval, GoesOnInItsOwnDirectoryAndMeetsNoOther) {
  expect_done({"--direct"});
  const std::string before = file_text(runs()[0] / "run.json");
  EXPECT_THAT(expect_done({"--direct", "--threads", "1", "--rules", "published"}).err,
              HasSubstr("going on with the run"));
  EXPECT_EQ(runs().size(), 1u);
  expect_done({"--cot"});
  expect_done({"--direct", "--limit", "1"});
  expect_done({"--direct", "--subjects", "keys"});
  EXPECT_EQ(runs().size(), 4u);
}

TEST_F(BundledEval, NeverMeetsWhatIsNotItsOwnRun) {
  expect_done({"--direct"});
  const fs::path run = runs()[0];
  const std::string name = "runs/" + run.filename().string();
  Json record = Json::parse(file_text(run / "run.json"));
  record["identity"]["generation"]["max_new_tokens"] = 7;
  write_file(run / "run.json", record.dump());
  EXPECT_THAT(expect_done({"--direct", "-m", "small-worlds"}).out, HasSubstr(name + "-2\n"));
  EXPECT_EQ(file_text(run / "run.json"), record.dump());
  write_file(run / "run.json", "{");
  expect_failure(eval({"--direct", "-m", "small-worlds"}), 1,
                 {name + "/run.json]", "restore a copy of the run"});
  fs::remove_all(run);
  write_file(run, "mine");
  expect_failure(eval({"--direct", "-m", "small-worlds"}), 1, {"[" + name + "]", "got a file", "-o"});
  EXPECT_EQ(file_text(run), "mine");
}

TEST_F(BundledEval, DataOfTheWorkingDirectoryComesFirst) {
  write_worlds(work / "data", {"sums"});
  const ProcessResult own = expect_done({"--direct"});
  EXPECT_THAT(own.out, HasSubstr("worlds: 2 questions"));
  EXPECT_THAT(own.out, Not(HasSubstr("unseen")));
  // A folder `data` without the task does not hide the bundled one.
  fs::rename(work / "data/worlds", work / "data/wrlds");
  EXPECT_THAT(expect_done({"--direct"}).out, HasSubstr("worlds: 4 questions"));
}

TEST_F(BundledEval, BadBenchmarks) {
  const fs::path categories = home / "data/worlds/categories.json";
  write_file(categories, "{");
  expect_refused({}, 1, {"categories.json]", "expected JSON"});
  write_file(categories, R"({"keys":"stem"})");
  expect_refused({}, 1, {"categories.json]", "'keys_unseen', got none"});
  write_file(categories, R"({"keys":"stem","keys_unseen":"magic"})");
  expect_refused({}, 1, {"categories.json]", "stem, humanities, social or other", "\"magic\""});
  fs::remove(categories);
  expect_refused({"--subjects", "kys"}, 2, {"[worlds]", "did you mean keys"});
  fs::remove_all(home / "data/worlds");
  write_worlds(home / "data", {"anatomy"});
  testing::write_tasks(home / "data");
  expect_refused({"mmlu", "worlds"}, 2, {"common subject", "'anatomy' in mmlu and worlds"});
}

TEST(Extract, KnowsWorlds) {
  const ProcessResult result =
      testing::refocus({"extract", "--task", "worlds", "-"},
                       {.input = R"({"choices":["Ann","Bob","Cy","Di"],"response":"So.\nResponse: C"})"});
  EXPECT_EQ(testing::one_json_line(result)["answer"], "C");
}

// What is installed runs from anywhere, with the model and benchmark of the checkout.
TEST(Install, ProgramFindsWhatWasInstalledWithIt) {
  const TempDir dir;
  const fs::path prefix = dir / "prefix";
  const ProcessResult installed =
      testing::refocus({"--install", REFOCUS_BUILD, "--prefix", prefix.string()}, {.program = REFOCUS_CMAKE});
  ASSERT_EQ(installed.status, 0) << installed.err;
  const testing::ProcessOptions here{.program = (prefix / "bin/refocus").string(), .directory = dir.path()};
  EXPECT_THAT(testing::refocus({"--version"}, here).out, HasSubstr("refocus "));
  EXPECT_TRUE(fs::exists(prefix / "share/refocus/data/profiles/default.json"));
  const fs::path source = REFOCUS_SOURCE;
  if (!fs::exists(source / "models/small-worlds") || !fs::exists(source / "data/worlds/test")) {
    GTEST_SKIP() << "needs models/small-worlds and data/worlds, which are absent";
  }
  EXPECT_EQ(testing::one_json_line(testing::refocus({"info", "--json"}, here))["model"],
            "prefix/share/refocus/models/small-worlds");
  const ProcessResult eval =
      testing::refocus({"eval", "--direct", "--limit", "1", "--max-new-tokens", "4"}, here);
  EXPECT_EQ(eval.status, 0) << eval.err;
  EXPECT_THAT(eval.out, HasSubstr("Answers and results: runs/worlds-small-worlds-"));
}

}  // namespace
}  // namespace refocus
