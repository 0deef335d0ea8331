#include "base/mapped_file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/text_file.h"
#include "support.h"

namespace refocus {
namespace {

bool holds(std::span<const std::byte> bytes, const std::string& content) {
  return std::ranges::equal(bytes, std::as_bytes(std::span(content)));
}

// Of a piece that begins and ends within pages, of a whole file of many, and of memory that is no file's.
TEST(MappedFile, AdviceChangesNoBytes) {
  testing::TempDir dir;
  std::string content;
  for (int i = 0; content.size() < (std::size_t{5} << 20); ++i) content += std::to_string(i);
  write_file_atomically(dir / "x", content);
  const auto file = MappedFile::open(dir / "x");
  const std::string other(std::size_t{1} << 16, 'o');
  for (const std::span<const std::byte> bytes :
       {file->bytes().subspan(100, 10), file->bytes().subspan(5000, 1 << 20), file->bytes(),
        std::as_bytes(std::span(other))}) {
    prefer_huge_pages(bytes);
    ASSERT_TRUE(holds(file->bytes(), content));
    release_mapped_pages(bytes);
    ASSERT_TRUE(holds(file->bytes(), content));
  }
  EXPECT_EQ(other, std::string(std::size_t{1} << 16, 'o'));
}

// What Linux notes of the mapping of a file, or nothing.
std::string flags_of_mapping(const std::filesystem::path& path) {
  std::ifstream maps("/proc/self/smaps");
  bool its = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.ends_with(path.string())) its = true;
    if (its && line.starts_with("VmFlags:")) return line + " ";
  }
  return "";
}

TEST(MappedFile, HugePagesAreAskedForOfTheWholeFile) {
  if (!std::filesystem::exists("/sys/kernel/mm/transparent_hugepage")) GTEST_SKIP() << "no huge pages here";
  testing::TempDir dir;
  write_file_atomically(dir / "x", std::string(std::size_t{5} << 20, 'x'));
  const auto file = MappedFile::open(dir / "x");
  EXPECT_THAT(flags_of_mapping(dir / "x"), ::testing::Not(::testing::HasSubstr(" hg ")));
  prefer_huge_pages(file->bytes().subspan(5000, 10));
  EXPECT_THAT(flags_of_mapping(dir / "x"), ::testing::HasSubstr(" hg "));
}

}  // namespace
}  // namespace refocus
