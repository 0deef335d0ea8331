// The report of a run, or of two beside each other, as one HTML file that needs nothing but a browser
// (docs/report.md). Made from the files of the run directory alone: neither model nor data are needed.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "eval/score/comparison.h"

namespace refocus {

// The report of one finished run or of two over the same items. `name`: of one run, in its title, where that
// is not its directory's. InputError where a directory is no finished
// run or holds a damaged file, or the two cannot be compared.
std::string html_report(const std::vector<std::filesystem::path>& run_directories,
                        const ComparisonOptions& options = {}, const std::string& name = {});

// The same of a comparison that is there already; it must have the items' fields (FinishedRunOptions).
std::string html_report(const std::vector<std::filesystem::path>& run_directories,
                        const Comparison& comparison, const std::string& name = {});

// Writes RUN_DIRECTORY/report.html, atomically. `comparison` may be null.
void write_run_report(const std::filesystem::path& run_directory, const Comparison* comparison,
                      const std::string& name = {});

}  // namespace refocus
