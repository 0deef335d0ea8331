// A whole file mapped read-only into memory; the mapping lives as long as the object.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace refocus {

class MappedFile {
 public:
  // Maps `path`. An InputError where it cannot be opened or is no regular file; an empty file maps to
  // nothing.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);

  // Memory of zeros in the place of a file that is yet to be written; `path` is for messages. An InputError
  // where there is not so much. Pages that nobody writes take no memory.
  static std::shared_ptr<MappedFile> in_memory(const std::filesystem::path& path, std::size_t size);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // Of in_memory() alone.
  void write(std::size_t offset, std::span<const std::byte> bytes);
  const std::filesystem::path& path() const { return path_; }

 private:
  MappedFile(std::filesystem::path path, const std::byte* data, std::size_t size, bool writable)
      : path_(std::move(path)), data_(data), size_(size), writable_(writable) {}

  std::filesystem::path path_;
  const std::byte* data_;
  std::size_t size_;
  bool writable_;
};

// Asks that the file of these mapped bytes, which is about to be read and to stay in use, come to lie on huge
// pages, from which it is streamed some 5 to 10% faster. A wish: Linux grants it where it keeps files in
// pieces so large. Does nothing for memory that is no MappedFile's.
void prefer_huge_pages(std::span<const std::byte> bytes);

// Gives the memory of mapped pages that lie wholly within `bytes` back to the system; they are read anew from
// the file when touched again. Does nothing for memory that is no MappedFile's.
void release_mapped_pages(std::span<const std::byte> bytes);

}  // namespace refocus
