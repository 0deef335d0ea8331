// refocus compare: the arms of one finished run, or of two over the same items, beside each other;
// docs/statistics.md defines the numbers.
#include <fmt/core.h>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "cli/checks.h"
#include "cli/command.h"
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
  bool flips = false, responses = false, json = false;
};

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
  command.add_option("run", options->runs, "A finished run, or two over the same items")
      ->required()
      ->expected(1, 2)
      ->check(not_empty())
      ->type_name("RUN_DIR [RUN_DIR]");
  command
      .add_option("--baseline", options->comparison.baseline,
                  "Compare all others with this arm (default: the first of each kind of prompt)")
      ->check(not_empty())
      ->type_name("ARM");
  command.add_flag("--flips", options->flips, "List the items whose correctness changed");
  command.add_flag("--responses", options->responses, "List them with both responses");
  command
      .add_option("--seed", options->comparison.seed,
                  "Seed of the bootstrap, which makes the intervals of F1")
      ->capture_default_str()
      ->check(whole_number<std::uint64_t>(0, std::numeric_limits<std::uint64_t>::max()));
  command.add_option("--csv", options->csv, "Also write a row for each pair and set of items")
      ->check(not_empty())
      ->type_name("FILE");
  command.add_option("--report", options->report, "Also write it all as an HTML page with the texts")
      ->check(html_name())
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
