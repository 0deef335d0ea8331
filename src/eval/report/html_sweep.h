// The part of a report on a sweep: RUN_DIR/sweep.json, accuracies along the axes that were swept.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace refocus {

// The sweep of a run directory; null where it has none. InputError where the file is something else.
nlohmann::ordered_json read_sweep(const std::filesystem::path& run_directory);

struct SweepHtml {
  std::string selections;  // <li> elements: what was selected on one half and what it is worth on the other
  std::string section;     // a place for plots and a table for each task
};

// Both empty for null. InputError, naming `where`, on JSON of another shape.
SweepHtml html_sweep(const nlohmann::ordered_json& sweep, const std::string& where);

}  // namespace refocus
