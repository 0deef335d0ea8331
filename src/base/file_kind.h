// What a file really is, by its first bytes: for the messages of readers that were given another file than
// the one they read. All formats that the program can name stand here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace refocus {

enum class FileFormat {
  kEmpty,
  kGitLfsPointer,
  kWebPage,
  kJson,
  kText,
  kTable,      // comma- or tab-separated, by the end of its name
  kGguf,       // little-endian, of a version that is read
  kOtherGguf,  // big-endian, or of another version
  kGgml,       // what llama.cpp wrote before GGUF
  kSafetensors,
  kTorchZip,  // torch.save since 1.6
  kOldTorch,  // torch.save before
  kPickle,
  kArray,       // NumPy: .npy and .npz
  kArchive,     // zip, tar and compressed files
  kOtherModel,  // ONNX, TensorFlow, Keras, Core ML, TensorFlow Lite
  kUnknown,
};

struct FileKind {
  FileFormat format = FileFormat::kUnknown;
  std::string name;    // after "got": "a Git LFS pointer of 134 bytes"
  std::string remedy;  // what to do where model data was expected: "fetch the file with 'git lfs pull'"
};

// `head` is the file's beginning (kFileHeadBytes, or all of a shorter one), `bytes` its size; formats without
// a mark of their own are known by the end of `path`, which need not exist.
FileKind kind_of_file(const std::filesystem::path& path, std::string_view head, std::uint64_t bytes);

// What a user can do about a file that cannot be read, by its errno; the end of a message.
const char* read_remedy(int error);

inline constexpr std::size_t kFileHeadBytes = 4096;

// The same of a file on the disk; kUnknown where it cannot be read.
FileKind kind_of_file(const std::filesystem::path& path);

// InputError where a file that should be `what` ("a SentencePiece model", "JSON") is of another format that
// has a name: empty, a Git LFS pointer, a web page, ... A damaged file of the right format passes, for its
// reader to say what is wrong; so does one that cannot be read.
void refuse_other_format(const std::filesystem::path& path, std::string_view what, FileFormat format);

}  // namespace refocus
