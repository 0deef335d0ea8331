// The models and data that come with Refocus, found wherever the program is called from: in $REFOCUS_HOME if
// it is set, in the checkout that the program was built in (it lies in build/PRESET there), or in
// share/refocus of the prefix that it was installed to; or where a library says (add_bundle_place). Each of
// these has models/NAME and data/TASK.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace refocus {

inline constexpr const char* kDefaultModel = "small-worlds";
inline constexpr const char* kDefaultTask = "worlds";

// All paths below are relative to the working directory where they lie in it. InputError where REFOCUS_HOME
// names no directory.

// A further place that has them, looked in after $REFOCUS_HOME: where a library brings them along.
void add_bundle_place(const std::string& path);

// The names of all bundled models, in order.
std::vector<std::string> bundled_models();

// The directory of the bundled model of that name, if there is one.
std::optional<std::filesystem::path> find_bundled_model(const std::string& name);

// What MODEL means: a path that exists, or else the name of a bundled model. An empty text means
// kDefaultModel, and standard error says so. InputError, which names the bundled models, where it means
// nothing; `option` is the one that it was given with.
std::filesystem::path resolve_model(const std::string& model, std::string_view option = "--model");

// The folder for load_task where none was named: `data`, if it has a folder of the task, or else the bundled
// data, if that has one, or else `data` all the same.
std::filesystem::path default_data(std::string_view task);

// What FILE means: itself where it exists or is no relative path below data/, or else the bundled file of
// that path, such as data/cloze/mmlu_cloze.yaml, if there is one.
std::string resolve_file(const std::string& file);

// The model's own name: its folder's, or its file's without the ending.
std::string name_of_model(const std::filesystem::path& path);

}  // namespace refocus
