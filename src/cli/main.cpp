// `refocus`: parses the command line, runs one subcommand, and turns errors into one line and an exit status:
// 0 done, 1 failed, 2 wrong usage.
#include <spdlog/spdlog.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>

#include "base/error.h"
#include "base/file_kind.h"
#include "base/memory_use.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/usage_errors.h"
#include "eval/text/progress.h"
#include "kernels/instruction_set.h"

namespace {

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

// The first line only: a library's message may go on.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Ends what took long: how long, and how much memory.
void say_what_it_took(std::chrono::steady_clock::time_point begin) {
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  spdlog::info("took {} and at most {} of memory", refocus::duration_text(seconds.count()),
               refocus::memory_text(refocus::peak_resident_bytes()));
}

int run(std::vector<std::string> arguments) {
  arguments = refocus::cli::with_current_names(std::move(arguments));
  const auto word = refocus::cli::first_word(arguments);
  const std::string first = word == arguments.end() ? "" : *word;
  const bool general = first == "-h" || first == "--help" || first == "--version";
  if (!general && refocus::cli::find_command(first) == nullptr) {
    return fail(refocus::cli::unknown_command(first), 2);
  }
  CLI::App app;
  refocus::cli::CommonOptions common;
  const auto actions = refocus::cli::add_commands(app, common);
  try {
    std::ranges::reverse(arguments);  // as CLI11 wants them
    app.parse(std::move(arguments));
  } catch (const CLI::Success& e) {
    return app.exit(e);  // --help, --version
  } catch (const CLI::ParseError& e) {
    return fail(refocus::cli::usage_message(app, e), 2);
  }
  common.apply();
  if (const char* simd = std::getenv("REFOCUS_SIMD"); simd != nullptr && *simd != '\0') {
    refocus::limit_instruction_set(simd, "REFOCUS_SIMD");
  }
  const auto begin = std::chrono::steady_clock::now();
  actions.at(app.get_subcommands().front())();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    return fail("[standard output] cannot be written; it is closed, or the disk is full", 1);
  }
  if (refocus::cli::find_command(first)->takes_long) say_what_it_took(begin);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  keep_standard_streams();
  refocus::cli::keep_command_line(argc, argv);
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit is then a failed write with a message
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
