// refocus compare: the arms of one finished run, or of two over the same items, beside each other;
// docs/statistics.md defines the numbers.
#include <fmt/core.h>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "eval/report/across.h"
#include "eval/report/comparison_files.h"
#include "eval/report/comparison_markup.h"
#include "eval/report/comparison_table.h"
#include "eval/report/html_report.h"

namespace refocus::cli {

namespace {

struct CompareOptions {
  std::vector<std::string> runs;
  std::string csv, report, format = "text";
  ComparisonOptions comparison;
  std::vector<std::string> arms;
  bool flips = false, responses = false, json = false, across = false;
};

// Of each run its own comparison, in one table.
void print_across(const CompareOptions& options) {
  if (options.format == "csv") {
    throw usage_error("--format", "expected text, markdown, latex or json with --across, got csv; use json");
  }
  const std::vector<AcrossRow> rows =
      compare_across(options.runs, {options.arms, options.comparison.baseline});
  if (options.format == "json") {
    fmt::print("{}\n", json_text(across_json(rows)));
  } else if (options.format == "text") {
    fmt::print("{}", across_table(rows));
  } else {
    const PrintedTable table = across_printed(rows);
    fmt::print("{}", options.format == "latex" ? "% Needs \\usepackage{booktabs}.\n" + latex_text(table)
                                               : markdown_text(table));
  }
}

// The comparison in the form that is printed.
std::string printed(const CompareOptions& options, const Comparison& comparison,
                    const std::vector<std::string>& runs) {
  if (options.format == "json")
    return json_text(comparison_json(comparison, {runs, options.responses})) + "\n";
  if (options.format == "csv") return comparison_csv(comparison);
  if (options.format == "latex") return comparison_latex(comparison, runs);
  if (options.format == "markdown") return comparison_markdown(comparison, runs);
  const bool flips = options.flips || options.responses;
  return comparison_table(comparison, {.runs = runs}) +
         (flips ? flip_list(comparison, runs, options.responses) : std::string());
}

void check_format(const CompareOptions& options) {
  if (!options.flips && !options.responses) return;
  if (options.format == "text" || options.format == "json") return;
  throw usage_error(options.flips ? "--flips" : "--responses",
                    "expected --format text or json, got {}, which has no list of answers; leave it out",
                    options.format);
}

void run(CompareOptions options) {
  if (options.json) options.format = "json";
  if (options.across) {
    print_across(options);
    return;
  }
  if (options.runs.size() > 2) {
    throw usage_error("compare", "expected one run or two, got {}; each by itself: --across",
                      options.runs.size());
  }
  check_format(options);
  const FinishedRunOptions reading{.documents = !options.report.empty()};
  std::vector<FinishedArm> second;
  if (options.runs.size() > 1) second = read_finished_run(options.runs[1], reading);
  const Comparison comparison =
      compare_runs(read_finished_run(options.runs[0], reading), std::move(second), options.comparison);
  const auto runs = options.runs.size() > 1 ? options.runs : std::vector<std::string>();
  if (!options.report.empty()) {
    write_file_atomically(options.report,
                          html_report({options.runs.begin(), options.runs.end()}, comparison));
  }
  if (!options.csv.empty()) write_file_atomically(options.csv, comparison_csv(comparison));
  fmt::print("{}", printed(options, comparison, runs));
}

}  // namespace

Action add_compare(CLI::App& command) {
  auto options = std::make_shared<CompareOptions>();
  command
      .add_option("run", options->runs,
                  "A finished run, or two over the same items, or with --across any number")
      ->required()
      ->check(not_empty())
      ->type_name("RUN_DIR...");
  command
      .add_option("--baseline", options->comparison.baseline,
                  "Compare all others with this arm (default: the first of each kind of prompt)")
      ->check(not_empty())
      ->type_name("ARM");
  CLI::Option* across = command.add_flag(
      "--across", options->across,
      "Each run by itself, in one table over all questions, with p corrected over all of its rows");
  command.add_option("--arms", options->arms, "Only these arms, of each run (default: all)")
      ->delimiter(',')
      ->needs(across)
      ->type_name("a,b");
  command.add_flag("--flips", options->flips, "List the items whose correctness changed")->excludes(across);
  command.add_flag("--responses", options->responses, "List them with both responses")->excludes(across);
  command
      .add_option("--seed", options->comparison.seed,
                  "Seed of the bootstrap, which makes the intervals of F1")
      ->capture_default_str()
      ->check(whole_number<std::uint64_t>(0, std::numeric_limits<std::uint64_t>::max()));
  command.add_option("--csv", options->csv, "Also write a row for each pair and set of items")
      ->check(not_empty())
      ->excludes(across)
      ->type_name("FILE");
  command.add_option("--report", options->report, "Also write it all as an HTML page with the texts")
      ->check(html_name())
      ->excludes(across)
      ->type_name("FILE");
  CLI::Option* format =
      command
          .add_option("--format", options->format,
                      "Print text, markdown, latex (with booktabs), csv, or json, which has everything")
          ->capture_default_str()
          ->check(one_of({"text", "markdown", "latex", "csv", "json"}));
  command.add_flag("--json", options->json, "The same as --format json")->excludes(format);
  return [options] { run(*options); };
}

}  // namespace refocus::cli
