// Runs fuzz targets over files without a fuzzer, in any build: replay FOLDER runs every target over the files
// of FOLDER/TARGET, and fails where a target has none. replay TARGET FILE... runs one.
#include <algorithm>
#include <cstdio>
#include <map>
#include <vector>

#include "base/text_file.h"
#include "target.h"

namespace refocus::fuzz {

namespace {

std::map<std::string, Target, std::less<>>& targets() {
  static std::map<std::string, Target, std::less<>> all;
  return all;
}

int replay(const std::string& name, const std::vector<std::filesystem::path>& files) {
  for (const auto& file : files) {
    std::printf("%s %s\n", name.c_str(), file.filename().c_str());
    std::fflush(stdout);  // so that the last line names what a crash is of
    run(targets().at(name), read_text_file(file));
  }
  return files.empty() ? 1 : 0;
}

int replay_all(const std::filesystem::path& folder) {
  int failed = 0;
  for (const auto& [name, target] : targets()) {
    std::vector<std::filesystem::path> files;
    if (std::filesystem::is_directory(folder / name)) {
      for (const auto& entry : std::filesystem::directory_iterator(folder / name))
        files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    if (replay(name, files) != 0) {
      std::fprintf(stderr, "no seeds in %s\n", (folder / name).c_str());
      failed = 1;
    }
  }
  return failed;
}

}  // namespace

bool add_target(std::string_view name, Target target) {
  targets().emplace(name, target);
  return true;
}

}  // namespace refocus::fuzz

int main(int count, char** arguments) {
  using namespace refocus::fuzz;
  if (count == 2) return replay_all(arguments[1]);
  if (count > 2 && targets().contains(std::string_view(arguments[1]))) {
    return replay(arguments[1], {arguments + 2, arguments + count});
  }
  std::fprintf(stderr, "usage: replay SEEDS_FOLDER | replay TARGET FILE...; targets:");
  for (const auto& [name, target] : targets()) std::fprintf(stderr, " %s", name.c_str());
  std::fprintf(stderr, "\n");
  return 2;
}
