// Adapters beside a model's weights: logits against PyTorch (tests/golden/train/make_goldens.py), bits, and
// adapters of other models.
#include "model/adapter.h"
#include "model/test_device.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "io/checkpoint.h"
#include "io/peft/peft_adapter.h"
#include "io/safetensors.h"
#include "model/transformer.h"
#include "support.h"

namespace refocus {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using testing::error_of;
using ::testing::HasSubstr;

struct Model {
  ThreadPool pool;
  Transformer transformer;
  KvPool cache;

  static Transformer load(const std::filesystem::path& path, ThreadPool& pool) {
    Checkpoint c = open_checkpoint(path);
    return {parse_config(c.config_json, "model"),
            std::make_shared<WeightMap>(std::move(c.weights)),
            "model",
            pool,
            64,
            DType::kF32,
            testing::test_activations(),
            testing::test_device()};
  }
  explicit Model(const std::filesystem::path& path, int threads = 2)
      : pool(threads),
        transformer(load(path, pool)),
        cache(kv_pool_of(transformer, kv_bytes(transformer.config(), 256))) {}

  // All logits of the tokens, computed `chunk` at a time.
  std::vector<float> logits(std::span<const std::int32_t> tokens, std::size_t chunk = 64) {
    KvSequence sequence(cache);
    const auto end = static_cast<std::int64_t>(tokens.size());
    EXPECT_TRUE(sequence.reserve(end));
    std::vector<float> out;
    while (!tokens.empty()) {
      const auto now = tokens.first(std::min(chunk, tokens.size()));
      tokens = tokens.subspan(now.size());
      const SequenceInput input{&sequence, now, end, nullptr, LogitRows::kAll};
      const auto some = transformer.forward({&input, 1});
      out.insert(out.end(), some.begin(), some.end());
    }
    return out;
  }
};

Adapter read_for(const std::filesystem::path& model, const std::filesystem::path& adapter) {
  const Checkpoint c = open_checkpoint(model);
  return read_peft_adapter(adapter,
                           adapter_base(parse_config(c.config_json, "model"), c.weights, model.string()));
}

std::shared_ptr<const Adapter> adapter_of(const std::filesystem::path& model) {
  return std::make_shared<Adapter>(read_for(model, model / "lora"));
}

class AdapterBeside : public ::testing::TestWithParam<std::string> {
 protected:
  std::filesystem::path path = testing::golden("train") / GetParam();
  std::vector<std::int32_t> tokens = json::parse(read_text_file(path / "run.json"))["batches"][0]
                                         .back()["tokens"]
                                         .get<std::vector<std::int32_t>>();
};

TEST_P(AdapterBeside, LogitsEqualPyTorch) {
  const auto expected =
      json::parse(read_text_file(path / "lora/run.json"))["logits"].get<std::vector<double>>();
  Model model(path);
  const std::vector<float> base = model.logits(tokens);
  model.transformer.attach(adapter_of(path));
  const std::vector<float> logits = model.logits(tokens);
  ASSERT_EQ(logits.size(), expected.size());
  double change = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    ASSERT_NEAR(logits[i], expected[i], 1e-4 * (1 + std::fabs(expected[i]))) << i;
    change = std::max(change, std::fabs(static_cast<double>(logits[i]) - base[i]));
  }
  EXPECT_GT(change, 0.1);
}

TEST_P(AdapterBeside, ThreadsChunksAndCompanyChangeNothing) {
  Model one(path, 1), three(path, 3);
  one.transformer.attach(adapter_of(path));
  three.transformer.attach(adapter_of(path));
  const std::vector<float> whole = one.logits(tokens);
  for (const std::size_t chunk : {1, 2, 7, 31}) EXPECT_EQ(three.logits(tokens, chunk), whole) << chunk;
  // Beside another sequence, whose rows come first.
  KvSequence first(three.cache), second(three.cache);
  const std::vector<std::int32_t> other = {5, 4, 3};
  const auto end = static_cast<std::int64_t>(tokens.size());
  ASSERT_TRUE(first.reserve(3) && second.reserve(end));
  const SequenceInput inputs[] = {{&first, other, 3, nullptr, LogitRows::kNone},
                                  {&second, tokens, end, nullptr, LogitRows::kAll}};
  const auto together = three.transformer.forward(inputs);
  EXPECT_EQ(std::vector<float>(together.begin(), together.end()), whole);
}

INSTANTIATE_TEST_SUITE_P(Models, AdapterBeside, ::testing::Values("gqa", "tied"),
                         [](const auto& info) { return info.param; });

TEST(AdapterOfAnotherModel, IsRefusedWithTheTensorAndBothShapes) {
  const auto path = testing::golden("train") / "gqa";  // hidden 24, 2 layers
  const auto refusal = [&](const std::function<void(Adapter&)>& change) {
    auto adapter = std::make_shared<Adapter>(*adapter_of(path));
    change(*adapter);
    Model model(path, 1);
    return error_of([&] { model.transformer.attach(adapter); });
  };
  const std::string q = "model.layers.1.self_attn.q_proj";
  EXPECT_THAT(refusal([&](Adapter& a) { a.matrices.at(q).inputs = 25; }),
              AllOf(HasSubstr("layers.1.self_attn.q_proj.lora_A.weight [3, 24]"), HasSubstr("got [3, 25]")));
  EXPECT_THAT(refusal([&](Adapter& a) { a.matrices.at(q).outputs = 31; }),
              AllOf(HasSubstr("layers.1.self_attn.q_proj.lora_B.weight [32, 3]"), HasSubstr("got [31, 3]")));
  EXPECT_THAT(refusal([&](Adapter& a) {
                a.matrices["model.layers.2.mlp.up_proj"] = a.matrices.at("model.layers.1.mlp.up_proj");
                a.matrices.at("model.layers.2.mlp.up_proj").a_name = "x.layers.2.mlp.up_proj.lora_A.weight";
              }),
              AllOf(HasSubstr("tensor x.layers.2.mlp.up_proj.lora_A.weight"), HasSubstr("2 layers")));
}

// What PEFT says (tests/golden/adapters/make_goldens.py).
TEST(AdapterBaseOfAModel, ModulesAreThoseOfTransformers) {
  const json golden = json::parse(read_text_file(testing::golden("adapters") / "configs.json"))["modules"];
  ModelConfig config;
  config.num_hidden_layers = 12;
  WeightMap weights;
  for (int l = 0; l < 12; ++l)
    weights.insert(fmt::format("model.layers.{}.input_layernorm.weight", l), {}, "", {});
  const AdapterBase base = adapter_base(config, weights, "model");
  std::map<std::string, std::string> own, theirs;
  const char* kinds[] = {"linear", "embedding", "other"};
  for (const ModelModule& m : base.modules) own[m.name] = kinds[static_cast<int>(m.kind)];
  for (const json& m : golden) theirs[m[0]] = m[1];
  EXPECT_EQ(own, theirs);
  EXPECT_EQ(base.modules.size(), golden.size());
  config.tie_word_embeddings = true;
  EXPECT_TRUE(adapter_base(config, weights, "model").tied);
  weights.insert("lm_head.weight", {}, "", {});
  EXPECT_FALSE(adapter_base(config, weights, "model").tied);
  config.num_hidden_layers = std::int64_t{1} << 31;  // of a hostile config.json
  EXPECT_EQ(adapter_base(config, weights, "model").modules.size(), golden.size());
}

// make_goldens.py has the same formula.
std::vector<float> numbers(const std::string& name, std::int64_t count) {
  std::int64_t start = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    start += static_cast<unsigned char>(name[i]) * static_cast<std::int64_t>(i + 1);
  }
  std::vector<float> out;
  for (std::int64_t i = 0; i < count; ++i) {
    out.push_back(static_cast<float>(static_cast<double>((start % 10007 + 7919 * i) % 2001 - 1000) / 10000));
  }
  return out;
}

TEST(AdaptersBesideSmallWorlds, LogitsAreThoseOfPeft) {
  const std::filesystem::path path = std::filesystem::path(REFOCUS_SOURCE) / "models/small-worlds";
  const json golden = json::parse(read_text_file(testing::golden("adapters") / "logits.json"));
  const auto tokens = golden["tokens"].get<std::vector<std::int32_t>>();
  const Checkpoint checkpoint = open_checkpoint(path);
  const std::vector<float> plain = Model(path).logits(tokens);
  const std::vector<float> embedding = to_f32(checkpoint.weights.find("model.embed_tokens.weight")->view);
  std::map<std::string, std::vector<float>> results;
  for (const json& c : golden["cases"]) {
    const std::string name = c["name"];
    SCOPED_TRACE(name);
    const testing::TempDir dir;
    write_file_atomically(dir / "adapter_config.json", c["config"].get<std::string>());
    std::map<std::string, std::vector<float>> values;
    std::vector<NamedTensor> tensors;
    for (const auto& [tensor, size] : c["tensors"].items()) {
      const auto shape =
          size == "copy" ? std::vector<std::int64_t>{1536, 160} : size.get<std::vector<std::int64_t>>();
      const std::vector<float>& v = values[tensor] =
          size == "copy" ? embedding : numbers(tensor, shape[0] * shape[1]);
      tensors.push_back({tensor, {reinterpret_cast<const std::byte*>(v.data()), DType::kF32, shape}});
    }
    write_safetensors(dir / "adapter_model.safetensors", tensors, {});
    Model model(path);
    model.transformer.attach(std::make_shared<Adapter>(read_for(path, dir.path())));
    const std::vector<float> logits = model.logits(tokens);
    const std::size_t last = logits.size() - 1536;
    double change = 0;
    for (std::size_t i = 0; i < golden["places"].size(); ++i) {
      const std::size_t at = last + golden["places"][i].get<std::size_t>();
      const double expected = c["logits"][i];
      EXPECT_NEAR(logits[at], expected, 1e-4 * (1 + std::fabs(expected))) << i;
      change = std::max(change, std::fabs(static_cast<double>(logits[at]) - plain[at]));
    }
    EXPECT_GT(change, 0.01);
    results[name] = logits;
  }
  EXPECT_EQ(results.at("entry without effect"), results.at("plain"));
  EXPECT_EQ(results.at("names of a model's state").size(), results.at("plain").size());
  EXPECT_NE(results.at("first of two entries"), results.at("first of two the other way"));
}

}  // namespace
}  // namespace refocus
