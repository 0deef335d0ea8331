#include "base/hash_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/text_file.h"

namespace refocus {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFirstLine = "refocus file hashes 1";
constexpr std::uintmax_t kLargestFile = 16u << 20;
constexpr std::size_t kMostEntries = 4096;
constexpr std::int64_t kSettled = 2'000'000'000;
constexpr std::size_t kHashDigits = 32;

std::string checksum_of(std::string_view text) {
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

// The next word of a line, which is taken from it; empty where there is none.
std::string_view take_word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

template <class Number>
bool take_number(std::string_view& line, Number& number) {
  const std::string_view word = take_word(line);
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  return error == std::errc() && end == word.data() + word.size();
}

// The right to replace the file, or none where another process does not let go of it: then the two may lose
// what the other has added, which costs reading those files again.
class WriteLock {
 public:
  explicit WriteLock(const fs::path& file)
      : fd_(::open((file.string() + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
    for (int attempt = 0; fd_ >= 0 && attempt < 1000; ++attempt) {
      if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  ~WriteLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  WriteLock(const WriteLock&) = delete;
  WriteLock& operator=(const WriteLock&) = delete;

 private:
  int fd_;
};

}  // namespace

HashCache::HashCache(fs::path file) : file_(std::move(file)) { read(); }

void HashCache::keep(const std::string& line) {
  std::string_view rest = line;
  const std::string_view checksum = take_word(rest);
  if (checksum != checksum_of(rest)) return;
  Entry entry;
  entry.hash = take_word(rest);
  FileStamp& s = entry.stamp;
  const bool whole = take_number(rest, s.device) && take_number(rest, s.inode) &&
                     take_number(rest, s.bytes) && take_number(rest, s.modified) &&
                     take_number(rest, s.changed);
  if (!whole || rest.empty() || entry.hash.size() != kHashDigits) return;
  entry.age = next_age_++;
  entries_[std::string(rest)] = std::move(entry);
}

void HashCache::read() {
  entries_.clear();
  next_age_ = 0;
  std::error_code error;
  if (file_.empty() || !fs::is_regular_file(file_, error) || fs::file_size(file_, error) > kLargestFile)
    return;
  std::string text;
  try {
    text = read_text_file(file_);
  } catch (const InputError&) {
    return;
  }
  if (!text.starts_with(std::string(kFirstLine) + "\n")) return;
  for (std::size_t begin = kFirstLine.size() + 1; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) return;  // cut short
    keep(text.substr(begin, end - begin));
    begin = end + 1;
  }
}

std::optional<std::string> HashCache::find(const fs::path& path, const FileStamp& stamp) const {
  for (const auto* entries : {&added_, &entries_}) {
    const auto found = entries->find(path.string());
    if (found != entries->end() && found->second.stamp == stamp) return found->second.hash;
  }
  return std::nullopt;
}

void HashCache::add(const fs::path& path, const FileStamp& stamp, const std::string& hash,
                    std::int64_t begun) {
  const bool settled = begun - std::max(stamp.modified, stamp.changed) >= kSettled;
  if (!settled || path.string().find('\n') != std::string::npos) return;
  added_[path.string()] = {stamp, hash};
}

std::string HashCache::text() const {
  std::vector<std::map<std::string, Entry>::const_iterator> order;
  for (auto it = entries_.begin(); it != entries_.end(); ++it) order.push_back(it);
  std::ranges::sort(order, {}, [](const auto& it) { return it->second.age; });
  if (order.size() > kMostEntries) {
    order.erase(order.begin(), order.end() - static_cast<std::ptrdiff_t>(kMostEntries));
  }
  std::string out = std::string(kFirstLine) + "\n";
  for (const auto& it : order) {
    const FileStamp& s = it->second.stamp;
    const std::string line = fmt::format("{} {} {} {} {} {} {}", it->second.hash, s.device, s.inode, s.bytes,
                                         s.modified, s.changed, it->first);
    out += checksum_of(line) + " " + line + "\n";
  }
  return out;
}

void HashCache::save() {
  if (file_.empty() || added_.empty()) return;
  std::error_code error;
  fs::create_directories(file_.parent_path(), error);
  const WriteLock lock(file_);
  read();  // anew: another process may have added to it
  for (auto& [path, entry] : added_) {
    entry.age = next_age_++;
    entries_[path] = entry;
  }
  added_.clear();
  // Renamed into place, not flushed to the disk: what a power cut may spoil has checksums. A home that cannot
  // be written means that the next start reads the files again.
  fs::path temporary = file_;
  temporary += fmt::format(".tmp{}", ::getpid());
  std::ofstream out(temporary, std::ios::binary);
  out << text();
  out.close();
  if (out) fs::rename(temporary, file_, error);
  if (!out || error) fs::remove(temporary, error);
}

fs::path default_hash_cache() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return fs::path(value != nullptr ? value : "");
  };
  fs::path directory = variable("XDG_CACHE_HOME");  // XDG Base Directory Specification
  if (!directory.is_absolute()) {
    const fs::path home = variable("HOME");
    if (!home.is_absolute()) return {};
    directory = home / ".cache";
  }
  return directory / "refocus" / "file-hashes";
}

std::int64_t file_clock_now() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace refocus
