#include "cli/program.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <utility>

#include "base/error.h"
#include "base/file_kind.h"
#include "base/memory_use.h"
#include "cli/cluster_run.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/usage_errors.h"
#include "comm/launch.h"
#include "eval/text/progress.h"
#include "kernels/instruction_set.h"

namespace refocus::cli {

namespace {

// The first line only: a library's message may go on.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Ends what took long: how long, and how much memory.
void say_what_it_took(std::chrono::steady_clock::time_point begin) {
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  spdlog::info("took {} and at most {} of memory", duration_text(seconds.count()),
               memory_text(peak_resident_bytes()));
}

// The program's definitions with a command line that was parsed by them.
struct Parsed {
  CLI::App app;
  CommonOptions common;
  std::map<const CLI::App*, Action> actions;

  const Action& action() const { return actions.at(app.get_subcommands().front()); }
};

// Help and version are left to the caller, as CLI::Success.
void parse(std::vector<std::string> arguments, Parsed& out) {
  const auto word = first_word(arguments);
  const std::string first = word == arguments.end() ? "" : *word;
  const bool general = first == "-h" || first == "--help" || first == "--version";
  if (!general && find_command(first) == nullptr) throw CommandLineError(unknown_command(first));
  out.actions = add_commands(out.app, out.common);
  try {
    std::ranges::reverse(arguments);  // as CLI11 wants them
    out.app.parse(std::move(arguments));
  } catch (const CLI::Success&) {
    throw;
  } catch (const CLI::ParseError& e) {
    throw CommandLineError(usage_message(out.app, e));
  }
}

// What is printed to standard output within its life.
class PrintedText {
 public:
  PrintedText() : stream_(::open_memstream(&text_, &size_)), before_(stdout) {
    if (stream_ == nullptr) throw std::bad_alloc();
    stdout = stream_;
  }
  ~PrintedText() {
    stdout = before_;
    std::fclose(stream_);
    std::free(text_);
  }
  PrintedText(const PrintedText&) = delete;
  PrintedText& operator=(const PrintedText&) = delete;

  std::string text() {
    std::fflush(stream_);
    return {text_, size_};
  }

 private:
  char* text_ = nullptr;
  std::size_t size_ = 0;
  std::FILE *stream_, *before_;
};

int run(std::vector<std::string> arguments, const std::optional<Launch>& launch) {
  arguments = with_current_names(std::move(arguments));
  Parsed parsed;
  try {
    parse(arguments, parsed);
  } catch (const CLI::Success& e) {
    return parsed.app.exit(e);  // --help, --version
  }
  const CommandEntry& command = *find_command(*first_word(arguments));
  if (launch && !command.is_shared) refuse_in_cluster(*launch, command);
  parsed.common.apply();
  use_instruction_set_of_environment();
  const auto begin = std::chrono::steady_clock::now();
  parsed.action()();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw input_error("standard output", "cannot be written; it is closed, or the disk is full");
  }
  if (command.takes_long) say_what_it_took(begin);
  return 0;
}

}  // namespace

void use_instruction_set_of_environment() {
  const char* simd = std::getenv("REFOCUS_SIMD");
  if (simd != nullptr && *simd != '\0') limit_instruction_set(simd, "REFOCUS_SIMD");
}

int run_program(std::vector<std::string> arguments) {
  keep_command_line(arguments);
  try {
    const std::optional<Launch> launch = find_launch();
    if (!launch || launch->size == 1) return run(std::move(arguments), std::nullopt);
    return run_in_cluster(*launch, [&] { return run(std::move(arguments), launch); });
  } catch (const std::exception& error) {
    const Failure failure = failure_of(error);
    return is_first_process() ? say_failure(failure) : failure.status;
  }
}

std::string run_embedded(std::vector<std::string> arguments, RunningModel* model,
                         const std::string& recorded) {
  const KeptCommandLine line(recorded);
  const SignalsLeftAlone signals;
  std::optional<ComputeWith> with;
  if (model != nullptr) with.emplace(*model);
  Parsed parsed;
  parse(std::move(arguments), parsed);
  PrintedText printed;
  parsed.action()();
  return printed.text();
}

int say_failure(const Failure& failure) {
  constexpr std::size_t kMostShown = 8000;
  std::fflush(stdout);
  std::fprintf(stderr, "refocus: %s\n", printable(failure.message, kMostShown).c_str());
  return failure.status;
}

Failure failure_of(const std::exception& error) {
  if (dynamic_cast<const CommandLineError*>(&error) != nullptr) return {error.what(), 2};
  if (dynamic_cast<const UsageError*>(&error) != nullptr) return {error.what(), 2};
  if (dynamic_cast<const InputError*>(&error) != nullptr) return {error.what()};
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr)
    return {"[memory] not enough memory; use a smaller --context, --batch or --kv-memory"};
  if (const auto* e = dynamic_cast<const std::filesystem::filesystem_error*>(&error)) {
    return {fmt::format("[{}] cannot be looked at: {}; {}", e->path1().string(), e->code().message(),
                        read_remedy(e->code().value()))};
  }
  const std::string message = first_line(error.what());
  // A value of the JSON library was not what the code took it for: the message is in the library's terms.
  if (message.starts_with("[json.exception")) {
    return {"[internal error] a JSON value is not of the expected kind; please report the command"};
  }
  return {message};
}

}  // namespace refocus::cli
