// `refocus`: parses the command line, runs one subcommand, and turns errors into one line and an exit status:
// 0 done, 1 failed, 2 wrong usage.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <new>

#include "base/error.h"
#include "base/file_kind.h"
#include "base/nearest_word.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/help_formatter.h"
#include "cli/terminal.h"
#include "kernels/instruction_set.h"

namespace {

using refocus::cli::Action;
using refocus::cli::CommandEntry;

// One line, whatever the names of files and the texts in it hold.
int fail(const std::string& message, int status) {
  constexpr std::size_t kMostShown = 8000;
  std::fflush(stdout);
  std::fprintf(stderr, "refocus: %s\n", refocus::printable(message, kMostShown).c_str());
  return status;
}

// A file that is opened must not become one of the three standard streams because the caller had closed that:
// results would be printed into it. Such a stream is replaced by one on which every use fails.
void keep_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) == -1) {
      [[maybe_unused]] const int got =
          ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);  // the lowest free number: fd
    }
  }
}

// The chosen command's name, as `eval perplexity`, as far as it was read.
std::string chosen_command(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  if (chosen.empty()) return "";
  const std::string rest = chosen_command(*chosen.front());
  return chosen.front()->get_name() + (rest.empty() ? "" : " " + rest);
}

// The first line only: CLI11 adds a hint on lines of their own.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

int refuse_command(const std::string& name) {
  const std::vector<std::string_view> known = refocus::cli::command_names();
  const std::string got = name.empty() ? "none" : "'" + refocus::printable(name) + "'";
  if (const std::string meant = refocus::did_you_mean(name, known); !meant.empty()) {
    return fail(fmt::format("expected a command, got {}{} See `refocus --help`", got, meant), 2);
  }
  return fail(
      fmt::format("expected a command ({}), got {}; see `refocus --help`", fmt::join(known, ", "), got), 2);
}

// `help COMMAND...` is `COMMAND... --help`, and `help` alone is --help.
std::vector<std::string> asked_for_help(std::vector<std::string> arguments) {
  if (arguments.empty() || arguments.front() != "help") return arguments;
  arguments.erase(arguments.begin());
  arguments.push_back("--help");
  return arguments;
}

// Of arguments that the chosen command does not know.
std::string unexpected(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* chosen = &app;
  while (!chosen->get_subcommands().empty()) chosen = chosen->get_subcommands().front();
  const std::vector<std::string> extra = chosen->remaining();
  if (extra.empty()) return refocus::printable(first_line(error.what()), 400);
  const std::string typed = extra.front().substr(0, extra.front().find('='));
  if (!typed.starts_with('-')) {
    return fmt::format("expected no further argument, got '{}'; quote a text that has blanks",
                       refocus::printable(typed, 200));
  }
  std::vector<std::string> names;
  for (const CLI::Option* option : chosen->get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  const std::vector<std::string_view> known(names.begin(), names.end());
  return fmt::format("expected an option of {}, got {}{}", chosen_command(app),
                     refocus::printable(typed, 200), refocus::did_you_mean(typed, known));
}

int run(std::vector<std::string> arguments) {
  arguments = asked_for_help(std::move(arguments));
  const std::string first = arguments.empty() ? "" : arguments.front();
  const bool general = first == "-h" || first == "--help" || first == "--version";
  if (!general && refocus::cli::find_command(first) == nullptr) return refuse_command(first);
  CLI::App app("Runs language models with interventions on their attention, and measures what that does.",
               "refocus");
  app.formatter(std::make_shared<refocus::cli::HelpFormatter>());
  app.set_version_flag("--version", refocus::cli::version_text());
  app.get_option("--version")
      ->description("Print the version, the commit that it was built from, and instruction sets");
  app.footer(refocus::cli::general_footer());
  app.require_subcommand(1);
  std::map<const CLI::App*, Action> actions;
  for (const CommandEntry& entry : refocus::cli::commands()) {
    CLI::App* command = app.add_subcommand(entry.name, entry.description)->group(entry.group);
    command->footer("");
    actions[command] = entry.add(*command);
    const std::string own = command->get_footer();
    command->footer(refocus::cli::examples_text(entry) + (own.empty() ? "" : "\n\n" + own));
  }
  try {
    std::ranges::reverse(arguments);  // as CLI11 wants them
    app.parse(std::move(arguments));
  } catch (const CLI::Success& e) {
    return app.exit(e);  // --help, --version
  } catch (const CLI::ParseError& e) {
    const std::string chosen = chosen_command(app);
    const bool extras = dynamic_cast<const CLI::ExtrasError*>(&e) != nullptr;
    const std::string what = extras ? unexpected(app, e) : refocus::printable(first_line(e.what()), 400);
    return fail(fmt::format("{}{} `refocus {}--help`", what, what.ends_with('?') ? " See" : "; see",
                            chosen.empty() ? "" : chosen + " "),
                2);
  }
  if (const char* simd = std::getenv("REFOCUS_SIMD"); simd != nullptr && *simd != '\0') {
    refocus::limit_instruction_set(simd, "REFOCUS_SIMD");
  }
  actions.at(app.get_subcommands().front())();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    return fail("[standard output] cannot be written; it is closed, or the disk is full", 1);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  keep_standard_streams();
  refocus::cli::keep_command_line(argc, argv);
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit is then a failed write with a message
  const auto colours =
      refocus::cli::wants_colours() ? spdlog::color_mode::automatic : spdlog::color_mode::never;
  spdlog::set_default_logger(spdlog::stderr_color_mt("refocus", colours));
  spdlog::set_pattern("%^%l%$: %v");
  try {
    return run({argv + 1, argv + argc});
  } catch (const refocus::UsageError& e) {
    return fail(e.what(), 2);
  } catch (const refocus::InputError& e) {
    return fail(e.what(), 1);
  } catch (const std::bad_alloc&) {
    return fail("[memory] not enough memory; use a smaller --context, --batch or --kv-memory", 1);
  } catch (const std::filesystem::filesystem_error& e) {
    return fail(fmt::format("[{}] cannot be looked at: {}; {}", e.path1().string(), e.code().message(),
                            refocus::read_remedy(e.code().value())),
                1);
  } catch (const std::exception& e) {
    const std::string message = first_line(e.what());
    // A value of the JSON library was not what the code took it for: the message is in the library's terms.
    if (message.starts_with("[json.exception")) {
      return fail("[internal error] a JSON value is not of the expected kind; please report the command", 1);
    }
    return fail(message, 1);
  }
}
