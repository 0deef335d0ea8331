#include "target.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>

#include "base/error.h"
#include "base/utf8.h"

namespace refocus::fuzz {

namespace fs = std::filesystem;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "finding: %s\n", what);
  std::abort();
}

void check_message(std::string_view message, std::string_view input) {
  const auto of_a_library = [](std::string_view text) {
    return text.find("json.exception") != std::string_view::npos;
  };
  const bool controls = std::ranges::any_of(message, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
  // An input that has the words itself may be quoted.
  if (message.starts_with("[") && !controls && is_valid_utf8(message) &&
      (!of_a_library(message) || of_a_library(input))) {
    return;
  }
  std::fprintf(stderr, "message: %.*s\n", static_cast<int>(message.size()), message.data());
  require(false, "an input error is one line of UTF-8 that begins with [where] and is in our own words");
}

void run(Target target, std::string_view input) {
  try {
    target(input);
  } catch (const InputError& e) {
    check_message(e.what(), input);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "exception: %s\n", e.what());
    require(false, "only input errors may come out of a reader");
  }
}

const fs::path& scratch() {
  struct Folder {
    fs::path path;
    Folder() {
      const fs::path memory = "/dev/shm";
      std::string pattern =
          ((fs::is_directory(memory) ? memory : fs::temp_directory_path()) / "refocus-fuzz-XXXXXX").string();
      require(::mkdtemp(pattern.data()) != nullptr, "a folder for the input");
      path = pattern;
    }
    ~Folder() {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
  };
  static const Folder folder;
  return folder.path;
}

fs::path write_scratch(const std::string& name, std::string_view bytes) {
  const fs::path path = scratch() / name;
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  require(out.good(), "the input written to a file");
  return path;
}

std::vector<std::string_view> parts(std::string_view input) {
  constexpr std::string_view kBetween = "\n---\n";
  std::vector<std::string_view> found;
  for (;;) {
    const std::size_t end = input.find(kBetween);
    found.push_back(input.substr(0, end));
    if (end == std::string_view::npos) return found;
    input.remove_prefix(end + kBetween.size());
  }
}

}  // namespace refocus::fuzz
