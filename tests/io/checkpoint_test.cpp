#include "io/checkpoint.h"

#include "io_support.h"
#include "opened_files.h"

namespace refocus {
namespace {

using ::testing::AllOf;
using testing::error_of;
using ::testing::HasSubstr;
using testing::io_golden;
namespace fs = std::filesystem;

// A model directory with config.json, to which a test adds weights.
class ModelDir {
 public:
  ModelDir() { write("config.json", R"({"hidden_size": 64})"); }
  void write(const std::string& name, const std::string& content) {
    write_file_atomically(dir_ / name, content);
  }
  // A .safetensors file of float32 scalars, each with the value `value`.
  void write_scalars(const std::string& name, const std::vector<std::string>& tensors, float value) {
    std::string header, data;
    for (const std::string& tensor : tensors) {
      header += (header.empty() ? "{\"" : ",\"") + tensor +
                R"(":{"dtype":"F32","shape":[],"data_offsets":[)" + std::to_string(data.size()) + "," +
                std::to_string(data.size() + 4) + "]}";
      data += testing::little_endian(value);
    }
    write(name, testing::safetensors_bytes(header + "}", data));
  }
  void copy_golden(const std::string& golden, const std::string& name) {
    fs::copy_file(io_golden(golden), dir_ / name, fs::copy_options::overwrite_existing);
  }
  const fs::path& path() const { return dir_.path(); }
  Checkpoint open() const { return open_checkpoint(path()); }
  std::string error() const {
    return error_of([&] { open(); });
  }

 private:
  testing::TempDir dir_;
};

float scalar(const Checkpoint& checkpoint, const std::string& name) {
  const WeightMap::Entry* entry = checkpoint.weights.find(name);
  return entry == nullptr ? -1 : to_f32(entry->view)[0];
}

TEST(Checkpoint, PrefersSafetensorsToPickles) {
  ModelDir dir;
  dir.copy_golden("tied.bin", "pytorch_model.bin");
  Checkpoint checkpoint = dir.open();
  EXPECT_NE(checkpoint.weights.find("lm_head.weight"), nullptr);
  EXPECT_EQ(checkpoint.config_json, R"({"hidden_size": 64})");
  EXPECT_EQ(checkpoint.path, dir.path());

  dir.write("pytorch_model.bin.index.json", R"({"weight_map": {"weight": "pytorch_model-1.bin"}})");
  dir.copy_golden("parameter.bin", "pytorch_model-1.bin");
  checkpoint = dir.open();
  EXPECT_NE(checkpoint.weights.find("weight"), nullptr);
  EXPECT_EQ(checkpoint.weights.find("lm_head.weight"), nullptr);

  dir.write_scalars("adapter_model.safetensors", {"adapter"}, 9);
  EXPECT_NE(dir.open().weights.find("weight"), nullptr);
  dir.write_scalars("other.safetensors", {"w"}, 1);
  EXPECT_EQ(scalar(dir.open(), "w"), 1);
  dir.write_scalars("model.safetensors", {"w"}, 2);
  EXPECT_EQ(scalar(dir.open(), "w"), 2);
  dir.write_scalars("shard.safetensors", {"w"}, 3);
  dir.write("model.safetensors.index.json", R"({"metadata": {}, "weight_map": {"w": "shard.safetensors"}})");
  EXPECT_EQ(scalar(dir.open(), "w"), 3);
}

// Whatever the layout, the list of files is what was opened, in order of opening.
TEST(Checkpoint, ListsTheFilesThatItReads) {
  ModelDir dir;
  dir.write("README.md", "text");
  dir.write_scalars("adapter_model.safetensors", {"adapter"}, 9);
  const auto expect_files = [&](const std::vector<std::string>& weights) {
    Checkpoint checkpoint;
    const auto opened = testing::opened_files(dir.path(), [&] { checkpoint = dir.open(); });
    EXPECT_EQ(testing::names_of(checkpoint.files), opened);
    ASSERT_EQ(checkpoint.files.size(), weights.size() + 1);
    EXPECT_EQ(checkpoint.files[0], used_file("config", dir.path() / "config.json"));
    for (std::size_t i = 0; i < weights.size(); ++i) {
      EXPECT_EQ(checkpoint.files[i + 1], used_file("weights", dir.path() / weights[i]));
    }
  };
  dir.copy_golden("tied.bin", "pytorch_model.bin");
  expect_files({"pytorch_model.bin"});
  dir.copy_golden("parameter.bin", "pytorch_model-1.bin");
  dir.write("pytorch_model.bin.index.json", R"({"weight_map": {"weight": "pytorch_model-1.bin"}})");
  expect_files({"pytorch_model.bin.index.json", "pytorch_model-1.bin"});
  dir.write_scalars("other.safetensors", {"w"}, 1);
  expect_files({"other.safetensors"});
  dir.write_scalars("model.safetensors", {"w"}, 2);
  expect_files({"model.safetensors"});
  dir.write("model.safetensors.index.json",
            R"({"weight_map": {"w": "model.safetensors", "v": "second.safetensors"}})");
  dir.write_scalars("second.safetensors", {"v"}, 3);
  expect_files({"model.safetensors.index.json", "model.safetensors", "second.safetensors"});
}

TEST(Checkpoint, ReadsEveryShard) {
  ModelDir dir;
  dir.write_scalars("model-1.safetensors", {"a", "b"}, 1);
  dir.write_scalars("model-2.safetensors", {"c"}, 2);
  dir.write(
      "model.safetensors.index.json",
      R"({"weight_map": {"a": "model-1.safetensors", "b": "model-1.safetensors", "c": "model-2.safetensors"}})");
  const Checkpoint checkpoint = dir.open();
  EXPECT_EQ(checkpoint.weights.entries().size(), 3u);
  EXPECT_EQ(scalar(checkpoint, "b"), 1);
  EXPECT_EQ(scalar(checkpoint, "c"), 2);
}

TEST(Checkpoint, ABufferThatWasLeftOutIsNotMissed) {
  ModelDir dir;
  dir.copy_golden("buffers.bin", "pytorch_model-1.bin");
  dir.write("pytorch_model.bin.index.json",
            R"({"weight_map": {"model.norm.weight": "pytorch_model-1.bin",
                "model.position_ids": "pytorch_model-1.bin"}})");
  EXPECT_EQ(dir.open().weights.find("model.position_ids"), nullptr);
}

TEST(Checkpoint, RefusesAnIndexThatDisagreesWithItsShards) {
  ModelDir dir;
  dir.write_scalars("model-1.safetensors", {"a"}, 1);
  dir.write_scalars("model-2.safetensors", {"b"}, 2);
  const auto error = [&](const std::string& index) {
    dir.write("model.safetensors.index.json", index);
    return dir.error();
  };
  EXPECT_THAT(error(R"({"weight_map": {"a": "model-1.safetensors", "z": "model-1.safetensors"}})"),
              HasSubstr("expected weight 'z' in 'model-1.safetensors', got none"));
  EXPECT_THAT(error(R"({"weight_map": {"a": "model-2.safetensors", "b": "model-1.safetensors"}})"),
              HasSubstr("expected weight 'b' in 'model-1.safetensors', got none"));
  EXPECT_THAT(error(R"({"weight_map": {"a": "model-1.safetensors", "b": "model-1.safetensors"}})"),
              HasSubstr("expected weight 'b' in 'model-1.safetensors', got none"));
  EXPECT_THAT(error(R"({"weight_map": {"a": "model-1.safetensors", "b": "model-3.safetensors"}})"),
              HasSubstr("expected the file 'model-3.safetensors' beside the index, got none"));
  dir.write_scalars("model-1.safetensors", {"a", "c"}, 1);
  EXPECT_THAT(
      error(R"({"weight_map": {"c": "model-1.safetensors", "a": "model-2.safetensors"}})"),
      AllOf(HasSubstr("expected weight 'a' in 'model-2.safetensors', got it in"), HasSubstr("model-1")));
  dir.write_scalars("model-2.safetensors", {"a", "b"}, 2);
  EXPECT_THAT(error(R"({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}})"),
              HasSubstr("tensor a is also in"));
}

TEST(Checkpoint, RefusesAMalformedIndex) {
  ModelDir dir;
  dir.write_scalars("model-1.safetensors", {"a"}, 1);
  fs::create_directory(dir.path() / "sub");
  dir.write_scalars("sub/model.safetensors", {"a"}, 1);
  const auto error = [&](const std::string& index) {
    dir.write("model.safetensors.index.json", index);
    return dir.error();
  };
  for (const char* name :
       {"../model-1.safetensors", "/etc/passwd", "sub/model.safetensors", "..", "", ".safetensors",
        "sub\\\\model.safetensors", "a\\u0000.safetensors", "config.json"}) {
    SCOPED_TRACE(name);
    EXPECT_THAT(error(std::string(R"({"weight_map": {"a": ")") + name + "\"}}"),
                HasSubstr("expected plain file names ending in .safetensors"));
  }
  EXPECT_THAT(error(R"({"weight_map": {"a": 1}})"),
              HasSubstr("expected a file name for weight 'a', got number"));
  EXPECT_THAT(error(R"({"weight_map": {}})"), HasSubstr("expected a weight_map"));
  EXPECT_THAT(error(R"({"metadata": {}})"), HasSubstr("expected a weight_map"));
  EXPECT_THAT(error("[]"), HasSubstr("expected a JSON object, got a list; download the index again"));
  EXPECT_THAT(error("{"), HasSubstr("expected JSON with a key in quotes"));
  EXPECT_THAT(error(R"({"weight_map": {"a": "model-1.safetensors", "a": "model-1.safetensors"}})"),
              HasSubstr("got 'a' twice"));
}

TEST(Checkpoint, SaysWhatIsMissing) {
  ModelDir dir;
  EXPECT_EQ(dir.error(),
            "[" + dir.path().string() +
                "] expected weights (model.safetensors.index.json, model.safetensors, one *.safetensors, "
                "pytorch_model.bin.index.json or pytorch_model.bin), got none; download the model's "
                "weights");
  dir.write_scalars("a.safetensors", {"a"}, 1);
  dir.write_scalars("b.safetensors", {"b"}, 1);
  EXPECT_THAT(dir.error(),
              HasSubstr("beside 2 .safetensors files (a.safetensors, b.safetensors, ...), got none"));
  fs::remove(dir.path() / "config.json");
  EXPECT_THAT(dir.error(),
              HasSubstr("got weights (a.safetensors, b.safetensors) without config.json; download it too"));
  EXPECT_THAT(
      error_of([&] { open_checkpoint(dir.path() / "absent"); }),
      HasSubstr("expected a model directory with config.json and weights, or a GGUF file, got nothing"));
  EXPECT_THAT(error_of([&] { open_checkpoint(dir.path() / "a.safetensors"); }),
              HasSubstr("got a safetensors file; name the directory that has it beside its config.json"));
}

TEST(Checkpoint, OpensARealModel) {
  REFOCUS_NEEDS_SHARED("models/aidreams-260k/model.safetensors");
  const Checkpoint checkpoint = open_checkpoint(testing::shared("models/aidreams-260k"));
  EXPECT_NE(checkpoint.weights.find("model.layers.0.self_attn.q_proj.weight"), nullptr);
  EXPECT_THAT(checkpoint.config_json, HasSubstr("hidden_size"));
}

}  // namespace
}  // namespace refocus
