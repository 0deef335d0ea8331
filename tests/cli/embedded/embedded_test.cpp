// Commands that run within another program, with a model that it has open.
#include <gmock/gmock.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <optional>

#include "base/checkpoint.h"
#include "base/error.h"
#include "base/text_file.h"
#include "cli/command_line.h"
#include "cli/interrupt.h"
#include "cli/program.h"

namespace refocus::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

OpenSettings bundled(int threads = 1) {
  OpenSettings settings;
  settings.model = (std::filesystem::path(REFOCUS_SOURCE) / "models/small-worlds").string();
  settings.threads = threads;
  return settings;
}

const std::vector<std::string> kGenerate = {"generate", "--json", "-n", "4", "-p", "the blue crate"};

// Without its times.
std::string before_timing(const std::string& text) { return text.substr(0, text.find("\"timing\"")); }

TEST(Embedded, WhatACommandPrintsIsReturnedAndNothingElseIsTaken) {
  std::FILE* const before = stdout;
  EXPECT_EQ(run_embedded({"tokenize", "-m", bundled().model, "-p", "the blue crate"}, nullptr, "a call"),
            "1,273,367,980\n");
  EXPECT_EQ(stdout, before);
  EXPECT_THROW(run_embedded({"tokenize", "-m", "nowhere", "-p", "x"}, nullptr, "a call"), InputError);
  EXPECT_EQ(stdout, before);
}

TEST(Embedded, AnOpenModelIsUsedAsItWasOpened) {
  OpenSettings settings = bundled();
  settings.activations = "f32";
  RunningModel model(settings);
  const std::string with = run_embedded(kGenerate, &model, "a call");
  EXPECT_THAT(with, HasSubstr("\"activations\":\"f32\""));
  auto alone = kGenerate;
  alone.insert(alone.end(), {"-m", settings.model, "--activations", "f32"});
  EXPECT_EQ(before_timing(with), before_timing(run_embedded(alone, nullptr, "a call")));
  // The next command knows nothing of it.
  EXPECT_THAT(run_embedded({"generate", "--json", "-n", "1", "-p", "x", "-m", settings.model}, nullptr, ""),
              HasSubstr("\"activations\":\"int8\""));
}

TEST(Embedded, WhatCannotBeParsedIsAnErrorOfTheCommandLine) {
  const auto failure = [](const std::vector<std::string>& arguments) -> Failure {
    try {
      run_embedded(arguments, nullptr, "a call");
    } catch (const std::exception& error) {
      return failure_of(error);
    }
    return {"nothing", 0};
  };
  EXPECT_EQ(failure({"generat"}).status, 2);
  EXPECT_THAT(failure({"generat"}).message, HasSubstr("did you mean generate"));
  EXPECT_EQ(failure({"generate", "-p", "x", "--max-tokens", "3"}).status, 2);
  EXPECT_EQ(failure({"generate", "-p", "x", "--intervene", "nothing"}).status, 2);
  const Failure missing = failure({"generate", "-p", "x", "-m", "nowhere"});
  EXPECT_EQ(missing.status, 1);
  EXPECT_THAT(missing.message, StartsWith("[--model] expected"));
}

TEST(Embedded, TheRecordSaysTheCallForAsLongAsItRuns) {
  keep_command_line({"--threads", "two words"});
  const std::string own = command_line();
  EXPECT_EQ(own, "refocus --threads 'two words'");
  {
    const KeptCommandLine call("refocus.evaluate()");
    EXPECT_EQ(command_line(), "refocus.evaluate()");
  }
  EXPECT_EQ(command_line(), own);
}

TEST(Embedded, SignalsStayTheProgramsOwn) {
  struct sigaction mine = {}, now = {};
  mine.sa_handler = [](int) {};
  ::sigaction(SIGTERM, &mine, nullptr);
  {
    const SignalsLeftAlone signals;
    tell_how_to_resume();
    watch_interrupts();
    ::sigaction(SIGTERM, nullptr, &now);
    EXPECT_EQ(now.sa_handler, mine.sa_handler);
  }
  tell_how_to_resume();
  ::sigaction(SIGTERM, nullptr, &now);
  EXPECT_NE(now.sa_handler, mine.sa_handler);
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGHUP, SIG_DFL);
}

std::atomic<int> passed{0};
struct BrokenOff {};

TEST(Embedded, ACheckpointBreaksOffAndTheModelGoesOn) {
  RunningModel model(bundled());
  const std::string expected = run_embedded(kGenerate, &model, "a call");
  passed = 0;
  set_checkpoint([] { ++passed; });
  run_embedded(kGenerate, &model, "a call");
  const int steps = passed;
  EXPECT_GE(steps, 4) << "a forward pass each";
  passed = 0;
  set_checkpoint([] {
    if (++passed == 3) throw BrokenOff();
  });
  EXPECT_THROW(run_embedded(kGenerate, &model, "a call"), BrokenOff);
  set_checkpoint(nullptr);
  EXPECT_EQ(before_timing(run_embedded(kGenerate, &model, "a call")), before_timing(expected));
}

}  // namespace
}  // namespace refocus::cli
