// Manual pages: one of the program and one of each command, from the definitions that help is made from.
#include <sstream>

#include "cli/cli_support.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::ProcessResult;
using testing::TempDir;
namespace fs = std::filesystem;

class Manual : public ::testing::Test {
 protected:
  void SetUp() override {
    const ProcessResult result = testing::refocus({"manual", dir.path().string()});
    ASSERT_EQ(result.status, 0) << result.err;
  }
  std::string page(const std::string& name) { return testing::file_text(dir / (name + ".1")); }
  // Nothing where the machine has no such program.
  std::optional<ProcessResult> run(const std::string& program, const std::string& options) {
    ProcessResult result = testing::refocus(
        {"-c", "command -v " + program +
                   " >/dev/null || exit 99; export LC_ALL=C.UTF-8 MANWIDTH=100; for page in *.1; do " +
                   program + " " + options + " ./$page || exit; done"},
        {.program = "/bin/sh", .directory = dir.path()});
    if (result.status == 99) return std::nullopt;
    return result;
  }
  TempDir dir;
};

TEST_F(Manual, HasAPageOfEveryCommand) {
  const std::vector<std::string> pages = testing::files_below(dir.path());
  for (const char* name : {"refocus.1", "refocus-eval.1", "refocus-eval-perplexity.1",
                           "refocus-calibrate-mean.1", "refocus-completion.1", "refocus-train.1"}) {
    EXPECT_THAT(pages, ::testing::Contains(name));
  }
  EXPECT_THAT(pages, Not(::testing::Contains("refocus-complete.1"))) << "it is called by scripts alone";
}

TEST_F(Manual, SaysWhatHelpSays) {
  const std::string eval = page("refocus-eval");
  EXPECT_THAT(eval, HasSubstr(".SH NAME\nrefocus\\-eval \\- Ask a model the questions of a task"));
  EXPECT_THAT(eval, HasSubstr("\\fB\\-m, \\-\\-model MODEL\\fR\n"));
  EXPECT_THAT(eval, HasSubstr("\\fB\\-\\-kv\\-type f32|f16|q8_0\\fR\n"));
  EXPECT_THAT(eval, HasSubstr(".SH EXAMPLES\n.EX\nrefocus eval \\-\\-cot \\-\\-direct"));
  EXPECT_THAT(page("refocus"), HasSubstr("refocus\\-eval(1)"));
  EXPECT_THAT(page("refocus"), HasSubstr("\\fBREFOCUS_HOME\\fR"));
  EXPECT_THAT(page("refocus-chat"), HasSubstr("/quit"));
}

TEST_F(Manual, IsWithoutFaultForMandoc) {
  const auto result = run("mandoc", "-Tlint -Wwarning");
  if (!result) GTEST_SKIP() << "needs mandoc, which is absent";
  EXPECT_EQ(result->status, 0);
  EXPECT_EQ(result->out + result->err, "");
}

TEST_F(Manual, IsReadByMan) {
  const auto result = run("man", "--warnings -l");
  if (!result) GTEST_SKIP() << "needs man, which is absent";
  EXPECT_EQ(result->status, 0);
  EXPECT_EQ(result->err, "");
  EXPECT_THAT(result->out, HasSubstr("--kv-type f32|f16|q8_0"));
}

}  // namespace
}  // namespace refocus
