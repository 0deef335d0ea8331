#include "io/npy.h"

#include <sys/resource.h>

#include <csignal>
#include <numeric>

#include "io_support.h"

namespace refocus {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::io_golden;
using Shape = std::vector<std::int64_t>;

std::vector<float> halves(int count) {
  std::vector<float> values;
  for (int i = 0; i < count; ++i) values.push_back(0.5f * static_cast<float>(i) - 3);
  return values;
}

void write_npy(const std::filesystem::path& path, const Shape& shape, const std::vector<float>& values) {
  NpyWriter writer(path, shape);
  writer.write(values);
  writer.finish();
}

TEST(Npy, WritesByteForByteWhatNumPyWrites) {
  const testing::TempDir dir;
  const auto expect_same = [&](const std::string& name, const Shape& shape,
                               const std::vector<float>& values) {
    SCOPED_TRACE(name);
    write_npy(dir / name, shape, values);
    EXPECT_EQ(read_text_file(dir / name), read_text_file(io_golden(name)));
  };
  expect_same("f32_3d.npy", {2, 3, 4}, halves(24));
  expect_same("f32_1d.npy", {5}, {0, 1, 2, 3, 4});
  expect_same("f32_scalar.npy", {}, {1.5f});
  expect_same("f32_empty.npy", {0, 3}, {});
  std::vector<float> counting(200);
  std::iota(counting.begin(), counting.end(), 0.0f);
  expect_same("f32_aligned.npy", {2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 100}, counting);
}

TEST(Npy, CountsTheRowsAsTheyCome) {
  const testing::TempDir dir;
  const std::vector<float> values = halves(24);
  NpyWriter writer(dir / "rows.npy", {NpyWriter::kAsWritten, 3, 4});
  writer.write(std::span(values).first(7));
  writer.write(std::span(values).subspan(7));
  writer.finish();
  EXPECT_EQ(read_text_file(dir / "rows.npy"), read_text_file(io_golden("f32_3d.npy")));
  NpyWriter none(dir / "none.npy", {NpyWriter::kAsWritten, 3});
  none.finish();
  EXPECT_EQ(read_text_file(dir / "none.npy"), read_text_file(io_golden("f32_empty.npy")));
}

TEST(Npy, StreamsMoreThanItsBuffer) {
  const testing::TempDir dir;
  const std::vector<float> row = halves(100'001);
  NpyWriter writer(dir / "large.npy", {9, 100'001});
  for (int i = 0; i < 9; ++i) writer.write(row);
  writer.finish();
  const NpyArray back = read_npy(dir / "large.npy");
  EXPECT_EQ(back.shape, (Shape{9, 100'001}));
  ASSERT_EQ(back.f32().size(), 900'009u);
  for (int i = 0; i < 9; ++i) {
    EXPECT_TRUE(std::equal(row.begin(), row.end(), back.f32().begin() + i * 100'001)) << i;
  }
}

TEST(Npy, LeavesNothingBehindWhenNotFinished) {
  const testing::TempDir dir;
  write_npy(dir / "a.npy", {1}, {7});
  {
    NpyWriter writer(dir / "a.npy", {2});
    writer.write(std::vector<float>(1));
  }
  EXPECT_EQ(read_npy(dir / "a.npy").f32(), std::vector<float>{7});
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
  EXPECT_THAT(error_of([&] { NpyWriter(dir / "missing/a.npy", {1}); }), HasSubstr("cannot be written"));
}

// A limit on the size of files stands in for a full disk: both fail in write().
TEST(Npy, SaysSoAndLeavesNothingWhereTheDiskIsFull) {
  const testing::TempDir dir;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{1 << 20, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string error =
      error_of([&] { write_npy(dir / "a.npy", {1'000'000}, std::vector<float>(1'000'000)); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(error, HasSubstr("a.npy] cannot be written: File too large; free some space"));
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(Npy, ReadsWhatNumPyWrites) {
  EXPECT_EQ(read_npy(io_golden("f32_3d.npy")).shape, (Shape{2, 3, 4}));
  EXPECT_EQ(read_npy(io_golden("f32_3d.npy")).f32(), halves(24));
  EXPECT_EQ(read_npy(io_golden("f32_scalar.npy")).shape, Shape{});
  EXPECT_EQ(read_npy(io_golden("f32_scalar.npy")).f32(), std::vector<float>{1.5f});
  EXPECT_EQ(read_npy(io_golden("f32_empty.npy")).shape, (Shape{0, 3}));
  EXPECT_EQ(read_npy(io_golden("i32.npy")).shape, (Shape{2, 2}));
  EXPECT_EQ(read_npy(io_golden("i32.npy")).i64(), (Shape{-1, 2, 3, INT32_MIN}));
  EXPECT_EQ(read_npy(io_golden("i64.npy")).i64(), (Shape{std::int64_t{1} << 62, INT64_MIN, 0}));
  EXPECT_EQ(read_npy(io_golden("version2.npy")).f32(), (std::vector<float>{0, 1, 2, 3}));
  EXPECT_THAT(error_of([] { read_npy(io_golden("i32.npy")).f32(); }),
              HasSubstr("expected an array of float32"));
  EXPECT_THAT(error_of([] { read_npy(io_golden("f32_1d.npy")).i64(); }),
              HasSubstr("expected an array of integers"));
}

std::string npy_bytes(const std::string& header, const std::string& data) {
  return std::string("\x93NUMPY\x01\x00", 8) +
         testing::little_endian(static_cast<std::uint16_t>(header.size())) + header + data;
}

TEST(Npy, RefusesEveryOtherFile) {
  EXPECT_THAT(error_of([] { read_npy(io_golden("f64.npy")); }), HasSubstr("got '<f8'"));
  EXPECT_THAT(error_of([] { read_npy(io_golden("fortran.npy")); }), HasSubstr("got Fortran order"));
  const std::string ends = ", 'fortran_order': False, 'shape': (1,), }\n";
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"", "expected 6 more bytes"},
      {"PK\x03\x04 and more", "another format"},
      {std::string("\x93NUMPY\x04\x00\x00\x00", 10), "version 1 to 3, got 4"},
      {std::string("\x93NUMPY\x01\x00\xff\xff{", 11), "expected 65535 more bytes"},
      {npy_bytes("{'descr': '<f4'" + ends, "123"), "got 3 bytes"},
      {npy_bytes("{'descr': '<f4'" + ends, "12345"), "got 5 bytes"},
      {npy_bytes("{'descr': '>f4'" + ends, "1234"), "got '>f4'"},
      {npy_bytes("{'descr': [('a', '<f4')]" + ends, "1234"), "expected a header of"},
      {npy_bytes("{'descr': '<f4', 'descr': '<f4'" + ends, "1234"), "expected a header of"},
      {npy_bytes("{'descr': '<f4', 'fortran_order': False}", "1234"), "expected a header of"},
      {npy_bytes("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "1234"), "expected a header of"},
      {npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "1234"), "expected a header of"},
      {npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (1", "1234"), "expected a header of"},
      {npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", ""),
       "expected a header of"},
      {npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", ""),
       "got 0 bytes"},
      {npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} junk", "1234"),
       "expected a header of"},
      {npy_bytes("os.system('x')", "1234"), "expected a header of"},
  };
  const testing::TempDir dir;
  for (const auto& [bytes, says] : bad) {
    write_file_atomically(dir / "bad.npy", bytes);
    EXPECT_THAT(error_of([&] { read_npy(dir / "bad.npy"); }), HasSubstr(says));
  }
}

}  // namespace
}  // namespace refocus
