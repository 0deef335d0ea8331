// A study that is killed at any moment and begun again ends with the bytes of one that was not; studies grow.
#include <chrono>
#include <csignal>
#include <thread>

#include "cli/cli_support.h"
#include "eval/journal/journal.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using testing::file_text;
using ::testing::HasSubstr;
using testing::Json;
using ::testing::Not;
using testing::plus;
using testing::Process;
using testing::ProcessResult;
using testing::TempDir;
namespace fs = std::filesystem;

const Arguments kArms = {"--cot", "--direct", "--intervene", "none", "--intervene", "rebalance:alpha=1"};

class StudyResume : public ::testing::Test {
 protected:
  Arguments arguments(const std::string& out, const Arguments& more) const {
    return plus({"study", "-m", "small-worlds", "-o", (dir / out).string()}, more);
  }
  ProcessResult study(const std::string& out, const Arguments& more) const {
    ProcessResult result = testing::refocus(arguments(out, more));
    EXPECT_EQ(result.status, 0) << result.err;
    return result;
  }
  // [answers, measured] of what is kept.
  std::pair<std::int64_t, std::int64_t> kept(const std::string& out, const std::string& model) const {
    const std::int64_t answers = testing::answers_of_run(dir / out);
    if (answers == 0) return {0, 0};
    try {
      std::int64_t measured = 0;
      const Journal journal = Journal::open_read_only(dir / out);
      for (const std::string& arm : journal.arms()) measured += std::ssize(journal.measures(arm, model));
      return {answers, measured};
    } catch (const InputError&) {
      return {0, 0};  // it is just being written to
    }
  }
  void expect_same(const std::string& out, const std::string& whole) const {
    const auto files = [&](const std::string& directory) {
      std::vector<std::string> names;
      for (const std::string& name : testing::files_below(dir / directory)) {
        if (name != "lock" && name != "run.json" && !name.starts_with("journal.db")) names.push_back(name);
      }
      return names;
    };
    EXPECT_EQ(files(out), files(whole));
    ASSERT_GE(files(whole).size(), 3u);
    for (const std::string& name : files(whole)) {
      EXPECT_EQ(file_text(dir / out / name), file_text(dir / whole / name)) << name;
    }
  }
  TempDir dir;
};

TEST_F(StudyResume, KilledWhileItAsksAndWhileItLooksNothingIsLost) {
  const Arguments more = plus(kArms, {"--subjects", "codes,jobs", "--limit", "3", "--before", "small-worlds",
                                      "--max-new-tokens", "40"});
  const ProcessResult whole = study("whole", more);
  constexpr std::int64_t kTexts = 4 * 6;
  ASSERT_EQ(kept("whole", "before"), std::pair(kTexts, kTexts));
  int kills = 0, while_looking = 0;
  std::pair<std::int64_t, std::int64_t> before = {0, 0};
  ProcessResult last;
  for (int session = 0; session < 60 && last.status != 0; ++session) {
    Process process(arguments("out", plus(more, {"--batch", session % 2 == 0 ? "1" : "4", "--threads",
                                                 session % 3 == 0 ? "1" : "2"})));
    const std::int64_t enough = before.first + before.second + 1 + session % 4;
    const auto reached = [&] {
      const auto now = kept("out", "before");
      return now.first + now.second >= enough;
    };
    while (process.running() && !reached()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (session < 20) process.send(session % 5 == 4 ? SIGINT : SIGKILL);
    last = process.wait();
    const auto now = kept("out", "before");
    kills += last.signal != 0;
    while_looking += last.signal != 0 && now.first == kTexts && now.second < kTexts;
    EXPECT_GE(now.first, before.first);
    EXPECT_GE(now.second, before.second);
    if (last.signal == SIGINT) {
      EXPECT_THAT(last.err, HasSubstr("the same command goes on from there"));
    }
    before = now;
  }
  ASSERT_EQ(last.status, 0) << last.err;
  EXPECT_GE(kills, 4);
  EXPECT_GE(while_looking, 1);
  EXPECT_THAT(last.err, HasSubstr("info: going on with the run in"));
  expect_same("out", "whole");
  const auto table = [](const std::string& text) { return text.substr(0, text.find("Texts, numbers")); };
  EXPECT_EQ(table(last.out), table(whole.out));
}

TEST_F(StudyResume, FinishedItAsksAndMeasuresNothing) {
  const Arguments more = {"--subjects", "jobs", "--limit", "2", "--direct"};
  study("out", more);
  const std::string text = file_text(dir / "out/study.json");
  fs::remove(dir / "out/study.json");
  fs::remove(dir / "out/arms.svg");
  EXPECT_THAT(study("out", more).err, HasSubstr("2 answers are there\n"));
  EXPECT_EQ(file_text(dir / "out/study.json"), text);
  EXPECT_TRUE(fs::exists(dir / "out/arms.svg"));
  const Json sessions = Json::parse(file_text(dir / "out/run.json"))["sessions"];
  EXPECT_EQ(sessions[0]["to_ask"], 2);
  EXPECT_EQ(sessions[1]["to_ask"], 0);
  EXPECT_TRUE(sessions[1].contains("machine"));
}

TEST_F(StudyResume, AFullDiskLosesNothingThatWasFinished) {
  const Arguments more = {"--subjects", "codes,jobs", "--limit", "4", "--cot", "--max-new-tokens", "40"};
  study("whole", more);
  ProcessResult stopped;
  std::pair<std::int64_t, std::int64_t> there;
  for (const std::uint64_t bytes : {150'000, 220'000, 300'000, 400'000}) {
    stopped = testing::refocus(arguments("out", more), {.file_size_limit = bytes});
    if (stopped.status == 0) break;
    EXPECT_EQ(stopped.status, 1);
    EXPECT_THAT(stopped.err, HasSubstr("free some space"));
    const auto now = kept("out", "");
    EXPECT_GE(now, there);
    there = now;
  }
  EXPECT_GT(there.first, 0) << "no answer was kept before the disk was full";
  study("out", more);
  expect_same("out", "whole");
}

TEST_F(StudyResume, GrowsByItemsSubjectsPromptsAndInterventions) {
  const auto grown = [&](const Arguments& more) {
    return study("out", plus(more, {"--max-new-tokens", "30"})).err;
  };
  grown({"--subjects", "jobs", "--limit", "2", "--direct"});
  EXPECT_THAT(grown({"--subjects", "jobs", "--limit", "4", "--direct"}),
              HasSubstr("2 answers are there; new: 2 questions\n"));
  EXPECT_THAT(grown({"--subjects", "jobs,codes", "--limit", "4", "--direct"}),
              HasSubstr("4 answers are there; new: 1 subject, 4 questions\n"));
  const Arguments all = plus({"--subjects", "jobs,codes", "--limit", "4"}, kArms);
  EXPECT_THAT(grown(all), HasSubstr("8 answers are there; new: 3 arms\n"));
  study("whole", plus(all, {"--max-new-tokens", "30"}));
  expect_same("out", "whole");
}

TEST_F(StudyResume, AnythingElseIsRefusedByName) {
  const Arguments one = {"--subjects", "jobs", "--limit", "2", "--direct"};
  study("out", one);
  const std::string before = file_text(dir / "out/run.json");
  const auto refused = [&](const Arguments& more, const std::vector<std::string>& parts) {
    expect_failure(testing::refocus(arguments("out", more)), 1, parts);
    EXPECT_EQ(file_text(dir / "out/run.json"), before);
  };
  refused(plus(one, {"--rows", "all"}), {"expected rows to be \"response\"", "got \"all\""});
  refused(plus(one, {"--window", "4"}), {"expected window to be 8", "got 4"});
  refused(plus(one, {"--threshold", "0.02"}), {"expected threshold to be 0.01"});
  refused(plus(one, {"--rules", "published"}), {"expected extraction to be \"anchored\""});
  refused(plus(one, {"--max-new-tokens", "9"}), {"expected generation.max_new_tokens to be 512"});
  refused(plus(one, {"--before", "small-worlds"}), {"before_files"});
  refused({"--subjects", "jobs", "--limit", "1", "--direct"}, {"at least the 2 items of jobs", "got 1"});
  refused({"--subjects", "jobs", "--limit", "2", "--cot"}, {"none called direct-none"});
  testing::copy_bundled_model(dir / "model", "{{ messages[0].content }}");
  testing::edit_json(dir / "model/config.json", {{"note", "another"}});
  expect_failure(
      testing::refocus(
          plus({"study", "-m", (dir / "model").string(), "--no-chat", "-o", (dir / "out").string()}, one)),
      1, {"expected the model that the run was begun with", "config.json differs"});
  // An evaluation is no study, nor the other way round.
  ASSERT_EQ(testing::refocus(plus({"eval", "-m", "small-worlds", "-o", (dir / "run").string()}, one)).status,
            0);
  expect_failure(testing::refocus(arguments("run", one)), 1, {"[" + (dir / "run").string() + "]"});
}

TEST_F(StudyResume, ForceBeginsAnew) {
  const Arguments one = {"--subjects", "jobs", "--limit", "2", "--direct"};
  study("out", one);
  const ProcessResult anew = study("out", plus(one, {"--rows", "all", "--force"}));
  EXPECT_THAT(anew.err, Not(HasSubstr("going on")));
  EXPECT_EQ(Json::parse(file_text(dir / "out/run.json"))["sessions"].size(), 1u);
  study("whole", plus(one, {"--rows", "all"}));
  expect_same("out", "whole");
  // Of a study of before there were journals, and of one that was cut off.
  fs::remove(dir / "out/run.json");
  fs::remove(dir / "out/journal.db");
  expect_failure(testing::refocus(arguments("out", one)), 1, {"no run.json"});
  study("out", plus(one, {"--force"}));
  fs::remove(dir / "out/study.json");
  study("out", plus(one, {"--force"}));
}

// A model with a chat template is asked as eval asks it.
TEST_F(StudyResume, AsksByTheChatTemplateAsEvalDoes) {
  testing::copy_bundled_model(dir / "model", "{% for m in messages %}Chat: {{ m.content }}\n{% endfor %}");
  const Arguments one = {"-m",       (dir / "model").string(), "--subjects", "jobs", "--limit", "2",
                         "--direct", "--max-new-tokens",       "12"};
  const auto run = [&](const char* command, const char* out, const Arguments& more) {
    const ProcessResult result =
        testing::refocus(plus(plus({command}, one), plus({"-o", (dir / out).string()}, more)));
    EXPECT_EQ(result.status, 0) << result.err;
    return result.err;
  };
  EXPECT_THAT(run("study", "study", {}), HasSubstr("info: asking by the model's chat template"));
  run("eval", "run", {});
  const auto answers = [&](const char* out) {
    std::vector<Response> responses;
    Journal::open_read_only(dir / out).for_each("direct-none", [&](Response response) {
      response.tokens.clear();
      responses.push_back(std::move(response));
    });
    return responses;
  };
  const std::vector<Response> asked = answers("study");
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked, answers("run"));
  EXPECT_TRUE(asked[0].prompt.starts_with("Chat: ")) << asked[0].prompt;
  EXPECT_GT(asked[0].question_end, 0);
  EXPECT_THAT(run("study", "plain", {"--no-chat"}), Not(HasSubstr("chat template")));
  EXPECT_FALSE(answers("plain")[0].prompt.starts_with("Chat: "));
  const auto identity = [&](const char* out) {
    return Json::parse(file_text(dir / out / "run.json"))["identity"];
  };
  EXPECT_EQ(identity("study")["generation"]["chat"], identity("run")["generation"]["chat"]);
  run("study", "system", {"--system", "Be brief."});
  EXPECT_EQ(identity("system")["generation"]["chat"]["system"], "Be brief.");
}

}  // namespace
}  // namespace refocus
