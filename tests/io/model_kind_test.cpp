// What directories, configurations and tensors of other kinds are called, and what is advised.
#include "io/model_kind.h"

#include <nlohmann/json.hpp>

#include "gguf_support.h"
#include "io/checkpoint.h"
#include "io/peft/peft_adapter.h"
#include "io_support.h"

namespace refocus {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using testing::error_of;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class Directory {
 public:
  void write(const std::string& name, const std::string& content = "x") {
    fs::create_directories((dir_.path() / name).parent_path());
    write_file_atomically(dir_.path() / name, content);
  }
  // Weights of these names and this element type of `bytes` bytes.
  void write_tensors(const std::vector<std::string>& names, const std::string& dtype = "F32", int bytes = 4,
                     const std::string& file = "model.safetensors") {
    std::string header, data;
    for (const std::string& name : names) {
      header += fmt::format("{}\"{}\":{{\"dtype\":\"{}\",\"shape\":[1],\"data_offsets\":[{},{}]}}",
                            header.empty() ? "{" : ",", name, dtype, data.size(), data.size() + bytes);
      data += std::string(static_cast<std::size_t>(bytes), '\0');
    }
    write(file, testing::safetensors_bytes(header + "}", data));
  }
  const fs::path& path() const { return dir_.path(); }
  std::string error() const {
    return error_of([&] { open_checkpoint(path()); });
  }
  void expect(const std::vector<std::string>& parts) const {
    const std::string got = error();
    for (const std::string& part : parts) EXPECT_THAT(got, HasSubstr(part));
  }

 private:
  testing::TempDir dir_;
};

TEST(ModelKind, NamesDirectoriesOfOtherKinds) {
  const std::vector<std::tuple<std::vector<std::string>, std::string, std::string>> cases = {
      {{}, "an empty directory", "check the path, or download it"},
      {{"notes.txt"}, "a directory without config.json", "check the path, or download it"},
      {{"adapter_config.json", "adapter_model.safetensors"}, "a LoRA adapter", "name its base model here"},
      {{"m.Q8_0.gguf"}, "a directory with the GGUF file m.Q8_0.gguf", "name the file, "},
      {{"a.gguf", "b.gguf"}, "a directory with 2 GGUF files (a.gguf, b.gguf)", "name one of them"},
      {{"params.json", "consolidated.00.pth", "tokenizer.model"},
       "in Meta's own layout (consolidated.00.pth)",
       "convert_llama_weights_to_hf.py"},
      {{"params.json", "consolidated.safetensors"}, "in Mistral's own layout", "the Hugging Face layout"},
      {{"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"},
       "the parts of a split GGUF file (m-00001-of-00002.gguf, ",
       "name one of them, "},
      {{"model_index.json"}, "a Diffusers pipeline", "use a language model"},
      {{"model.onnx"}, "ONNX weights (model.onnx)", "use a copy of the model with safetensors"},
      {{"tf_model.h5"}, "TensorFlow weights (tf_model.h5)", "use a copy of the model"},
      {{"flax_model.msgpack"}, "Flax weights (flax_model.msgpack)", "use a copy of the model"},
      {{"weights.npz"}, "NumPy or MLX weights (weights.npz)", "use a copy of the model"},
      {{"model.ckpt"}, "weights in a .ckpt file (model.ckpt)", "use a copy of the model"},
      {{"snapshots/0a1b/config.json", "refs/main"}, "models below it", "/snapshots/0a1b"},
      {{"checkpoints/step-00000100/config.json", "log.jsonl"},
       "models below it",
       "/checkpoints/step-00000100"},
      {{"7b/config.json"}, "models below it", "/7b"},
      {{"model.safetensors"}, "weights (model.safetensors) without config.json", "download it too"},
      {{"pytorch_model.bin"}, "weights (pytorch_model.bin) without config.json", "download it too"},
  };
  for (const auto& [files, name, remedy] : cases) {
    Directory dir;
    for (const std::string& file : files) dir.write(file);
    dir.expect({"[" + dir.path().string() +
                    "] expected a model directory with config.json and weights, or a GGUF file",
                name, remedy});
  }
}

TEST(ModelKind, NamesWeightsOfOtherKindsBesideAConfig) {
  const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
      {"m.gguf", "a directory with the GGUF file m.gguf", "name the file, "},
      {"flax_model.msgpack", "Flax weights", "use a copy"},
      {"adapter_config.json", "a LoRA adapter", "--adapter"},
      {"pytorch_model-00001-of-00002.bin",
       "shards (pytorch_model-00001-of-00002.bin) without pytorch_model.bin.index", "download that too"},
      {"model.safetensors.incomplete", "an unfinished download", "finish it"},
      {"training_args.bin", "got none", "download the model's weights"}};
  for (const auto& [file, name, remedy] : cases) {
    Directory dir;
    dir.write("config.json", "{}");
    dir.write(file);
    dir.expect({"expected weights (model.safetensors.index.json,", name, remedy});
  }
  Directory dir;
  dir.write("config.json", "{}");
  dir.write_tensors({"a"}, "F32", 4, "model-00001-of-00002.safetensors");
  dir.expect({"expected all 2 shards with their index beside them, got shard 1 alone; download the others"});
}

TEST(ModelKind, NamesFilesGivenAsModels) {
  Directory dir;
  dir.write_tensors({"a"});
  const auto error = [&](const std::string& name) {
    return error_of([&] { open_checkpoint(dir.path() / name); });
  };
  EXPECT_THAT(error("model.safetensors"),
              HasSubstr("got a safetensors file; name the directory that has it beside"));
  dir.write("config.json", "{}");
  EXPECT_THAT(error("model.safetensors"),
              HasSubstr("got a safetensors file; name its directory, " + dir.path().string()));
  EXPECT_THAT(error("config.json"), HasSubstr("got JSON; name its directory, "));
  dir.write("m.gguf-split-b");
  EXPECT_THAT(error("m.gguf-split-b"),
              HasSubstr("got a piece of a file that was cut up; join its pieces with cat"));
  dir.write("old.bin", "tjgg\1\2\3\4");
  EXPECT_THAT(error("old.bin"),
              HasSubstr("got a GGML file (ggjt), which GGUF replaced; convert the original"));
  EXPECT_THAT(error("absent"), HasSubstr("got nothing; check the path"));
  EXPECT_THAT(error_of([] { open_checkpoint("/dev/null"); }), HasSubstr("got a device or pipe"));
}

TEST(ModelKind, NamesWhatIsGivenAsAnAdapter) {
  Directory dir;
  const auto error = [&](const std::string& name) {
    return error_of([&] { read_peft_adapter(dir.path() / name, {}); });
  };
  EXPECT_THAT(error("absent"), HasSubstr("expected a PEFT adapter directory with adapter_config.json and "
                                         "adapter_model.safetensors, got nothing; check the path"));
  EXPECT_THAT(error(""), HasSubstr("got a directory without adapter_config.json; check the path"));
  dir.write("adapter_model.safetensors", testing::safetensors_bytes("{}", ""));
  EXPECT_THAT(error(""), HasSubstr("got weights without adapter_config.json; download it too"));
  EXPECT_THAT(error("adapter_model.safetensors"),
              HasSubstr("got a safetensors file; put it beside its adapter_config.json"));
  dir.write("config.json", "{}");
  EXPECT_THAT(error(""), HasSubstr("got a model; name it with -m, and here the adapter's own directory"));
  dir.write("adapter_config.json", "{}");
  EXPECT_THAT(error("adapter_model.safetensors"),
              HasSubstr("got a safetensors file; name its directory, " + dir.path().string()));
  dir.write("sub/m.gguf", testing::small_gguf_model().bytes());
  EXPECT_THAT(error("sub/m.gguf"), HasSubstr("got a GGUF file; name a model with -m"));
  EXPECT_THAT(error_of([] { read_peft_adapter("/dev/null", {}); }), HasSubstr("got a device or pipe"));
}

TEST(ModelKind, NamesWhatIsQuantised) {
  const std::vector<std::tuple<std::string, std::string>> cases = {
      {R"({"quantization_config":{"quant_method":"gptq","bits":4,"group_size":128}})", "with GPTQ to 4 bits"},
      {R"({"quantization_config":{"quant_method":"awq","bits":4}})", "with AWQ to 4 bits"},
      {R"({"quantization_config":{"quant_method":"fp8","weight_block_size":[128,128]}})", "with FP8 ("},
      {R"({"quantization_config":{"quant_method":"fbgemm_fp8"}})", "with FP8 (FBGEMM)"},
      {R"({"quantization_config":{"quant_method":"bitsandbytes","load_in_4bit":true}})",
       "bitsandbytes to 4 bits"},
      {R"({"quantization_config":{"load_in_8bit":true}})", "bitsandbytes to 8 bits"},
      {R"({"quantization_config":{"quant_method":"compressed-tensors"}})", "with compressed-tensors ("},
      {R"({"compression_config":{"format":"pack-quantized"}})",
       "with compressed-tensors (compression_config"},
      {R"({"quantization_config":{"quant_method":"eetq"}})", "with EETQ"},
      {R"({"quantization_config":{"quant_method":"hqq","quant_config":{"weight_quant_params":{"nbits":3}}}})",
       "with HQQ to 3 bits"},
      {R"({"quantization":{"group_size":64,"bits":4}})", "with MLX to 4 bits"},
      {R"({"quantization_config":{"quant_method":"newest","bits":"many"}})", "with newest ("},
      {R"({"quantization_config":{"bits":2}})", "got weights quantised to 2 bits ("}};
  for (const auto& [config, name] : cases) {
    Directory dir;
    dir.write("config.json", config);
    dir.write_tensors({"model.layers.0.mlp.up_proj.qweight"}, "I32");
    dir.expect({"/config.json] expected weights in F32, F16 or BF16, got ", name,
                "config.json); use the model as it was before quantising, or a GGUF file of it"});
    fs::remove(dir.path() / "model.safetensors");
    dir.expect({name});  // a missing file is the lesser fault
    dir.write_tensors({"model.embed_tokens.weight"});
    dir.expect({"expected weights that are used as they are", name, "remove that to run them as they are"});
  }
  for (const char* none : {"{}", R"({"quantization_config":null})", R"({"quantization_config":{}})"}) {
    Directory dir;
    dir.write("config.json", none);
    dir.write_tensors({"model.embed_tokens.weight"});
    EXPECT_NO_THROW(open_checkpoint(dir.path())) << none;
  }
}

TEST(ModelKind, NamesQuantisedTensorsWithoutASettingInTheConfig) {
  const std::vector<std::tuple<std::string, std::string, int, std::string>> cases = {
      {"model.layers.0.mlp.up_proj.qweight", "I32", 4, "with GPTQ or AWQ (tensor"},
      {"model.layers.0.mlp.up_proj.qzeros", "I32", 4, "with GPTQ or AWQ (tensor"},
      {"model.layers.0.mlp.up_proj.g_idx", "I32", 4, "with GPTQ (tensor"},
      {"model.layers.0.mlp.up_proj.scales", "F16", 2, "with GPTQ, AWQ or MLX (tensor"},
      {"model.layers.0.mlp.up_proj.weight_packed", "I32", 4, "with compressed-tensors (tensor"},
      {"model.layers.0.mlp.up_proj.weight_scale", "F32", 4, "with FP8 or compressed-tensors (tensor"},
      {"model.layers.0.mlp.up_proj.weight_scale_inv", "F32", 4, "with FP8 (tensor"},
      {"model.layers.0.mlp.up_proj.weight", "F8_E4M3", 1, "with FP8 (tensor"},
      {"model.layers.0.mlp.up_proj.weight", "U8", 1, "quantised weights (tensor"},
      {"model.layers.0.mlp.up_proj.weight", "I8", 1, "quantised weights (tensor"},
      {"model.layers.0.mlp.up_proj.weight", "U32", 4, "with MLX (tensor"},
      {"model.layers.0.mlp.up_proj.weight.absmax", "F32", 4, "with bitsandbytes (tensor"},
      {"model.layers.0.mlp.up_proj.SCB", "F32", 4, "with bitsandbytes (tensor"},
      {"model.layers.0.mlp.up_proj.weight_scales", "F16", 2, "with EETQ (tensor"},
      {"model.layers.0.mlp.up_proj.W_q", "U8", 1, "with HQQ (tensor"}};
  for (const auto& [tensor, dtype, bytes, name] : cases) {
    Directory dir;
    dir.write("config.json", "{}");
    dir.write_tensors({tensor}, dtype, bytes);
    dir.expect({"/model.safetensors] expected weights in F32, F16 or BF16, got ", name,
                fmt::format("'{}' of {}); use the model as it was before", tensor, dtype)});
  }
  Directory dir;
  dir.write("config.json", "{}");
  dir.write_tensors({"model.norm.weight"}, "I64", 8);
  dir.expect(
      {"'model.norm.weight' to be F32, F16, BF16 or F64, got I64; load the model in PyTorch and save it "
       "again"});
}

TEST(ModelKind, NamesModelsOfOtherTasks) {
  const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
      {R"(["LlamaForSequenceClassification"])", "score.weight",
       "a classifier or reward model (LlamaForSequenceClassification) with the tensor score.weight"},
      {R"(["LlamaForSequenceClassification"])", "model.norm.weight", "a classifier of texts"},
      {R"(["LlamaForTokenClassification"])", "model.norm.weight", "a classifier of tokens"},
      {R"(["LlamaForQuestionAnswering"])", "model.norm.weight", "a model that marks answers"},
      {R"(["LlamaForCausalLM"])", "v_head.summary.weight", "a value model of reinforcement learning"},
      {R"([])", "score.weight", "a classifier or reward model with the tensor"},
      {R"(["BertForMaskedLM"])", "bert.embeddings.word_embeddings.weight", "an encoder (BertForMaskedLM)"},
      {R"(["BertModel"])", "encoder.layer.0.weight", "a model with an encoder (BertModel)"},
      {R"(["LlavaForConditionalGeneration"])", "model.vision_tower.x.weight", "a model of images and text"}};
  for (const auto& [architectures, tensor, name] : cases) {
    Directory dir;
    dir.write("config.json", R"({"architectures":)" + architectures + "}");
    dir.write_tensors({"model.embed_tokens.weight", tensor});
    dir.expect(
        {"/config.json] expected a model that writes text, got ", name, "use a model that writes text, a"});
  }
  Directory dir;
  dir.write_tensors({"model.embed_tokens.weight", "lm_head.weight"});
  dir.write("config.json", R"({"architectures":["LlavaForConditionalGeneration"],"vision_config":{}})");
  dir.expect(
      {"a model of images and text (LlavaForConditionalGeneration)", "save its language model by itself"});
  dir.write("config.json", R"({"is_encoder_decoder":true})");
  dir.expect({"got an encoder-decoder model;"});
  // What the file says it is matters less than what it has.
  dir.write("config.json", R"({"architectures":["LlamaForSequenceClassification"]})");
  EXPECT_NO_THROW(open_checkpoint(dir.path()));
  dir.write("config.json", R"({"architectures":"LlamaForCausalLM"})");
  EXPECT_NO_THROW(open_checkpoint(dir.path()));
}

TEST(ModelKind, ReadsNamesOfABaseModel) {
  Directory dir;
  dir.write("config.json", R"({"architectures":["LlamaModel"]})");
  dir.write_tensors({"embed_tokens.weight", "layers.0.mlp.up_proj.weight", "norm.weight", "lm_head.weight"});
  const Checkpoint checkpoint = open_checkpoint(dir.path());
  std::vector<std::string> names;
  for (const auto& [name, entry] : checkpoint.weights.entries()) names.push_back(name);
  EXPECT_THAT(names, ::testing::ElementsAre("lm_head.weight", "model.embed_tokens.weight",
                                            "model.layers.0.mlp.up_proj.weight", "model.norm.weight"));
  for (const std::string prefix : {"module.", "_orig_mod.", "base_model.model.", "language_model."}) {
    dir.write_tensors({prefix + "model.embed_tokens.weight", prefix + "model.norm.weight"});
    dir.expect({"expected tensor model.embed_tokens.weight, got " + prefix + "model.embed_tokens.weight",
                "the names begin with '" + prefix + "'", "save the inner model by itself"});
  }
}

TEST(ModelKind, KnowsThePartsOfSplitFiles) {
  const auto part = gguf_part("/a/m-q8-00002-of-00003.gguf");
  ASSERT_TRUE(part);
  EXPECT_EQ(part->number, 2);
  EXPECT_EQ(part->count, 3);
  EXPECT_EQ(part->file_name(3), "m-q8-00003-of-00003.gguf");
  for (const char* name : {"m.gguf", "m-2-of-3.gguf", "m-00004-of-00003.gguf", "m-00000-of-00003.gguf",
                           "m-0000a-of-00003.gguf", "-00001-of-00003.gguf", "m-00001-of-00003.bin"}) {
    EXPECT_FALSE(gguf_part(name)) << name;
  }
}

TEST(ModelKind, SaysWhichPartOfASplitFileItGot) {
  Directory dir;
  const auto write = [&](int number, const std::string& name) {
    testing::GgufBytes file;
    file.keys = {
        testing::gguf_key("split.no", 2, testing::little_endian(static_cast<std::uint16_t>(number - 1))),
        testing::gguf_key("split.count", 2, testing::little_endian(std::uint16_t{3}))};
    dir.write(name, file.bytes());
  };
  const auto error = [&](const std::string& name) {
    return error_of([&] { open_checkpoint(dir.path() / name); });
  };
  write(2, "m-00002-of-00003.gguf");
  EXPECT_THAT(
      error("m-00002-of-00003.gguf"),
      HasSubstr("m-00002-of-00003.gguf] expected a model in one file, or in all its parts beside each other, "
                "got part 2 of 3, without m-00001-of-00003.gguf, m-00003-of-00003.gguf; download what is "
                "missing"));
  write(2, "renamed.gguf");
  EXPECT_THAT(error("renamed.gguf"),
              HasSubstr("got part 2 of 3 under another name; give its parts the names NAME-00001-of-00003"));
  dir.write("n-00002-of-00002.gguf", testing::GgufBytes().bytes());  // a part by its name alone
  EXPECT_THAT(error("n-00002-of-00002.gguf"), HasSubstr("got part 2 of 2, without n-00001-of-00002.gguf"));
}

TEST(ModelKind, NamesGgufFilesThatAreNoModel) {
  const auto error = [](const std::vector<std::string>& keys, bool tensors = true) {
    testing::GgufBytes file;
    file.keys = keys;
    if (tensors) file.tensors = {{"a", {1}, 0, std::string(4, '\0')}};
    const testing::GgufOnDisk on_disk(file);
    return error_of([&] { open_checkpoint(on_disk.path); });
  };
  const std::string llama = testing::gguf_string("general.architecture", "llama");
  EXPECT_THAT(error({llama, testing::gguf_string("general.type", "adapter")}),
              HasSubstr("expected a language model, got a LoRA adapter; give the PEFT directory"));
  EXPECT_THAT(error({testing::gguf_string("general.architecture", "clip")}),
              HasSubstr("(mmproj); name the language"));
  EXPECT_THAT(error({llama, testing::gguf_string("general.type", "imatrix")}),
              HasSubstr("an importance matrix"));
  EXPECT_THAT(error({llama}, false), HasSubstr("got a file without tensors"));
  EXPECT_THAT(error({testing::gguf_string("general.architecture", "bert")}),
              HasSubstr("arcee, got bert; use a model of one of these families"));
}

}  // namespace
}  // namespace refocus
