// What is wrong with a command line, in the words of all other messages rather than CLI11's.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace refocus::cli {

// Of a word in the place of the command; empty where there is none.
std::string unknown_command(const std::string& name);

// Of an error of parsing: what was expected, what was found, and which help says more.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error);

}  // namespace refocus::cli
