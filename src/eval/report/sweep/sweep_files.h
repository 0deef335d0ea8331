// A sweep as files of its run directory: sweep.json (docs/run-directory.md), sweep.svg, and sweep-grid.svg
// where two keys with numbers were swept.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "eval/report/sweep/sweep_report.h"

namespace refocus {

inline constexpr const char* kSweepFile = "sweep.json";
inline constexpr const char* kSweepFigure = "sweep.svg";
inline constexpr const char* kSweepGridFigure = "sweep-grid.svg";

nlohmann::ordered_json sweep_json(const SweepReport& report);

// Writes the files, each atomically, no picture where no accuracy is known. The same answers make the same
// bytes.
void write_sweep(const std::filesystem::path& run_directory, const SweepReport& report);

}  // namespace refocus
