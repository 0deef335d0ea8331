// Damaged files: each either reads (the damage hit a tensor's values) or is an InputError, and what was read
// can be used. Run under the sanitizers, this is the test that the readers stay within the file.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <random>

#include "io/npy.h"
#include "io/pytorch/torch_checkpoint.h"
#include "io/safetensors.h"
#include "io_support.h"

namespace refocus {
namespace {

namespace fs = std::filesystem;

struct Reader {
  std::string extension;
  std::function<void(const fs::path&)> read;  // reads the file and uses every element
};

std::vector<Reader> readers() {
  const auto use = [](auto read) {
    return [read](const fs::path& path) {
      WeightMap weights;
      read(path, weights);
      for (const auto& [name, entry] : weights.entries()) {
        ASSERT_EQ(to_f32(entry.view).size(), static_cast<std::size_t>(entry.view.elements()));
      }
    };
  };
  return {{".bin", use(read_torch_checkpoint)},
          {".safetensors", use(read_safetensors)},
          {".npy", [](const fs::path& path) { read_npy(path); }}};
}

// A file in memory only: these tests write thousands.
class MemoryFile {
 public:
  MemoryFile() : fd_(::memfd_create("damaged", MFD_CLOEXEC)) { EXPECT_GE(fd_, 0); }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  fs::path path() const { return fmt::format("/proc/self/fd/{}", fd_); }
  void fill(const std::string& bytes) {
    EXPECT_EQ(::ftruncate(fd_, static_cast<off_t>(bytes.size())), 0);
    EXPECT_EQ(::pwrite(fd_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }

 private:
  int fd_;
};

// True where the bytes read; false where they were refused with an InputError.
bool reads(const Reader& reader, MemoryFile& file, const std::string& bytes) {
  file.fill(bytes);
  try {
    reader.read(file.path());
    return true;
  } catch (const InputError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return false;
  }
}

void for_each_golden(const std::function<void(const Reader&, const std::string& bytes)>& action) {
  int files = 0;
  for (const Reader& reader : readers()) {
    for (const auto& entry : fs::recursive_directory_iterator(testing::io_golden(""))) {
      if (entry.path().extension() != reader.extension || entry.file_size() > 4096) continue;
      SCOPED_TRACE(entry.path().filename().string());
      action(reader, read_text_file(entry.path()));
      ++files;
    }
  }
  EXPECT_GT(files, 60);
}

TEST(Damage, ATruncatedFileIsRefused) {
  MemoryFile file;
  for_each_golden([&](const Reader& reader, const std::string& bytes) {
    const std::size_t step = bytes.size() <= 1024 ? 1 : 16;
    for (std::size_t kept = 0; kept < bytes.size(); kept += step) {
      ASSERT_FALSE(reads(reader, file, bytes.substr(0, kept))) << kept;
    }
  });
}

TEST(Damage, FlippedBytesNeverCrash) {
  MemoryFile file;
  std::mt19937 random(20240314);
  int read = 0, refused = 0;
  for_each_golden([&](const Reader& reader, const std::string& bytes) {
    for (int round = 0; round < 60; ++round) {
      std::string damaged = bytes;
      for (int flips = 1 + static_cast<int>(random() % 3); flips > 0 && !damaged.empty(); --flips) {
        damaged[random() % damaged.size()] = static_cast<char>(random() % 256);
      }
      ++(reads(reader, file, damaged) ? read : refused);
    }
  });
  EXPECT_GT(read, 100);  // the damage reaches past the first checks
  EXPECT_GT(refused, 100);
}

// One byte at a time through the structures of a whole torch file, each set to the values that lie about
// sizes.
TEST(Damage, EveryByteOfATorchFileMayLie) {
  MemoryFile file;
  const Reader reader = readers().front();
  const std::string bytes = read_text_file(testing::io_golden("tied.bin"));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const char value : {'\x00', '\x7f', '\xff'}) {
      std::string damaged = bytes;
      damaged[i] = value;
      reads(reader, file, damaged);
    }
  }
}

}  // namespace
}  // namespace refocus
