#include "io/pytorch/torch_checkpoint.h"

#include <cmath>

#include "io/safetensors.h"
#include "io_support.h"

namespace refocus {
namespace {

using ::testing::AllOf;
using testing::bytes_of;
using testing::error_of;
using ::testing::HasSubstr;
using testing::io_golden;
using Shape = std::vector<std::int64_t>;

WeightMap read(const std::filesystem::path& path) {
  WeightMap weights;
  read_torch_checkpoint(path, weights);
  return weights;
}

std::string error_of_golden(const std::string& name) {
  return error_of([&] { read(io_golden(name)); });
}

void expect_equal(const WeightMap& a, const WeightMap& b) {
  ASSERT_EQ(a.entries().size(), b.entries().size());
  for (const auto& [name, entry] : a.entries()) {
    SCOPED_TRACE(name);
    ASSERT_NE(b.find(name), nullptr);
    const TensorView& other = b.find(name)->view;
    EXPECT_EQ(entry.view.dtype, other.dtype);
    EXPECT_EQ(entry.view.shape, other.shape);
    EXPECT_EQ(bytes_of(entry.view), bytes_of(other));
  }
}

TEST(TorchCheckpoint, AgreesWithSafetensorsBitForBit) {
  for (const char* type : {"f32", "f16", "bf16"}) {
    SCOPED_TRACE(type);
    const WeightMap torch = read(io_golden(std::string("state_") + type + ".bin"));
    WeightMap safetensors;
    read_safetensors(io_golden(std::string("state_") + type + ".safetensors"), safetensors);
    expect_equal(torch, safetensors);
    EXPECT_EQ(to_f32(torch.find("model.embed_tokens.weight")->view), testing::ramp(48));
  }
}

TEST(TorchCheckpoint, ReadsEveryPickleProtocolOfTorch) {
  const WeightMap reference = read(io_golden("state_f32.bin"));
  for (const char* name : {"protocol3.bin", "protocol4.bin", "protocol5.bin"}) {
    SCOPED_TRACE(name);
    expect_equal(read(io_golden(name)), reference);
  }
}

TEST(TorchCheckpoint, TiedWeightsShareTheirBytes) {
  for (const char* name : {"tied.bin", "byteorder_little.bin"}) {
    const WeightMap weights = read(io_golden(name));
    const TensorView& embed = weights.find("model.embed_tokens.weight")->view;
    const TensorView& head = weights.find("lm_head.weight")->view;
    EXPECT_EQ(embed.data, head.data);
    EXPECT_EQ(head.shape, (Shape{4, 3}));
    EXPECT_EQ(to_f32(head), testing::ramp(12));
  }
}

TEST(TorchCheckpoint, ReadsParameters) {
  const WeightMap weights = read(io_golden("parameter.bin"));
  EXPECT_EQ(weights.find("weight")->view.shape, (Shape{2, 3}));
  EXPECT_EQ(to_f32(weights.find("weight")->view), testing::ramp(6));
  EXPECT_EQ(to_f32(weights.find("bias")->view), testing::ramp(2));
}

TEST(TorchCheckpoint, HonoursStorageOffsets) {
  const WeightMap weights = read(io_golden("slice.bin"));
  const std::vector<float> all = testing::ramp(12);
  EXPECT_EQ(to_f32(weights.find("whole")->view), all);
  EXPECT_EQ(to_f32(weights.find("rows")->view), std::vector<float>(all.begin() + 3, all.begin() + 9));
  EXPECT_EQ(weights.find("one")->view.shape, (Shape{1, 1}));  // of odd strides, but contiguous
  EXPECT_EQ(to_f32(weights.find("one")->view), std::vector<float>{all[7]});
}

TEST(TorchCheckpoint, RefusesATransposedTensor) {
  EXPECT_THAT(
      error_of_golden("transposed.bin"),
      HasSubstr("expected tensor 'model.norm.weight' of shape [3, 4] to be contiguous, got strides [1, 3]; "
                "save tensor.contiguous() instead"));
}

TEST(TorchCheckpoint, LeavesOutKnownBuffersOfOtherTypesOnly) {
  const WeightMap weights = read(io_golden("buffers.bin"));
  EXPECT_EQ(weights.entries().size(), 2u);
  EXPECT_EQ(to_f32(weights.find("model.norm.weight")->view), testing::ramp(3));
  const TensorView& doubles = weights.find("model.layers.0.self_attn.rotary_emb.inv_freq")->view;
  EXPECT_EQ(doubles.dtype, DType::kF64);
  EXPECT_EQ(to_f32(doubles), (std::vector<float>{0, 1}));
  EXPECT_THAT(error_of_golden("int64.bin"),
              HasSubstr("'model.norm.weight' to be F32, F16, BF16 or F64, got I64"));
  EXPECT_THAT(error_of_golden("complex.bin"),
              HasSubstr("refuses the pickle global 'torch.ComplexFloatStorage'"));
}

TEST(TorchCheckpoint, RefusesWhatIsNoStateDict) {
  EXPECT_THAT(error_of_golden("nested.bin"),
              HasSubstr("got a dictionary as 'model'; if the weights are in there"));
  EXPECT_THAT(error_of_golden("epoch.bin"),
              HasSubstr("got an integer as 'epoch'; save the model's state dict alone"));
  EXPECT_THAT(error_of_golden("integer_key.bin"),
              HasSubstr("expected names of tensors as keys, got an integer"));
  EXPECT_THAT(error_of_golden("list.bin"), HasSubstr("expected a dictionary of tensors, got a list"));
  EXPECT_THAT(error_of_golden("no_pickle.bin"),
              HasSubstr("expected <name>/data.pkl in the archive, got none"));
}

TEST(TorchCheckpoint, RefusesOtherFormats) {
  EXPECT_THAT(error_of_golden("legacy.bin"),
              HasSubstr("expected a PyTorch file (torch.save), got a PyTorch file of before version 1.6; "
                        "load it with PyTorch 1.6 or "
                        "later and save it again with torch.save"));
  EXPECT_THAT(error_of_golden("byteorder_big.bin"), HasSubstr("expected byte order 'little', got 'big'"));
  EXPECT_THAT(error_of_golden("deflated.bin"), AllOf(HasSubstr("data.pkl' is compressed (method 8)"),
                                                     HasSubstr("save the checkpoint again with torch.save")));
  const testing::TempDir dir;
  write_file_atomically(dir / "a.bin", "<html>");
  EXPECT_THAT(error_of([&] { read(dir / "a.bin"); }),
              HasSubstr("got a web page (HTML or XML); download the file itself"));
  write_file_atomically(dir / "a.bin", "");
  EXPECT_THAT(error_of([&] { read(dir / "a.bin"); }), HasSubstr("got an empty file"));
  write_file_atomically(dir / "a.bin", "version https://git-lfs.github.com/spec/v1\n");
  EXPECT_THAT(error_of([&] { read(dir / "a.bin"); }), HasSubstr("git lfs pull"));
}

struct Hostile {
  const char* name;
  const char* says;
};

TEST(TorchCheckpoint, RefusesEveryHostilePickleByName) {
  const std::vector<Hostile> cases = {
      {"os_system",
       "refuses the pickle global 'os.system': only tensors are read; convert the file to safetensors "
       "with a tool you trust"},
      {"system_protocol2", "refuses the pickle global 'posix.system'"},
      {"system_protocol4", "refuses the pickle global 'posix.system'"},
      {"eval_protocol2", "refuses the pickle global '__builtin__.eval'"},
      {"eval_protocol4", "refuses the pickle global 'builtins.eval'"},
      {"numpy", "refuses the pickle global 'numpy.core.multiarray.scalar'"},
      {"instance", "refuses the pickle global 'io.UnsupportedOperation'"},
      {"set", "refuses the pickle opcode EMPTY_SET (0x8f) at byte"},
      {"bytes", "refuses the pickle opcode SHORT_BINBYTES (0x43) at byte"},
      {"bad_opcode", "refuses the pickle opcode 0xff at byte 3"},
      {"truncated", "more bytes at byte"},
      {"no_stop", "expected 1 more bytes at byte"},
      {"memo_get", "LONG_BINGET (0x6a) expected a memo index in use, got 4294967295"},
      {"memo_put", "LONG_BINPUT (0x72) expected a memo index below the stream's length, got 4294967295"},
      {"memo_unset", "BINGET (0x68) expected a memo index in use, got 4"},
      {"huge_text", "expected 4294967295 more bytes at byte 8 of the pickle"},
      {"huge_text8", "expected 18446744073709551615 more bytes"},
      {"deep_marks", "expected 1 more bytes"},
      {"deep_lists", "expected a dictionary of tensors, got a list"},
      {"deep_tuples", "expected a dictionary of tensors, got a tuple"},
      {"underflow", "APPEND (0x61) expected more values on the stack"},
      {"below_mark", "TUPLE2 (0x86) expected more values on the stack"},
      {"no_mark", "SETITEMS (0x75) expected a mark on the stack"},
      {"odd_items", "SETITEMS (0x75) expected keys and values in pairs"},
      {"empty", "expected 1 more bytes at byte 0 of the pickle"},
      {"only_stop", "STOP (0x2e) expected a value on the stack"},
      {"big_integer", "LONG1 (0x8a) expected an integer of at most 8 bytes, got 255"},
      {"protocol", "PROTO (0x80) expected a protocol of at most 5, got 9"},
      {"call_of_text", "REDUCE (0x52) expected a global to call, got a text"},
      {"build_on_list", "BUILD (0x62) expected a dictionary, got a list"},
      {"line", "expected a line feed"},
      {"recursive", "got a dictionary as 'w'"},
  };
  for (const Hostile& hostile : cases) {
    SCOPED_TRACE(hostile.name);
    EXPECT_THAT(error_of_golden(std::string("hostile/") + hostile.name + ".bin"),
                AllOf(HasSubstr(std::string(hostile.name) + ".bin]"), HasSubstr(hostile.says)));
  }
  std::size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(io_golden("hostile")))
    files += file.is_regular_file();
  EXPECT_EQ(files, cases.size());
}

// Archives around a state dict of one tensor "w0" of 3 floats in storage "0".
TEST(TorchCheckpoint, ChecksTheStoragesAgainstTheArchive) {
  const testing::TempDir dir;
  const std::string pickle = testing::state_pickle({3});
  const std::string floats =
      testing::little_endian(1.0f) + testing::little_endian(2.0f) + testing::little_endian(3.0f);
  const auto write = [&](const std::vector<testing::ZipPart>& parts) {
    write_file_atomically(dir / "a.bin", testing::zip_bytes(parts));
  };
  write({{"x/data.pkl", pickle}, {"x/data/0", floats}});
  EXPECT_EQ(to_f32(read(dir / "a.bin").find("w0")->view), (std::vector<float>{1, 2, 3}));

  const auto error = [&] { return error_of([&] { read(dir / "a.bin"); }); };
  write({{"x/data.pkl", pickle}});
  EXPECT_THAT(error(), HasSubstr("expected storage '0' of tensor 'w0' in the archive, got none"));
  write({{"x/data.pkl", pickle}, {"x/data/0", floats + "1234"}});
  EXPECT_THAT(error(), HasSubstr("expected 3 elements of F32 in storage '0' of tensor 'w0', got 16 bytes"));
  write({{"x/data.pkl", pickle}, {"y/data.pkl", pickle}});
  EXPECT_THAT(error(), HasSubstr("expected one data.pkl in the archive, got several"));

  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string other = pickle;
    other.replace(other.find(from), from.size(), to);
    write({{"x/data.pkl", other}, {"x/data/0", floats}});
    return error();
  };
  const std::string geometry("QK\x00K\x03\x85K\x01\x85", 9);  // storage offset, shape, strides
  EXPECT_THAT(
      changed(geometry, std::string("QK\x01K\x03\x85K\x01\x85", 9)),
      HasSubstr("expected tensor 'w0' of shape [3] at element 1 to lie within its storage of 12 bytes"));
  EXPECT_THAT(changed(geometry, std::string("QK\x00K\x04\x85K\x01\x85", 9)),
              HasSubstr("of shape [4] at element 0"));
  EXPECT_THAT(changed(geometry, std::string("QJ\xff\xff\xff\xffK\x03\x85K\x01\x85", 12)),
              HasSubstr("at element -1"));
  EXPECT_THAT(changed(geometry, std::string("QK\x00J\xff\xff\xff\xff\x85K\x01\x85", 12)),
              HasSubstr("of shape [-1]"));
  const std::string most = "\x8a\x08" + testing::little_endian(INT64_MAX);
  EXPECT_THAT(changed(geometry, std::string("QK\x00", 3) + most + most + "\x86K\x01K\x01\x86"),
              HasSubstr("to lie within its storage"));
  EXPECT_THAT(changed(geometry, "Q" + most + "K\x03\x85K\x01\x85"), HasSubstr("to lie within its storage"));
  EXPECT_THAT(changed(geometry, std::string("QK\x00K\x03\x85K\x02\x85", 9)), HasSubstr("to be contiguous"));
  EXPECT_THAT(changed(geometry, std::string("QK\x00K\x03\x85)", 7)),
              HasSubstr("as many strides as dimensions"));
  EXPECT_THAT(changed(geometry, std::string("QNK\x03\x85K\x01\x85", 8)),
              HasSubstr("an integer as storage offset"));
  EXPECT_THAT(changed("torch\nFloatStorage", "torch\nHalfStorage"), HasSubstr("expected 3 elements of F16"));
  EXPECT_THAT(changed("torch._utils\n_rebuild_tensor_v2", "torch\nFloatStorage"),
              HasSubstr("got an object as 'w0'"));
  EXPECT_THAT(changed("tQ", "t"), HasSubstr("expected a storage of 5 parts for tensor 'w0'"));
}

TEST(TorchCheckpoint, RefusesATensorTwice) {
  const testing::TempDir dir;
  std::string pickle = testing::state_pickle({1});
  const std::string again = pickle.substr(3, pickle.size() - 4);  // without the header and STOP
  pickle.insert(pickle.size() - 1, again);
  write_file_atomically(dir / "a.bin", testing::zip_bytes({{"x/data.pkl", pickle}, {"x/data/0", "1234"}}));
  EXPECT_THAT(error_of([&] { read(dir / "a.bin"); }), HasSubstr("has tensor 'w0' twice"));
  WeightMap weights;
  read_torch_checkpoint(io_golden("tied.bin"), weights);
  EXPECT_THAT(error_of([&] { read_torch_checkpoint(io_golden("tied.bin"), weights); }),
              HasSubstr("is also in"));
}

}  // namespace
}  // namespace refocus
