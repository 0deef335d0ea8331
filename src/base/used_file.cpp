#include "base/used_file.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/hash_cache.h"
#include "base/json_node.h"
#include "base/thread_pool.h"

namespace refocus {

namespace {

template <class Json>
FileHashes read_hashes(const Json& value, const JsonSource& source) {
  FileHashes out;
  const JsonNode<Json> parts(value, source);
  for (const auto& part : parts.object().items()) {
    const JsonNode<Json> files = parts.at(part.key());
    for (const auto& file : files.object().items()) out[part.key()][file.key()] = files.at(file.key()).text();
  }
  return out;
}

}  // namespace

FileHashes read_file_hashes(const nlohmann::json& value, const JsonSource& source) {
  return read_hashes(value, source);
}
FileHashes read_file_hashes(const nlohmann::ordered_json& value, const JsonSource& source) {
  return read_hashes(value, source);
}

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostNamed = 4;

bool holds_weights(std::string_view part) { return part == "weights" || part == "gguf"; }

std::string shown_name(const std::string& part, const std::string& name) {
  return (part == "adapter" ? "adapter " : "") + printable(name);
}

// Takes out of both those that have the same content under another name.
void drop_renamed(std::map<std::string, std::string>& gone, std::map<std::string, std::string>& added) {
  std::erase_if(gone, [&](const auto& before) {
    const auto same = std::ranges::find(added, before.second, [](const auto& file) { return file.second; });
    if (same == added.end()) return false;
    added.erase(same);
    return true;
  });
}

void differences_of_part(const std::string& part, std::map<std::string, std::string> before,
                         std::map<std::string, std::string> now, std::vector<std::string>& out) {
  for (auto it = before.begin(); it != before.end();) {
    const auto same = now.find(it->first);
    if (same == now.end()) {
      ++it;
      continue;
    }
    if (same->second != it->second) out.push_back(shown_name(part, it->first) + " differs");
    now.erase(same);
    it = before.erase(it);
  }
  if (holds_weights(part)) drop_renamed(before, now);
  for (const auto& [name, hash] : before) out.push_back(shown_name(part, name) + " is gone");
  for (const auto& [name, hash] : now) out.push_back(shown_name(part, name) + " is new");
}

}  // namespace

UsedFile used_file(std::string part, const fs::path& path) {
  return {std::move(part), path.filename().string(), path, stamp_of(path)};
}

FileHashes hash_files(std::span<const UsedFile> files, ThreadPool& pool, HashCache& cache,
                      const OnHashing& on_hashing) {
  FileHashes out;
  std::vector<const UsedFile*> unknown;
  std::int64_t total = 0, done = 0;
  for (const UsedFile& file : files) {
    if (stamp_of(file.path) != file.stamp) refuse_changed_file(file.path);
    if (const auto known = cache.find(fs::canonical(file.path), file.stamp)) {
      out[file.part][file.name] = *known;
      continue;
    }
    unknown.push_back(&file);
    total += static_cast<std::int64_t>(file.stamp.bytes);
  }
  for (const UsedFile* file : unknown) {
    const std::int64_t begun = file_clock_now();
    const std::string hash = hash_file(file->path, file->stamp, pool, [&](std::int64_t bytes) {
      done += bytes;
      if (on_hashing) on_hashing(done, total);
    });
    cache.add(fs::canonical(file->path), file->stamp, hash, begun);
    out[file->part][file->name] = hash;
  }
  cache.save();
  return out;
}

std::string difference_of(const FileHashes& before, const FileHashes& now) {
  std::set<std::string> parts;
  for (const FileHashes* hashes : {&before, &now}) {
    for (const auto& [part, files] : *hashes) parts.insert(part);
  }
  const auto of = [](const FileHashes& hashes, const std::string& part) {
    const auto found = hashes.find(part);
    return found == hashes.end() ? std::map<std::string, std::string>() : found->second;
  };
  std::vector<std::string> all;
  for (const std::string& part : parts) differences_of_part(part, of(before, part), of(now, part), all);
  std::string out;
  for (std::size_t i = 0; i < std::min(all.size(), kMostNamed); ++i) out += (i > 0 ? ", " : "") + all[i];
  if (all.size() > kMostNamed) out += fmt::format(" and {} more", all.size() - kMostNamed);
  return out;
}

void expect_not_overwritten(std::span<const UsedFile> files) {
  for (const UsedFile& file : files) {
    std::error_code error;
    if (!holds_weights(file.part) || !fs::exists(file.path, error)) continue;
    const FileStamp now = stamp_of(file.path);
    const bool same_file = now.device == file.stamp.device && now.inode == file.stamp.inode;
    if (same_file && (now.modified != file.stamp.modified || now.bytes != file.stamp.bytes)) {
      refuse_changed_file(file.path);
    }
  }
}

}  // namespace refocus
