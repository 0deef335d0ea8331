// A zip archive made in memory, its entries stored as they are, such as NumPy's .npz.
//
// Format: PKWARE APPNOTE.TXT 6.3, sections 4.3.7 and 4.3.12 to 4.3.16, without Zip64: below 4 GiB. Times of
// entries are 1980-01-01, so that equal entries make equal archives.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace refocus {

class ZipWriter {
 public:
  // `bytes`: a guess of the archive's size.
  explicit ZipWriter(std::size_t bytes = 0) { archive_.reserve(bytes); }

  // Names are ASCII and differ.
  void begin(std::string_view name);
  // The next bytes of the entry that was begun.
  void write(std::string_view bytes) { archive_ += bytes; }
  void end();
  void add(std::string_view name, std::string_view bytes);

  // The archive; nothing may be added afterwards.
  std::string finish();

 private:
  std::string archive_, directory_;
  std::string name_;
  std::size_t local_ = 0, content_ = 0;  // where the entry's header and bytes begin
  std::uint16_t entries_ = 0;
};

}  // namespace refocus
