#include "base/text_file.h"

#include <sys/resource.h>

#include <csignal>

#include "support.h"

namespace refocus {
namespace {

TEST(TextFile, RoundTripsBytes) {
  testing::TempDir dir;
  const std::string content("a\0b\r\n\xFF", 6);
  write_file_atomically(dir / "x", content);
  EXPECT_EQ(read_text_file(dir / "x"), content);
}

TEST(TextFile, AByteOrderMarkIsNoText) {
  testing::TempDir dir;
  const std::string mark = "\xEF\xBB\xBF";
  write_file_atomically(dir / "x", mark + "text " + mark + "more");
  EXPECT_EQ(read_text_file(dir / "x"), "text " + mark + "more");  // only at the start
  EXPECT_EQ(read_binary_file(dir / "x"), mark + "text " + mark + "more");
  write_file_atomically(dir / "x", mark);
  EXPECT_EQ(read_text_file(dir / "x"), "");
  write_file_atomically(dir / "x", "\xEF\xBB");
  EXPECT_EQ(read_text_file(dir / "x"), "\xEF\xBB");
}

TEST(TextFile, RefusesTheMarksOfOtherEncodings) {
  testing::TempDir dir;
  for (const std::string& other : {std::string("\xFF\xFE{\0", 4), std::string("\xFE\xFF\0{", 4)}) {
    write_file_atomically(dir / "x", other);
    EXPECT_THAT(testing::error_of([&] { read_text_file(dir / "x"); }),
                ::testing::HasSubstr("expected UTF-8, got the byte order mark of UTF-16; convert the file"));
    EXPECT_EQ(read_binary_file(dir / "x"), other);
  }
}

TEST(TextFile, AFailedWriteKeepsTheOldFileAndLeavesNoOther) {
  testing::TempDir dir;
  write_file_atomically(dir / "x", "old");
  // A file size limit stands in for a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = 1000;
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message =
      testing::error_of([&] { write_file_atomically(dir / "x", std::string(5000, 'y')); });
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_THAT(message, ::testing::HasSubstr("cannot be written"));
  EXPECT_EQ(read_text_file(dir / "x"), "old");
  int files = 0;
  for ([[maybe_unused]] const auto& e : std::filesystem::directory_iterator(dir.path())) ++files;
  EXPECT_EQ(files, 1);
}

TEST(TextFile, SaysWhichFileCannotBeRead) {
  EXPECT_THAT(testing::error_of([] { read_text_file("/nonexistent/file"); }),
              ::testing::HasSubstr("[/nonexistent/file] cannot be read: No such file"));
}

}  // namespace
}  // namespace refocus
