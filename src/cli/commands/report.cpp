// refocus report: a finished run, or two over the same items, as one HTML file to read in a browser.
#include <fmt/core.h>

#include "base/error.h"
#include "base/text_file.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "eval/journal/run_directory.h"
#include "eval/report/html_report.h"

namespace refocus::cli {

namespace {

namespace fs = std::filesystem;

struct ReportOptions {
  std::vector<std::string> runs;
  std::string output;
  ComparisonOptions comparison;
};

fs::path output_of(const ReportOptions& options) {
  if (!options.output.empty()) return options.output;
  if (options.runs.size() == 1) return fs::path(options.runs[0]) / RunDirectory::kReportFile;
  throw usage_error("-o", "expected a file for the report of two runs, got none; add -o FILE.html");
}

void run(const ReportOptions& options) {
  const fs::path output = output_of(options);
  if (fs::is_directory(output)) {
    throw usage_error("-o", "expected a file's name, got the directory {}; give -o FILE.html",
                      printable(output.string(), 200));
  }
  const std::vector<fs::path> runs(options.runs.begin(), options.runs.end());
  const std::string html = html_report(runs, options.comparison);
  write_file_atomically(output, html);
  fmt::print("Report: {} ({:.1f} MB)\n", output.string(), static_cast<double>(html.size()) / 1e6);
}

}  // namespace

Action add_report(CLI::App& command) {
  auto options = std::make_shared<ReportOptions>();
  command.add_option("run", options->runs, "A finished run, or two over the same items")
      ->required()
      ->expected(1, 2)
      ->check(not_empty())
      ->type_name("RUN_DIR [RUN_DIR]");
  command
      .add_option("-o,--output", options->output,
                  "The HTML file (default: report.html in the run's directory; needed for two runs)")
      ->check(html_name())
      ->type_name("FILE");
  command
      .add_option("--baseline", options->comparison.baseline,
                  "Compare all others with this arm (default: the first of each kind of prompt)")
      ->check(not_empty())
      ->type_name("ARM");
  command
      .add_option("--seed", options->comparison.seed,
                  "Seed of the bootstrap, which makes the intervals of F1")
      ->capture_default_str()
      ->check(whole_number<std::uint64_t>(0, std::numeric_limits<std::uint64_t>::max()));
  return [options] { run(*options); };
}

}  // namespace refocus::cli
