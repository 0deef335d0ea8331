#include "io/pytorch/zip_directory.h"

#include <zip.h>

#include "base/mapped_file.h"
#include "io/byte_reader.h"
#include "io_support.h"

namespace refocus {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::zip_bytes;
using testing::ZipPart;

std::string text_of(std::span<const std::byte> bytes) { return std::string(ByteReader::as_text(bytes)); }

ZipDirectory read(const std::string& bytes) {
  return read_zip_directory(std::as_bytes(std::span(bytes.data(), bytes.size())), "a.zip");
}

std::string error_in(const std::string& bytes) {
  return error_of([&] { read(bytes); });
}

// Writes `parts` with libzip, which the reader does not use.
void write_with_libzip(const std::filesystem::path& path, const std::vector<ZipPart>& parts, int compression,
                       const char* password) {
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  ASSERT_NE(archive, nullptr);
  for (const ZipPart& part : parts) {
    zip_source_t* source = zip_source_buffer(archive, part.content.data(), part.content.size(), 0);
    const zip_int64_t index = zip_file_add(archive, part.name.c_str(), source, 0);
    ASSERT_GE(index, 0);
    const auto at = static_cast<zip_uint64_t>(index);
    ASSERT_EQ(zip_set_file_compression(archive, at, compression, 0), 0);
    if (password != nullptr) {
      ASSERT_EQ(zip_file_set_encryption(archive, at, ZIP_EM_AES_256, password), 0);
    }
  }
  ASSERT_GE(zip_dir_add(archive, "folder/", 0), 0);
  ASSERT_EQ(zip_set_archive_comment(archive, "a comment", 9), 0);
  ASSERT_EQ(zip_close(archive), 0);
}

TEST(ZipDirectory, FindsTheEntriesThatLibzipWrote) {
  const testing::TempDir dir;
  const std::vector<ZipPart> parts = {
      {"x/data.pkl", "first"}, {"x/data/0", std::string(1000, 'z')}, {"x/e", ""}};
  write_with_libzip(dir / "a.zip", parts, ZIP_CM_STORE, nullptr);
  const auto file = MappedFile::open(dir / "a.zip");
  const ZipDirectory directory = read_zip_directory(file->bytes(), "a.zip");
  ASSERT_EQ(directory.size(), 3u);  // a folder is no entry
  for (const ZipPart& part : parts) EXPECT_EQ(text_of(directory.at(part.name)), part.content);
}

TEST(ZipDirectory, RefusesCompressedAndEncryptedEntries) {
  const testing::TempDir dir;
  const std::vector<ZipPart> parts = {{"x/data.pkl", std::string(1000, 'z')}};
  write_with_libzip(dir / "a.zip", parts, ZIP_CM_DEFLATE, nullptr);
  EXPECT_THAT(error_in(read_text_file(dir / "a.zip")),
              HasSubstr("entry 'x/data.pkl' is compressed (method 8)"));
  write_with_libzip(dir / "a.zip", parts, ZIP_CM_STORE, "secret");
  EXPECT_THAT(error_in(read_text_file(dir / "a.zip")), HasSubstr("entry 'x/data.pkl' is encrypted"));
}

TEST(ZipDirectory, RefusesContradictions) {
  const std::string good = zip_bytes({{"a", "1234"}, {"b", "56"}});
  EXPECT_EQ(text_of(read(good).at("b")), "56");
  EXPECT_TRUE(read(zip_bytes({})).empty());
  EXPECT_THAT(error_in(""), HasSubstr("got 0 bytes without its directory"));
  EXPECT_THAT(error_in("PK\x05\x06"), HasSubstr("got 4 bytes without its directory"));
  EXPECT_THAT(error_in(good + "tail"), HasSubstr("without its directory"));
  EXPECT_THAT(error_in("head" + good), HasSubstr("contradicts itself"));
  EXPECT_THAT(error_in(zip_bytes({{"a", "1"}, {"a", "2"}})), HasSubstr("two entries 'a'"));
  EXPECT_THAT(error_in(zip_bytes({{"a", "1", 0, 0, "b"}})), HasSubstr("contradicts itself"));  // two names
  EXPECT_THAT(error_in(zip_bytes({{"a", "1", 1, 0}})), HasSubstr("is encrypted"));

  const auto with = [&](std::size_t from_end, const std::string& bytes) {
    std::string other = good;
    return other.replace(other.size() - from_end, bytes.size(), bytes);
  };
  const std::string most = "\xff\xff\xff\x7f";
  const std::size_t second = 22 + 47;  // from the end of the file to the second central header
  EXPECT_THAT(error_in(with(10, most)), HasSubstr("contradicts itself"));           // directory's size
  EXPECT_THAT(error_in(with(6, most)), HasSubstr("contradicts itself"));            // directory's offset
  EXPECT_THAT(error_in(with(12, "\x03")), HasSubstr("contradicts itself"));         // count: one too many
  EXPECT_THAT(error_in(with(18, "\x01")), HasSubstr("one part of an archive"));     // disk
  EXPECT_THAT(error_in(with(second, "XX")), HasSubstr("contradicts itself"));       // signature
  EXPECT_THAT(error_in(with(second - 20, most)), HasSubstr("contradicts itself"));  // compressed size alone
  EXPECT_THAT(error_in(with(second - 20, most + most)), HasSubstr("contradicts itself"));
  EXPECT_THAT(error_in(with(second - 28, most)),
              HasSubstr("more bytes at byte"));  // name length and extra length
  EXPECT_THAT(error_in(with(second - 42, most)),
              HasSubstr("to have at least 2147483647 bytes"));  // local offset
  EXPECT_THAT(error_in(with(second - 42, "\x01")), HasSubstr("contradicts itself"));
}

// The same archive with its directory told by Zip64 records, as torch.save writes it.
TEST(ZipDirectory, ReadsZip64Records) {
  const auto zip64 = [](std::uint64_t entries, std::uint64_t bytes_off, const std::string& locator_position) {
    std::string archive = zip_bytes({{"a", "1234"}});
    const std::string end = archive.substr(archive.size() - 22);
    archive.resize(archive.size() - 22);
    const std::uint64_t directory_bytes = 47, directory_offset = archive.size() - 47, record = archive.size();
    archive += "PK\x06\x06" + testing::little_endian<std::uint64_t>(44) + std::string(12, '\0') +
               testing::little_endian(entries) + testing::little_endian(entries) +
               testing::little_endian(directory_bytes + bytes_off) + testing::little_endian(directory_offset);
    archive += "PK\x06\x07" + std::string(4, '\0') +
               (locator_position.empty() ? testing::little_endian(record) : locator_position) +
               std::string(4, '\1');
    return archive + end;
  };
  EXPECT_EQ(text_of(read(zip64(1, 0, "")).at("a")), "1234");
  EXPECT_THAT(error_in(zip64(2, 0, "")), HasSubstr("contradicts itself"));
  EXPECT_THAT(error_in(zip64(1, 1, "")), HasSubstr("contradicts itself"));
  EXPECT_THAT(error_in(zip64(1, 0, std::string(8, '\xff'))),
              HasSubstr("to have at least 18446744073709551615"));
  EXPECT_THAT(error_in(zip64(1, 0, std::string(8, '\0'))), HasSubstr("contradicts itself"));
}

}  // namespace
}  // namespace refocus
