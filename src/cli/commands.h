// The subcommands of `refocus`, in the order of their help.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"

namespace refocus::cli {

struct CommandEntry {
  const char* name;
  const char* group;  // what it is for: a heading of the help
  const char* description;
  const char* examples;  // one a line, without `refocus`
  Action (*add)(CLI::App&);
};

std::span<const CommandEntry> commands();
const CommandEntry* find_command(std::string_view name);  // or null
std::vector<std::string_view> command_names();

// What stands below the help of a command, and of the program.
std::string examples_text(const CommandEntry& entry);
std::string general_footer();

// "refocus 0.1.0 (commit 0123abcd), x86-64: AVX2 (also SSE4)".
std::string version_text();

}  // namespace refocus::cli
