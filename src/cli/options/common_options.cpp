#include "cli/options/common_options.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>

#include "cli/terminal.h"

namespace refocus::cli {

void CommonOptions::add(CLI::App& app) {
  app.add_flag("-q,--quiet", quiet, "No progress and no hints; warnings and errors stay");
  app.add_flag("--no-color", no_color, "No colours in messages (so does NO_COLOR in the environment)");
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
    if (!command->get_name().empty()) add(*command);
  }
}

void CommonOptions::apply() const {
  if (no_color) ::setenv("NO_COLOR", "1", 1);
  const auto colours = wants_colours() ? spdlog::color_mode::automatic : spdlog::color_mode::never;
  auto logger = std::make_shared<spdlog::logger>(
      "refocus", std::make_shared<spdlog::sinks::stderr_color_sink_mt>(colours));
  logger->set_pattern("%^%l%$: %v");
  if (quiet) logger->set_level(spdlog::level::warn);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace refocus::cli
