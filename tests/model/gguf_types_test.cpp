// Every element type of GGUF files: its elements, and a model's logits, against tests/golden/gguf.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "eval/text/sha256.h"
#include "io/checkpoint.h"
#include "io/gguf/gguf_file.h"
#include "model/test_device.h"
#include "model/transformer.h"
#include "support.h"

namespace refocus {
namespace {

using nlohmann::json;

json goldens() { return json::parse(read_text_file(testing::golden("gguf") / "goldens.json")); }

std::filesystem::path golden_gguf(const json& model) {
  return testing::golden("gguf") / (model["type"].get<std::string>() + ".gguf");
}

TEST(GgufTypes, ThereIsAModelOfEveryType) {
  std::set<std::string> types;
  const json golden = goldens();
  for (const json& model : golden["models"]) types.insert(model["type"]);
  for (const DType type : kDTypes) EXPECT_TRUE(types.contains(std::string(name_of(type)))) << name_of(type);
}

// All bits but the sign of zero are gguf-py's.
TEST(GgufTypes, ElementsAreThoseOfGgufPy) {
  const json golden = goldens();
  for (const json& model : golden["models"]) {
    const GgufFile file = GgufFile::open(golden_gguf(model));
    const std::string type = model["type"];
    std::size_t of_type = 0;
    for (const auto& [name, view] : file.tensors()) {
      std::vector<float> values = to_f32(view);
      for (float& value : values) value += 0.0f;
      const std::string_view bytes(reinterpret_cast<const char*>(values.data()),
                                   values.size() * sizeof(float));
      EXPECT_EQ(sha256_hex(bytes), model["elements"].at(name)) << type << " " << name;
      if (name_of(view.dtype) == type) ++of_type;
    }
    EXPECT_GE(of_type, 6u) << type;
  }
}

// Of the golden text's last rows, with all rows in one call or one by one.
std::vector<float> logits_of(const json& golden, const json& model, Activations activations,
                             std::size_t step) {
  ThreadPool pool(2);
  Checkpoint checkpoint = open_checkpoint(golden_gguf(model));
  Transformer transformer(parse_config(checkpoint.config_json, "config"),
                          std::make_shared<WeightMap>(std::move(checkpoint.weights)), "model", pool, 16,
                          DType::kF32, testing::test_activations(activations), testing::test_device());
  KvPool cache = kv_pool_of(transformer, kv_bytes(transformer.config(), 64));
  KvSequence sequence(cache);
  const auto tokens = golden["tokens"].get<std::vector<std::int32_t>>();
  EXPECT_TRUE(sequence.reserve(static_cast<std::int64_t>(tokens.size())));
  std::vector<float> out;
  for (std::size_t i = 0; i < tokens.size(); i += step) {
    const SequenceInput input{&sequence, std::span(tokens).subspan(i, std::min(step, tokens.size() - i)),
                              static_cast<std::int64_t>(tokens.size()), nullptr, LogitRows::kAll};
    const std::span<const float> rows = transformer.forward({&input, 1});
    out.insert(out.end(), rows.begin(), rows.end());
  }
  const std::size_t wanted = model["logits"].size() * model["logits"][0].size();
  return {out.end() - static_cast<std::ptrdiff_t>(wanted), out.end()};
}

// The largest difference from the golden logits, as a share of the largest logit.
double error_of_logits(const json& model, const std::vector<float>& logits) {
  double largest = 0, difference = 0;
  std::size_t i = 0;
  for (const json& row : model["logits"]) {
    for (const double expected : row) {
      largest = std::max(largest, std::abs(expected));
      difference = std::max(difference, std::abs(expected - logits[i++]));
    }
  }
  EXPECT_EQ(i, logits.size());
  return difference / largest;
}

TEST(GgufTypes, LogitsWithFloatActivationsAreExact) {
  const json golden = goldens();
  for (const json& model : golden["models"]) {
    const std::vector<float> together = logits_of(golden, model, Activations::kF32, 16);
    EXPECT_LT(error_of_logits(model, together), 2e-5) << model["type"];
    EXPECT_EQ(logits_of(golden, model, Activations::kF32, 1), together) << model["type"];
  }
}

TEST(GgufTypes, LogitsWithInt8ActivationsAreClose) {
  const json golden = goldens();
  for (const json& model : golden["models"]) {
    const std::string type = model["type"];
    const bool plain = type[0] == 'F' || type == "BF16";
    const std::vector<float> together = logits_of(golden, model, Activations::kInt8, 16);
    EXPECT_LT(error_of_logits(model, together), plain ? 2e-5 : 0.06) << type;
    EXPECT_EQ(logits_of(golden, model, Activations::kInt8, 1), together) << type;
    if (testing::test_device()) continue;  // without int8
    // Only products with block types depend on the activations.
    EXPECT_EQ(logits_of(golden, model, Activations::kF32, 16) == together, plain) << type;
  }
}

// Both operands of every product have 8 bits, whatever type the weights are of.
TEST(GgufTypes, LogitsWithBf16ActivationsAreClose) {
  if (testing::test_device()) GTEST_SKIP() << "devices have no bf16";
  const json golden = goldens();
  for (const json& model : golden["models"]) {
    const std::vector<float> together = logits_of(golden, model, Activations::kBf16, 16);
    EXPECT_LT(error_of_logits(model, together), 0.03) << model["type"];
    EXPECT_EQ(logits_of(golden, model, Activations::kBf16, 1), together) << model["type"];
    EXPECT_NE(logits_of(golden, model, Activations::kF32, 16), together) << model["type"];
  }
}

}  // namespace
}  // namespace refocus
