#include "io/zip_writer.h"

#include <boost/crc.hpp>

#include "base/error.h"

namespace refocus {
namespace {

constexpr std::uint16_t kVersion = 20;  // 2.0: the least for stored files
constexpr std::uint16_t kFirstDay = 0x21;
constexpr std::size_t kLocalBytes = 30;  // of a local header without the name

// Little-endian, in at most 8 bytes.
void put(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

// What a local header and an entry of the directory share, from the version on.
void put_facts(std::string& out, std::uint32_t checksum, std::uint64_t size, std::size_t name) {
  put(out, kVersion, 2);
  put(out, 0, 4);  // no flags; stored
  put(out, 0, 2);  // midnight
  put(out, kFirstDay, 2);
  put(out, checksum, 4);
  put(out, size, 4);
  put(out, size, 4);
  put(out, name, 2);
  put(out, 0, 2);  // no extra field
}

}  // namespace

void ZipWriter::begin(std::string_view name) {
  name_ = name;
  local_ = archive_.size();
  archive_ += "PK\x03\x04";
  put_facts(archive_, 0, 0, name.size());
  archive_ += name;
  content_ = archive_.size();
}

void ZipWriter::end() {
  const std::size_t size = archive_.size() - content_;
  REFOCUS_CHECK(archive_.size() < UINT32_MAX && entries_ < UINT16_MAX);
  boost::crc_32_type crc;
  crc.process_bytes(archive_.data() + content_, size);
  std::string facts;
  put_facts(facts, crc.checksum(), size, name_.size());
  archive_.replace(local_ + 4, kLocalBytes - 4, facts);
  directory_ += "PK\x01\x02";
  put(directory_, kVersion, 2);
  directory_ += facts;
  directory_.append(10, '\0');  // no comment, the first disk, no attributes
  put(directory_, local_, 4);
  directory_ += name_;
  ++entries_;
}

void ZipWriter::add(std::string_view name, std::string_view bytes) {
  begin(name);
  write(bytes);
  end();
}

std::string ZipWriter::finish() {
  const std::size_t at = archive_.size();
  archive_ += directory_;
  archive_ += "PK\x05\x06";
  put(archive_, 0, 4);
  put(archive_, entries_, 2);
  put(archive_, entries_, 2);
  put(archive_, directory_.size(), 4);
  put(archive_, at, 4);
  put(archive_, 0, 2);
  REFOCUS_CHECK(archive_.size() < UINT32_MAX);
  return std::move(archive_);
}

}  // namespace refocus
