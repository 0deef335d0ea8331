// A finished run whose answers a test chooses: each letter of a text is the answer to one item.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "eval/score/results.h"
#include "eval/task/item.h"

namespace refocus::testing {

struct ToyArm {
  PromptKind prompt = PromptKind::kCot;
  std::string intervention = "none";
  // By subject, a letter an item: the response begins with it. '?' is a response without a letter. A
  // lower-case letter stands for an answer that was cut off.
  std::map<std::string, std::string> answers;
};

struct ToyRun {
  std::vector<Task> tasks;
  std::vector<ToyArm> arms;
  std::string rules = "anchored";
};

// anatomy and astronomy (STEM), philosophy (humanities): MMLU items, all with the right letter B.
Task toy_mmlu(const std::map<std::string, int>& items_of_subject);

// Writes run.json and the arms' files as `refocus eval` does, without a journal. Answers that are shorter
// than their subject make an unfinished arm.
void write_toy_run(const std::filesystem::path& directory, const ToyRun& run);

}  // namespace refocus::testing
