// The subcommands of `refocus`, in the order of their help.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/options/common_options.h"

namespace refocus::cli {

struct CommandEntry {
  const char* name;
  const char* group;  // what it is for: a heading of the help; empty: not shown
  const char* description;
  const char* examples;  // one a line, without `refocus`
  Action (*add)(CLI::App&);
  bool takes_long = false;  // it ends with a line on time and memory
  bool is_shared = false;   // several processes may do it together (cli/cluster_run.h)
};

// Makes the program's definitions: its commands, and `common` for each. What to run when one is chosen.
std::map<const CLI::App*, Action> add_commands(CLI::App& app, CommonOptions& common);

const CommandEntry* find_command(std::string_view name);  // or null
std::vector<std::string_view> command_names();            // of those that are shown

// The first argument that is none of what every command takes: the command; or the end.
std::vector<std::string>::const_iterator first_word(const std::vector<std::string>& arguments);

// The arguments as the definitions know them: `help COMMAND` is COMMAND --help, and options have their
// present names.
std::vector<std::string> with_current_names(std::vector<std::string> arguments);

// What stands below the help of a command, and of the program.
std::string examples_text(const CommandEntry& entry);
std::string general_footer();

// "refocus 1.0.0 (commit 0123abcd), x86-64: AVX2 (also SSE4)".
std::string version_text();

// The day of the commit that was built, "2024-07-26"; empty where that is not known.
std::string commit_date();

}  // namespace refocus::cli
