// How help is printed: in words, under headings, and no wider than the terminal.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace refocus::cli {

// Columns of the terminal that standard output is, or of COLUMNS, or 100; between 60 and 120.
int help_width();

class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(int width = help_width()) : width_(width) {}

  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;

 private:
  std::string entry(const std::string& name, const std::string& text) const;
  std::string options(const CLI::App* app) const;
  std::string subcommands(const CLI::App* app) const;

  int width_;
};

}  // namespace refocus::cli
