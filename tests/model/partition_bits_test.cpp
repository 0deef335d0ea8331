// A model on several ranks has the bits of one process: families, types of numbers, interventions.
#include <fstream>
#include <nlohmann/json.hpp>

#include "model/shared_models.h"

namespace refocus {
namespace {

using nlohmann::json;
using testing::Numbers;
using testing::PartitionSizes;
using testing::SharedModel;

const json& all_families() {
  static const json kCases = json::parse(read_text_file(testing::golden("families") / "cases.json"));
  return kCases;
}

std::vector<std::string> names_of_families() {
  std::vector<std::string> out;
  for (const auto& item : all_families()["models"].items()) out.push_back(item.key());
  return out;
}

class PartitionOfFamily : public ::testing::TestWithParam<std::string> {
 protected:
  // The second one acts in the last layer, too, by what rows were in the first.
  const std::vector<std::string> specs_ = {"none",
                                           "rebalance:alpha=0.5,threshold=0.03,depth=40+temperature:tau=0.8",
                                           "rebalance:alpha=0.5,threshold=0.03,depth=40,mode=random,seed=1"};
};

TEST_P(PartitionOfFamily, StagesHaveTheBitsOfOneProcess) {
  const PartitionSizes sizes[] = {{2, 1}, {3, 1}};
  testing::expect_same_bits(testing::shared_family(GetParam()), sizes, specs_);
}

TEST_P(PartitionOfFamily, RanksOfAStageHaveTheBitsOfOneProcess) {
  SharedModel model = testing::shared_family(GetParam());
  const TensorNames& names = model.config.names;
  if (model.config.num_key_value_heads == 1 && names.qkv.empty()) {
    model = testing::with_more_kv_heads(model, model.config.num_attention_heads);
  }
  const bool refused = model.config.num_key_value_heads < 2 || model.config.qk_norm == QkNorm::kFull;
  if (refused) {
    EXPECT_THAT(testing::error_of([&] {
                  testing::on_ranks(model, {1, 2}, [](Transformer&, int) {});
                }),
                ::testing::HasSubstr("[--tensor] expected "));
    return;
  }
  const PartitionSizes sizes[] = {{1, 2}, {1, 3}, {2, 2}};
  testing::expect_same_bits(model, sizes, specs_);
}

INSTANTIATE_TEST_SUITE_P(Families, PartitionOfFamily, ::testing::ValuesIn(names_of_families()),
                         [](const auto& info) { return info.param; });

TEST(PartitionOfTypes, HaveTheBitsOfOneProcess) {
  const json golden = json::parse(read_text_file(testing::golden("gguf") / "goldens.json"));
  const std::string specs[] = {"rebalance:alpha=0.5,threshold=0.03"};
  for (const json& one : golden["models"]) {
    const std::string type = one["type"];
    const SharedModel model = testing::shared_model(testing::golden("gguf") / (type + ".gguf"));
    std::vector<PartitionSizes> sizes = {{std::min<std::int64_t>(2, model.config.num_hidden_layers), 1}};
    if (model.config.num_key_value_heads > 1) sizes.push_back({1, 2});
    for (const Activations activations : {Activations::kInt8, Activations::kF32, Activations::kBf16}) {
      testing::expect_same_bits(model, sizes, specs, {DType::kF32, activations});
    }
  }
}

TEST(PartitionOfCaches, HaveTheBitsOfOneProcess) {
  const std::string specs[] = {"none", "rebalance:alpha=0.5,threshold=0.03"};
  const PartitionSizes sizes[] = {{2, 1}, {4, 1}, {1, 2}, {2, 2}, {3, 2}, {1, 4}, {2, 3}, {2, 4}};
  for (const char* name : {"mha-f32", "gqa-f16"}) {
    const SharedModel model = testing::shared_model(testing::golden_engine() / name);
    for (const DType type : {DType::kF32, DType::kF16, DType::kQ8_0}) {
      const std::int64_t heads = model.config.num_key_value_heads;
      for (const PartitionSizes& one : sizes) {
        if (one.tensor <= heads) testing::expect_same_bits(model, {&one, 1}, specs, {type});
      }
    }
  }
}

// Numbers for seka of a model of any heads.
std::string write_directions(const std::filesystem::path& path, const ModelConfig& config) {
  const std::int64_t layers = config.num_hidden_layers, kv = config.num_key_value_heads,
                     dim = config.head_dim;
  std::vector<float> values(static_cast<std::size_t>(layers * kv * dim * dim));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.3f - 0.07f * static_cast<float>(i % 11);
  const json header = {{"positive",
                        {{"dtype", "F32"},
                         {"shape", {layers, kv, dim, dim}},
                         {"data_offsets", {0, values.size() * sizeof(float)}}}}};
  const std::string text = header.dump();
  const std::uint64_t size = text.size();
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&size), sizeof size);
  out << text;
  out.write(reinterpret_cast<const char*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(float)));
  return path.string();
}

std::vector<std::string> every_intervention(const std::string& file, bool own_file) {
  const json cases = json::parse(read_text_file(testing::golden("interventions") / "cases.json"));
  std::vector<std::string> out;
  for (std::string spec : cases["interventions"]) {
    const std::size_t at = spec.find("FILE");
    if (at != std::string::npos) {
      // The file of a test's own model has directions alone.
      if (own_file &&
          (spec.find("mean") != std::string::npos || spec.find("negative") != std::string::npos)) {
        continue;
      }
      spec.replace(at, 4, '"' + file + '"');
    }
    out.push_back(spec);
  }
  // Two masks, and one that another part comes before.
  out.emplace_back("rebalance:alpha=0.5,threshold=0.03+rebalance:alpha=-0.4,threshold=0.1,depth=9");
  return out;
}

TEST(PartitionOfInterventions, StagesHaveTheBitsOfOneProcess) {
  for (const char* name : {"mistral", "gemma3", "gpt_oss"}) {
    const std::string file =
        (testing::golden("interventions") / (std::string(name) + ".safetensors")).string();
    const PartitionSizes sizes[] = {{2, 1}, {3, 1}};
    testing::expect_same_bits(testing::shared_family(name), sizes, every_intervention(file, false));
  }
}

TEST(PartitionOfInterventions, RanksOfAStageHaveTheBitsOfOneProcess) {
  const testing::TempDir dir;
  for (const char* name : {"qwen3", "gpt_oss"}) {
    const SharedModel model = testing::with_more_kv_heads(testing::shared_family(name), 3);
    const std::string file = write_directions(dir / (std::string(name) + ".safetensors"), model.config);
    const PartitionSizes sizes[] = {{1, 2}, {1, 3}, {3, 2}};
    testing::expect_same_bits(model, sizes, every_intervention(file, true));
  }
}

}  // namespace
}  // namespace refocus
