#include "cli/options/option_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace refocus::cli {

namespace {

// Headings of what many commands take; everything else stands under "Options".
constexpr std::pair<const char*, std::string_view> kHeadings[] = {
    {"Model", " model adapter tokenizer "},
    {"Task", " data subjects limit shots skip-long seam cot direct loglikelihood profile rules task item "},
    {"Intervention", " intervene sweep budget "},
    {"Conversation", " chat no-chat system chat-template template-arg date no-special shots-as "},
    {"Sampling", " temperature top-k top-p min-p seed ignore-eos stop max-new-tokens "},
    {"Output", " output json csv force dry-run "},
    {"Computing", " threads pin device kv-type kv-memory context activations batch batch-size simd repeats "},
    {"General", " help version quiet no-color "},
};
constexpr const char* kOwn = "Options";

std::string_view heading_of(const CLI::Option& option) {
  const std::string name = " " + option.get_lnames().front() + " ";
  for (const auto& [heading, names] : kHeadings) {
    if (names.find(name) != std::string_view::npos) return heading;
  }
  return kOwn;
}

// Of those that are shown.
std::string joined_names(const std::set<CLI::Option*>& options) {
  std::vector<std::string> names;
  for (const CLI::Option* option : options) {
    if (is_shown(*option)) names.push_back(option->get_name());
  }
  std::ranges::sort(names);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

bool is_shown(const CLI::Option& option) { return !option.get_group().empty(); }

std::vector<std::string> choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t words = type.find(":{");
  std::vector<std::string> out;
  if (words == std::string::npos) return out;
  for (std::size_t begin = words + 2, end = 0; end < type.size() && type[end] != '}'; begin = end + 1) {
    end = std::min(type.find_first_of(",}", begin), type.size());
    out.push_back(type.substr(begin, end - begin));
  }
  return out;
}

std::string value_name(const CLI::Option& option) {
  if (option.get_type_size() == 0) return "";
  if (const auto choices = choices_of(option); !choices.empty())
    return fmt::format("{}", fmt::join(choices, "|"));
  std::string name = option.get_type_name();
  if (name == "INT" || name == "UINT") return "N";
  return name == "FLOAT" ? "X" : name;
}

std::string option_name(const CLI::Option& option) {
  std::string out;
  for (const std::string& name : option.get_snames()) out += "-" + name + ", ";
  for (const std::string& name : option.get_lnames()) out += "--" + name + ", ";
  out.resize(out.size() - 2);
  const std::string value = value_name(option);
  return value.empty() ? out : out + " " + value;
}

std::string explanation(const CLI::Option& option) {
  std::string out = option.get_description();
  if (!option.get_default_str().empty() && out.find("(default") == std::string::npos) {
    out += fmt::format(" (default: {})", option.get_default_str());
  }
  if (option.get_required()) out += " (required)";
  if (const std::string names = joined_names(option.get_needs()); !names.empty()) {
    out += fmt::format(" (with {})", names);
  }
  if (const std::string names = joined_names(option.get_excludes()); !names.empty()) {
    out += fmt::format(" (not with {})", names);
  }
  return out;
}

std::string placeholder(const CLI::Option& option) {
  std::string out = option.get_name(true, false);
  if (option.get_expected_max() > 1) out += " ...";
  return option.get_required() ? out : "[" + out + "]";
}

std::vector<const CLI::App*> shown_commands(const CLI::App& app) {
  std::vector<const CLI::App*> out;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (!command->get_name().empty() && !command->get_group().empty()) out.push_back(command);
  }
  return out;
}

std::vector<const CLI::App*> option_groups(const CLI::App& app) {
  std::vector<const CLI::App*> out;
  for (const CLI::App* group : app.get_subcommands({})) {
    if (group->get_name().empty()) out.push_back(group);
  }
  return out;
}

std::vector<const CLI::Option*> arguments_of(const CLI::App& app) {
  std::vector<const CLI::Option*> out;
  for (const CLI::Option* option : app.get_options({})) {
    if (is_shown(*option) && option->get_positional()) out.push_back(option);
  }
  return out;
}

std::vector<OptionSection> option_sections(const CLI::App& app) {
  std::vector<OptionSection> out;
  for (const CLI::App* group : option_groups(app)) {
    out.push_back({group->get_description(), {}});
    for (const CLI::Option* option : group->get_options({})) {
      if (option != group->get_help_ptr() && is_shown(*option)) out.back().options.push_back(option);
    }
  }
  const std::size_t first = out.size();
  out.push_back({kOwn, {}});
  for (const auto& [heading, names] : kHeadings) out.push_back({heading, {}});
  for (const CLI::Option* option : app.get_options({})) {
    if (!is_shown(*option) || option->get_positional()) continue;
    const auto place = std::find_if(out.begin() + static_cast<std::ptrdiff_t>(first), out.end(),
                                    [&](const OptionSection& s) { return s.heading == heading_of(*option); });
    place->options.push_back(option);
  }
  std::erase_if(out, [](const OptionSection& section) { return section.options.empty(); });
  return out;
}

std::string full_name(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name() : full_name(*app.get_parent()) + " " + app.get_name();
}

std::string usage_of(const CLI::App& app) {
  std::string out = full_name(app) + " [OPTIONS]";
  for (const CLI::Option* option : arguments_of(app)) out += " " + placeholder(*option);
  if (!shown_commands(app).empty()) out += app.get_require_subcommand_min() > 0 ? " COMMAND" : " [COMMAND]";
  return out;
}

}  // namespace refocus::cli
