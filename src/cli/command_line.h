// The command line as a person would type it, for the record of a run.
#pragma once

#include <string>

namespace refocus::cli {

// Keeps the program's arguments; the first is left out, since "refocus" stands for it.
void keep_command_line(int argc, const char* const* argv);

// "refocus eval mmlu -o 'my run'", quoted for a POSIX shell.
std::string command_line();

}  // namespace refocus::cli
