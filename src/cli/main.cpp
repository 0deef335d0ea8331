// `refocus`: parses the command line, runs one subcommand, and turns errors into one line and an exit status:
// 0 done, 1 failed, 2 wrong usage.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <map>
#include <new>

#include "base/error.h"
#include "base/file_kind.h"
#include "cli/command.h"
#include "cli/command_line.h"
#include "cli/terminal.h"

namespace {

using refocus::cli::Action;

constexpr const char* kExamples = R"(
Examples:
  refocus eval --cot --direct --intervene none --intervene rebalance      (the bundled benchmark and model)
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
    {"chat", "Talk to a model, with or without an intervention", refocus::cli::add_chat},
    {"logits", "Write a prompt's logits, [tokens, vocab], to a .npy file", refocus::cli::add_logits},
    {"tokenize", "Show the token ids of a text", refocus::cli::add_tokenize},
    {"info", "Describe a model", refocus::cli::add_info},
    {"extract", "Read the chosen letters from responses in a JSONL file", refocus::cli::add_extract},
    {"eval", "Ask a model the questions of a task, or measure its perplexity, in one or several arms",
     refocus::cli::add_eval},
    {"compare", "Compare the arms of one run or of two, item by item", refocus::cli::add_compare},
    {"rescore", "Read saved responses again by other rules, show where rules disagree, or judge by hand",
     refocus::cli::add_rescore},
    {"attention", "Keep a prompt's attention weights, and statistics of a prompt's or a task's attention",
     refocus::cli::add_attention},
    {"study",
     "Compare the attention of right and wrong answers, of arms, and of models before and after training",
     refocus::cli::add_study},
    {"heads", "Find which attention heads matter for a task, and test them on items held out",
     refocus::cli::add_heads},
    {"explore", "Write the explorer of captured attention anew: DIR/attention.html",
     refocus::cli::add_explore},
    {"report", "Write a run, or two beside each other, as one HTML file", refocus::cli::add_report},
    {"calibrate", "Make the files that interventions work with: means of heads, directions of keys",
     refocus::cli::add_calibrate},
    {"bench", "Measure a model's speed, with and without re-balancing", refocus::cli::add_bench},
    {"convert", "Write a model as a GGUF file, quantised or not", refocus::cli::add_convert},
    {"train", "Train a model, or an adapter of one, on texts or on prompts and responses",
     refocus::cli::add_train},
    {"train-tokenizer", "Make a tokenizer from texts", refocus::cli::add_train_tokenizer},
    {"dataset", "Make training data and a benchmark of small worlds", refocus::cli::add_dataset},
    {"merge", "Write a model with a LoRA adapter folded in, as a Hugging Face directory",
     refocus::cli::add_merge},
};

// One line, whatever the names of files and the texts in it hold.
int fail(const std::string& message, int status) {
  constexpr std::size_t kMostShown = 8000;
  std::fflush(stdout);
  std::fprintf(stderr, "refocus: %s\n", refocus::printable(message, kMostShown).c_str());
  return status;
}

std::string known_commands() {
  std::string out;
  for (const Entry& entry : kCommands) out += (out.empty() ? "" : ", ") + std::string(entry.name);
  return out;
}

bool is_command(const std::string& name) {
  for (const Entry& entry : kCommands) {
    if (name == entry.name) return true;
  }
  return false;
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

int run(int argc, char** argv) {
  const std::string command_name = argc > 1 ? argv[1] : "";
  const bool general = command_name == "-h" || command_name == "--help" || command_name == "--version";
  if (!general && !is_command(command_name)) {
    return fail(fmt::format("expected a command ({}), got {}; see `refocus --help`", known_commands(),
                            argc > 1 ? "'" + refocus::printable(command_name) + "'" : "none"),
                2);
  }
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
    const std::string chosen = chosen_command(app);
    return fail(fmt::format("{}; see `refocus {}--help`", refocus::printable(first_line(e.what()), 400),
                            chosen.empty() ? "" : chosen + " "),
                2);
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
    return run(argc, argv);
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
