#include "cli/usage_errors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "base/error.h"
#include "base/nearest_word.h"
#include "cli/commands.h"
#include "cli/options/option_text.h"

namespace refocus::cli {

namespace {

// The innermost command that was read.
const CLI::App& chosen_command(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : chosen_command(*chosen.front());
}

// The first line only: CLI11 adds a hint on lines of their own.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string between(const std::string& text, std::string_view begin, std::string_view end) {
  const std::size_t from = text.find(begin);
  if (from == std::string::npos) return "";
  const std::size_t first = from + begin.size(), last = text.find(end, first);
  return last == std::string::npos ? "" : text.substr(first, last - first);
}

// Of arguments that the chosen command does not know.
std::string unexpected(const CLI::App& chosen, const std::string& message) {
  const std::vector<std::string> extra = chosen.remaining();
  if (extra.empty()) return printable(message, 400);
  const std::string typed = extra.front().substr(0, extra.front().find('='));
  if (!typed.starts_with('-')) {
    return fmt::format("expected no further argument, got '{}'; quote a text that has blanks",
                       printable(typed, 200));
  }
  std::vector<std::string> names;
  const auto add = [&](const CLI::App& of) {
    for (const CLI::Option* option : of.get_options({})) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  };
  add(chosen);
  for (const CLI::App* group : option_groups(chosen)) add(*group);
  const std::vector<std::string_view> known(names.begin(), names.end());
  std::string command = full_name(chosen);
  command.erase(0, command.find(' ') + 1);  // "eval perplexity"
  return fmt::format("expected an option of {}, got {}{}", command, printable(typed, 200),
                     did_you_mean(typed, known));
}

// "expected exactly one of -p,--prompt, --tokens, got none".
std::string not_one_of(const CLI::App& chosen, const std::string& message) {
  std::vector<std::string> names;
  for (const CLI::App* group : option_groups(chosen)) {
    for (const CLI::Option* option : group->get_options({})) {
      if (option != group->get_help_ptr()) names.push_back(option->get_name(false, true));
    }
  }
  return fmt::format("expected exactly one of {}, got {}", fmt::join(names, ", "),
                     message.ends_with("given") ? "several" : "none");
}

std::string no_subcommand(const CLI::App& chosen) {
  std::vector<std::string> names;
  for (const CLI::App* command : shown_commands(chosen)) names.push_back(command->get_name());
  return fmt::format("expected one of {}, got none", fmt::join(names, ", "));
}

std::string no_value(const std::string& flag) {
  return fmt::format("{}: expected no value, got one; leave it out", flag);
}

std::string in_words(const CLI::App& chosen, const CLI::ParseError& error) {
  const std::string message = first_line(error.what());
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) return unexpected(chosen, message);
  if (message.starts_with("A subcommand")) return no_subcommand(chosen);
  if (message.starts_with("Exactly 1 option")) return not_one_of(chosen, message);
  if (dynamic_cast<const CLI::ExcludesError*>(&error) != nullptr) {
    const std::size_t at = message.find(" excludes ");
    return fmt::format("expected {} or {}, got both; leave one of them out", message.substr(0, at),
                       message.substr(at + std::string_view(" excludes ").size()));
  }
  if (const std::string name = between(message, "Could not convert: ", " = "); !name.empty()) {
    const CLI::Option* option = chosen.get_option_no_throw(name);
    if (option != nullptr && option->get_type_size() == 0) return no_value(name);
    return fmt::format("{}: expected a number, got '{}'", name,
                       printable(message.substr(message.find(" = ") + 3), 200));
  }
  if (message.ends_with(" missing") && message.find(" required ") != std::string::npos) {
    return fmt::format("{}: expected a value behind it, got none", message.substr(0, message.find(':')));
  }
  if (message.ends_with("was given a disallowed flag override") ||
      message.find("Should be true/false") != std::string::npos) {
    return no_value(message.substr(0, message.find_first_of(" :")));
  }
  return printable(message, 400);
}

}  // namespace

std::string unknown_command(const std::string& name) {
  const std::vector<std::string_view> known = command_names();
  const std::string got = name.empty() ? "none" : "'" + printable(name) + "'";
  if (const std::string meant = did_you_mean(name, known); !meant.empty()) {
    return fmt::format("expected a command, got {}{} See `refocus --help`", got, meant);
  }
  return fmt::format("expected a command ({}), got {}; see `refocus --help`", fmt::join(known, ", "), got);
}

std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& chosen = chosen_command(app);
  const std::string what = in_words(chosen, error);
  return fmt::format("{}{} `{} --help`", what, what.ends_with('?') ? " See" : "; see", full_name(chosen));
}

}  // namespace refocus::cli
