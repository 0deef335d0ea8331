// The words that values of options may begin with: bundled models, tasks, methods and keys of interventions.
#pragma once

#include <string>
#include <string_view>

#include "cli/completion.h"

namespace refocus::cli {

// Adds what an option's value may be, each word with `before` in front, and whether files may be.
void add_values(const CLI::Option& option, std::string_view typed, const std::string& before,
                Completion& out);

}  // namespace refocus::cli
