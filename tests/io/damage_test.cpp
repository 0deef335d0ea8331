// Damaged files: each either reads (the damage hit a tensor's values) or is an InputError, and what was read
// can be used. Run under the sanitizers, this is the test that the readers stay within the file.

#include <fstream>
#include <functional>
#include <random>

#include "io/npy.h"
#include "io/safetensors.h"
#include "io/torch_checkpoint.h"
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

// True where the bytes read; false where they were refused with an InputError.
bool reads(const Reader& reader, const fs::path& scratch, const std::string& bytes) {
  std::ofstream(scratch, std::ios::binary) << bytes;
  try {
    reader.read(scratch);
    return true;
  } catch (const InputError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return false;
  }
}

void for_each_golden(const std::function<void(const Reader&, const std::string& bytes)>& action) {
  int files = 0;
  for (const Reader& reader : readers()) {
    for (const auto& file : fs::recursive_directory_iterator(testing::io_golden(""))) {
      if (file.path().extension() != reader.extension || file.file_size() > 4096) continue;
      SCOPED_TRACE(file.path().filename().string());
      action(reader, read_text_file(file.path()));
      ++files;
    }
  }
  EXPECT_GT(files, 60);
}

TEST(Damage, ATruncatedFileIsRefused) {
  const testing::TempDir dir;
  for_each_golden([&](const Reader& reader, const std::string& bytes) {
    const std::size_t step = bytes.size() <= 900 ? 3 : 16;
    for (std::size_t kept = 0; kept < bytes.size(); kept += step) {
      ASSERT_FALSE(reads(reader, dir / "cut", bytes.substr(0, kept))) << kept;
    }
  });
}

TEST(Damage, FlippedBytesNeverCrash) {
  const testing::TempDir dir;
  std::mt19937 random(20240314);
  int read = 0, refused = 0;
  for_each_golden([&](const Reader& reader, const std::string& bytes) {
    for (int round = 0; round < 60; ++round) {
      std::string damaged = bytes;
      for (int flips = 1 + static_cast<int>(random() % 3); flips > 0 && !damaged.empty(); --flips) {
        damaged[random() % damaged.size()] = static_cast<char>(random() % 256);
      }
      ++(reads(reader, dir / "flipped", damaged) ? read : refused);
    }
  });
  EXPECT_GT(read, 100);  // the damage reaches past the first checks
  EXPECT_GT(refused, 100);
}

// One byte at a time through the structures of a whole torch file, each set to the values that lie about
// sizes.
TEST(Damage, EveryByteOfATorchFileMayLie) {
  const testing::TempDir dir;
  const Reader reader = readers().front();
  const std::string bytes = read_text_file(testing::io_golden("tied.bin"));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const char value : {'\x00', '\x7f', '\xff'}) {
      std::string damaged = bytes;
      damaged[i] = value;
      reads(reader, dir / "lying", damaged);
    }
  }
}

}  // namespace
}  // namespace refocus
