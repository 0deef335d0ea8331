// The explorer beside captured attention: written by `refocus attention`, and anew by `refocus explore`.
#include "base/text_file.h"
#include "cli/cli_support.h"

namespace refocus {
namespace {

namespace fs = std::filesystem;
using testing::Arguments;
using testing::expect_failure;
using testing::golden_model;
using ::testing::HasSubstr;
using testing::plus;
using testing::TempDir;

TEST(Explore, WritesThePageThatAttentionWrites) {
  const TempDir dir;
  const std::string out = dir / "out", bare = dir / "bare";
  const Arguments capture = {"attention",   "-m",   golden_model("mha-f32"), "--tokens", "1,5,9,12",
                             "--intervene", "none", "--intervene",           "rebalance"};
  ASSERT_EQ(testing::refocus(plus(capture, {"-o", out})).status, 0);
  ASSERT_EQ(testing::refocus(plus(capture, {"--no-page", "-o", bare})).status, 0);
  EXPECT_FALSE(fs::exists(fs::path(bare) / "attention.html"));
  const testing::ProcessResult result = testing::refocus({"explore", bare});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.err, HasSubstr("attention.html"));
  EXPECT_EQ(read_text_file(fs::path(bare) / "attention.html"),
            read_text_file(fs::path(out) / "attention.html"));
}

TEST(Explore, RefusesOtherDirectories) {
  const TempDir dir;
  expect_failure(testing::refocus({"explore"}), 2, {"DIR is required", "`refocus explore --help`"});
  expect_failure(testing::refocus({"explore", dir / "absent"}), 1, {"attention.json"});
  write_file_atomically(dir / "attention.json", "{}");
  expect_failure(testing::refocus({"explore", dir.path().string()}), 1,
                 {"expected refocus-attention version 1, got another format"});
  EXPECT_FALSE(fs::exists(dir / "attention.html"));
}

}  // namespace
}  // namespace refocus
