// The three real models that scripts/fetch_models fetches, where they are, against what transformers computes
// of their dequantised weights (reference/real_models beside the checkout).
#include <cmath>

#include "base/text_file.h"
#include "cli/cli_support.h"
#include "io/npy.h"
#include "real_model.h"
#include "support.h"

namespace refocus {
namespace {

using testing::Json;
using testing::TempDir;

std::filesystem::path real_model(const std::string& name) {
  return testing::real_models() / (name + ".gguf");
}

class RealModel : public ::testing::TestWithParam<std::string> {};

double log_probability(const std::vector<float>& logits, std::size_t row, std::size_t vocab,
                       std::size_t token) {
  const float* z = logits.data() + row * vocab;
  double sum = 0;
  for (std::size_t i = 0; i < vocab; ++i) sum += std::exp(static_cast<double>(z[i]) - z[token]);
  return -std::log(sum);
}

TEST_P(RealModel, EqualsTransformersWithFloat32Activations) {
  const std::string golden = "reference/real_models/" + GetParam() + ".json";
  REFOCUS_NEEDS_SHARED(golden);
  const std::string model = real_model(GetParam()).string();
  if (!std::filesystem::exists(model))
    GTEST_SKIP() << "needs " << model << ", which scripts/fetch_models fetches";
  const TempDir dir;
  const Json cases = Json::parse(read_text_file(testing::shared(golden)));
  for (const Json& c : cases["cases"]) {
    const std::string prompt = c["prompt"], file = (dir / "logits.npy").string();
    const std::vector<std::int32_t> tokens = c["tokens"];
    const std::string ids = testing::comma_list(tokens);
    EXPECT_EQ(testing::refocus({"tokenize", "-m", model, "-p", prompt}).out, ids + "\n") << prompt;
    const auto run =
        testing::refocus({"logits", "-m", model, "--tokens", ids, "-o", file, "--activations", "f32"});
    ASSERT_EQ(run.status, 0) << run.err;
    const NpyArray array = read_npy(file);
    const std::vector<float>& logits = array.f32();
    const auto vocab = static_cast<std::size_t>(array.shape[1]);
    for (std::size_t i = 1; i < tokens.size(); ++i) {
      EXPECT_NEAR(log_probability(logits, i - 1, vocab, static_cast<std::size_t>(tokens[i])),
                  c["token_logprobs"][i].get<double>(), 2e-4)
          << prompt << ", token " << i;
    }
    for (const Json& top : c["last_top10"]) {
      EXPECT_NEAR(logits[(tokens.size() - 1) * vocab + top[0].get<std::size_t>()], top[1].get<double>(), 2e-3)
          << prompt;
    }
    const std::vector<std::int32_t> greedy = c["greedy"];
    const Json made = testing::one_json_line(
        testing::refocus({"generate", "-m", model, "--tokens", ids, "-n", std::to_string(greedy.size()),
                          "--ignore-eos", "--json", "--activations", "f32"}));
    EXPECT_EQ(made["tokens"].get<std::vector<std::int32_t>>(), greedy) << prompt;
  }
}

INSTANTIATE_TEST_SUITE_P(Fetched, RealModel,
                         ::testing::Values("smollm2-135m-instruct-q4_1", "qwen2.5-coder-0.5b-instruct-q4_k_m",
                                           "gemma-3-270m-q4_k_m"),
                         [](const auto& info) {
                           std::string name = info.param.substr(0, info.param.find('-'));
                           std::erase_if(name, [](char c) { return c == '.'; });
                           return name;
                         });

}  // namespace
}  // namespace refocus
