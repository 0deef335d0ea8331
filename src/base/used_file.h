// The files that decide a result: which there are, what is in them, and in which of them two runs differ.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/file_hash.h"
#include "base/json_reader.h"

namespace refocus {

class HashCache;

struct UsedFile {
  std::string part;  // "config", "tokenizer", "weights", "gguf" or "adapter"
  std::string name;  // without its folder
  std::filesystem::path path;
  FileStamp stamp;  // of the moment before it was read

  bool operator==(const UsedFile&) const = default;
};

// To be called before the file is read, so that the stamp fits what was read. InputError where it is not
// there.
UsedFile used_file(std::string part, const std::filesystem::path& path);

// By part and name, as hash_file makes them: {"weights": {"model.safetensors": "..."}, ...}.
using FileHashes = std::map<std::string, std::map<std::string, std::string>>;

// As they were written to a JSON file. InputError, in the source's name, where they are no such map.
FileHashes read_file_hashes(const nlohmann::json& value, const JsonSource& source);
FileHashes read_file_hashes(const nlohmann::ordered_json& value, const JsonSource& source);

// Called now and then with the bytes read and to be read, by any thread, one at a time.
using OnHashing = std::function<void(std::int64_t done, std::int64_t total)>;

// Reads the files that `cache` does not know. InputError where one is no longer as it was when it was opened.
FileHashes hash_files(std::span<const UsedFile> files, ThreadPool& pool, HashCache& cache,
                      const OnHashing& on_hashing = {});

// Says for a message what `now` has otherwise than `before`: "model.safetensors differs, added_tokens.json is
// gone"; empty where the two are the same. A file of weights may have another name, since the name decides
// nothing.
std::string difference_of(const FileHashes& before, const FileHashes& now);

// InputError where one of the files of weights, which are mapped and not copied, was written to since it was
// opened. (A file that was replaced by another is none: the one in use lives on.)
void expect_not_overwritten(std::span<const UsedFile> files);

}  // namespace refocus
