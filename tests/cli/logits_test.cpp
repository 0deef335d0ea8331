// refocus logits: the .npy file it writes against the specification's numbers.
#include "cli/cli_support.h"
#include "io/npy.h"
#include "model/golden_cases.h"

namespace refocus {
namespace {

using testing::comma_list;
using testing::golden_model;
using testing::TempDir;

TEST(Logits, EqualTheSpecificationInEveryFormat) {
  const TempDir dir;
  const std::filesystem::path folder = testing::golden("engine");
  std::map<std::string, int> tried;
  for (const testing::GoldenCase& golden : testing::load_golden_cases(folder)) {
    const bool one_call =
        golden.calls.size() == 1 || golden.config_overrides.find("dynamic") == std::string::npos;
    if (!one_call || tried[golden.model_dir] == 2) continue;
    ++tried[golden.model_dir];
    const auto model = testing::copy_model(golden.model_dir, dir / golden.name);
    testing::write_file(model / "config.json", testing::golden_config(folder, golden));
    const std::filesystem::path file = dir / "out.npy";
    const testing::ProcessResult result =
        testing::refocus({"logits", "-m", model.string(), "--tokens", comma_list(golden.tokens),
                          "--intervene", golden.intervention, "--context", "400", "-o", file.string()});
    ASSERT_EQ(result.status, 0) << golden.name << ": " << result.err;
    EXPECT_EQ(result.out, "");
    const NpyArray got = read_npy(file);
    const NpyArray want = read_npy(folder / golden.logits_file);
    const std::int64_t vocab = want.shape[1];
    ASSERT_THAT(got.shape, ::testing::ElementsAre(static_cast<std::int64_t>(golden.tokens.size()), vocab));
    const float tolerance = golden.weights == "F32" ? 1e-4f : 2e-3f;
    for (std::size_t r = 0; r < golden.rows.size(); ++r) {
      for (std::int64_t t = 0; t < vocab; ++t) {
        const auto at = static_cast<std::size_t>(golden.rows[r] * vocab + t);
        const auto golden_at =
            static_cast<std::size_t>((golden.logits_offset + static_cast<std::int64_t>(r)) * vocab + t);
        ASSERT_NEAR(got.f32()[at], want.f32()[golden_at], tolerance)
            << golden.name << " row " << golden.rows[r] << " token " << t;
      }
    }
  }
  EXPECT_GE(tried.size(), 9u);
}

// rows=generated begin where the prompt is said to end.
TEST(Logits, TokensAfterThePromptCountAsGenerated) {
  const TempDir dir;
  const auto logits = [&](const char* spec, std::vector<std::string> more) {
    const std::string file = (dir / "out.npy").string();
    std::vector<std::string> arguments = {
        "logits", "-m", golden_model("mha-f32"), "--tokens", "1,2,3,4,5,6,7", "--intervene", spec,
        "-o",     file};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const testing::ProcessResult result = testing::refocus(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    return read_npy(file).f32();
  };
  const std::vector<float> plain = logits("none", {}),
                           four = logits("uniform:rows=generated", {"--prompt-tokens", "4"});
  EXPECT_EQ(logits("uniform:rows=generated", {}), plain);
  EXPECT_EQ(logits("none", {"--prompt-tokens", "4"}), plain);
  EXPECT_EQ(logits("uniform:rows=positions:4-6", {}), four);
  EXPECT_NE(four, plain);
  testing::expect_failure(testing::refocus({"logits", "-m", golden_model("mha-f32"), "--tokens", "1,2", "-o",
                                            (dir / "no.npy").string(), "--prompt-tokens", "3"}),
                          2, {"[--prompt-tokens] expected at most 2"});
}

TEST(Logits, AreTheSameBytesForAnyNumberOfThreads) {
  const TempDir dir;
  std::vector<std::int32_t> ids(300);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i * 7 % 100);
  std::vector<std::string> files;
  for (const char* threads : {"1", "2"}) {
    const std::string file = (dir / threads).string();
    ASSERT_EQ(testing::refocus({"logits", "-m", golden_model("mha-f32"), "--tokens", comma_list(ids),
                                "--intervene", "rebalance", "-o", file, "--threads", threads})
                  .status,
              0);
    files.push_back(testing::file_text(file));
  }
  EXPECT_EQ(files[0], files[1]);
}

TEST(Logits, APromptMayFillTheContext) {
  const TempDir dir;
  const auto run = [&](const char* ids) {
    return testing::refocus({"logits", "-m", golden_model("mha-f32"), "--tokens", ids, "--context", "4", "-o",
                             (dir / "out.npy").string()});
  };
  testing::expect_failure(run("1,2,3,4,5"), 1, {"[prompt] expected at most 4 tokens, got 5", "--context"});
  EXPECT_TRUE(testing::files_below(dir.path()).empty());
  EXPECT_EQ(run("1,2,3,4").status, 0);
}

}  // namespace
}  // namespace refocus
