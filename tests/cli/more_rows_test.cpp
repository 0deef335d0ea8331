// A model with more rows than its tokenizer has tokens: an id without a token has no text, wherever one is
// chosen.
#include "cli/cli_support.h"
#include "io/safetensors.h"
#include "tensor/block_formats.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::bundled_model;
using ::testing::HasSubstr;
using testing::Json;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;
namespace fs = std::filesystem;

constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr std::int64_t kTokens = 1536, kRows = 1544, kUsual = 308, kChosen = 1540;

// The bundled model with eight more rows; one of them beats a word that it often says.
class MoreRows : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(model);
    for (const char* file : {"tokenizer.model", "tokenizer_config.json", "config.json"}) {
      fs::copy_file(bundled_model() / file, model / file);
      fs::permissions(model / file, fs::perms::owner_write, fs::perm_options::add);
    }
    testing::edit_json(model / "config.json", {{"vocab_size", kRows}});
    WeightMap weights;
    read_safetensors(bundled_model() / "model.safetensors", weights);
    std::vector<NamedTensor> tensors;
    std::vector<float> rows;
    for (const auto& [name, entry] : weights.entries()) {
      tensors.push_back({name, entry.view});
      if (name != kEmbedding) continue;
      const std::int64_t width = entry.view.shape[1];
      ASSERT_EQ(entry.view.shape[0], kTokens);
      rows.resize(static_cast<std::size_t>(kRows * width));
      dequantize_row(entry.view.dtype, entry.view.data, rows.data(), kTokens * width);
      for (std::int64_t i = 0; i < width; ++i) {
        rows[static_cast<std::size_t>(kChosen * width + i)] =
            3 * rows[static_cast<std::size_t>(kUsual * width + i)];
      }
      tensors.back().view = {reinterpret_cast<const std::byte*>(rows.data()), DType::kF32, {kRows, width}};
    }
    write_safetensors(model / "model.safetensors", tensors);
  }
  Arguments with(const Arguments& before, const Arguments& after) const {
    return plus(plus(before, {"-m", model.string()}), after);
  }

  TempDir dir;
  const fs::path model = dir / "model";
};

TEST_F(MoreRows, GenerateWritesTheTextOfTheOthers) {
  const Arguments prompt = {"-p", "Nina Fox reports", "-n", "6"};
  const Json json = testing::one_json_line(testing::refocus(with({"generate"}, plus(prompt, {"--json"}))));
  const auto tokens = json["tokens"].get<std::vector<std::int64_t>>();
  EXPECT_EQ(std::ranges::count(tokens, kChosen) > 0, true) << json;
  const ProcessResult plain = testing::refocus(with({"generate"}, prompt));
  EXPECT_EQ(plain.status, 0) << plain.err;
  EXPECT_EQ(plain.out, json["text"].get<std::string>() + "\n");

  // The same from a GGUF file, where a placeholder stands for the id.
  const std::string file = (dir / "m.gguf").string();
  ASSERT_EQ(testing::refocus(with({"convert"}, {"-o", file, "--type", "f32"})).status, 0);
  const Json again =
      testing::one_json_line(testing::refocus(plus({"generate", "-m", file, "--json"}, prompt)));
  EXPECT_EQ(again["tokens"], json["tokens"]);
  EXPECT_EQ(again["text"], json["text"]);
}

TEST_F(MoreRows, AnEvaluationGoesToItsEnd) {
  const fs::path run = dir / "run";
  const ProcessResult result =
      testing::refocus(with({"eval", "worlds"}, {"--cot", "--direct", "--limit", "1", "--subjects", "codes",
                                                 "--max-new-tokens", "24", "-o", run.string()}));
  ASSERT_EQ(result.status, 0) << result.err;
  std::int64_t longest = 0;
  for (const std::string& name : testing::files_below(run / "arms")) {
    if (name.find("samples_") == std::string::npos) continue;
    for (const Json& line : testing::json_lines(run / "arms" / name)) {
      longest = std::max(longest, line["generated_tokens"].get<std::int64_t>());
    }
  }
  EXPECT_GT(longest, 0);
}

TEST_F(MoreRows, OtherCommandsTakeIt) {
  const std::string out = (dir / "out").string();
  EXPECT_EQ(testing::refocus(with({"attention"}, {"-p", "Nina Fox reports", "-n", "3", "-o", out})).status,
            0);
  EXPECT_EQ(testing::refocus(with({"info"}, {})).status, 0);
  EXPECT_EQ(testing::refocus(with({"study"}, {"worlds", "--limit", "1", "--subjects", "codes", "--direct",
                                              "--max-new-tokens", "12", "-o", out + "2"}))
                .status,
            0);
  EXPECT_EQ(testing::refocus(with({"logits"}, {"--tokens", "1,1540", "-o", out + ".npy"})).status, 0)
      << "a row of the model";
  testing::expect_failure(testing::refocus(with({"generate"}, {"--tokens", "1,1544", "-n", "1"})), 1,
                          {"1544"});
}

}  // namespace
}  // namespace refocus
