#include "opened/bundled.h"

#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <sys/auxv.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/error.h"

namespace refocus {

namespace fs = std::filesystem;

namespace {

constexpr const char* kHome = "REFOCUS_HOME";

// Of the file that runs, links resolved; empty where that cannot be known.
fs::path path_of_program() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) return program;
  // Without /proc, as in a bare chroot: as it was started.
  const auto* started = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
  return started == nullptr ? fs::path() : fs::canonical(started, error);
}

// Of add_bundle_place.
std::vector<fs::path>& further_places() {
  static std::vector<fs::path> places;
  return places;
}

// Places that may hold models/ and data/, best first.
std::vector<fs::path> bundle_places() {
  std::vector<fs::path> places;
  if (const char* home = std::getenv(kHome); home != nullptr && *home != '\0') {
    if (!fs::is_directory(home)) {
      throw input_error(kHome,
                        "expected a directory with models and data, got '{}', which is none; "
                        "correct it or unset it",
                        printable(home));
    }
    places.emplace_back(home);
  }
  places.insert(places.end(), further_places().begin(), further_places().end());
  const fs::path program = path_of_program().parent_path();
  if (program.empty()) return places;
  places.push_back((program / "../..").lexically_normal());
  places.push_back((program / "../share/refocus").lexically_normal());
  return places;
}

// Relative to the working directory where `path` lies in it.
fs::path shown(const fs::path& path) {
  std::error_code error;
  const fs::path near = fs::proximate(path, error);
  return error || near.empty() || *near.begin() == ".." ? path.lexically_normal() : near;
}

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool is_model(const fs::path& path) { return is_file(path / "config.json"); }

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// The first place that has `path`, which is such a thing there.
std::optional<fs::path> place_of(const fs::path& path, bool (*is_such)(const fs::path&)) {
  for (const fs::path& place : bundle_places()) {
    if (is_such(place / path)) return place;
  }
  return std::nullopt;
}

}  // namespace

void add_bundle_place(const std::string& path) { further_places().emplace_back(path); }

std::vector<std::string> bundled_models() {
  std::vector<std::string> names;
  for (const fs::path& place : bundle_places()) {
    std::error_code error;
    for (fs::directory_iterator at(place / "models", error), end; !error && at != end; at.increment(error)) {
      if (is_model(at->path())) names.push_back(at->path().filename().string());
    }
  }
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::optional<fs::path> find_bundled_model(const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) return std::nullopt;
  const auto place = place_of(fs::path("models") / name, is_model);
  return place ? std::optional(shown(*place / "models" / name)) : std::nullopt;
}

fs::path resolve_model(const std::string& model, std::string_view option) {
  std::error_code error;
  if (!model.empty() && fs::exists(model, error)) return model;
  if (const auto found = find_bundled_model(model.empty() ? kDefaultModel : model)) {
    if (model.empty()) spdlog::info("model {} (bundled; choose another with -m)", found->string());
    return *found;
  }
  if (model.empty()) {
    std::string places;
    for (const fs::path& place : bundle_places()) {
      places += (places.empty() ? "" : ", ") + printable(place.string(), 200);
    }
    throw input_error(
        option,
        "expected the bundled model {0} in models/{0} of {1}, found none; give a model directory "
        "or a GGUF file with -m, or set {2} to a directory that has it",
        kDefaultModel, places, kHome);
  }
  const std::vector<std::string> known = bundled_models();
  throw input_error(
      option,
      "expected a model directory, a GGUF file or a bundled model ({}), got '{}', which does not "
      "exist; check the path",
      known.empty() ? "none is here" : fmt::format("{}", fmt::join(known, ", ")), printable(model));
}

fs::path default_data(std::string_view task) {
  const fs::path here = "data";
  if (is_folder(here / task)) return here;
  const auto place = place_of(here / task, is_folder);
  return place ? shown(*place / here) : here;
}

std::string resolve_file(const std::string& file) {
  const fs::path path = fs::path(file).lexically_normal();
  std::error_code error;
  if (fs::exists(file, error) || path.empty() || *path.begin() != "data") return file;
  const auto place = place_of(path, is_file);
  return place ? shown(*place / path).string() : file;
}

std::string name_of_model(const fs::path& path) {
  const fs::path full = fs::weakly_canonical(path);
  return fs::is_directory(path) ? full.filename().string() : full.stem().string();
}

}  // namespace refocus
