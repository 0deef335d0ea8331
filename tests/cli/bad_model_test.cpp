// Damaged, hostile and unfit checkpoints: one line that says what is wrong and what to do, and nothing
// written.
#include <cstring>

#include "cli/cli_support.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::copy_model;
using testing::expect_failure;
using testing::file_text;
using testing::Json;
using testing::plus;
using testing::TempDir;
using testing::write_file;
namespace fs = std::filesystem;

// Every command that reads the model fails with `parts` and leaves nothing behind.
void expect_refused(const fs::path& model, const std::vector<std::string>& parts) {
  const TempDir out;
  const Arguments tokens = {"-m", model.string(), "--tokens", "1,2,3"};
  expect_failure(testing::refocus(plus({"generate", "--json"}, tokens)), 1, parts);
  expect_failure(testing::refocus(plus({"logits", "-o", (out / "a.npy").string()}, tokens)), 1, parts);
  EXPECT_TRUE(fs::is_empty(out.path()));
}

// The bytes of a tensor in a safetensors file: where they begin.
std::size_t offset_of(const std::string& file, const std::string& tensor) {
  std::uint64_t header = 0;
  std::memcpy(&header, file.data(), sizeof header);
  const Json json = Json::parse(file.substr(8, header));
  return 8 + header + json.at(tensor).at("data_offsets").at(0).get<std::size_t>();
}

void put_float(const fs::path& path, const std::string& tensor, std::size_t element, float value) {
  std::string file = file_text(path);
  std::memcpy(file.data() + offset_of(file, tensor) + 4 * element, &value, sizeof value);
  write_file(path, file);
}

TEST(BadModel, IsAbsent) {
  expect_refused("/nonexistent/model", {"[--model]", "'/nonexistent/model'", "check the path"});
  const TempDir dir;
  expect_refused(dir.path(), {"config.json", "download it"});
  write_file(dir / "file", "x");
  expect_refused(dir / "file", {"or a GGUF file, got the text 'x'", "check the path"});
}

TEST(BadModel, HasNoWeights) {
  const TempDir dir;
  const fs::path model = copy_model("mha-f32", dir / "m");
  fs::remove(model / "model.safetensors");
  expect_refused(model, {"expected weights", "got none", "download"});
}

TEST(BadModel, LacksAShard) {
  const TempDir dir;
  const fs::path model = copy_model("mqa-f32-bin-sharded", dir / "m");
  fs::remove(model / "pytorch_model-00002-of-00002.bin");
  expect_refused(model, {"pytorch_model-00002-of-00002.bin", "download"});
}

TEST(BadModel, IsTruncated) {
  const TempDir dir;
  for (const char* name : {"mha-f32", "mqa-f32-bin"}) {
    const fs::path model = copy_model(name, dir / name);
    const fs::path file =
        fs::exists(model / "model.safetensors") ? model / "model.safetensors" : model / "pytorch_model.bin";
    fs::resize_file(file, fs::file_size(file) * 2 / 3);
    expect_refused(model, {file.filename().string(), "download it again"});
    fs::resize_file(file, 0);
    expect_refused(model, {file.filename().string(), "empty file", "download it again"});
  }
}

TEST(BadModel, DoesNotFitItsConfig) {
  const TempDir dir;
  const fs::path model = copy_model("mha-f32", dir / "m");
  const Json right = Json::parse(file_text(model / "config.json"));
  testing::edit_json(model / "config.json", {{"intermediate_size", 60}});
  expect_refused(model, {"model.safetensors", "shape", "config.json", "different models"});
  testing::edit_json(model / "config.json",
                     {{"intermediate_size", right["intermediate_size"]},
                      {"num_hidden_layers", right["num_hidden_layers"].get<int>() + 1}});
  expect_refused(model, {"config.json says more layers", "different models"});
  testing::edit_json(model / "config.json", {{"model_type", "gpt2"}, {"architectures", {"GPT2LMHeadModel"}}});
  expect_refused(model, {"config.json"});
  write_file(model / "config.json", "{\"hidden_size\": ");
  expect_refused(model, {"config.json"});
}

TEST(BadModel, HasNotANumber) {
  const TempDir dir;
  for (const float value : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    const fs::path model = copy_model("mha-f32", dir / std::to_string(value));
    put_float(model / "model.safetensors", "model.layers.1.mlp.down_proj.weight", 5, value);
    expect_refused(model, {"finite", "model.layers.1.mlp.down_proj.weight", "download"});
  }
}

TEST(BadModel, RunsNoCodeOfAHostilePickle) {
  const TempDir dir;
  const fs::path model = copy_model("mqa-f32-bin", dir / "m");
  // A pickle of os.system("touch MARK"); as a bare protocol-2 stream, and in the zip archives of the golden
  // files.
  const fs::path mark = dir / "mark";
  const std::string command = "touch " + mark.string();
  std::string stream =
      "\x80\x02"
      "cos\nsystem\nX";
  for (int shift = 0; shift < 32; shift += 8) stream += static_cast<char>(command.size() >> shift & 0xFF);
  stream += command + "\x85R.";
  write_file(model / "pytorch_model.bin", stream);
  expect_refused(model, {"pytorch_model.bin"});
  EXPECT_FALSE(fs::exists(mark));
  for (const char* name :
       {"os_system.bin", "system_protocol2.bin", "system_protocol4.bin", "eval_protocol2.bin"}) {
    fs::copy_file(testing::golden("io") / "hostile" / name, model / "pytorch_model.bin",
                  fs::copy_options::overwrite_existing);
    expect_refused(model, {"pytorch_model.bin"});
  }
  fs::copy_file(testing::golden("io") / "hostile/os_system.bin", model / "pytorch_model.bin",
                fs::copy_options::overwrite_existing);
  expect_refused(model, {"os", "system"});
}

TEST(BadModel, HasAnotherModelsTokenizer) {
  REFOCUS_NEEDS_SHARED(testing::kSmallModel);
  const TempDir dir;
  const fs::path model = copy_model("mha-f32", dir / "m");  // 101 tokens; the tokenizer has 512
  fs::copy_file(testing::small_model() + "/tokenizer.model", model / "tokenizer.model");
  expect_refused(model, {"at most 101 tokens", "512", "copy the model's own"});
}

TEST(BadModel, IsOfAnotherKind) {
  const TempDir dir;
  const fs::path model = copy_model("mha-f32", dir / "m");
  const std::string weights = file_text(model / "model.safetensors");
  testing::edit_json(model / "config.json",
                     {{"quantization_config", {{"quant_method", "awq"}, {"bits", 4}}}});
  expect_refused(model, {"config.json] expected weights", "AWQ to 4 bits", "remove that"});
  testing::edit_json(model / "config.json", {{"quantization_config", nullptr}});
  write_file(model / "model.safetensors", "<!DOCTYPE html><html>");
  expect_refused(
      model, {"model.safetensors] expected a safetensors file, got a web page", "download the file itself"});
  write_file(model / "model.safetensors",
             "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
  expect_refused(model, {"model.safetensors]", "got a Git LFS pointer", "git lfs pull"});
  fs::remove(model / "model.safetensors");
  write_file(model / "pytorch_model.bin", weights);
  expect_refused(model, {"pytorch_model.bin]", "got a safetensors file", "rename it to model.safetensors"});
  fs::remove(model / "pytorch_model.bin");
  write_file(model / "m-00002-of-00003.gguf", "GGUF");
  expect_refused(
      model, {"a split GGUF file (m-00002-of-00003.gguf)", "name one of them, ", "m-00002-of-00003.gguf"});
}

TEST(BadModel, LacksItsOutputMatrixButDoesNotTieIt) {
  const TempDir dir;
  const fs::path model = copy_model("mha-f32", dir / "m");
  std::string file = file_text(model / "model.safetensors");
  const std::size_t at = file.find("\"lm_head.weight\"");
  ASSERT_NE(at, std::string::npos);
  file.replace(at, 16, "\"rotary_emb.inv\"");  // a tensor of another name, of the same length
  write_file(model / "model.safetensors", file);
  const std::vector<std::string> parts = {"expected tensor lm_head.weight [101, 48]",
                                          "or tie_word_embeddings true in config.json, got neither"};
  expect_refused(model, parts);
  testing::edit_json(model / "config.json", {{"tie_word_embeddings", "yes"}});
  expect_refused(model,
                 {"config.json] expected true or false for tie_word_embeddings, got \"yes\"; correct"});
}

TEST(BadModel, OverflowsAHalfPrecisionCache) {
  const TempDir dir;
  const fs::path model = copy_model("mha-f32", dir / "m");
  put_float(model / "model.safetensors", "model.layers.1.self_attn.k_proj.weight", 5, 1e9f);
  const Arguments logits = {"logits", "-m", model.string(),          "--tokens",
                            "1,2,3",  "-o", (dir / "a.npy").string()};
  expect_failure(testing::refocus(plus(logits, {"--kv-type", "f16"})), 1,
                 {"expected keys of up to 65504", "in layer 1", "use --kv-type f32"});
  EXPECT_FALSE(fs::exists(dir / "a.npy"));
  EXPECT_EQ(testing::refocus(plus(logits, {"--kv-type", "f32"})).status, 0);  // the remedy
}

TEST(BadModel, HasATokenizerOfAnotherKind) {
  const TempDir dir;
  const fs::path model = copy_model("mha-f32", dir / "m");
  const auto expect = [&](const std::vector<std::string>& parts) {
    expect_failure(testing::refocus({"tokenize", "-m", model.string(), "-p", "x"}), 1, parts);
  };
  expect({"expected tokenizer.model or tokenizer.json, got neither; download"});
  write_file(model / "vocab.txt", "[PAD]\n");
  expect({"got vocab.txt (WordPiece, of BERT models); make a tokenizer.json with transformers"});
  write_file(model / "tokenizer.json", R"({"model":{"type":"WordPiece"},"decoder":{"type":"Fuse"}})");
  expect({"tokenizer.json] expected a model of type BPE or Unigram, got 'WordPiece'"});
  fs::remove(model / "tokenizer.json");
  write_file(model / "tokenizer.model", "IQ== 0\nIg== 1\n");
  expect(
      {"tokenizer.model] expected a SentencePiece model, got a tiktoken vocabulary; use the model's "
       "tokenizer.json"});
  write_file(model / "tokenizer.model", "");
  expect({"tokenizer.model] expected a SentencePiece model, got an empty file; download it again"});
  write_file(model / "tokenizer.model", "<html>");
  expect({"tokenizer.model] expected a SentencePiece model, got a web page"});
  fs::remove(model / "tokenizer.model");
  write_file(model / "tokenizer.json", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
  expect({"tokenizer.json] expected JSON, got a Git LFS pointer"});
}

TEST(BadModel, IsFoundOutBeforeAnEvaluationWritesAnything) {
  REFOCUS_NEEDS_SHARED(testing::kSmallModel);
  const TempDir dir;
  fs::copy(testing::small_model(), dir / "m");
  fs::permissions(dir / "m" / "model.safetensors", fs::perms::owner_write, fs::perm_options::add);
  put_float(dir / "m" / "model.safetensors", "model.layers.2.self_attn.v_proj.weight", 3, std::nanf(""));
  const fs::path data = testing::write_tasks(dir / "data");
  expect_failure(testing::refocus({"eval", "piqa", "-m", (dir / "m").string(), "--context", "2048", "--data",
                                   data.string(), "-o", (dir / "run").string()}),
                 1, {"finite", "model.layers.2.self_attn.v_proj.weight"});
  EXPECT_FALSE(fs::exists(dir / "run"));
}

}  // namespace
}  // namespace refocus
