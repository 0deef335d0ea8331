// Verdicts as JSON lines, to take them from one copy of a run to another (docs/audit.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "eval/journal/journal.h"

namespace refocus {

// One line, without its line feed.
std::string verdict_line(const Verdict& verdict);

// Writes all verdicts of a journal, in the order in which they were kept.
void export_verdicts(const Journal& journal, const std::filesystem::path& path);

struct ImportedVerdicts {
  std::int64_t added = 0, known = 0;
};

// Takes over all verdicts of a file but those that are there already: all or, with an InputError that names
// the line, none. A verdict must be on a response of this journal.
ImportedVerdicts import_verdicts(const std::filesystem::path& path, Journal& journal);

}  // namespace refocus
