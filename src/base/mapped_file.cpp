#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>

#include "base/error.h"
#include "base/file_kind.h"

namespace refocus {

namespace {

// The live mappings: start and size. Few, and touched only when files are opened and closed.
std::mutex mappings_mutex;
std::map<const std::byte*, std::size_t> mappings;

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    throw input_error(path.string(), "cannot be opened: {}; {}", std::strerror(errno), read_remedy(errno));
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd);
    throw input_error(path.string(), "expected a file, got {}; check the path",
                      S_ISDIR(status.st_mode) ? "a directory" : "a device or pipe");
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  void* data = nullptr;
  if (size > 0) data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  const int map_errno = errno;
  ::close(fd);
  if (data == MAP_FAILED)
    throw input_error(path.string(), "cannot be mapped: {}; copy it to a local disk",
                      std::strerror(map_errno));
  if (size > 0) {
    const std::lock_guard lock(mappings_mutex);
    mappings[static_cast<const std::byte*>(data)] = size;
  }
  return std::shared_ptr<const MappedFile>(
      new MappedFile(path, static_cast<const std::byte*>(data), size, false));
}

std::shared_ptr<MappedFile> MappedFile::in_memory(const std::filesystem::path& path, std::size_t size) {
  void* data = nullptr;
  if (size > 0) {
    data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }
  if (data == MAP_FAILED) {
    throw input_error(path.string(), "needs {} bytes of memory: {}; free some memory", size,
                      std::strerror(errno));
  }
  return std::shared_ptr<MappedFile>(new MappedFile(path, static_cast<const std::byte*>(data), size, true));
}

void MappedFile::write(std::size_t offset, std::span<const std::byte> bytes) {
  REFOCUS_CHECK(writable_ && offset <= size_ && bytes.size() <= size_ - offset);
  if (!bytes.empty()) std::memcpy(const_cast<std::byte*>(data_) + offset, bytes.data(), bytes.size());
}

MappedFile::~MappedFile() {
  if (size_ == 0) return;
  const std::lock_guard lock(mappings_mutex);
  mappings.erase(data_);
  ::munmap(const_cast<std::byte*>(data_), size_);
}

namespace {

// The live mapping that has all of `bytes`, or nothing. Called with the lock.
std::span<const std::byte> mapping_around(std::span<const std::byte> bytes) {
  auto it = mappings.upper_bound(bytes.data());
  if (it == mappings.begin()) return {};
  --it;
  if (bytes.data() + bytes.size() > it->first + it->second) return {};
  return {it->first, it->second};
}

void advise(std::uintptr_t begin, std::uintptr_t end, int advice) {
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

}  // namespace

void prefer_huge_pages(std::span<const std::byte> bytes) {
  const std::lock_guard lock(mappings_mutex);
  const std::span<const std::byte> all = mapping_around(bytes);
  const auto begin = reinterpret_cast<std::uintptr_t>(all.data());
  advise(begin, begin + all.size(), MADV_HUGEPAGE);
}

void release_mapped_pages(std::span<const std::byte> bytes) {
  const std::lock_guard lock(mappings_mutex);
  if (mapping_around(bytes).empty()) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(bytes.data()) + page - 1) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(bytes.data() + bytes.size()) / page * page;
  advise(begin, end, MADV_DONTNEED);
}

}  // namespace refocus
