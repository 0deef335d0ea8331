// refocus power: which differences of accuracy so many items could show, before they are asked or after;
// docs/statistics.md defines the numbers.
#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"
#include "base/json_reader.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "eval/report/power_report.h"

namespace refocus::cli {

namespace {

struct PowerOptions {
  std::string run;
  std::vector<std::int64_t> items;
  std::vector<double> changed, points;
  PowerAim aim;
  bool json = false;
};

// Of a run the share that changes is known, and what it takes is told for the usual differences.
void power_of_run(const PowerOptions& options) {
  if (!options.changed.empty() || !options.points.empty()) {
    throw usage_error(
        options.changed.empty() ? "--difference" : "--changed",
        "expected no RUN_DIR beside it, got '{}', whose share of changed items is used; leave one "
        "of them out",
        printable(options.run));
  }
  if (options.items.size() > 1)
    throw usage_error("--items", "expected one number of items beside RUN_DIR, got {}", options.items.size());
  const Comparison comparison = compare_runs(read_finished_run(options.run), {}, {});
  const auto items = options.items.empty() ? std::nullopt : std::optional(options.items.front());
  const std::vector<PairPower> pairs = power_of_pairs(comparison, items, options.aim);
  fmt::print(
      "{}", options.json ? json_text(pairs_json(pairs, options.aim)) + "\n" : pairs_text(pairs, options.aim));
}

PowerDesigns designs_of(const PowerOptions& options) {
  if (options.changed.empty()) {
    throw usage_error("--changed",
                      "expected the share of items whose correctness changes, such as 0.02,0.05,0.2, got "
                      "none; give it, or a RUN_DIR");
  }
  if (options.items.empty() == options.points.empty()) {
    throw usage_error("--items", "expected either --items or --difference, got {}; give one of them",
                      options.items.empty() ? "none" : "both");
  }
  PowerDesigns designs{options.changed, options.items, {}};
  const double most = *std::max_element(options.changed.begin(), options.changed.end());
  for (const double points : options.points) {
    designs.differences.push_back(points / 100);
    if (designs.differences.back() > most * (1 + 1e-12)) {
      throw usage_error(
          "--difference",
          "expected at most {:g} points, since {:g}% of the items change, got {:g}; give a larger "
          "--changed",
          100 * most, 100 * most, points);
    }
  }
  return designs;
}

void run(const PowerOptions& options) {
  if (!options.run.empty()) return power_of_run(options);
  const PowerDesigns designs = designs_of(options);
  fmt::print("{}", options.json ? json_text(designs_json(designs, options.aim)) + "\n"
                                : designs_text(designs, options.aim));
}

}  // namespace

Action add_power(CLI::App& command) {
  auto options = std::make_shared<PowerOptions>();
  command
      .add_option("run", options->run,
                  "A finished run: what its pairs of arms, as `refocus compare` has them, could show")
      ->check(not_empty())
      ->type_name("RUN_DIR");
  command
      .add_option("--items", options->items,
                  "Items that are asked: prints the smallest difference that would be found (with RUN_DIR: "
                  "so many instead of the run's)")
      ->allow_extra_args(false)
      ->delimiter(',')
      ->check(whole_number<std::int64_t>(1, kMostPairs))
      ->type_name("N,N");
  command
      .add_option("--difference", options->points,
                  "Differences of accuracies, in points: prints how many items each takes")
      ->allow_extra_args(false)
      ->delimiter(',')
      ->check(number(0.001, 100))
      ->type_name("D,D");
  command
      .add_option("--changed", options->changed,
                  "Share of items that become right or wrong from one arm to the other, such as 0.05")
      ->allow_extra_args(false)
      ->delimiter(',')
      ->check(number(1e-6, 1))
      ->type_name("S,S");
  command
      .add_option("--tests", options->aim.tests,
                  "So many tests are made together: each is held to the level divided by their number, a "
                  "bound for Holm's correction")
      ->capture_default_str()
      ->check(whole_number<std::int64_t>(1, 1'000'000));
  command.add_option("--power", options->aim.power, "How probable it is to be that the difference is found")
      ->capture_default_str()
      ->check(number(0.5, 0.9999));
  command.add_option("--level", options->aim.level, "The p up to which a difference is called one")
      ->capture_default_str()
      ->check(number(1e-6, 0.2));
  command.add_flag("--json", options->json, "Print one JSON object");
  return [options] { run(*options); };
}

}  // namespace refocus::cli
