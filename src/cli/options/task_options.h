// Options that several commands which ask tasks have, each defined once.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace refocus::cli {

// TASK, of which several may be given, with its explanation.
CLI::Option* add_tasks(CLI::App& command, std::vector<std::string>& tasks, const std::string& text);
CLI::Option* add_data(CLI::App& command, std::string& data);                       // --data
CLI::Option* add_subjects(CLI::App& command, std::vector<std::string>& subjects);  // --subjects
CLI::Option* add_limit(CLI::App& command, int& limit);                             // --limit
CLI::Option* add_profile(CLI::App& command, std::string& profile);                 // --profile
CLI::Option* add_rules(CLI::App& command, std::string& rules);                     // --rules
CLI::Option* add_batch(CLI::App& command, std::int64_t& batch);                    // --batch
CLI::Option* add_max_new_tokens(CLI::App& command, std::int64_t& count);           // --max-new-tokens
// --cot and --direct of a command that asks in both ways where both are given.
void add_prompt_kinds(CLI::App& command, bool& cot, bool& direct);

// --dry-run of a command that asks.
CLI::Option* add_dry_run(CLI::App& command, bool& dry_run);

}  // namespace refocus::cli
