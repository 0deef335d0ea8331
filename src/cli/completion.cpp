#include "cli/completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cli/completion_words.h"
#include "cli/options/option_text.h"

namespace refocus::cli {

namespace {

// Where reading the words before the cursor has come to.
struct Place {
  const CLI::App* command;
  std::size_t arguments = 0;              // that were given
  const CLI::Option* value_of = nullptr;  // the option whose value is next
  bool only_arguments = false;            // behind "--"
  std::set<const CLI::Option*> given;
};

// All options of a command, those of its groups included.
std::vector<const CLI::Option*> options_of(const CLI::App& command) {
  std::vector<const CLI::Option*> out;
  for (const OptionSection& section : option_sections(command)) {
    out.insert(out.end(), section.options.begin(), section.options.end());
  }
  return out;
}

const CLI::Option* find_option(const CLI::App& command, std::string_view name) {
  for (const CLI::Option* option : options_of(command)) {
    if (option->check_name(std::string(name))) return option;
  }
  return nullptr;
}

bool takes_many(const CLI::Option& option) { return option.get_expected_max() > 1; }

void read_word(const std::string& word, Place& place) {
  if (!place.only_arguments && word == "--") {
    place.only_arguments = true;
    place.value_of = nullptr;
  } else if (!place.only_arguments && word.size() > 1 && word.starts_with('-')) {
    const std::size_t equals = word.find('=');
    const CLI::Option* option = find_option(*place.command, word.substr(0, equals));
    const bool needs_value = option != nullptr && option->get_type_size() > 0 && equals == std::string::npos;
    place.value_of = needs_value ? option : nullptr;
    if (option != nullptr) place.given.insert(option);
  } else if (place.value_of != nullptr) {
    if (!takes_many(*place.value_of)) place.value_of = nullptr;
  } else {
    const std::vector<const CLI::App*> commands =
        place.arguments == 0 ? shown_commands(*place.command) : std::vector<const CLI::App*>();
    const auto found = std::ranges::find(commands, word, [](const CLI::App* app) { return app->get_name(); });
    if (found == commands.end()) {
      ++place.arguments;
    } else {
      place = {.command = *found, .given = {}};
    }
  }
}

// "Only the first N items of each subject" of an explanation that goes on.
std::string first_words(const std::string& text) { return text.substr(0, text.find_first_of("\n;(")); }

void add_options(const Place& place, const std::string& typed, Completion& out) {
  for (const CLI::Option* option : options_of(*place.command)) {
    const bool again = option->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
    if (place.given.contains(option) && !again) continue;
    for (const std::string& name : option->get_lnames()) {
      if (("--" + name).starts_with(typed))
        out.words.push_back({"--" + name, first_words(option->get_description())});
    }
  }
}

}  // namespace

Completion complete(const CLI::App& app, std::vector<std::string> words) {
  Completion out;
  if (words.empty()) words.emplace_back();
  const std::string typed = words.back();
  words.pop_back();
  const bool help = !words.empty() && words.front() == "help";
  if (help) words.erase(words.begin());
  Place place{.command = &app, .given = {}};
  for (const std::string& word : words) read_word(word, place);

  if (place.value_of != nullptr && !typed.starts_with("--")) {
    add_values(*place.value_of, typed, "", out);
    return out;
  }
  if (!place.only_arguments && typed.starts_with('-')) {
    const std::size_t equals = typed.find('=');
    if (equals == std::string::npos) {
      add_options(place, typed, out);
    } else if (const CLI::Option* option = find_option(*place.command, typed.substr(0, equals))) {
      add_values(*option, std::string_view(typed).substr(equals + 1), typed.substr(0, equals + 1), out);
    }
    return out;
  }
  if (place.arguments == 0) {
    for (const CLI::App* command : shown_commands(*place.command)) {
      if (command->get_name().starts_with(typed))
        out.words.push_back({command->get_name(), command->get_description()});
    }
    if (place.command == &app && !help && std::string_view("help").starts_with(typed))
      out.words.push_back({"help", "Explain a command"});
  }
  const auto arguments = help ? std::vector<const CLI::Option*>() : arguments_of(*place.command);
  if (place.arguments < arguments.size()) {
    add_values(*arguments[place.arguments], typed, "", out);
  } else if (!arguments.empty() && takes_many(*arguments.back())) {
    add_values(*arguments.back(), typed, "", out);
  }
  return out;
}

std::vector<std::string> words_of_line(std::string_view line) {
  std::vector<std::string> out;
  std::string word;
  bool open = false;  // whether a word has begun
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
      word += line[++i];
      open = true;
    } else if (quote != 0 ? c == quote : c == '\'' || c == '"') {
      quote = quote != 0 ? 0 : c;
      open = true;
    } else if (quote == 0 && (c == ' ' || c == '\t' || c == '\n')) {
      if (open) out.push_back(std::move(word));
      word.clear();
      open = false;
    } else {
      word += c;
      open = true;
    }
  }
  out.push_back(std::move(word));
  return out;
}

std::string completion_text(const Completion& completion) {
  std::string out;
  for (const CompletionWord& word : completion.words) out += fmt::format("{}\t{}\n", word.text, word.meaning);
  const char* what = completion.files ? "files" : completion.directories ? "directories" : "words";
  return out + fmt::format(":{}{}\n", what, completion.open ? " open" : "");
}

}  // namespace refocus::cli
