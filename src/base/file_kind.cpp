#include "base/file_kind.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>

#include "base/error.h"
#include "base/text_file.h"
#include "base/utf8.h"

namespace refocus {

namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

constexpr const char* kOtherWeights = "use a copy of the model with safetensors, PyTorch or GGUF weights";
constexpr const char* kDirectory = "name the directory that has it beside its config.json";
constexpr const char* kSaveAgain = "load it with PyTorch 1.6 or later and save it again with torch.save";
constexpr const char* kAgain = "check the path, or download the file again";
constexpr const char* kUnpack = "unpack it first";
constexpr const char* kConvertAgain = "convert the original model again, or download a newer file";

struct Mark {
  std::size_t offset;
  std::string_view bytes;
  FileFormat format;
  const char* name;
  const char* remedy;
};

// The more telling ones first.
constexpr std::array kMarks = {
    Mark{0, "version https://git-lfs"sv, FileFormat::kGitLfsPointer, "a Git LFS pointer",
         "fetch the file with 'git lfs pull'"},
    Mark{0, "lmgg"sv, FileFormat::kGgml, "a GGML file (ggml), which GGUF replaced", kConvertAgain},
    Mark{0, "fmgg"sv, FileFormat::kGgml, "a GGML file (ggmf), which GGUF replaced", kConvertAgain},
    Mark{0, "tjgg"sv, FileFormat::kGgml, "a GGML file (ggjt), which GGUF replaced", kConvertAgain},
    Mark{0, "algg"sv, FileFormat::kGgml, "a LoRA adapter in a GGML file (ggla)",
         "give the PEFT directory that it was made from with --adapter"},
    Mark{0, "\x80\x02\x8a\x0a"sv, FileFormat::kOldTorch, "a PyTorch file of before version 1.6", kSaveAgain},
    Mark{0, "\x93NUMPY"sv, FileFormat::kArray, "a NumPy array", kOtherWeights},
    Mark{0, "\x89HDF\r\n\x1a\n"sv, FileFormat::kOtherModel, "an HDF5 file (Keras, TensorFlow)",
         kOtherWeights},
    Mark{4, "TFL3"sv, FileFormat::kOtherModel, "a TensorFlow Lite model", kOtherWeights},
    Mark{257, "ustar"sv, FileFormat::kArchive, "a tar archive", kUnpack},
    Mark{0, "\x1f\x8b"sv, FileFormat::kArchive, "a gzip file", kUnpack},
    Mark{0, "\x28\xb5\x2f\xfd"sv, FileFormat::kArchive, "a Zstandard file", kUnpack},
    Mark{0,
         "\xfd"
         "7zXZ\0"sv,
         FileFormat::kArchive, "an xz file", kUnpack},
    Mark{0, "BZh"sv, FileFormat::kArchive, "a bzip2 file", kUnpack},
    Mark{0, "7z\xbc\xaf\x27\x1c"sv, FileFormat::kArchive, "a 7z archive", kUnpack},
    Mark{0, "Rar!\x1a\x07"sv, FileFormat::kArchive, "a RAR archive", kUnpack},
};

std::uint32_t little_u32(std::string_view bytes) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

FileKind gguf_kind(std::string_view head) {
  const std::uint32_t version =
      head.size() < 8 ? 2 : little_u32(head.substr(4));  // cut short: its reader says so
  if (version == 2 || version == 3) return {FileFormat::kGguf, "a GGUF file", "name the file as the model"};
  if (version > 0 && version << 8 == 0) {
    return {FileFormat::kOtherGguf, "a big-endian GGUF file",
            "turn it round with 'gguf-convert-endian FILE little' of Python's gguf package"};
  }
  return {FileFormat::kOtherGguf, fmt::format("a GGUF file of version {} rather than 2 or 3", version),
          kConvertAgain};
}

// By the name of the archive's first entry, which follows its header of 30 bytes.
FileKind zip_kind(const fs::path& path, std::string_view head) {
  std::string_view first;
  if (head.size() > 30) {
    std::uint16_t length = 0;
    std::memcpy(&length, head.data() + 26, sizeof length);
    first = head.substr(30, length);
  }
  if (first.ends_with(".npy")) return {FileFormat::kArray, "a NumPy archive (.npz)", kOtherWeights};
  const std::string_view pickle = "/data.pkl", version = "/version", format = "/.format_version";
  if (first.ends_with(pickle) || first.ends_with(version) || first.ends_with(format)) {
    return {FileFormat::kTorchZip, "a PyTorch file", kDirectory};
  }
  if (path.extension() == ".keras") return {FileFormat::kOtherModel, "a Keras model", kOtherWeights};
  return {FileFormat::kArchive, "a zip archive", kUnpack};
}

// ONNX and TensorFlow models are protocol buffers without a mark; both begin with a version, field 1.
std::optional<FileKind> protobuf_kind(const std::string& extension, std::string_view head) {
  const FileKind onnx{FileFormat::kOtherModel, "an ONNX model", kOtherWeights};
  if (extension == ".onnx") return onnx;
  const FileKind tensorflow{FileFormat::kOtherModel, "a TensorFlow model", kOtherWeights};
  if (extension == ".pb") return tensorflow;
  if (extension == ".msgpack")
    return FileKind{FileFormat::kOtherModel, "Flax weights (.msgpack)", kOtherWeights};
  if (extension == ".mlmodel") return FileKind{FileFormat::kOtherModel, "a Core ML model", kOtherWeights};
  if (head.size() < 3 || head[0] != '\x08') return std::nullopt;
  const int version = static_cast<unsigned char>(head[1]);
  constexpr std::string_view kOnnxFields = "\x12\x1a\x22\x28\x32\x3a\x42";
  if (version == 1 && head[2] == '\x12') return tensorflow;
  if (version >= 3 && version < 64 && kOnnxFields.find(head[2]) != std::string_view::npos) return onnx;
  return std::nullopt;
}

bool is_text(std::string_view head) {
  // The head may end inside a character.
  for (int cut = 0; cut < 4 && !head.empty(); ++cut) {
    if (is_valid_utf8(head)) break;
    head.remove_suffix(1);
  }
  const auto binary = [](unsigned char c) { return c < 0x20 && std::strchr("\t\n\r\f\x1b", c) == nullptr; };
  return !head.empty() && is_valid_utf8(head) && std::ranges::none_of(head, binary) &&
         head.find('\0') == std::string_view::npos;
}

// Lines of a token in base64, a blank and its number, which is 0 in the first.
bool is_tiktoken(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  const std::size_t blank = line.find(' ');
  if (blank == std::string_view::npos || blank == 0 || blank % 4 != 0 || line.substr(blank + 1) != "0")
    return false;
  return std::ranges::all_of(line.substr(0, blank), [](unsigned char c) {
    return std::isalnum(c) || c == '+' || c == '/' || c == '=';
  });
}

std::optional<FileKind> text_kind(const std::string& extension, std::string_view head) {
  if (!is_text(head)) return std::nullopt;
  if (extension == ".csv" || extension == ".tsv")
    return FileKind{FileFormat::kTable, fmt::format("a table ({})", extension), kAgain};
  if (head.starts_with(kByteOrderMark)) head.remove_prefix(kByteOrderMark.size());
  const std::size_t start = head.find_first_not_of(" \t\r\n");
  const std::string_view text = start == std::string_view::npos ? "" : head.substr(start);
  const std::string begin = lower(text.substr(0, 16));
  for (const std::string_view page : {"<!doctype html", "<html", "<head", "<body", "<?xml", "<!--", "<svg"}) {
    if (begin.starts_with(page)) {
      return FileKind{FileFormat::kWebPage, "a web page (HTML or XML)",
                      "download the file itself, not the page about it"};
    }
  }
  if (is_tiktoken(text)) {
    return FileKind{FileFormat::kText, "a tiktoken vocabulary",
                    "use the model's tokenizer.json in its place"};
  }
  if (text.starts_with('{') || text.starts_with('[')) return FileKind{FileFormat::kJson, "JSON", kAgain};
  return FileKind{FileFormat::kText, fmt::format("the text '{}'", printable(text, 40)), kAgain};
}

bool is_safetensors(std::string_view head, std::uint64_t bytes) {
  if (head.size() < 9 || head[8] != '{') return false;
  std::uint64_t header = 0;
  std::memcpy(&header, head.data(), sizeof header);
  return header <= bytes - 8;
}

// SentencePiece models begin with the first piece, which begins with its text.
bool is_sentencepiece(std::string_view head) {
  if (head.size() < 4 || head[0] != '\x0a' || head[2] != '\x0a') return false;
  return static_cast<unsigned char>(head[1]) > static_cast<unsigned char>(head[3]) && head[1] > 0;
}

}  // namespace

FileKind kind_of_file(const fs::path& path, std::string_view head, std::uint64_t bytes) {
  if (bytes == 0) return {FileFormat::kEmpty, "an empty file", "download it again"};
  if (head.starts_with("GGUF")) return gguf_kind(head);
  for (const Mark& mark : kMarks) {
    if (head.size() < mark.offset || !head.substr(mark.offset).starts_with(mark.bytes)) continue;
    std::string name = mark.name;
    if (mark.format == FileFormat::kGitLfsPointer) name += fmt::format(" of {} bytes", bytes);
    return {mark.format, std::move(name), mark.remedy};
  }
  if (head.starts_with("PK\x03\x04")) return zip_kind(path, head);
  if (is_safetensors(head, bytes)) return {FileFormat::kSafetensors, "a safetensors file", kDirectory};
  const std::string extension = lower(path.extension().string());
  if (const auto kind = protobuf_kind(extension, head)) return *kind;
  if (head.size() > 1 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5) {
    return {FileFormat::kPickle, "a Python pickle", "save the model's state dict with torch.save"};
  }
  if (const auto kind = text_kind(extension, head)) return *kind;
  if (is_sentencepiece(head)) {
    return {FileFormat::kUnknown, "what looks like a SentencePiece tokenizer", kDirectory};
  }
  return {FileFormat::kUnknown,
          fmt::format("a file that begins with '{}'", printable(replace_invalid_utf8(head.substr(0, 8)))),
          kAgain};
}

FileKind kind_of_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string head(kFileHeadBytes, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(in.gcount()));
  std::error_code failed;
  const std::uintmax_t bytes = fs::file_size(path, failed);
  if (failed || (head.empty() && bytes > 0))
    return {FileFormat::kUnknown, "a file that cannot be read", "check its permissions"};
  return kind_of_file(path, head, bytes);
}

const char* read_remedy(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
      return "check its permissions";
    case EISDIR:
      return "name a file, not a directory";
    case EMFILE:
    case ENFILE:
      return "allow more open files (ulimit -n)";
    case ENAMETOOLONG:
    case ELOOP:
      return "choose another name";
    case EIO:
      return "check the disk, or restore a copy";
    default:
      return "check the path";
  }
}

void refuse_other_format(const fs::path& path, std::string_view what, FileFormat format) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return;
  const FileKind kind = kind_of_file(path);
  const bool damaged = format == FileFormat::kJson && kind.format == FileFormat::kText;
  if (kind.format == format || kind.format == FileFormat::kUnknown || damaged) return;
  throw input_error(printable(path.string(), 400), "expected {}, got {}; {}", what, kind.name, kind.remedy);
}

}  // namespace refocus
