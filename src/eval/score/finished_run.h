// The arms of a finished run, read back from the files of RUN_DIR/arms/ (docs/run-directory.md): what was
// asked, answered and judged. Needs neither the model nor the data.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "eval/task/scoring.h"

namespace refocus {

struct FinishedTask {
  std::unique_ptr<const Task> task;  // items with subject, index and label only, unless more is asked for
  TaskAnswers answers;               // one an item, in their order; prompts are left out
  std::vector<std::string> hashes;   // [items] doc_hash: what the question was
};

struct FinishedArm {
  std::string name;          // Arm::name()
  std::string prompt;        // "cot", "direct" or "loglikelihood"
  std::string intervention;  // canonical text
  std::string rules;         // how letters were read
  bool ignores_verdicts = false;
  std::vector<FinishedTask> tasks;

  // The name that --intervene gave it; empty where it has none.
  std::string given_name() const { return own_name(name, prompt, intervention); }
};

struct FinishedRunOptions {
  bool documents = false;  // fill in the items' fields and choices
};

// All arms of a run in the order of its run.json. Verdicts of the journal that are newer than the files
// count, unless the files were written to ignore them. InputError, naming the file, where the directory is no
// run, an arm is not finished, or a file is damaged. Reads only.
std::vector<FinishedArm> read_finished_run(const std::filesystem::path& run_directory,
                                           const FinishedRunOptions& options = {});

}  // namespace refocus
