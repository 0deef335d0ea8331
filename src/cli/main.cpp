// `refocus`: parses the command line, runs one subcommand, and turns errors into one line and an exit status:
// 0 done, 1 failed, 2 wrong usage.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <map>
#include <new>

#include "base/error.h"
#include "cli/command.h"

namespace {

using refocus::cli::Action;

constexpr const char* kExamples = R"(
Examples:
  refocus generate -m Llama-2-7b-chat-hf -p "The capital of France is" --intervene rebalance:alpha=0.2
  refocus eval mmlu -m Llama-2-7b-chat-hf --data data --cot --direct --intervene none --intervene rebalance -o run1

Logs and progress go to standard error. `refocus COMMAND --help` explains a command.)";

struct Entry {
  const char* name;
  const char* description;
  Action (*add)(CLI::App&);
};

constexpr Entry kCommands[] = {
    {"generate", "Continue a prompt, with or without an intervention", refocus::cli::add_generate},
    {"logits", "Write a prompt's logits, [tokens, vocab], to a .npy file", refocus::cli::add_logits},
    {"tokenize", "Show the token ids of a text", refocus::cli::add_tokenize},
    {"info", "Describe a model", refocus::cli::add_info},
    {"extract", "Read the chosen letters from responses in a JSONL file", refocus::cli::add_extract},
    {"eval", "Ask a model the questions of a task, in one or several arms", refocus::cli::add_eval},
    {"bench", "Measure a model's speed, with and without re-balancing", refocus::cli::add_bench},
    {"convert", "Write a model as a GGUF file, quantised or not", refocus::cli::add_convert},
};

int fail(const std::string& message, int status) {
  std::fflush(stdout);
  std::fprintf(stderr, "refocus: %s\n", message.c_str());
  return status;
}

// The first line only: CLI11 adds a hint on lines of their own.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

int run(int argc, char** argv) {
  CLI::App app("Runs LLaMA models with interventions on their attention, and measures what that does.",
               "refocus");
  app.set_version_flag("--version", "refocus " REFOCUS_VERSION);
  app.footer(kExamples);
  app.require_subcommand(1);
  std::map<const CLI::App*, Action> actions;
  for (const Entry& entry : kCommands) {
    CLI::App* command = app.add_subcommand(entry.name, entry.description);
    actions[command] = entry.add(*command);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);  // --help, --version
  } catch (const CLI::ParseError& e) {
    return fail(first_line(e.what()) + "; see `refocus --help` or `refocus COMMAND --help`", 2);
  }
  actions.at(app.get_subcommands().front())();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    return fail("[standard output] cannot be written; is the disk full?", 1);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("refocus"));
  spdlog::set_pattern("%^%l%$: %v");
  try {
    return run(argc, argv);
  } catch (const refocus::UsageError& e) {
    return fail(e.what(), 2);
  } catch (const refocus::InputError& e) {
    return fail(e.what(), 1);
  } catch (const std::bad_alloc&) {
    return fail("[memory] not enough memory; use a smaller --context, --batch or --kv-memory", 1);
  } catch (const std::exception& e) {
    return fail(first_line(e.what()), 1);
  }
}
