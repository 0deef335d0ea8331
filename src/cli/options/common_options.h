// What every command takes: -q and --no-color.
#pragma once

#include <CLI/CLI.hpp>

namespace refocus::cli {

struct CommonOptions {
  bool quiet = false, no_color = false;

  // To the program and to each of its commands.
  void add(CLI::App& app);
  // The program's messages as they are asked for: spdlog's default logger, lines "info: ..." and "warning:
  // ..." on standard error. Quiet: warnings alone, and no progress (eval/text/progress.h asks the logger).
  // Without colours also where NO_COLOR says so, and the terminal (cli/terminal.h) is told the same.
  void apply() const;
};

}  // namespace refocus::cli
