// Responses saved in one file, to be audited: lines as `refocus extract` reads them, samples files of Refocus
// and of lm-evaluation-harness, and the published CSV of a subject. docs/audit.md describes them.
#pragma once

#include <filesystem>

#include "eval/audit/audit.h"

namespace refocus {

// One arm, named "file". InputError, naming the line, for what is none of these; for samples of
// log-likelihoods; and for two responses to the same question (subject and number).
Audit audit_file(const std::filesystem::path& path);

}  // namespace refocus
