// refocus extract: reads the chosen letters from responses, one JSON object a line; docs/extraction.md has
// the rules.
#include <fstream>
#include <iostream>

#include "base/error.h"
#include "base/record_kind.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "eval/extract/extraction.h"
#include "eval/task/task_kind.h"
#include "eval/tasks/task_data.h"

namespace refocus::cli {

namespace {

struct ExtractOptions {
  std::string task, rules = "anchored", file;
};

void run(const ExtractOptions& options) {
  const ExtractionRules rules = parse_rules(options.rules);
  task_kind(options.task);
  if (options.file == "-") return extract_lines(std::cin, std::cout, options.task, rules, "standard input");
  std::ifstream in(options.file, std::ios::binary);
  if (!in || std::filesystem::is_directory(options.file)) {
    throw input_error(options.file, "cannot be read; give a file of JSON lines, or - for standard input");
  }
  refuse_other_lines(options.file);
  extract_lines(in, std::cout, options.task, rules, options.file);
}

}  // namespace

Action add_extract(CLI::App& command) {
  auto options = std::make_shared<ExtractOptions>();
  command.add_option("--task", options->task, "How many options a question has: " + task_names())
      ->required()
      ->type_name("TASK");
  command
      .add_option("--rules", options->rules,
                  "How letters are read: anchored, or published (the rules of arXiv 2403.14932's code)")
      ->capture_default_str()
      ->check(one_of({"anchored", "published"}));
  command
      .add_option("file", options->file, "Lines {\"choices\":[..],\"response\":\"..\"}; - for standard input")
      ->required()
      ->type_name("FILE.jsonl");
  return [options] { run(*options); };
}

}  // namespace refocus::cli
