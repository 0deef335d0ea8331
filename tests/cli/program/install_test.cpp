// What `cmake --install` puts where; and that nothing of it says where it was built.
#include "cli/cli_support.h"

namespace refocus {
namespace {

using testing::ProcessResult;
using testing::TempDir;
namespace fs = std::filesystem;

class Installed : public ::testing::Test {
 protected:
  void SetUp() override {
    const ProcessResult result = testing::refocus(
        {"--install", REFOCUS_BUILD, "--prefix", (dir / "prefix").string()}, {.program = REFOCUS_CMAKE});
    ASSERT_EQ(result.status, 0) << result.err;
  }
  TempDir dir;
};

TEST_F(Installed, HasEachThingInItsPlace) {
  for (const char* name :
       {"bin/refocus", "share/refocus/models/small-worlds/config.json",
        "share/refocus/data/profiles/default.json", "share/refocus/data/worlds/categories.json",
        "share/doc/refocus/README.md", "share/doc/refocus/docs/getting-started.md",
        "share/doc/refocus/examples/facts.yaml", "share/doc/refocus/copyright", "share/doc/refocus/LICENSE",
        "share/doc/refocus/CITATION.cff", "share/man/man1/refocus.1.gz",
        "share/man/man1/refocus-eval-perplexity.1.gz", "share/bash-completion/completions/refocus",
        "share/zsh/site-functions/_refocus", "share/fish/vendor_completions.d/refocus.fish"}) {
    EXPECT_TRUE(fs::is_regular_file(dir / "prefix" / name)) << name;
  }
}

TEST_F(Installed, SaysNothingOfWhereItWasBuilt) {
  const std::string source = fs::canonical(REFOCUS_SOURCE).string();
  for (const std::string& name : testing::files_below(dir / "prefix")) {
    EXPECT_EQ(testing::file_text(dir / "prefix" / name).find(source), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace refocus
