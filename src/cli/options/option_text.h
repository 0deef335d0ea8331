// What CLI11's definitions say of options, in words: for help, manual pages and completion, which are all
// made from them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace refocus::cli {

// The option is neither hidden nor an argument without a name.
bool is_shown(const CLI::Option& option);

// The words that the option takes alone, of one_of (cli/checks.h); none where it takes others.
std::vector<std::string> choices_of(const CLI::Option& option);

// "N" of a whole number, "f32|f16" of words, or what the option says; empty for a flag.
std::string value_name(const CLI::Option& option);

// "-o, --output FILE".
std::string option_name(const CLI::Option& option);

// Its description, default and what it goes with.
std::string explanation(const CLI::Option& option);

// An argument as the usage line has it: "[TASK ...]".
std::string placeholder(const CLI::Option& option);

// Commands of a command or of the program, in their order, that help lists: with names, and not hidden.
std::vector<const CLI::App*> shown_commands(const CLI::App& app);
// The groups of options of which one must be chosen: the commands without a name.
std::vector<const CLI::App*> option_groups(const CLI::App& app);

// An option of a command and the heading that it stands under.
struct OptionSection {
  std::string heading;
  std::vector<const CLI::Option*> options;
};

// All shown options of a command under their headings, in the order of help: groups of which one must be
// chosen, its own, and those that many commands take. Arguments are not among them.
std::vector<OptionSection> option_sections(const CLI::App& app);
std::vector<const CLI::Option*> arguments_of(const CLI::App& app);

// "refocus eval [OPTIONS] [TASK ...] [COMMAND]".
std::string usage_of(const CLI::App& app);

// "refocus eval perplexity".
std::string full_name(const CLI::App& app);

}  // namespace refocus::cli
