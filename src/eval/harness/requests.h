// What a task of lm-evaluation-harness asks a model about its documents, byte for byte.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "eval/harness/fewshot.h"

namespace refocus::harness {

// What is asked about one document.
struct Request {
  Document document;
  // One, or one for each continuation: a question whose options are its beginnings (Winogrande).
  std::vector<Prompt> contexts;
  std::vector<Prompt> continuations;  // multiple_choice: one an option; loglikelihood: one
  std::string rolling;                // loglikelihood_rolling: the text
  std::vector<std::string> choices;   // the options' texts, without what stands before them
  Gold gold;                          // multiple_choice
  std::vector<std::string> answers;   // generate_until: the right texts; any of them is enough
  std::optional<std::vector<std::string>> choices_field;  // for multi_choice_regex
  std::string target;                                     // what doc_to_target gives, as it is shown
};

struct RequestSettings {
  std::optional<int> shots;          // instead of num_fewshot, unless that is 0
  std::optional<std::size_t> limit;  // documents from the beginning
};

// The examples before each document: as the settings, or else the task, says; 0 of a rolling task.
int shots_of(const TaskConfig& config, const RequestSettings& settings);

// In the order of the documents. InputError, naming the document, where one cannot be asked.
std::vector<Request> build_requests(const TaskConfig& config, Dataset& data,
                                    const RequestSettings& settings = {});

}  // namespace refocus::harness
