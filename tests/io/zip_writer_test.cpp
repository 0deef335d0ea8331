#include "io/zip_writer.h"

#include <zip.h>

#include "io/pytorch/zip_directory.h"
#include "io_support.h"

namespace refocus {
namespace {

std::string_view entry_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(ZipWriter, WritesWhatTheReaderFinds) {
  ZipWriter zip(100);
  zip.add("a.txt", "first");
  zip.begin("b.npy");
  zip.write("second, ");
  zip.write("in parts");
  zip.end();
  zip.add("empty", "");
  const std::string archive = zip.finish();
  const ZipDirectory entries = read_zip_directory(std::as_bytes(std::span(archive)), "archive");
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entry_text(entries.at("a.txt")), "first");
  EXPECT_EQ(entry_text(entries.at("b.npy")), "second, in parts");
  EXPECT_EQ(entry_text(entries.at("empty")), "");
}

// libzip compares checksums, and headers with the directory.
TEST(ZipWriter, PassesTheChecksOfALibrary) {
  ZipWriter zip;
  zip.add("a", "hello");
  zip.add("long", std::string(100'000, 'x'));
  std::string archive = zip.finish();
  const auto read = [&](const char* name) {
    zip_error_t error;
    zip_source_t* source = zip_source_buffer_create(archive.data(), archive.size(), 0, &error);
    zip_t* opened = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
    if (opened == nullptr) return std::string("not opened");
    std::string out(200'000, '\0');
    zip_file_t* file = zip_fopen(opened, name, 0);
    zip_int64_t count = file == nullptr ? -1 : zip_fread(file, out.data(), out.size());
    char more = 0;  // the checksum is compared at the end
    if (count >= 0 && zip_fread(file, &more, 1) != 0) count = -1;
    if (file != nullptr) zip_fclose(file);
    zip_discard(opened);
    if (count < 0) return std::string("not read");
    out.resize(static_cast<std::size_t>(count));
    return out;
  };
  EXPECT_EQ(read("a"), "hello");
  EXPECT_EQ(read("long"), std::string(100'000, 'x'));
  archive[archive.find("hello")] = 'H';
  EXPECT_EQ(read("a"), "not read");
}

TEST(ZipWriter, EqualEntriesMakeEqualArchives) {
  const auto make = [] {
    ZipWriter zip;
    zip.add("x", "1");
    return zip.finish();
  };
  EXPECT_EQ(make(), make());
}

}  // namespace
}  // namespace refocus
