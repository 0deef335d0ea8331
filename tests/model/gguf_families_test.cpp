// GGUF files of every family, as llama.cpp's converter writes them (tests/golden/gguf_families), against the
// executable specification.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "architecture/families.h"
#include "base/text_file.h"
#include "io/checkpoint.h"
#include "io/npy.h"
#include "model/test_device.h"
#include "model/transformer.h"
#include "support.h"

namespace refocus {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> gguf_family_names() {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(testing::golden("gguf_families"))) {
    if (entry.path().extension() == ".gguf") out.push_back(entry.path().stem());
  }
  std::sort(out.begin(), out.end());
  return out;
}

fs::path gguf_family_file(const std::string& name) {
  return testing::golden("gguf_families") / (name + ".gguf");
}

std::vector<float> gguf_family_logits(const std::string& name) {
  ThreadPool pool(2);
  Checkpoint checkpoint = open_checkpoint(gguf_family_file(name));
  Transformer model(parse_config(checkpoint.config_json, "config"),
                    std::make_shared<WeightMap>(std::move(checkpoint.weights)), name, pool, 64, DType::kF32,
                    Activations::kF32, testing::test_device());
  KvPool cache = kv_pool_of(model, kv_bytes(model.config(), 64));
  KvSequence sequence(cache);
  const auto cases = nlohmann::json::parse(read_text_file(testing::golden("families") / "cases.json"));
  const auto tokens = cases["tokens"].get<std::vector<std::int32_t>>();
  const auto count = static_cast<std::int64_t>(tokens.size());
  EXPECT_TRUE(sequence.reserve(count));
  const SequenceInput input{&sequence, tokens, count, nullptr, LogitRows::kAll};
  const std::span<const float> rows = model.forward({&input, 1});
  return {rows.begin(), rows.end()};
}

class GgufFamilyGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(GgufFamilyGolden, LogitsEqualTheSpecification) {
  fs::path file = testing::golden("gguf_families") / (GetParam() + ".npy");
  if (!fs::exists(file)) file = testing::golden("families") / GetParam() / "logits.npy";
  const std::vector<float> expected = read_npy(file).f32(), own = gguf_family_logits(GetParam());
  ASSERT_EQ(own.size(), expected.size());
  float size = 1, off = 0;
  for (std::size_t i = 0; i < own.size(); ++i) {
    size = std::max(size, std::abs(expected[i]));
    off = std::max(off, std::abs(own[i] - expected[i]));
  }
  EXPECT_LE(off, 2e-5f * size);
}

INSTANTIATE_TEST_SUITE_P(Files, GgufFamilyGolden, ::testing::ValuesIn(gguf_family_names()),
                         [](const auto& info) { return info.param; });

// Mistral's are read as llama's, since they say nothing of its window.
TEST(GgufFamilies, ThereIsAFileOfEveryFamilyThatIsRead) {
  std::set<std::string> types;
  for (const std::string& name : gguf_family_names()) {
    const Checkpoint checkpoint = open_checkpoint(gguf_family_file(name));
    types.insert(nlohmann::json::parse(checkpoint.config_json)["model_type"].get<std::string>());
  }
  for (const Family& family : families()) {
    const bool is_read = !family.names.gguf.empty() && family.model_type != "mistral";
    EXPECT_EQ(types.contains(std::string(family.model_type)), is_read) << family.model_type;
  }
}

}  // namespace
}  // namespace refocus
