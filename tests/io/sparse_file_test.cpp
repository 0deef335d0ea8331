// Files larger than the memory that a reader may use: opening one must not read the tensors' pages. The files
// are holes but for their headers, so they take no room on the disk.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "io/pytorch/torch_checkpoint.h"
#include "io/safetensors.h"
#include "io_support.h"

namespace refocus {
namespace {

using testing::little_endian;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

class SparseFile {
 public:
  SparseFile(const std::filesystem::path& path, std::uint64_t bytes)
      : fd_(::open(path.c_str(), O_RDWR | O_CREAT, 0600)),
        holds_(::ftruncate(fd_, static_cast<off_t>(bytes)) == 0) {}
  ~SparseFile() { ::close(fd_); }
  SparseFile(const SparseFile&) = delete;
  SparseFile& operator=(const SparseFile&) = delete;

  bool holds() const { return holds_; }
  void write(std::uint64_t position, const std::string& bytes) {
    EXPECT_EQ(::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(position)),
              static_cast<ssize_t>(bytes.size()));
  }

 private:
  int fd_;
  bool holds_;
};

// Pages of the tensor that are in memory, its last one not counted.
std::int64_t resident_pages(const TensorView& view) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t begin = (reinterpret_cast<std::uintptr_t>(view.data) + page - 1) / page * page;
  const std::uintptr_t pages = (reinterpret_cast<std::uintptr_t>(view.data) + view.bytes() - begin) / page;
  std::vector<unsigned char> resident(pages);
  EXPECT_EQ(::mincore(reinterpret_cast<void*>(begin), pages * page, resident.data()), 0);
  return std::count_if(resident.begin(), resident.end(), [](unsigned char r) { return (r & 1) != 0; });
}

// What the kernel reads ahead around a header, at most.
constexpr std::int64_t kReadAheadPages = 4096;

TEST(SparseFile, OpeningThirteenGigabytesOfSafetensorsReadsNoTensor) {
  const testing::TempDir dir;
  std::string header = R"({"w":{"dtype":"F16","shape":[13,536870912],"data_offsets":[0,13958643712]}})";
  SparseFile file(dir / "w.safetensors", 8 + header.size() + 13 * kGiB);
  if (!file.holds()) GTEST_SKIP() << "needs a file system that holds a sparse file of 13 GiB";
  file.write(0, little_endian<std::uint64_t>(header.size()) + header);
  file.write(8 + header.size() + 13 * kGiB - 2, little_endian<std::uint16_t>(0x3C00));
  WeightMap weights;
  read_safetensors(dir / "w.safetensors", weights);
  const TensorView& view = weights.find("w")->view;
  EXPECT_EQ(view.bytes(), 13 * kGiB);
  EXPECT_LT(resident_pages(view), kReadAheadPages);
  std::uint16_t last;
  std::memcpy(&last, view.data + view.bytes() - 2, 2);
  EXPECT_EQ(last, 0x3C00);
}

// Storages of 5 GiB and 12 bytes: sizes and offsets that need Zip64, after APPNOTE.TXT 4.3.9 to 4.5.3.
TEST(SparseFile, OpeningAZip64TorchFileReadsNoTensor) {
  const testing::TempDir dir;
  const std::string pickle = testing::state_pickle({static_cast<std::int64_t>(5 * kGiB / 4), 3});
  const std::string common = little_endian<std::uint16_t>(45) + std::string(12, '\0');  // version to checksum
  const std::string wide = "\xff\xff\xff\xff";
  const auto u16 = [](std::size_t value) { return little_endian(static_cast<std::uint16_t>(value)); };
  const auto u32 = [](std::size_t value) { return little_endian(static_cast<std::uint32_t>(value)); };
  const auto u64 = [](std::size_t value) { return little_endian(static_cast<std::uint64_t>(value)); };
  const auto local = [&](const std::string& name, std::uint64_t bytes) {
    const bool big = bytes > 0xFFFFFFFF;
    const std::string extra = big ? u16(1) + u16(16) + u64(bytes) + u64(bytes) : "";
    const std::string size = big ? wide : u32(bytes);
    return "PK\x03\x04" + common + size + size + u16(name.size()) + u16(extra.size()) + name + extra;
  };
  const auto central = [&](const std::string& name, std::uint64_t bytes, std::uint64_t offset) {
    const bool big = bytes > 0xFFFFFFFF, far = offset > 0xFFFFFFFF;
    const std::string fields = (big ? u64(bytes) + u64(bytes) : "") + (far ? u64(offset) : "");
    const std::string extra =
        "FB" + u16(2) + "zz" + (fields.empty() ? "" : u16(1) + u16(fields.size()) + fields);
    const std::string size = big ? wide : u32(bytes);
    return "PK\x01\x02" + u16(45) + common + size + size + u16(name.size()) + u16(extra.size()) +
           std::string(10, '\0') + (far ? wide : u32(offset)) + name + extra;
  };
  const std::string first = local("x/data.pkl", pickle.size()) + pickle + local("x/data/0", 5 * kGiB);
  const std::uint64_t second_at = first.size() + 5 * kGiB;
  const std::string floats = little_endian(1.0f) + little_endian(2.0f) + little_endian(3.0f);
  const std::string second = local("x/data/1", 12) + floats;
  const std::string directory =
      central("x/data.pkl", pickle.size(), 0) +
      central("x/data/0", 5 * kGiB, first.size() - local("x/data/0", 5 * kGiB).size()) +
      central("x/data/1", 12, second_at);
  const std::uint64_t directory_at = second_at + second.size();
  const std::string end = "PK\x06\x06" + u64(44) + u16(45) + u16(45) + std::string(8, '\0') + u64(3) +
                          u64(3) + u64(directory.size()) + u64(directory_at) + "PK\x06\x07" + u32(0) +
                          u64(directory_at + directory.size()) + u32(1) + "PK\x05\x06" + u32(0) + u16(3) +
                          u16(3) + u32(directory.size()) + wide + u16(0);
  SparseFile file(dir / "a.bin", directory_at);
  if (!file.holds()) GTEST_SKIP() << "needs a file system that holds a sparse file of 5 GiB";
  file.write(0, first);
  file.write(second_at, second);
  file.write(directory_at, directory + end);

  WeightMap weights;
  read_torch_checkpoint(dir / "a.bin", weights);
  EXPECT_EQ(weights.find("w0")->view.bytes(), 5 * kGiB);
  EXPECT_LT(resident_pages(weights.find("w0")->view), kReadAheadPages);
  EXPECT_EQ(to_f32(weights.find("w1")->view), (std::vector<float>{1, 2, 3}));
}

}  // namespace
}  // namespace refocus
