// refocus join: makes one run of several that asked parts of the same questions (docs/sharding.md).
#include "eval/run/join.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include "base/error.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/outcome.h"

namespace refocus::cli {

namespace {

namespace fs = std::filesystem;

struct JoinOptions {
  std::vector<std::string> runs;
  std::string output;
};

void print_open(const JoinedRun& joined) {
  const std::int64_t open = joined.outcome.open;
  if (open == 0) return;
  fmt::print(
      "{} of {} answers are missing; the eval command, with -o {} and without --shard, asks for them.\n",
      open, open + joined.answers, joined.outcome.run_directory.string());
}

void run(const JoinOptions& options) {
  constexpr int kMostShown = 20;
  int different = 0;
  const auto tell = [&](const std::string& difference) {
    if (++different <= kMostShown) spdlog::warn("{}", difference);
    if (different == kMostShown + 1) spdlog::warn("... and more");
  };
  const std::vector<fs::path> runs(options.runs.begin(), options.runs.end());
  const JoinedRun joined = join_runs(runs, options.output, tell);
  if (!joined.mixed.empty()) spdlog::warn("{}", printable(joined.mixed, 800));
  if (!joined.outcome.scores.empty()) print_tables(joined.outcome);
  fmt::print("{} answers of {} runs{}.\n", joined.answers, runs.size(),
             joined.in_several == 0
                 ? ""
                 : fmt::format(", {} of them in several, where they agree", joined.in_several));
  print_open(joined);
  if (!joined.left_out.empty()) {
    fmt::print("The eval command, with -o {}, makes the files that are not there: {}.\n",
               joined.outcome.run_directory.string(), joined.left_out);
  }
  if (joined.outcome.scores.empty()) {
    fmt::print("Answers: {}\n", joined.outcome.run_directory.string());
  } else {
    print_places(joined.outcome);
  }
}

}  // namespace

Action add_join(CLI::App& command) {
  auto options = std::make_shared<JoinOptions>();
  command.add_option("runs", options->runs, "Runs of eval with the same settings, such as its shards")
      ->required()
      ->expected(1, 1 << 20)
      ->check(not_empty())
      ->type_name("RUN_DIR...");
  command.add_option("-o,--output", options->output, "The run directory to write, which must not exist")
      ->required()
      ->check(not_empty())
      ->type_name("RUN_DIR");
  return [options] { run(*options); };
}

}  // namespace refocus::cli
