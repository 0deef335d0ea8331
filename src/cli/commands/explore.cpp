// refocus explore: the explorer of a directory of `refocus attention`, written anew.
#include <spdlog/spdlog.h>

#include "analyze/explorer_page.h"
#include "cli/command.h"

namespace refocus::cli {

Action add_explore(CLI::App& command) {
  auto directory = std::make_shared<std::string>();
  command.add_option("DIR", *directory, "A directory that `refocus attention` wrote")->required();
  return [directory] {
    const std::filesystem::path path = *directory;
    const ExplorerSize size = write_explorer_page(path);
    spdlog::info("{}: {:.1f} MB", (path / "attention.html").string(), static_cast<double>(size.bytes) / 1e6);
  };
}

}  // namespace refocus::cli
