// The part of a report on a sweep: RUN_DIR/sweep.json, accuracies along the axes that were swept.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace refocus {

// The sweep of a run directory; null where it has none. InputError where the file is something else.
nlohmann::ordered_json read_sweep(const std::filesystem::path& run_directory);

// Sentences on what was selected, and a table for each task; "" for null. InputError, naming `where`, on JSON
// of another shape.
std::string html_sweep(const nlohmann::ordered_json& sweep, const std::string& where);

}  // namespace refocus
