#include "cli/options/task_options.h"

#include "cli/checks.h"

namespace refocus::cli {

CLI::Option* add_tasks(CLI::App& command, std::vector<std::string>& tasks, const std::string& text) {
  return command.add_option("task", tasks, text)->type_name("TASK");
}

CLI::Option* add_data(CLI::App& command, std::string& data) {
  return command
      .add_option(
          "--data", data,
          "Directory that holds the tasks' folders, such as mmlu/ (default: data, or the bundled one)")
      ->check(not_empty())
      ->type_name("DIR");
}

CLI::Option* add_subjects(CLI::App& command, std::vector<std::string>& subjects) {
  return command.add_option("--subjects", subjects, "Subjects of the task (default: all)")
      ->delimiter(',')
      ->type_name("a,b");
}

CLI::Option* add_limit(CLI::App& command, int& limit) {
  return command.add_option("--limit", limit, "Only the first N items of each subject")
      ->check(whole_number(1, 1 << 30));
}

CLI::Option* add_profile(CLI::App& command, std::string& profile) {
  return command.add_option("--profile", profile, "JSON file of prompts (default: Refocus' own)")
      ->check(not_empty())
      ->type_name("FILE");
}

CLI::Option* add_rules(CLI::App& command, std::string& rules) {
  return command.add_option("--rules", rules, "How letters are read (default: anchored)")
      ->check(one_of({"anchored", "published"}));
}

CLI::Option* add_batch(CLI::App& command, std::int64_t& batch) {
  return command.add_option("--batch", batch, "Sequences computed at once; does not change answers")
      ->capture_default_str()
      ->check(whole_number<std::int64_t>(1, 4096));
}

CLI::Option* add_max_new_tokens(CLI::App& command, std::int64_t& count) {
  return command.add_option("--max-new-tokens", count, "Most tokens of an answer")
      ->capture_default_str()
      ->check(whole_number<std::int64_t>(1, 1 << 24));
}

void add_prompt_kinds(CLI::App& command, bool& cot, bool& direct) {
  command.add_flag("--cot", cot, "Ask for an analysis before the answer (default)");
  command.add_flag("--direct", direct, "Ask for the answer at once; with --cot: both");
}

CLI::Option* add_dry_run(CLI::App& command, bool& dry_run) {
  return command.add_flag(
      "--dry-run", dry_run,
      "Show the first prompt of each arm, counts, memory and about how long it takes, for which a few "
      "questions are answered; nothing is written");
}

}  // namespace refocus::cli
