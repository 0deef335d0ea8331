// How help is printed: in words, under headings, and no wider than the terminal.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

namespace refocus::cli {

// Columns of the terminal that standard output is, or of COLUMNS, or 100; between 60 and 120.
std::size_t help_width();

// Words of `text` in lines of at most `width` bytes, where no word is longer, those after the first begun
// with `indent` blanks; `column` of the first line is taken already.
std::string wrapped_help(std::string_view text, std::size_t column, std::size_t indent, std::size_t width);

class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::size_t width = help_width()) : width_(width) {}

  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;

 private:
  std::string entry(const std::string& name, const std::string& text) const;
  std::string options(const CLI::App* app) const;
  std::string subcommands(const CLI::App* app) const;

  std::size_t width_;
};

}  // namespace refocus::cli
