#include "io/safetensors.h"

#include <cmath>
#include <fstream>

#include "io_support.h"

namespace refocus {
namespace {

using ::testing::AllOf;
using testing::bytes_of;
using testing::error_of;
using ::testing::HasSubstr;
using testing::little_endian;
using testing::safetensors_bytes;

TEST(Safetensors, ReadsEveryElementTypeOfTheGoldens) {
  for (const auto& [name, dtype] : {std::pair{"state_f32.safetensors", DType::kF32},
                                    {"state_f16.safetensors", DType::kF16},
                                    {"state_bf16.safetensors", DType::kBF16}}) {
    SCOPED_TRACE(name);
    WeightMap weights;
    read_safetensors(testing::io_golden(name), weights);
    ASSERT_EQ(weights.entries().size(), 6u);
    const TensorView& embed = weights.find("model.embed_tokens.weight")->view;
    EXPECT_EQ(embed.dtype, dtype);
    EXPECT_EQ(embed.shape, (std::vector<std::int64_t>{8, 6}));
    EXPECT_EQ(to_f32(embed), testing::ramp(48));
    EXPECT_EQ(weights.find("model.layers.0.mlp.up_proj.weight")->view.shape,
              (std::vector<std::int64_t>{3, 2, 2}));
    EXPECT_EQ(to_f32(weights.find("model.norm.weight")->view), testing::ramp(7));
    const std::vector<float> special = to_f32(weights.find("special")->view);
    EXPECT_TRUE(std::signbit(special[1]));
    EXPECT_EQ(special[2], INFINITY);
    EXPECT_TRUE(std::isnan(special[4]));
    EXPECT_EQ(special[7], -1.5f);
    EXPECT_EQ(weights.find("scalar")->view.shape, std::vector<std::int64_t>{});
    EXPECT_EQ(to_f32(weights.find("scalar")->view), std::vector<float>{2.5f});
    EXPECT_EQ(weights.find("empty")->view.shape, (std::vector<std::int64_t>{0, 3}));
    EXPECT_EQ(weights.find("empty")->view.bytes(), 0u);
  }
}

TEST(Safetensors, ReadsARealModelsFile) {
  REFOCUS_NEEDS_SHARED("models/aidreams-260k/model.safetensors");
  WeightMap weights;
  read_safetensors(testing::shared("models/aidreams-260k/model.safetensors"), weights);
  EXPECT_EQ(weights.find("model.embed_tokens.weight")->view.shape, (std::vector<std::int64_t>{512, 64}));
  EXPECT_GT(weights.total_bytes(), 1'000'000);
}

struct BadFile {
  const char* what;
  std::string bytes;
  std::vector<std::string> says;
};

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets,
                const std::string& name = "w") {
  return "{\"" + name + "\":" + entry(dtype, shape, offsets) + "}";
}

std::vector<BadFile> bad_structures() {
  const std::string data(16, 'x');
  return {
      {"empty file", "", {"empty file"}},
      {"shorter than a length", std::string("\x40\0\0", 3), {"expected 8 more bytes at byte 0"}},
      {"LFS pointer",
       "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n",
       {"git lfs pull"}},
      {"header beyond the file",
       little_endian<std::uint64_t>(50) + "{}",
       {"expected at least 58 bytes, got 10"}},
      {"huge length", little_endian<std::uint64_t>(~0ull) + "{}", {"got a length of 18446744073709551615"}},
      {"no object", safetensors_bytes("[1]", ""), {"expected the header to begin with '{', got '[1]'"}},
      {"not JSON",
       safetensors_bytes("{\"a\":", ""),
       {", header] expected JSON with a value at line 1, column 6"}},
      {"not UTF-8",
       safetensors_bytes("{\"\xff\":1}", ""),
       {", header] expected UTF-8, got other bytes at line 1, column 3"}},
      {"tail after the object",
       safetensors_bytes("{} {}", ""),
       {"expected JSON with nothing more at line 1, column 4"}},
      {"duplicate tensor",
       safetensors_bytes(
           "{\"w\":" + entry("F32", "[4]", "[0,16]") + ",\"w\":" + entry("F32", "[4]", "[0,16]") + "}", data),
       {"got 'w' twice"}},
      {"duplicate field",
       safetensors_bytes("{\"w\":{\"dtype\":\"F32\",\"dtype\":\"F16\"}}", data),
       {"'dtype' twice"}},
      {"deep",
       safetensors_bytes(one("F32", "[[[[1]]]]", "[0,16]"), data),
       {"the shape of tensor 'w' to be a list of sizes"}},
      {"very deep", safetensors_bytes("{\"w\":" + std::string(100000, '['), data), {"nested too deeply"}},
  };
}

std::vector<BadFile> bad_tensors() {
  const std::string data(16, 'x');
  return {
      {"entry is no object", safetensors_bytes("{\"w\":7}", data), {"'w' to be an object, got number"}},
      {"no dtype",
       safetensors_bytes("{\"w\":{\"shape\":[4],\"data_offsets\":[0,16]}}", data),
       {"'w' to have 'dtype'"}},
      {"no shape",
       safetensors_bytes("{\"w\":{\"dtype\":\"F32\",\"data_offsets\":[0,16]}}", data),
       {"to have 'shape'"}},
      {"no offsets",
       safetensors_bytes("{\"w\":{\"dtype\":\"F32\",\"shape\":[4]}}", data),
       {"to have 'data_offsets'"}},
      {"dtype is a number",
       safetensors_bytes("{\"w\":{\"dtype\":1,\"shape\":[4],\"data_offsets\":[0,16]}}", data),
       {"dtype of tensor 'w' to be a string"}},
      {"unknown dtype",
       safetensors_bytes(one("Q7", "[4]", "[0,16]"), data),
       {"'w' to be F32, F16, BF16 or F64, got Q7"}},
      {"integer weight",
       safetensors_bytes(one("I64", "[2]", "[0,16]"), data),
       {"'w' to be F32, F16, BF16 or F64, got I64"}},
      {"unknown dtype of a buffer",
       safetensors_bytes(one("Q7", "[4]", "[0,16]", "attn.bias"), data),
       {"got Q7"}},
      {"negative size",
       safetensors_bytes(one("F32", "[-4]", "[0,16]"), data),
       {"shape of tensor 'w'", "[-4]"}},
      {"fractional size", safetensors_bytes(one("F32", "[4.0]", "[0,16]"), data), {"shape of tensor 'w'"}},
      {"shape is text", safetensors_bytes(one("F32", "\"4\"", "[0,16]"), data), {"shape of tensor 'w'"}},
      {"size of 64 bits",
       safetensors_bytes(one("F32", "[18446744073709551615]", "[0,16]"), data),
       {"shape of tensor 'w'"}},
      {"size beyond 64 bits",
       safetensors_bytes(one("F32", "[99999999999999999999]", "[0,16]"), data),
       {"shape of tensor 'w'"}},
      {"product overflows",
       safetensors_bytes(one("F32", "[4294967296,4294967296]", "[0,16]"), data),
       {"too large to exist"}},
      {"product wraps to 16",
       safetensors_bytes(one("F32", "[4611686018427387904,4]", "[0,16]"), data),
       {"too large to exist"}},
      {"overflow hidden by a zero",
       safetensors_bytes(one("F32", "[0,9223372036854775807,9223372036854775807]", "[0,0]"), ""),
       {"too large to exist"}},
  };
}

std::vector<BadFile> bad_offsets() {
  const std::string data(16, 'x');
  return {
      {"negative offset",
       safetensors_bytes(one("F32", "[4]", "[-16,0]"), data),
       {"data_offsets [begin, end] of tensor 'w', got [-16,0]"}},
      {"offsets reversed", safetensors_bytes(one("F32", "[4]", "[16,0]"), data), {"got [16,0]"}},
      {"three offsets", safetensors_bytes(one("F32", "[4]", "[0,16,16]"), data), {"got [0,16,16]"}},
      {"wrong size for the shape",
       safetensors_bytes(one("F32", "[3]", "[0,16]"), data),
       {"expected 12 bytes for tensor 'w', F32 [3]", "16 bytes"}},
      {"overlap",
       safetensors_bytes(
           "{\"a\":" + entry("F32", "[3]", "[0,12]") + ",\"b\":" + entry("F32", "[2]", "[8,16]") + "}", data),
       {"'b' to begin at byte 12", "overlaps"}},
      {"the same bytes twice",
       safetensors_bytes(
           "{\"a\":" + entry("F32", "[4]", "[0,16]") + ",\"b\":" + entry("F32", "[4]", "[0,16]") + "}", data),
       {"overlaps"}},
      {"hole",
       safetensors_bytes(
           "{\"a\":" + entry("F32", "[1]", "[0,4]") + ",\"b\":" + entry("F32", "[2]", "[8,16]") + "}", data),
       {"'b' to begin at byte 4", "leaves a hole"}},
      {"hole at the start", safetensors_bytes(one("F32", "[3]", "[4,16]"), data), {"leaves a hole"}},
      {"offsets beyond the file",
       safetensors_bytes(one("F32", "[8]", "[0,32]"), data),
       {"cut short; download it again"}},
      {"bytes without an owner",
       safetensors_bytes(one("F32", "[3]", "[0,12]"), data),
       {"no tensor owns the last ones"}},
      {"metadata is a list", safetensors_bytes("{\"__metadata__\":[]}", ""), {"__metadata__ to map strings"}},
      {"metadata holds a number",
       safetensors_bytes("{\"__metadata__\":{\"a\":1}}", ""),
       {"'a' of __metadata__ to be a string"}},
      {"line feed in a name", safetensors_bytes(one("I64", "[2]", "[0,16]", "a\\nb"), data), {"a\\x0ab"}},
  };
}

TEST(Safetensors, RefusesEveryBreachOfTheFormat) {
  const testing::TempDir dir;
  std::vector<BadFile> all = bad_structures();
  for (BadFile& bad : bad_tensors()) all.push_back(std::move(bad));
  for (BadFile& bad : bad_offsets()) all.push_back(std::move(bad));
  for (const BadFile& bad : all) {
    SCOPED_TRACE(bad.what);
    write_file_atomically(dir / "bad.safetensors", bad.bytes);
    WeightMap weights;
    const std::string error = error_of([&] { read_safetensors(dir / "bad.safetensors", weights); });
    EXPECT_THAT(error, HasSubstr("bad.safetensors"));
    for (const std::string& part : bad.says) EXPECT_THAT(error, HasSubstr(part));
    EXPECT_TRUE(weights.entries().empty());
  }
}

TEST(Safetensors, SaysHowManyBytesATruncatedFileLacks) {
  const testing::TempDir dir;
  const std::string whole = read_text_file(testing::io_golden("state_f32.safetensors"));
  write_file_atomically(dir / "cut.safetensors", whole.substr(0, whole.size() - 100));
  WeightMap weights;
  EXPECT_EQ(error_of([&] { read_safetensors(dir / "cut.safetensors", weights); }),
            "[" + (dir / "cut.safetensors").string() + "] expected " + std::to_string(whole.size()) +
                " bytes, got " + std::to_string(whole.size() - 100) +
                ": the file is cut short; download it again");
}

TEST(Safetensors, LeavesOutKnownBuffersOfOtherTypesOnly) {
  const testing::TempDir dir;
  const std::string header =
      "{\"model.position_ids\":" + entry("I64", "[1]", "[0,8]") +
      ",\"model.layers.0.self_attn.rotary_emb.inv_freq\":" + entry("F32", "[1]", "[8,12]") +
      ",\"w\":" + entry("F32", "[1]", "[12,16]") + "}";
  write_file_atomically(dir / "a.safetensors", safetensors_bytes(header, std::string(16, '\0')));
  WeightMap weights;
  read_safetensors(dir / "a.safetensors", weights);
  EXPECT_EQ(weights.find("model.position_ids"), nullptr);
  EXPECT_NE(weights.find("model.layers.0.self_attn.rotary_emb.inv_freq"), nullptr);
  EXPECT_NE(weights.find("w"), nullptr);
  write_file_atomically(
      dir / "b.safetensors",
      safetensors_bytes(one("I64", "[1]", "[0,8]", "my_position_ids"), std::string(8, '\0')));
  EXPECT_THAT(error_of([&] { read_safetensors(dir / "b.safetensors", weights); }),
              HasSubstr("'my_position_ids'"));
}

TEST(Safetensors, RefusesATensorThatAnotherFileHas) {
  const testing::TempDir dir;
  write_file_atomically(dir / "a.safetensors", safetensors_bytes(one("F32", "[1]", "[0,4]"), "1234"));
  write_file_atomically(dir / "b.safetensors", safetensors_bytes(one("F32", "[1]", "[0,4]"), "1234"));
  WeightMap weights;
  read_safetensors(dir / "a.safetensors", weights);
  EXPECT_THAT(error_of([&] { read_safetensors(dir / "b.safetensors", weights); }),
              AllOf(HasSubstr("b.safetensors] tensor w is also in"), HasSubstr("a.safetensors; keep one")));
}

TEST(Safetensors, WritesWhatItReads) {
  const testing::TempDir dir;
  WeightMap weights;
  for (const char* name : {"f32", "f16", "bf16"}) {
    WeightMap read;
    read_safetensors(testing::io_golden(std::string("state_") + name + ".safetensors"), read);
    const auto owner = std::make_shared<WeightMap>(std::move(read));
    for (const auto& [tensor, entry] : owner->entries()) {
      weights.insert(name + std::string(".") + tensor, entry.view, "golden", owner);
    }
  }
  const std::filesystem::path path = dir / "out.safetensors";
  write_safetensors(path, weights, {{"format", "pt"}, {"quote", "a\"\n"}});
  WeightMap back;
  read_safetensors(path, back);
  ASSERT_EQ(back.entries().size(), 18u);
  const std::string whole = read_text_file(path);
  for (const auto& [name, entry] : weights.entries()) {
    SCOPED_TRACE(name);
    const TensorView& copy = back.find(name)->view;
    EXPECT_EQ(copy.dtype, entry.view.dtype);
    EXPECT_EQ(copy.shape, entry.view.shape);
    EXPECT_EQ(bytes_of(copy), bytes_of(entry.view));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(copy.data) % size_of(copy.dtype), 0u);
  }
  std::uint64_t header_bytes;
  std::memcpy(&header_bytes, whole.data(), 8);
  EXPECT_EQ(header_bytes % 8, 0u);
  EXPECT_THAT(whole, HasSubstr(R"("__metadata__":{"format":"pt","quote":"a\"\n"})"));
}

TEST(Safetensors, WritesAFileInPlaceOfTheOneThatItReads) {
  const testing::TempDir dir;
  const std::filesystem::path path = dir / "model.safetensors";
  write_file_atomically(path, safetensors_bytes(one("F32", "[1]", "[0,4]"), little_endian(1.5f)));
  WeightMap weights;
  read_safetensors(path, weights);
  write_safetensors(path, weights);
  EXPECT_EQ(to_f32(weights.find("w")->view), std::vector<float>{1.5f});  // the old file, still mapped
  WeightMap again;
  read_safetensors(path, again);
  EXPECT_EQ(to_f32(again.find("w")->view), std::vector<float>{1.5f});
}

TEST(Safetensors, RefusesToWriteWhatItCouldNotRead) {
  const testing::TempDir dir;
  const float value = 1;
  const TensorView view{reinterpret_cast<const std::byte*>(&value), DType::kF32, {1}};
  const auto write = [&](const std::filesystem::path& path, std::vector<NamedTensor> tensors) {
    return error_of([&] { write_safetensors(path, tensors); });
  };
  EXPECT_THAT(write(dir / "a", {{"w", view}, {"w", view}}), HasSubstr("cannot hold tensor 'w' twice"));
  EXPECT_THAT(write(dir / "a", {{"__metadata__", view}}), HasSubstr("reserved name"));
  EXPECT_THAT(write(dir / "a", {{"\xff", view}}), HasSubstr("not UTF-8"));
  EXPECT_THAT(write(dir / "missing/a", {{"w", view}}), HasSubstr("cannot be written"));
  std::filesystem::create_directory(dir / "taken");
  EXPECT_THAT(write(dir / "taken", {{"w", view}}), HasSubstr("cannot be written"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);  // only "taken"
}

}  // namespace
}  // namespace refocus
