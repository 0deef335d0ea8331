#include "io/pytorch/zip_directory.h"

#include <cstdint>
#include <optional>

#include "base/error.h"
#include "io/byte_reader.h"

namespace refocus {

namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50;
constexpr std::uint32_t kCentralHeader = 0x02014b50;
constexpr std::uint32_t kEndRecord = 0x06054b50;
constexpr std::uint32_t kZip64EndRecord = 0x06064b50;
constexpr std::uint32_t kZip64Locator = 0x07064b50;
constexpr std::size_t kEndRecordBytes = 22;
constexpr std::size_t kZip64LocatorBytes = 20;
constexpr std::uint16_t kZip64Extra = 1;
constexpr std::uint16_t kEncryptedFlags = 0x2041;  // encrypted, strongly encrypted, masked local headers

// Where the central directory lies and how many entries it lists.
struct Extent {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t offset = 0;
};

struct CentralEntry {
  std::string name;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  std::uint64_t compressed = 0;
  std::uint64_t size = 0;
  std::uint64_t local_offset = 0;
};

class DirectoryReader {
 public:
  DirectoryReader(std::span<const std::byte> file, std::string_view where)
      : file_(file), where_(where), reader_(file, where, "the archive") {}

  ZipDirectory read() {
    const Extent extent = find_directory();
    if (extent.offset > file_.size() || extent.bytes > file_.size() - extent.offset) contradiction();
    ZipDirectory directory;
    std::uint64_t position = extent.offset;
    for (std::uint64_t i = 0; i < extent.entries; ++i) {
      reader_.seek(position);
      const CentralEntry entry = read_central();
      position = reader_.position();
      if (position > extent.offset + extent.bytes) contradiction();
      if (entry.name.ends_with('/')) continue;  // a folder
      const auto data = locate(entry, extent.offset);
      if (!directory.emplace(entry.name, data).second) {
        throw input_error(where_, "the archive has two entries '{}'; make the file again",
                          printable(entry.name));
      }
    }
    return directory;
  }

 private:
  [[noreturn]] void contradiction() const {
    throw input_error(where_, "the archive's directory contradicts itself; download the file again");
  }

  // The end record is the last thing in the file but for a comment, whose length it tells.
  std::size_t find_end_record() {
    const std::size_t size = file_.size();
    for (std::size_t back = kEndRecordBytes; back <= size && back <= kEndRecordBytes + 0xFFFF; ++back) {
      reader_.seek(size - back);
      if (reader_.read<std::uint32_t>() != kEndRecord) continue;
      reader_.seek(size - back + kEndRecordBytes - 2);
      if (reader_.read<std::uint16_t>() == back - kEndRecordBytes) return size - back;
    }
    throw input_error(
        where_, "expected a whole zip archive, got {} bytes without its directory; download it again", size);
  }

  Extent find_directory() {
    const std::size_t end = find_end_record();
    reader_.seek(end + 4);
    const auto disk = reader_.read<std::uint16_t>();
    const auto directory_disk = reader_.read<std::uint16_t>();
    reader_.read<std::uint16_t>();  // entries on this disk
    const auto entries = reader_.read<std::uint16_t>();
    const auto bytes = reader_.read<std::uint32_t>();
    const auto offset = reader_.read<std::uint32_t>();
    if (disk != directory_disk) {
      throw input_error(where_, "is one part of an archive in several; join the parts first");
    }
    const auto wide = find_zip64(end);
    if (!wide) return {entries, bytes, offset};
    const bool agrees = (entries == 0xFFFF || entries == wide->entries) &&
                        (bytes == 0xFFFFFFFF || bytes == wide->bytes) &&
                        (offset == 0xFFFFFFFF || offset == wide->offset);
    if (!agrees) contradiction();
    return *wide;
  }

  std::optional<Extent> find_zip64(std::size_t end) {
    if (end < kZip64LocatorBytes) return std::nullopt;
    reader_.seek(end - kZip64LocatorBytes);
    if (reader_.read<std::uint32_t>() != kZip64Locator) return std::nullopt;
    reader_.read<std::uint32_t>();  // disk
    const auto record = reader_.read<std::uint64_t>();
    reader_.seek(record);
    if (reader_.read<std::uint32_t>() != kZip64EndRecord) contradiction();
    reader_.take(8 + 2 + 2 + 4 + 4 + 8);  // size, versions, disks, entries on this disk
    Extent extent;
    extent.entries = reader_.read<std::uint64_t>();
    extent.bytes = reader_.read<std::uint64_t>();
    extent.offset = reader_.read<std::uint64_t>();
    return extent;
  }

  CentralEntry read_central() {
    if (reader_.read<std::uint32_t>() != kCentralHeader) contradiction();
    CentralEntry entry;
    reader_.take(4);  // versions
    entry.flags = reader_.read<std::uint16_t>();
    entry.method = reader_.read<std::uint16_t>();
    reader_.take(8);  // time, date, checksum
    entry.compressed = reader_.read<std::uint32_t>();
    entry.size = reader_.read<std::uint32_t>();
    const auto name_bytes = reader_.read<std::uint16_t>();
    const auto extra_bytes = reader_.read<std::uint16_t>();
    const auto comment_bytes = reader_.read<std::uint16_t>();
    reader_.take(8);  // disk, attributes
    entry.local_offset = reader_.read<std::uint32_t>();
    entry.name = std::string(reader_.take_text(name_bytes));
    widen(entry, reader_.take(extra_bytes));
    reader_.take(comment_bytes);
    return entry;
  }

  // Replaces the values that did not fit into 32 bits by those of the Zip64 extra field, which has only
  // these.
  void widen(CentralEntry& entry, std::span<const std::byte> extra) {
    ByteReader fields(extra, where_, "an extra field of the archive");
    while (fields.remaining() >= 4) {
      const auto id = fields.read<std::uint16_t>();
      const auto bytes = fields.read<std::uint16_t>();
      ByteReader field(fields.take(bytes), where_, "a Zip64 field of the archive");
      if (id != kZip64Extra) continue;
      for (std::uint64_t* value : {&entry.size, &entry.compressed, &entry.local_offset}) {
        if (*value == 0xFFFFFFFF) *value = field.read<std::uint64_t>();
      }
      return;
    }
  }

  std::span<const std::byte> locate(const CentralEntry& entry, std::uint64_t directory_offset) {
    const std::string shown = printable(entry.name);
    if ((entry.flags & kEncryptedFlags) != 0) {
      throw input_error(where_, "entry '{}' is encrypted; save the checkpoint without a password", shown);
    }
    if (entry.method != 0) {
      throw input_error(where_,
                        "entry '{}' is compressed (method {}), expected it stored as torch.save does; "
                        "save the checkpoint again with torch.save",
                        shown, entry.method);
    }
    if (entry.compressed != entry.size) contradiction();
    reader_.seek(entry.local_offset);
    if (reader_.read<std::uint32_t>() != kLocalHeader) contradiction();
    reader_.take(22);  // all of which the directory tells too
    const auto name_bytes = reader_.read<std::uint16_t>();
    const auto extra_bytes = reader_.read<std::uint16_t>();
    if (reader_.take_text(name_bytes) != entry.name) contradiction();
    reader_.take(extra_bytes);
    const std::uint64_t begin = reader_.position();
    if (begin > directory_offset || entry.size > directory_offset - begin) contradiction();
    return file_.subspan(begin, static_cast<std::size_t>(entry.size));
  }

  std::span<const std::byte> file_;
  std::string_view where_;
  ByteReader reader_;
};

}  // namespace

ZipDirectory read_zip_directory(std::span<const std::byte> file, std::string_view where) {
  return DirectoryReader(file, where).read();
}

}  // namespace refocus
