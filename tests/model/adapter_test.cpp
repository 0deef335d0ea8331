// Adapters beside a model's weights: logits against PyTorch (tests/golden/train/make_goldens.py), bits, and
// adapters of other models.
#include "model/adapter.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "io/checkpoint.h"
#include "io/peft_adapter.h"
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
    return {parse_config(c.config_json, "model"), std::make_shared<WeightMap>(std::move(c.weights)), "model",
            pool, 64};
  }
  explicit Model(const std::filesystem::path& path, int threads = 2)
      : pool(threads),
        transformer(load(path, pool)),
        cache(transformer.config(), kv_bytes(transformer.config(), 256)) {}

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

std::shared_ptr<const Adapter> adapter_of(const std::filesystem::path& model) {
  return std::make_shared<Adapter>(read_peft_adapter(model / "lora"));
}

class AdapterBeside : public ::testing::TestWithParam<const char*> {
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
                         [](const auto& info) { return std::string(info.param); });

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
  EXPECT_THAT(refusal([&](Adapter& a) { a.matrices.erase(q); }), HasSubstr("expected a change of " + q));
  EXPECT_THAT(refusal([&](Adapter& a) { a.targets.push_back("w1"); }),
              AllOf(HasSubstr("q_proj, k_proj"), HasSubstr("got w1")));
  EXPECT_THAT(refusal([&](Adapter& a) {
                a.matrices["model.layers.2.mlp.up_proj"] = a.matrices.at("model.layers.1.mlp.up_proj");
                a.matrices.at("model.layers.2.mlp.up_proj").a_name = "x.layers.2.mlp.up_proj.lora_A.weight";
              }),
              AllOf(HasSubstr("tensor x.layers.2.mlp.up_proj.lora_A.weight"), HasSubstr("2 layers")));
}

}  // namespace
}  // namespace refocus
