#include "cli/help_formatter.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <vector>

#include "cli/wrapped_lines.h"

namespace refocus::cli {

namespace {

constexpr std::size_t kColumn = 28;  // where explanations begin

// Headings of what many commands take; everything else stands under "Options".
constexpr std::pair<const char*, std::string_view> kHeadings[] = {
    {"Model", " model adapter from before tokenizer "},
    {"Task", " data subjects limit shots skip-long seam cot direct loglikelihood profile rules task item "},
    {"Intervention", " intervene sweep budget "},
    {"Conversation", " chat no-chat system chat-template template-arg date no-special shots-as "},
    {"Sampling", " temperature top-k top-p min-p seed ignore-eos stop max-new-tokens "},
    {"Output", " output json csv force "},
    {"Computing", " threads pin device kv-type kv-memory context activations batch batch-size simd repeats "},
    {"General", " help version "},
};
constexpr const char* kOwn = "Options";

std::string heading_of(const CLI::Option& option) {
  if (option.get_lnames().empty()) return kOwn;
  const std::string name = " " + option.get_lnames().front() + " ";
  for (const auto& [heading, names] : kHeadings) {
    if (names.find(name) != std::string_view::npos) return heading;
  }
  return kOwn;
}

// "N" of a whole number, "f32|f16" of words, or what the option says.
std::string value_name(const CLI::Option& option) {
  if (option.get_type_size() == 0) return "";
  std::string name = option.get_type_name();
  const std::size_t words = name.find(":{");
  if (words != std::string::npos) {
    name = name.substr(words + 2, name.find('}', words) - words - 2);
    std::ranges::replace(name, ',', '|');
  } else if (name == "INT" || name == "UINT") {
    name = "N";
  } else if (name == "FLOAT") {
    name = "X";
  }
  return name;
}

std::string option_name(const CLI::Option& option) {
  std::string out;
  for (const std::string& name : option.get_snames()) out += "-" + name + ", ";
  for (const std::string& name : option.get_lnames()) out += "--" + name + ", ";
  out.resize(out.size() - 2);
  const std::string value = value_name(option);
  return value.empty() ? out : out + " " + value;
}

std::string joined_names(const std::set<CLI::Option*>& options) {
  std::vector<std::string> names;
  for (const CLI::Option* option : options) names.push_back(option->get_name());
  std::ranges::sort(names);
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string explanation(const CLI::Option& option) {
  std::string out = option.get_description();
  if (!option.get_default_str().empty() && out.find("(default") == std::string::npos) {
    out += fmt::format(" (default: {})", option.get_default_str());
  }
  if (option.get_required()) out += " (required)";
  if (!option.get_needs().empty()) out += fmt::format(" (with {})", joined_names(option.get_needs()));
  if (!option.get_excludes().empty())
    out += fmt::format(" (not with {})", joined_names(option.get_excludes()));
  return out;
}

std::string placeholder(const CLI::Option& option) {
  std::string out = option.get_name(true, false);
  if (option.get_expected_max() > 1) out += " ...";
  return option.get_required() ? out : "[" + out + "]";
}

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
  std::map<std::string, std::string> sections;
  std::string arguments, groups;
  for (const CLI::App* group : app->get_subcommands({})) {
    if (!group->get_name().empty()) continue;
    groups += fmt::format("\n{}:\n", group->get_description());
    for (const CLI::Option* option : group->get_options({})) {
      if (option != group->get_help_ptr()) groups += entry(option_name(*option), explanation(*option));
    }
  }
  for (const CLI::Option* option : app->get_options({})) {
    if (option->get_group().empty()) continue;
    if (option->get_positional()) {
      arguments += entry(option->get_name(true, false), explanation(*option));
      continue;
    }
    sections[heading_of(*option)] += entry(option_name(*option), explanation(*option));
  }
  std::string out;
  if (!arguments.empty()) out += "\nArguments:\n" + arguments;
  out += groups;
  const auto add = [&](const char* heading) {
    if (const auto found = sections.find(heading); found != sections.end())
      out += fmt::format("\n{}:\n{}", heading, found->second);
  };
  add(kOwn);
  for (const auto& [heading, names] : kHeadings) add(heading);
  return out;
}

std::string HelpFormatter::subcommands(const CLI::App* app) const {
  std::vector<std::pair<std::string, std::string>> groups;
  for (const CLI::App* command : app->get_subcommands({})) {
    if (command->get_name().empty()) continue;
    // A command of a command has the group of its parent.
    const std::string heading = app->get_parent() == nullptr ? command->get_group() : "Commands";
    if (groups.empty() || groups.back().first != heading) groups.emplace_back(heading, "");
    groups.back().second += entry(command->get_name(), command->get_description());
  }
  std::string out;
  for (const auto& [heading, lines] : groups) out += fmt::format("\n{}:\n{}", heading, lines);
  return out;
}

std::string HelpFormatter::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode) const {
  std::string out = indented(app->get_description(), 0, width_) + "\n\nUsage: ";
  std::string usage = (name.empty() ? app->get_name() : name) + " [OPTIONS]";
  bool has_commands = false;
  for (const CLI::App* command : app->get_subcommands({})) has_commands |= !command->get_name().empty();
  for (const CLI::Option* option : app->get_options({})) {
    if (option->get_positional()) usage += " " + placeholder(*option);
  }
  if (has_commands) usage += app->get_require_subcommand_min() > 0 ? " COMMAND" : " [COMMAND]";
  out += indented(usage, std::string_view("Usage: ").size(), width_) + "\n";
  out += subcommands(app) + options(app);
  const std::string footer = app->get_footer();
  return footer.empty() ? out : out + "\n" + footer + "\n";
}

}  // namespace refocus::cli
