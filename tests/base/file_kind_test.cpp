#include "base/file_kind.h"

#include <fstream>
#include <vector>

#include "base/text_file.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;
using namespace std::string_literals;
namespace fs = std::filesystem;

FileKind kind(const std::string& content, const std::string& name = "f") {
  return kind_of_file(name, content, content.size());
}

// The entry of a zip archive that comes first: its header, then its name.
std::string zip(const std::string& first) {
  std::string header =
      "PK\3\4"s + std::string(22, '\0') + static_cast<char>(first.size()) + std::string(3, '\0');
  return header + first + "content";
}

std::string safetensors() { return "\x02\0\0\0\0\0\0\0{}"s; }

TEST(FileKind, NamesEveryFormat) {
  std::string tar(600, '\0'), flatbuffer(8, '\0');
  tar.replace(257, 5, "ustar");
  flatbuffer.replace(4, 4, "TFL3");
  struct Case {
    std::string content;
    FileFormat format;
    std::string name, remedy, file = "f";
  };
  const std::vector<Case> cases = {
      {"", FileFormat::kEmpty, "an empty file", "download it again"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", FileFormat::kGitLfsPointer,
       "a Git LFS pointer of 56 bytes", "git lfs pull"},
      {"<!DOCTYPE html><html>", FileFormat::kWebPage, "a web page", "not the page about it"},
      {"\xEF\xBB\xBF\n <HTML>", FileFormat::kWebPage, "a web page", "the file itself"},
      {"<?xml version=\"1.0\"?>", FileFormat::kWebPage, "a web page", "the file itself"},
      {" {\"error\": 1}", FileFormat::kJson, "JSON", "check the path"},
      {"[1]", FileFormat::kJson, "JSON", "check the path"},
      {"Entry not found", FileFormat::kText, "the text 'Entry not found'", "download the file again"},
      {"IQ== 0\nIg== 1\n", FileFormat::kText, "a tiktoken vocabulary", "tokenizer.json"},
      {"GGUF\3\0\0\0more"s, FileFormat::kGguf, "a GGUF file", "name the file"},
      {"GGUF\2\0\0\0more"s, FileFormat::kGguf, "a GGUF file", "name the file"},
      {"GGUF\0\0\0\3more"s, FileFormat::kOtherGguf, "a big-endian GGUF file",
       "gguf-convert-endian FILE little"},
      {"GGUF\1\0\0\0more"s, FileFormat::kOtherGguf, "a GGUF file of version 1 rather",
       "convert the original"},
      {"tjgg\3\0\0\0"s, FileFormat::kGgml, "a GGML file (ggjt)", "convert the original"},
      {"lmgg\0\0\0\0"s, FileFormat::kGgml, "a GGML file (ggml)", "convert the original"},
      {"fmgg\1\0\0\0"s, FileFormat::kGgml, "a GGML file (ggmf)", "convert the original"},
      {"algg\1\0\0\0"s, FileFormat::kGgml, "a LoRA adapter in a GGML file", "--adapter"},
      {safetensors(), FileFormat::kSafetensors, "a safetensors file", "name the directory"},
      {zip("archive/data.pkl"), FileFormat::kTorchZip, "a PyTorch file", "name the directory"},
      {zip("weights.npy"), FileFormat::kArray, "a NumPy archive", "use a copy of the model"},
      {zip("notes.txt"), FileFormat::kArchive, "a zip archive", "unpack it"},
      {"\x80\x02\x8a\x0al\xfc\x9c", FileFormat::kOldTorch, "before version 1.6",
       "save it again with torch.save"},
      {"\x80\x04\x95\x01\0\0\0"s, FileFormat::kPickle, "a Python pickle", "torch.save"},
      {"\x93NUMPY\1\0"s, FileFormat::kArray, "a NumPy array", "use a copy of the model"},
      {"\x89HDF\r\n\x1a\n\0"s, FileFormat::kOtherModel, "an HDF5 file", "use a copy of the model"},
      {flatbuffer, FileFormat::kOtherModel, "TensorFlow Lite", "use a copy of the model"},
      {"\x08\x07\x12\x07pytorch", FileFormat::kOtherModel, "an ONNX model", "use a copy of the model"},
      {"\x08\x01\x12\x07saved", FileFormat::kOtherModel, "a TensorFlow model", "use a copy of the model"},
      {"\x12\x34", FileFormat::kOtherModel, "an ONNX model", "use a copy of the model", "m.ONNX"},
      {"\x82\xa6", FileFormat::kOtherModel, "Flax weights", "use a copy of the model", "flax_model.msgpack"},
      {tar, FileFormat::kArchive, "a tar archive", "unpack it"},
      {"\x1f\x8b\x08", FileFormat::kArchive, "a gzip file", "unpack it"},
      {"\x28\xb5\x2f\xfd", FileFormat::kArchive, "a Zstandard file", "unpack it"},
      {"\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02"s, FileFormat::kUnknown, "a SentencePiece tokenizer",
       "name the directory"},
      {"\xff\xfe\x01\x02", FileFormat::kUnknown, "a file that begins with '", "check the path"},
  };
  for (const Case& c : cases) {
    const FileKind got = kind(c.content, c.file);
    EXPECT_EQ(got.format, c.format) << c.name << ": " << got.name;
    EXPECT_THAT(got.name, HasSubstr(c.name));
    EXPECT_THAT(got.remedy, HasSubstr(c.remedy));
    EXPECT_EQ(got.name.find('\n'), std::string::npos);
  }
}

TEST(FileKind, ReadsFilesAndRefusesTheWrongOnes) {
  const testing::TempDir dir;
  const auto put = [&](const std::string& content) {
    std::ofstream(dir / "f", std::ios::binary) << content;
    return dir / "f";
  };
  EXPECT_EQ(kind_of_file(put("GGUF\3\0\0\0more"s)).format, FileFormat::kGguf);
  EXPECT_EQ(kind_of_file(put("<html>" + std::string(100000, 'x'))).format, FileFormat::kWebPage);
  EXPECT_THAT(testing::error_of([&] { refuse_other_format(dir / "f", "JSON", FileFormat::kJson); }),
              HasSubstr("/f] expected JSON, got a web page (HTML or XML); download the file itself"));
  EXPECT_NO_THROW(refuse_other_format(put("{}"), "JSON", FileFormat::kJson));
  EXPECT_NO_THROW(refuse_other_format(put("{"), "JSON", FileFormat::kJson));
  EXPECT_NO_THROW(refuse_other_format(put("nonsense"), "JSON", FileFormat::kJson));  // its reader says more
  EXPECT_NO_THROW(refuse_other_format(dir / "absent", "JSON", FileFormat::kJson));
  EXPECT_NO_THROW(refuse_other_format(dir.path(), "JSON", FileFormat::kJson));
}

// A character that the end of the head cuts is still text.
TEST(FileKind, CutsNoCharacterInTwo) {
  for (std::size_t more = 0; more < 4; ++more) {
    const std::string text = "Not found: " + std::string(more, 'x') + "\xF0\x9F\x98\x80";
    for (std::size_t cut = 0; cut < 4; ++cut) {
      EXPECT_EQ(kind_of_file("f", std::string_view(text).substr(0, text.size() - cut), 100).format,
                FileFormat::kText);
    }
  }
}

TEST(TextFile, SaysWhyItCannotBeReadAndWhatToDo) {
  const testing::TempDir dir;
  const auto error = [&](const fs::path& path) { return testing::error_of([&] { read_text_file(path); }); };
  EXPECT_THAT(error(dir / "absent"), HasSubstr("cannot be read: No such file or directory; check the path"));
  EXPECT_THAT(error(dir.path()), HasSubstr("cannot be read: Is a directory; name a file, not a directory"));
  std::ofstream(dir / "lfs") << "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n";
  EXPECT_THAT(error(dir / "lfs"), HasSubstr("got a Git LFS pointer; fetch it with 'git lfs pull'"));
}

}  // namespace
}  // namespace refocus
