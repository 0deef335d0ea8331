#include "convert/convert.h"

#include <sys/resource.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <random>

#include "architecture/gguf_names.h"
#include "base/text_file.h"
#include "io/gguf/gguf_file.h"
#include "io/gguf/gguf_model.h"
#include "io/safetensors.h"
#include "model/transformer.h"
#include "support.h"
#include "tensor/block_formats.h"
#include "tokenizer/stored_tokenizer.h"

namespace refocus {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TempDir;

// A checkpoint of random weights, with biases, grouped queries and a head size that is not hidden / heads.
json small_config() {
  return {{"model_type", "llama"},  {"hidden_size", 64},        {"intermediate_size", 320},
          {"num_hidden_layers", 2}, {"num_attention_heads", 4}, {"num_key_value_heads", 2},
          {"head_dim", 64},         {"vocab_size", 96},         {"max_position_embeddings", 128},
          {"rms_norm_eps", 1e-5},   {"rope_theta", 10000.0},    {"tie_word_embeddings", false},
          {"attention_bias", true}};
}

class Model {
 public:
  explicit Model(json config = small_config()) : config_(std::move(config)) {
    const std::int64_t hidden = config_["hidden_size"], inner = config_["intermediate_size"],
                       q = config_["num_attention_heads"].get<std::int64_t>() *
                           config_["head_dim"].get<int>(),
                       kv = config_["num_key_value_heads"].get<std::int64_t>() *
                            config_["head_dim"].get<int>(),
                       vocab = config_["vocab_size"];
    add("model.embed_tokens.weight", {vocab, hidden});
    add("model.norm.weight", {hidden});
    if (!config_["tie_word_embeddings"]) add("lm_head.weight", {vocab, hidden});
    for (int layer = 0; layer < config_["num_hidden_layers"]; ++layer) {
      const std::string p = fmt::format("model.layers.{}.", layer);
      add(p + "input_layernorm.weight", {hidden});
      add(p + "self_attn.q_proj.weight", {q, hidden});
      add(p + "self_attn.q_proj.bias", {q});
      add(p + "self_attn.k_proj.weight", {kv, hidden});
      add(p + "self_attn.k_proj.bias", {kv});
      add(p + "self_attn.v_proj.weight", {kv, hidden});
      add(p + "self_attn.o_proj.weight", {hidden, q});
      add(p + "post_attention_layernorm.weight", {hidden});
      add(p + "mlp.gate_proj.weight", {inner, hidden});
      add(p + "mlp.up_proj.weight", {inner, hidden});
      add(p + "mlp.down_proj.weight", {hidden, inner});
    }
  }

  std::vector<float>& values(const std::string& name) { return values_.at(name); }
  const std::filesystem::path& path() const { return dir_.path(); }

  Checkpoint open() {
    std::vector<NamedTensor> tensors;
    for (const auto& [name, values] : values_) {
      tensors.push_back(
          {name, {reinterpret_cast<const std::byte*>(values.data()), DType::kF32, shapes_[name]}});
    }
    write_safetensors(dir_ / "model.safetensors", tensors);
    write_file_atomically(dir_ / "config.json", config_.dump());
    return open_checkpoint(dir_.path());
  }

 private:
  void add(const std::string& name, std::vector<std::int64_t> shape) {
    std::int64_t count = 1;
    for (const std::int64_t size : shape) count *= size;
    std::normal_distribution<float> normal(0, name.find("norm") != std::string::npos ? 0.1f : 0.2f);
    for (std::int64_t i = 0; i < count; ++i) values_[name].push_back(normal(random_));
    shapes_[name] = std::move(shape);
  }

  TempDir dir_;
  json config_;
  std::mt19937 random_{7};
  std::map<std::string, std::vector<float>> values_;
  std::map<std::string, std::vector<std::int64_t>> shapes_;
};

ConvertOptions options_to(const std::filesystem::path& output, ConvertType type) {
  ConvertOptions options;
  options.output = output;
  options.type = type;
  options.name = "small";
  return options;
}

std::string convert(const Checkpoint& checkpoint, const std::filesystem::path& output, ConvertType type,
                    int threads = 1) {
  ThreadPool pool(threads);
  convert_to_gguf(checkpoint, options_to(output, type), pool);
  return read_text_file(output);
}

// Logits of all of a few tokens.
std::vector<float> logits_of(Checkpoint checkpoint) {
  const ModelConfig config = parse_config(checkpoint.config_json, checkpoint.config_source);
  ThreadPool pool(1);
  Transformer model(config, std::make_shared<WeightMap>(std::move(checkpoint.weights)), "model", pool, 32);
  KvPool cache(config, kv_bytes(config, 64));
  KvSequence sequence(cache);
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < 24; ++i) tokens.push_back(i * 37 % 96);
  EXPECT_TRUE(sequence.reserve(24));
  const SequenceInput input{&sequence, tokens, 24, nullptr, LogitRows::kAll};
  const auto logits = model.forward({&input, 1});
  return {logits.begin(), logits.end()};
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  EXPECT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - b[i]));
  }
  return largest;
}

TEST(Convert, TypeNames) {
  EXPECT_EQ(parse_convert_type("f32"), ConvertType::kF32);
  EXPECT_EQ(parse_convert_type("q4_k"), ConvertType::kQ4_K);
  EXPECT_EQ(parse_convert_type("Q4_K"), std::nullopt);
  EXPECT_EQ(parse_convert_type(""), std::nullopt);
}

TEST(Convert, TypesOfTensors) {
  using enum ConvertType;
  EXPECT_EQ(stored_dtype(kQ4_0, "blk.0.attn_norm.weight", {256}), DType::kF32);
  EXPECT_EQ(stored_dtype(kF16, "blk.0.attn_q.bias", {256}), DType::kF32);
  EXPECT_EQ(stored_dtype(kBF16, "blk.0.attn_q.weight", {8, 7}), DType::kBF16);
  EXPECT_EQ(stored_dtype(kQ8_0, "blk.0.attn_q.weight", {8, 96}), DType::kQ8_0);
  EXPECT_EQ(stored_dtype(kQ8_0, "blk.0.attn_q.weight", {8, 95}), DType::kF16);
  EXPECT_EQ(stored_dtype(kQ4_0, "token_embd.weight", {8, 64}), DType::kQ4_0);
  EXPECT_EQ(stored_dtype(kQ4_K, "blk.0.attn_q.weight", {8, 512}), DType::kQ4_K);
  EXPECT_EQ(stored_dtype(kQ4_K, "token_embd.weight", {8, 512}), DType::kQ6_K);
  EXPECT_EQ(stored_dtype(kQ4_K, "output.weight", {8, 512}), DType::kQ6_K);
  EXPECT_EQ(stored_dtype(kQ4_K, "output.weight", {8, 96}), DType::kQ8_0);
  EXPECT_EQ(stored_dtype(kQ4_K, "blk.0.attn_q.weight", {8, 172}), DType::kF16);
}

// Float32 all the way is the same model to the last bit, biases and RoPE's row order included.
TEST(Convert, F32IsTheSameModel) {
  Model model;
  const Checkpoint original = model.open();
  const TempDir out;
  convert(original, out / "m.gguf", ConvertType::kF32);
  Checkpoint read = open_checkpoint(out / "m.gguf");
  EXPECT_EQ(read.weights.entries().size(), original.weights.entries().size());
  for (const auto& [name, entry] : original.weights.entries()) {
    const WeightMap::Entry* other = read.weights.find(name);
    ASSERT_NE(other, nullptr) << name;
    EXPECT_EQ(other->view.shape, entry.view.shape) << name;
    EXPECT_EQ(to_f32(other->view), to_f32(entry.view)) << name;
  }
  const GgufFile file = GgufFile::open(out / "m.gguf");
  EXPECT_NE(to_f32(file.tensors().at("blk.0.attn_q.weight")),
            model.values("model.layers.0.self_attn.q_proj.weight"));
  EXPECT_EQ(file.text("general.name"), "small");
  EXPECT_EQ(logits_of(std::move(read)), logits_of(model.open()));
}

TEST(Convert, EveryTypeHoldsTheQuantisedValues) {
  Model model;
  const Checkpoint original = model.open();
  const TempDir out;
  for (const auto type :
       {ConvertType::kF16, ConvertType::kBF16, ConvertType::kQ8_0, ConvertType::kQ4_0, ConvertType::kQ4_K}) {
    convert(original, out / "m.gguf", type);
    const Checkpoint read = open_checkpoint(out / "m.gguf");
    for (const auto& [name, entry] : original.weights.entries()) {
      const TensorView& view = read.weights.find(name)->view;
      ASSERT_EQ(view.dtype, stored_dtype(type, gguf_name(TensorNames(), name), view.shape)) << name;
      const std::vector<float> values = to_f32(entry.view);
      std::vector<std::byte> expected(view.bytes());
      const std::int64_t row = view.shape.back();
      for (std::int64_t first = 0; first < view.elements(); first += row) {
        const std::int64_t stored = stored_row(first / row, view.paired_head_dim) * row;
        quantize_row(view.dtype, values.data() + first, expected.data() + bytes_of(view.dtype, stored), row);
      }
      EXPECT_EQ(0, std::memcmp(expected.data(), view.data, expected.size())) << name;
    }
  }
}

TEST(Convert, QuantisedModelsComputeNearlyTheSame) {
  Model model;
  const Checkpoint original = model.open();
  const std::vector<float> exact = logits_of(model.open());
  double scale = 0;
  for (const float x : exact) scale = std::max(scale, std::abs(static_cast<double>(x)));
  const TempDir out;
  const std::pair<ConvertType, double> bounds[] = {{ConvertType::kF16, 0.005},
                                                   {ConvertType::kBF16, 0.03},
                                                   {ConvertType::kQ8_0, 0.06},
                                                   {ConvertType::kQ4_K, 0.25},
                                                   {ConvertType::kQ4_0, 0.6}};
  for (const auto& [type, bound] : bounds) {
    convert(original, out / "m.gguf", type);
    const double difference = largest_difference(logits_of(open_checkpoint(out / "m.gguf")), exact) / scale;
    EXPECT_LT(difference, bound) << static_cast<int>(type);
    EXPECT_GT(difference, 0) << static_cast<int>(type);
  }
}

TEST(Convert, FromGgufAndWithAnyThreadsTheSameBytes) {
  Model model;
  const Checkpoint original = model.open();
  const TempDir out;
  for (const auto type : {ConvertType::kF32, ConvertType::kQ4_0, ConvertType::kQ4_K}) {
    const std::string once = convert(original, out / "a.gguf", type, 1);
    EXPECT_EQ(convert(original, out / "b.gguf", type, 3), once);
    convert(original, out / "f32.gguf", ConvertType::kF32);
    EXPECT_EQ(convert(open_checkpoint(out / "f32.gguf"), out / "c.gguf", type), once);
    // What has the type already is copied, not quantised once more.
    EXPECT_EQ(convert(open_checkpoint(out / "a.gguf"), out / "d.gguf", type), once);
  }
}

TEST(Convert, AFileMayBeConvertedOverItself) {
  Model model;
  const TempDir out;
  convert(model.open(), out / "m.gguf", ConvertType::kF32);
  const Checkpoint read = open_checkpoint(out / "m.gguf");
  convert(read, out / "m.gguf", ConvertType::kQ8_0);
  EXPECT_EQ(open_checkpoint(out / "m.gguf").weights.find("lm_head.weight")->view.dtype, DType::kQ8_0);
}

TEST(Convert, TiedEmbeddingsStayTied) {
  json config = small_config();
  config["tie_word_embeddings"] = true;
  Model model(config);
  const TempDir out;
  convert(model.open(), out / "m.gguf", ConvertType::kF32);
  EXPECT_FALSE(GgufFile::open(out / "m.gguf").tensors().contains("output.weight"));
  EXPECT_EQ(logits_of(open_checkpoint(out / "m.gguf")), logits_of(model.open()));
}

TEST(Convert, LinearRopeScalingIsKept) {
  json config = small_config();
  config["rope_scaling"] = {{"type", "linear"}, {"factor", 4.0}};
  Model model(config);
  const TempDir out;
  convert(model.open(), out / "m.gguf", ConvertType::kF32);
  EXPECT_EQ(logits_of(open_checkpoint(out / "m.gguf")), logits_of(model.open()));
}

// Llama 3's scaling becomes a tensor of factors, which are float32: the same model but for rounding.
TEST(Convert, Llama3RopeScalingBecomesFactors) {
  json config = small_config();
  Model unscaled(config);
  config["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", 8.0},
                            {"low_freq_factor", 1.0},
                            {"high_freq_factor", 4.0},
                            {"original_max_position_embeddings", 32}};
  Model model(config);
  const TempDir out;
  convert(model.open(), out / "m.gguf", ConvertType::kF32);
  const std::vector<float> exact = logits_of(model.open());
  EXPECT_LT(largest_difference(logits_of(open_checkpoint(out / "m.gguf")), exact), 1e-4);
  EXPECT_GT(largest_difference(logits_of(unscaled.open()), exact), 5e-3);
  const GgufFile file = GgufFile::open(out / "m.gguf");
  const std::vector<float> factors = to_f32(file.tensors().at("rope_freqs.weight"));
  ASSERT_EQ(factors.size(), 32u);
  EXPECT_EQ(factors.front(), 1.0f);  // short wavelengths are kept
  EXPECT_EQ(factors.back(), 8.0f);   // long ones stretched
  convert(open_checkpoint(out / "m.gguf"), out / "again.gguf", ConvertType::kF32);
  EXPECT_EQ(read_text_file(out / "again.gguf"), read_text_file(out / "m.gguf"));
}

TEST(Convert, DynamicRopeScalingIsRefused) {
  json config = small_config();
  config["rope_scaling"] = {{"type", "dynamic"}, {"factor", 2.0}};
  Model model(config);
  const TempDir out;
  EXPECT_THAT(error_of([&] { convert(model.open(), out / "m.gguf", ConvertType::kF16); }),
              HasSubstr("has dynamic RoPE scaling, which is not written to GGUF files"));
  EXPECT_TRUE(std::filesystem::is_empty(out.path()));
}

TEST(Convert, AValueThatDoesNotFitIsNamedAndNothingIsLeft) {
  Model model;
  model.values("model.layers.1.mlp.up_proj.weight")[64 * 5 + 3] = 1e6f;
  const TempDir out;
  const Checkpoint checkpoint = model.open();
  EXPECT_THAT(error_of([&] { convert(checkpoint, out / "m.gguf", ConvertType::kF16); }),
              HasSubstr("F16 cannot hold 1000000, the value of model.layers.1.mlp.up_proj.weight at [5, 3]"));
  EXPECT_TRUE(std::filesystem::is_empty(out.path()));
  convert(checkpoint, out / "m.gguf", ConvertType::kBF16);
}

TEST(Convert, AFailureKeepsTheOldFile) {
  Model model;
  const TempDir out;
  const std::string old = convert(model.open(), out / "m.gguf", ConvertType::kF32);
  model.values("lm_head.weight")[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error_of([&] { convert(model.open(), out / "m.gguf", ConvertType::kQ8_0); }),
              HasSubstr("Q8_0 cannot hold nan"));
  // Nor is a number copied that is none, where the types are the same.
  EXPECT_THAT(
      error_of([&] { convert(model.open(), out / "a.gguf", ConvertType::kF32); }),
      HasSubstr("expected finite weights, got NaN or infinity in lm_head.weight at [0, 0]; download"));
  EXPECT_EQ(read_text_file(out / "m.gguf"), old);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(out.path()), {}), 1);
}

// A copy of the same type looks at the values as well.
TEST(Convert, NonFiniteWeightsAreNamedWhateverTheType) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const ConvertType type : {ConvertType::kF32, ConvertType::kBF16, ConvertType::kQ4_K}) {
      Model model;
      const TempDir out;
      model.values("model.layers.1.mlp.up_proj.weight")[64 * 5 + 3] = bad;
      EXPECT_THAT(error_of([&] { convert(model.open(), out / "m.gguf", type); }),
                  HasSubstr("model.layers.1.mlp.up_proj.weight at [5, 3]"));
      EXPECT_TRUE(std::filesystem::is_empty(out.path()));
    }
    Model model;
    const TempDir out;
    model.values("model.norm.weight")[7] = bad;  // float32 in every file
    EXPECT_THAT(error_of([&] { convert(model.open(), out / "m.gguf", ConvertType::kF16); }),
                HasSubstr("got NaN or infinity in model.norm.weight at [0, 7]"));
  }
}

// A limit on the file's size stands in for a full disk: write() fails after part of the bytes.
TEST(Convert, AFullDiskIsAnErrorAndNothingIsLeft) {
  Model model;
  const Checkpoint checkpoint = model.open();
  const TempDir out;
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 100000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string error = error_of([&] { convert(checkpoint, out / "m.gguf", ConvertType::kF32); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(error, HasSubstr("cannot be written: File too large; free some space"));
  EXPECT_TRUE(std::filesystem::is_empty(out.path()));
}

TEST(Convert, AnIncompleteCheckpointIsRefused) {
  Model model;
  Checkpoint checkpoint = model.open();
  checkpoint.weights = WeightMap();
  const TempDir out;
  EXPECT_THAT(error_of([&] { convert(checkpoint, out / "m.gguf", ConvertType::kF16); }),
              HasSubstr("model.embed_tokens.weight"));
}

TEST(Convert, NoticesAndProgress) {
  json config = small_config();
  config["intermediate_size"] = 172;
  Model model(config);
  const TempDir out;
  ConvertOptions options = options_to(out / "m.gguf", ConvertType::kQ8_0);
  std::vector<std::string> notices;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> progress;
  options.notice = [&](std::string_view line) { notices.emplace_back(line); };
  options.progress = [&](std::uint64_t done, std::uint64_t total) { progress.emplace_back(done, total); };
  ThreadPool pool(1);
  convert_to_gguf(model.open(), options, pool);
  EXPECT_THAT(
      notices,
      ElementsAre(
          HasSubstr("the model has no tokenizer"),
          "2 tensors (blk.0.ffn_down.weight, ...) have rows that are no multiple of 32 and stay F16"));
  ASSERT_EQ(progress.size(), 25u);
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  EXPECT_EQ(progress.back().first, progress.back().second);
}

TEST(Convert, CarriesTheTokenizer) {
  REFOCUS_NEEDS_SHARED("models/aidreams-260k/model.safetensors");
  const auto directory = testing::shared("models/aidreams-260k");
  const TempDir out;
  convert(open_checkpoint(directory), out / "m.gguf", ConvertType::kQ8_0);
  const Checkpoint read = open_checkpoint(out / "m.gguf");
  ASSERT_TRUE(read.vocabulary);
  const auto from_file = make_stored_tokenizer("m.gguf", *read.vocabulary);
  const auto original = load_tokenizer(directory);
  EXPECT_EQ(from_file->vocab_size(), original->vocab_size());
  EXPECT_EQ(from_file->bos_id(), original->bos_id());
  EXPECT_EQ(from_file->eos_ids(), original->eos_ids());
  for (const char* text : {"Once upon a time", " two  spaces\n", "Grüße, 你好", ""}) {
    EXPECT_EQ(from_file->encode_prompt(text), original->encode_prompt(text));
    EXPECT_EQ(from_file->decode(original->encode(text)), text);
  }
}

TEST(Convert, ATokenizerOfAnotherModelIsRefused) {
  REFOCUS_NEEDS_SHARED("models/aidreams-260k/tokenizer.model");
  Model model;
  const Checkpoint checkpoint = model.open();
  std::filesystem::copy(testing::shared("models/aidreams-260k/tokenizer.model"),
                        model.path() / "tokenizer.model");
  const TempDir out;
  EXPECT_THAT(error_of([&] { convert(checkpoint, out / "m.gguf", ConvertType::kF16); }),
              HasSubstr("expected a tokenizer of at most 96 tokens (vocab_size), got 512"));
}

}  // namespace
}  // namespace refocus
