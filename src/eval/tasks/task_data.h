// The questions of MMLU, PIQA and SIQA, read from the files their authors publish, and of the bundled
// benchmark.
//
// MMLU (Hendrycks et al., arXiv 2009.03300): SPLIT/SUBJECT_SPLIT.csv, RFC 4180 CSV with the six fields
// question, A, B, C, D, answer; a cell is always text ("None", "NA"). A header of these names is passed over;
// after the header question,choice0,...,choice3,answer the answers are 0 to 3.
// PIQA (arXiv 1911.11641): dev.jsonl with goal, sol1, sol2 and dev-labels.lst with 0 or 1 a line.
// SIQA (arXiv 1904.09728): dev.jsonl with context, question, answerA, answerB, answerC and labels 1, 2 or 3.
// Label files are optional.
// worlds: the files of MMLU, and beside their folder (or in it) categories.json, {"SUBJECT": "stem", ...},
// with stem, humanities, social or other for every subject; without that file there are no categories.
//
// `dir` is the folder that holds the task's folder ("mmlu", "piqa", ...), or that folder itself, or the
// folder with the files. All files must be UTF-8; every error names the file and the line.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/task/item.h"

namespace refocus {

// Subjects in alphabetical order, only those of `subjects` unless that is empty. InputError for a subject
// without a file (with the nearest names), and for a row that does not have six fields.
Task load_mmlu(const std::filesystem::path& dir, std::span<const std::string> subjects = {},
               std::string_view split = "test");

// The first `count` questions of mmlu's dev split, which serve as worked examples, for each of `subjects`.
// InputError where a subject has no dev file or fewer questions.
std::map<std::string, std::vector<Item>, std::less<>> load_mmlu_examples(
    const std::filesystem::path& dir, std::span<const std::string> subjects, int count);

// As load_mmlu. InputError too for a subject that categories.json lacks or that has the name of a group (see
// scoring.h).
Task load_worlds(const std::filesystem::path& dir, std::span<const std::string> subjects = {});

Task load_piqa(const std::filesystem::path& dir);
Task load_siqa(const std::filesystem::path& dir);

// Questions that serve as worked examples of all others.
struct WorkedExamples {
  std::vector<Item> items;
  bool of_the_questions = false;  // they are the task's own, which are then not to be asked
};

// `count` of piqa or siqa: the first of train.jsonl with its labels in train-labels.lst, or, where there is
// no such file, the last of dev.jsonl. InputError where there are fewer, or where no labels are.
WorkedExamples load_jsonl_examples(std::string_view name, const std::filesystem::path& dir, int count);

// By name (UsageError for an unknown one). `subjects` must be empty for a task without subjects.
Task load_task(std::string_view name, const std::filesystem::path& dir,
               std::span<const std::string> subjects = {});

// Keeps the first `per_subject` items of every subject; of transcripts, with all their turns.
void limit_items(Task& task, int per_subject);

}  // namespace refocus
