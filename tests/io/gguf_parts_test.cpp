// Models in several GGUF files.
#include "gguf_support.h"
#include "io/checkpoint.h"
#include "support.h"
#include "tensor/tensor_view.h"

namespace refocus {
namespace {

using ::testing::AllOf;
using testing::error_of;
using testing::GgufBytes;
using ::testing::HasSubstr;
using testing::little_endian;

std::string gguf_u16(const std::string& key, int value) {
  return testing::gguf_key(key, 2, little_endian(static_cast<std::uint16_t>(value)));
}

// The small model as llama-gguf-split makes three parts of it: all metadata in the first.
struct Parts {
  testing::TempDir dir;
  std::vector<GgufBytes> files{3};

  Parts() {
    const GgufBytes whole = testing::small_gguf_model();
    files[0].keys = whole.keys;
    for (std::size_t i = 0; i < 3; ++i) {
      files[i].keys.push_back(gguf_u16("split.no", static_cast<int>(i)));
      files[i].keys.push_back(gguf_u16("split.count", 3));
      files[i].keys.push_back(testing::gguf_key(
          "split.tensors.count", 5, little_endian(static_cast<std::int32_t>(whole.tensors.size()))));
    }
    for (std::size_t t = 0; t < whole.tensors.size(); ++t)
      files[t * 3 / whole.tensors.size()].tensors.push_back(whole.tensors[t]);
  }
  static std::string name(std::size_t part) { return "m-0000" + std::to_string(part + 1) + "-of-00003.gguf"; }
  void write() const {
    for (std::size_t i = 0; i < 3; ++i) std::ofstream(dir / name(i), std::ios::binary) << files[i].bytes();
  }
  Checkpoint open(std::size_t part) const { return open_checkpoint(dir / name(part)); }
  std::string error(std::size_t part = 0) const {
    return error_of([&] { open(part); });
  }
};

TEST(GgufParts, AnyPartOpensAllAsOneModel) {
  const testing::GgufOnDisk on_disk(testing::small_gguf_model());
  const Checkpoint whole = open_checkpoint(on_disk.path);
  const Parts parts;
  parts.write();
  for (std::size_t part = 0; part < 3; ++part) {
    const Checkpoint split = parts.open(part);
    EXPECT_EQ(split.config_json, whole.config_json);
    ASSERT_EQ(split.weights.entries().size(), whole.weights.entries().size());
    for (const auto& [name, entry] : whole.weights.entries()) {
      ASSERT_NE(split.weights.find(name), nullptr) << name;
      EXPECT_EQ(to_f32(split.weights.find(name)->view), to_f32(entry.view)) << name;
    }
    ASSERT_EQ(split.files.size(), 3u);  // all of them make the fingerprint
    for (std::size_t i = 0; i < 3; ++i)
      EXPECT_EQ(split.files[i], used_file("gguf", parts.dir / Parts::name(i)));
  }
}

TEST(GgufParts, AMissingPartIsNamed) {
  const Parts parts;
  parts.write();
  std::filesystem::remove(parts.dir / Parts::name(1));
  for (const std::size_t part : {0, 2}) {
    EXPECT_THAT(parts.error(part), HasSubstr("without m-00002-of-00003.gguf; download what is missing"));
  }
}

TEST(GgufParts, APartOfAnotherModelIsNamed) {
  Parts parts;
  parts.files[2].keys[2] = testing::gguf_key("split.tensors.count", 5, little_endian<std::int32_t>(99));
  parts.write();
  EXPECT_THAT(parts.error(),
              AllOf(HasSubstr("m-00003-of-00003.gguf] expected a part of a model of 13 tensors"),
                    HasSubstr("got one of 99; it is another model's")));
  std::filesystem::copy_file(parts.dir / Parts::name(1), parts.dir / Parts::name(2),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(parts.error(), HasSubstr("m-00003-of-00003.gguf] expected part 3 of 3, got part 2 of 3"));
  std::ofstream(parts.dir / Parts::name(2), std::ios::binary) << testing::small_gguf_model().bytes();
  EXPECT_THAT(parts.error(), HasSubstr("m-00003-of-00003.gguf] expected part 3 of 3, got a whole file"));
}

TEST(GgufParts, EveryTensorIsThereOnce) {
  Parts twice;
  twice.files[2].tensors.push_back(twice.files[0].tensors[0]);
  twice.write();
  EXPECT_THAT(twice.error(),
              HasSubstr("m-00003-of-00003.gguf] has the tensor 'token_embd.weight', which another"));
  Parts fewer;
  fewer.files[1].tensors.pop_back();
  fewer.write();
  EXPECT_THAT(fewer.error(2), HasSubstr("expected 13 tensors in its 3 parts, got 12"));
}

}  // namespace
}  // namespace refocus
