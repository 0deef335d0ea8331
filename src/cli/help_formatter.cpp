#include "cli/help_formatter.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "cli/options/option_text.h"
#include "cli/wrapped_lines.h"

namespace refocus::cli {

namespace {

constexpr std::size_t kColumn = 28;  // where explanations begin

// In lines up to column `width`, of which all but the first begin with `indent` blanks.
std::string indented(std::string_view text, std::size_t indent, int width) {
  return fmt::format("{}", fmt::join(wrapped_lines(text, width - static_cast<int>(indent)),
                                     "\n" + std::string(indent, ' ')));
}

}  // namespace

int help_width() {
  int columns = 100;
  if (const char* said = std::getenv("COLUMNS"); said != nullptr) {
    const std::string_view text = said;
    std::from_chars(text.data(), text.data() + text.size(), columns);
  }
  return std::clamp(terminal_columns(columns), 60, 120);
}

std::string HelpFormatter::entry(const std::string& name, const std::string& text) const {
  std::string out = "  " + name;
  if (out.size() + 2 > kColumn) {
    out += "\n" + std::string(kColumn, ' ');
  } else {
    out.append(kColumn - out.size(), ' ');
  }
  return out + indented(text, kColumn, width_) + "\n";
}

std::string HelpFormatter::options(const CLI::App* app) const {
  std::string out;
  if (const auto arguments = arguments_of(*app); !arguments.empty()) {
    out += "\nArguments:\n";
    for (const CLI::Option* option : arguments) {
      out += entry(option->get_name(true, false), explanation(*option));
    }
  }
  for (const OptionSection& section : option_sections(*app)) {
    out += fmt::format("\n{}:\n", section.heading);
    for (const CLI::Option* option : section.options)
      out += entry(option_name(*option), explanation(*option));
  }
  return out;
}

std::string HelpFormatter::subcommands(const CLI::App* app) const {
  std::string out, last;
  for (const CLI::App* command : shown_commands(*app)) {
    // A command of a command has the group of its parent.
    const std::string heading = app->get_parent() == nullptr ? command->get_group() : "Commands";
    if (heading != std::exchange(last, heading)) out += fmt::format("\n{}:\n", heading);
    out += entry(command->get_name(), command->get_description());
  }
  return out;
}

std::string HelpFormatter::make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const {
  std::string out = indented(app->get_description(), 0, width_) + "\n\nUsage: ";
  out += indented(usage_of(*app), std::string_view("Usage: ").size(), width_) + "\n";
  out += subcommands(app) + options(app);
  const std::string footer = app->get_footer();
  return footer.empty() ? out : out + "\n" + footer + "\n";
}

}  // namespace refocus::cli
