// Models of every family as GGUF files: their tensors are those that gguf-py writes
// (tests/golden/gguf_families), and they compute the same, or are refused by what files of their family
// cannot say.
#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "close.h"
#include "convert/convert.h"
#include "convert/merge.h"
#include "io/gguf/gguf_file.h"
#include "io/npy.h"
#include "model/transformer.h"
#include "support.h"

namespace refocus {
namespace {

namespace fs = std::filesystem;

const nlohmann::json& cases_of_families() {
  static const nlohmann::json kCases =
      nlohmann::json::parse(read_text_file(testing::golden("families") / "cases.json"));
  return kCases;
}

void write_gguf(const Checkpoint& checkpoint, const fs::path& output, ConvertType type) {
  ThreadPool pool(2);
  ConvertOptions options;
  options.output = output;
  options.type = type;
  convert_to_gguf(checkpoint, options, pool);
}

std::vector<float> logits_of_file(const fs::path& path, std::shared_ptr<const Adapter> adapter = nullptr) {
  ThreadPool pool(1);
  Checkpoint checkpoint = open_checkpoint(path);
  Transformer model(parse_config(checkpoint.config_json, "config"),
                    std::make_shared<WeightMap>(std::move(checkpoint.weights)), "model", pool, 64,
                    DType::kF32, Activations::kF32);
  if (adapter) model.attach(adapter);
  KvPool cache(model.config(), kv_bytes(model.config(), 64));
  KvSequence sequence(cache);
  const auto tokens = cases_of_families()["tokens"].get<std::vector<std::int32_t>>();
  const auto count = static_cast<std::int64_t>(tokens.size());
  EXPECT_TRUE(sequence.reserve(count));
  const SequenceInput input{&sequence, tokens, count, nullptr, LogitRows::kAll};
  const std::span<const float> rows = model.forward({&input, 1});
  return {rows.begin(), rows.end()};
}

// What files of the family cannot say of these models.
const std::map<std::string, std::string>& unsayable() {
  static const std::map<std::string, std::string> kAll = {
      {"helium", "expected a family that GGUF files exist of"},
      {"ministral", "expected a family that GGUF files exist of"},
      {"mistral", "has windows on other layers than the file would say"},
      {"mixtral", "has windows on other layers than the file would say"},
      {"qwen2_window", "has windows on other layers than the file would say"},
      {"qwen3_moe", "has experts on some layers only"},
      {"smollm3", "has rotary embeddings on other layers than the family's own"},
      {"gemma2", "has a scale of attention of its own"},
      {"gemma3", "has a scale of attention of its own"}};
  return kAll;
}

TEST(ConvertFamilies, EachComputesTheSameOrIsRefusedByWhatItHas) {
  for (const auto& item : cases_of_families()["models"].items()) {
    const fs::path directory = testing::golden("families") / item.key();
    const testing::TempDir out;
    const Checkpoint checkpoint = open_checkpoint(directory);
    if (const auto it = unsayable().find(item.key()); it != unsayable().end()) {
      EXPECT_THAT(testing::error_of([&] { write_gguf(checkpoint, out / "m.gguf", ConvertType::kF32); }),
                  ::testing::HasSubstr(it->second))
          << item.key();
      EXPECT_TRUE(fs::is_empty(out.path())) << item.key();
      continue;
    }
    write_gguf(checkpoint, out / "m.gguf", ConvertType::kF32);
    const std::vector<float> expected = read_npy(directory / "logits.npy").f32();
    testing::expect_close(logits_of_file(out / "m.gguf"), expected, item.key());
  }
}

void expect_same_tensors(const fs::path& own, const fs::path& other, bool same_types) {
  const GgufFile a = GgufFile::open(own), b = GgufFile::open(other);
  EXPECT_EQ(a.text("general.architecture"), b.text("general.architecture"));
  EXPECT_EQ(a.tensors().size(), b.tensors().size()) << other;
  for (const auto& [name, view] : b.tensors()) {
    const auto it = a.tensors().find(name);
    ASSERT_NE(it, a.tensors().end()) << name << " of " << other;
    EXPECT_EQ(it->second.shape, view.shape) << name << " of " << other;
    EXPECT_TRUE(!same_types || it->second.dtype == view.dtype) << name << " of " << other;
    EXPECT_EQ(to_f32(it->second), to_f32(view)) << name << " of " << other;
  }
}

TEST(ConvertFamilies, TensorsAreThoseThatGgufPyWrites) {
  int from_directories = 0;
  for (const auto& entry : fs::directory_iterator(testing::golden("gguf_families"))) {
    if (entry.path().extension() != ".gguf") continue;
    const std::string name = entry.path().stem();
    const testing::TempDir out;
    write_gguf(open_checkpoint(entry.path()), out / "again.gguf", ConvertType::kF16);
    expect_same_tensors(out / "again.gguf", entry.path(), name != "gpt_oss_mxfp4");
    fs::path logits = entry.path();
    if (fs::exists(logits.replace_extension(".npy"))) continue;  // of no model of tests/golden/families
    write_gguf(open_checkpoint(testing::golden("families") / name), out / "m.gguf", ConvertType::kF16);
    expect_same_tensors(out / "m.gguf", entry.path(), /*same_types=*/true);
    ++from_directories;
  }
  EXPECT_GE(from_directories, 20);
}

// Gemma's GGUF files hold norms as w, directories as w - 1.
TEST(MergeFamilies, AGemmaFileWithAnAdapterIsTheMergedDirectory) {
  const fs::path base = testing::golden("gguf_families") / "gemma.gguf";
  auto adapter = std::make_shared<Adapter>();
  LowRank change{.rank = 1, .inputs = 24, .outputs = 24, .a = {}, .b = {}, .a_name = "a", .b_name = "b"};
  for (int i = 0; i < 24; ++i) {
    change.a.push_back(static_cast<float>(i % 5) - 2);
    change.b.push_back(static_cast<float>(i % 7) / 10);
  }
  adapter->matrices["model.layers.0.self_attn.q_proj"] = change;
  const testing::TempDir out;
  ThreadPool pool(2);
  MergeOptions options;
  options.output = out / "merged";
  options.type = DType::kF32;
  merge_adapter(open_checkpoint(base), *adapter, options, pool);
  const std::vector<float> beside = logits_of_file(base, adapter);
  EXPECT_NE(beside, logits_of_file(base));
  testing::expect_close(logits_of_file(out / "merged"), beside, "gemma");
}

}  // namespace
}  // namespace refocus
