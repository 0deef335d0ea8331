#include "io/gguf/gguf_file.h"

#include <random>

#include "gguf_support.h"
#include "io/gguf/gguf_writer.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using testing::f32_bytes;
using testing::gguf_array;
using testing::gguf_key;
using testing::gguf_text;
using testing::gguf_u32;
using testing::GgufBytes;
using testing::GgufOnDisk;
using ::testing::HasSubstr;
using testing::little_endian;

std::string error_of_file(const GgufBytes& file) {
  const GgufOnDisk on_disk(file);
  return error_of([&] { GgufFile::open(on_disk.path); });
}
std::string error_of_bytes(const std::string& bytes) {
  const GgufOnDisk on_disk(bytes);
  return error_of([&] { GgufFile::open(on_disk.path); });
}

TEST(GgufFile, ReadsEveryMetadataType) {
  for (const std::uint32_t version : {2U, 3U}) {
    GgufBytes file;
    file.version = version;
    file.keys = {
        gguf_key("u8", 0, "\xFF"),
        gguf_key("i8", 1, "\xFF"),
        gguf_key("u16", 2, little_endian<std::uint16_t>(65535)),
        gguf_key("i16", 3, little_endian<std::int16_t>(-2)),
        gguf_key("u32", 4, little_endian<std::uint32_t>(4000000000U)),
        gguf_key("i32", 5, little_endian<std::int32_t>(-3)),
        gguf_key("f32", 6, little_endian(0.5f)),
        gguf_key("yes", 7, "\x01"),
        gguf_key("no", 7, std::string(1, '\0')),
        gguf_key("text", 8, gguf_text("héllo")),
        gguf_key("u64", 10, little_endian<std::uint64_t>(1ULL << 40)),
        gguf_key("i64", 11, little_endian<std::int64_t>(-5)),
        gguf_key("f64", 12, little_endian(0.25)),
        gguf_array("texts", 8, 2, gguf_text("a") + gguf_text("")),
        gguf_array("floats", 6, 2, f32_bytes({1, -2})),
        gguf_array("i16s", 3, 2, little_endian<std::int16_t>(7) + little_endian<std::int16_t>(-7)),
        gguf_array("bytes", 0, 3, std::string("a\0b", 3)),
        gguf_array("nested", 9, 2,
                   little_endian<std::uint32_t>(8) + little_endian<std::uint64_t>(1) + gguf_text("x") +
                       little_endian<std::uint32_t>(4) + little_endian<std::uint64_t>(0))};
    const GgufOnDisk on_disk(file);
    const GgufFile read = GgufFile::open(on_disk.path);
    EXPECT_EQ(read.integer("u8"), 255);
    EXPECT_EQ(read.integer("i8"), -1);
    EXPECT_EQ(read.integer("u16"), 65535);
    EXPECT_EQ(read.integer("i16"), -2);
    EXPECT_EQ(read.integer("u32"), 4000000000);
    EXPECT_EQ(read.integer("i32"), -3);
    EXPECT_EQ(read.number("f32"), 0.5);
    EXPECT_EQ(read.number("i32"), -3.0);
    EXPECT_EQ(read.flag("yes"), true);
    EXPECT_EQ(read.flag("no"), false);
    EXPECT_EQ(read.text("text"), "héllo");
    EXPECT_EQ(read.integer("u64"), std::int64_t{1} << 40);
    EXPECT_EQ(read.integer("i64"), -5);
    EXPECT_EQ(read.number("f64"), 0.25);
    EXPECT_THAT(*read.texts("texts"), ElementsAre("a", ""));
    EXPECT_THAT(*read.floats("floats"), ElementsAre(1.0f, -2.0f));
    EXPECT_THAT(*read.integers("i16s"), ElementsAre(7, -7));
    EXPECT_EQ(read.bytes("bytes"), std::string("a\0b", 3));
    EXPECT_TRUE(read.has("nested"));
    EXPECT_FALSE(read.has("absent"));
    EXPECT_EQ(read.integer("absent"), std::nullopt);
    EXPECT_EQ(read.texts("absent"), std::nullopt);
    EXPECT_THAT(error_of([&] { read.integer("text"); }), HasSubstr("expected an integer as metadata 'text'"));
    EXPECT_THAT(error_of([&] { read.text("u8"); }), HasSubstr("expected a string"));
    EXPECT_THAT(error_of([&] { read.flag("u8"); }), HasSubstr("expected true or false"));
    EXPECT_THAT(error_of([&] { read.texts("floats"); }), HasSubstr("expected a list of strings"));
    EXPECT_THAT(error_of([&] { read.floats("texts"); }), HasSubstr("expected a list of float32"));
    EXPECT_THAT(error_of([&] { read.integers("nested"); }), HasSubstr("expected a list of integers"));
  }
}

TEST(GgufFile, TensorsAreViewsOutermostFirst) {
  GgufBytes file;
  file.alignment = 64;
  file.keys = {gguf_u32("general.alignment", 64)};
  file.tensors = {{"a", {3, 2}, 0, f32_bytes({1, 2, 3, 4, 5, 6})},
                  {"q", {32, 2}, 8, std::string(68, '\1')},
                  {"h", {2}, 30, little_endian<std::uint32_t>(0x40003F80)}};
  const GgufOnDisk on_disk(file);
  const GgufFile read = GgufFile::open(on_disk.path);
  ASSERT_EQ(read.tensors().size(), 3u);
  const TensorView& a = read.tensors().at("a");
  EXPECT_THAT(a.shape, ElementsAre(2, 3));
  EXPECT_THAT(to_f32(a), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(read.tensors().at("q").dtype, DType::kQ8_0);
  EXPECT_EQ(read.tensors().at("q").bytes(), 68u);
  EXPECT_THAT(to_f32(read.tensors().at("h")), ElementsAre(1.0f, 2.0f));
  EXPECT_EQ((a.data - read.mapping()->bytes().data()) % 64, 0);
}

TEST(GgufFile, RefusesOtherFormatsAndVersions) {
  EXPECT_THAT(error_of_bytes("PK\3\4"),
              HasSubstr("expected a GGUF file, got a zip archive; unpack it first"));
  EXPECT_THAT(error_of_bytes(""), HasSubstr("empty file"));
  GgufBytes file;
  for (const std::uint32_t version : {0U, 1U, 4U}) {
    file.version = version;
    EXPECT_THAT(error_of_file(file),
                HasSubstr(fmt::format("got a GGUF file of version {} rather than 2 or 3", version)));
  }
  file.version = 3U << 24;
  EXPECT_THAT(error_of_file(file), HasSubstr("big-endian"));
}

TEST(GgufFile, RefusesLies) {
  GgufBytes file;
  file.extra_tensors = std::uint64_t{1} << 60;
  EXPECT_THAT(error_of_file(file), HasSubstr("more bytes"));
  file = {};
  file.extra_keys = ~std::uint64_t{0};
  EXPECT_THAT(error_of_file(file), HasSubstr("more bytes"));
  file = {};
  file.keys = {gguf_key("k", 8, little_endian(~std::uint64_t{0}))};
  EXPECT_THAT(error_of_file(file), HasSubstr("more bytes"));
  file.keys = {little_endian(std::uint64_t{1} << 33) + "k"};
  EXPECT_THAT(error_of_file(file), HasSubstr("expected a metadata key of at most 65535 bytes"));
  file.keys = {gguf_key("k", 13, "")};
  EXPECT_THAT(error_of_file(file), HasSubstr("expected a metadata type from 0 to 12 for 'k', got 13"));
  file.keys = {gguf_array("k", 12, ~std::uint64_t{0} / 4, "")};
  EXPECT_THAT(error_of_file(file), HasSubstr("elements of 'k', got the end of the file"));
  file.keys = {gguf_array("k", 8, ~std::uint64_t{0}, gguf_text("a"))};
  EXPECT_THAT(error_of_file(file), HasSubstr("more bytes"));
  file.keys = {gguf_u32("k", 1), gguf_u32("k", 2)};
  EXPECT_THAT(error_of_file(file), HasSubstr("has the metadata key 'k' twice"));
  file.keys = {gguf_u32("general.alignment", 24)};
  EXPECT_THAT(error_of_file(file), HasSubstr("expected a power of two as general.alignment, got 24"));
  file.keys = {gguf_u32("general.alignment", 0)};
  EXPECT_THAT(error_of_file(file), HasSubstr("power of two"));
}

TEST(GgufFile, RefusesDeeplyNestedArrays) {
  std::string value;
  for (int depth = 0; depth < 100000; ++depth) {
    value += little_endian<std::uint32_t>(9) + little_endian<std::uint64_t>(1);
  }
  GgufBytes file;
  file.keys = {gguf_key("k", 9, value)};
  EXPECT_THAT(error_of_file(file), HasSubstr("nested at most 8 deep"));
}

TEST(GgufFile, RefusesBadTensors) {
  const auto one = [](testing::GgufPart part) {
    GgufBytes file;
    file.tensors = {std::move(part)};
    return file;
  };
  EXPECT_THAT(
      error_of_file(one({"w", {256}, 9, std::string(288, 'x')})),
      HasSubstr(
          "expected tensor 'w' to be F32, F16, BF16, F64, Q4_0 to Q8_0, Q2_K to Q6_K, IQ1 to IQ4, MXFP4, "
          "NVFP4, TQ1_0 or TQ2_0, got Q8_1; use a file of one of these types"));
  EXPECT_THAT(error_of_file(one({"w", {128}, 41, std::string(18, 'x')})), HasSubstr("got Q1_0"));
  EXPECT_THAT(error_of_file(one({"w", {256}, 777, ""})), HasSubstr("got type 777"));
  EXPECT_THAT(error_of_file(one({"w", {}, 0, ""})),
              HasSubstr("expected 1 to 4 dimensions of tensor 'w', got 0"));
  EXPECT_THAT(error_of_file(one({"w", {1, 1, 1, 1, 1}, 0, ""})), HasSubstr("got 5"));
  EXPECT_THAT(error_of_file(one({"w", {33}, 8, std::string(68, 'x')})),
              HasSubstr("expected rows of a multiple of 32 elements in tensor 'w' of type Q8_0, got 33"));
  EXPECT_THAT(error_of_file(one({"w", {128}, 12, std::string(72, 'x')})), HasSubstr("a multiple of 256"));
  EXPECT_THAT(error_of_file(one({"w", {1ULL << 40, 1ULL << 40}, 0, ""})), HasSubstr("too large to exist"));
  EXPECT_THAT(error_of_file(one({"w", {~0ULL}, 0, ""})), HasSubstr("too large to exist"));
  EXPECT_THAT(error_of_file(one({"w", {1000}, 0, f32_bytes({1})})), HasSubstr("the file is cut short"));
  GgufBytes file = one({"w", {1}, 0, f32_bytes({1})});
  file.extra_offset = 4;
  EXPECT_THAT(error_of_file(file), HasSubstr("expected tensor 'w' at a multiple of 32 bytes, got 4"));
  file.extra_offset = ~std::uint64_t{0} - 31;
  EXPECT_THAT(error_of_file(file), HasSubstr("the file is cut short"));
  file = one({"w", {1}, 0, f32_bytes({1})});
  file.tensors.push_back(file.tensors[0]);
  EXPECT_THAT(error_of_file(file), HasSubstr("has the tensor 'w' twice"));
  // Two tensors at one place: the first says that it is larger than its data.
  file = one({"a", {16}, 0, f32_bytes({1})});
  file.tensors.push_back({"b", {16}, 0, std::string(64, 'x')});
  EXPECT_THAT(error_of_file(file), HasSubstr("tensor 'b' overlaps the one before it"));
}

TEST(GgufFile, NamesAreShownEscaped) {
  GgufBytes file;
  file.tensors = {{"w\n\x1b[31m", {1}, 10, "x"}};
  const std::string error = error_of_file(file);
  EXPECT_EQ(error.find('\x1b'), std::string::npos);
}

// Whatever is done to a file, opening it and reading all that it offers ends in values or in one line.
TEST(GgufFile, DamagedFilesAreErrorsOrHarmless) {
  testing::GgufBytes file = testing::small_gguf_model();
  file.keys.push_back(gguf_array("texts", 8, 2, gguf_text("ab") + gguf_text("c")));
  file.keys.push_back(
      gguf_array("nested", 9, 1, little_endian<std::uint32_t>(4) + little_endian<std::uint64_t>(1) + "abcd"));
  const std::string sound = file.bytes();
  const auto try_bytes = [](const std::string& bytes) {
    const GgufOnDisk on_disk(bytes);
    try {
      const GgufFile read = GgufFile::open(on_disk.path);
      for (const auto& [name, view] : read.tensors()) to_f32(view);
      read.texts("texts");
      return true;
    } catch (const InputError&) {
      return false;
    }
  };
  EXPECT_TRUE(try_bytes(sound));
  int sound_cuts = 0;
  for (std::size_t size = 0; size + 1 < sound.size(); size += 3)
    sound_cuts += try_bytes(sound.substr(0, size));
  EXPECT_LE(sound_cuts, 11);  // only the padding after the last tensor can be missing
  std::mt19937 random(1);
  int refused = 0;
  for (int round = 0; round < 700; ++round) {
    std::string bytes = sound;
    const std::size_t at = random() % 1200;  // within the head
    bytes[at] = static_cast<char>(random());
    if (round % 3 == 0) bytes[(at + 1) % bytes.size()] = '\xFF';
    refused += !try_bytes(bytes);
  }
  EXPECT_GT(refused, 70);
}

TEST(GgufWriter, WritesWhatTheReaderReads) {
  const testing::TempDir dir;
  GgufMetadata metadata;
  metadata.add_u32("n", 7);
  metadata.add_f32("x", 0.5f);
  metadata.add_flag("f", true);
  metadata.add_text("t", "text");
  const std::vector<std::string> texts = {"a", "", "ccc"};
  metadata.add_texts("ts", texts);
  const std::vector<float> floats = {1, 2.5f};
  metadata.add_floats("fs", floats);
  const std::vector<std::int32_t> integers = {-1, 5};
  metadata.add_integers("is", integers);
  metadata.add_bytes("b", std::string("\0\1", 2));
  const std::vector<GgufTensorInfo> tensors = {
      {"one", {3}, DType::kF32}, {"none", {0, 4}, DType::kF32}, {"two", {2, 32}, DType::kQ4_0}};
  const std::string one = f32_bytes({1, 2, 3}), two(36, '\x22');
  {
    GgufWriter writer(dir / "out.gguf", metadata, tensors);
    const std::string all = one + two;
    for (std::size_t at = 0; at < all.size(); at += 5) {  // pieces that cross tensors
      const std::string piece = all.substr(at, 5);
      writer.write(std::as_bytes(std::span(piece.data(), piece.size())));
    }
    EXPECT_FALSE(std::filesystem::exists(dir / "out.gguf"));
    writer.commit();
  }
  const GgufFile read = GgufFile::open(dir / "out.gguf");
  EXPECT_EQ(read.integer("n"), 7);
  EXPECT_EQ(read.number("x"), 0.5);
  EXPECT_EQ(read.flag("f"), true);
  EXPECT_EQ(read.text("t"), "text");
  EXPECT_EQ(read.texts("ts"), texts);
  EXPECT_EQ(read.floats("fs"), floats);
  EXPECT_THAT(*read.integers("is"), ElementsAre(-1, 5));
  EXPECT_EQ(read.bytes("b"), std::string("\0\1", 2));
  EXPECT_EQ(testing::bytes_of(read.tensors().at("one")), one);
  EXPECT_EQ(testing::bytes_of(read.tensors().at("two")), two);
  EXPECT_THAT(read.tensors().at("none").shape, ElementsAre(0, 4));
}

TEST(GgufWriter, LeavesNothingWhereItIsNotFinished) {
  const testing::TempDir dir;
  const std::vector<GgufTensorInfo> tensors = {{"one", {3}, DType::kF32}};
  { const GgufWriter writer(dir / "out.gguf", GgufMetadata(), tensors); }
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
  EXPECT_THAT(error_of([&] { GgufWriter(dir / "absent/out.gguf", GgufMetadata(), tensors); }),
              HasSubstr("cannot be written"));
}

}  // namespace
}  // namespace refocus
