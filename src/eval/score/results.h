// The report files of one arm: RUN_DIR/arms/ARM/ (docs/run-directory.md describes every file and field).
//
// The same answers make the same bytes: nothing here depends on the time, the machine or the order of asking.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "eval/task/scoring.h"

namespace refocus {

struct ReportOptions {
  std::string arm;
  nlohmann::ordered_json config;  // the `config` of results_refocus.json: model, limits, profile ...
  nlohmann::ordered_json generation_kwargs;  // how texts were generated: {"max_gen_toks": 2048, ...}
  int num_fewshot = 0;
  bool loglikelihood = false;  // answers are log-likelihoods of the options
  std::string model;           // its name, for transcripts
};

// One line of samples_*.jsonl, without its line feed. `metric` is TaskKind::metric.
std::string sample_line(const Answer& answer, const ReportOptions& options,
                        const std::string& metric = "acc");

// results_refocus.json.
std::string results_json(const std::vector<TaskScores>& scores, const ReportOptions& options);

// Writes all files of the arm into `directory` (RunDirectory::arm_directory), each atomically, the results
// last. InputError where one cannot be written.
void write_arm_reports(const std::filesystem::path& directory, const std::vector<TaskAnswers>& answers,
                       const std::vector<TaskScores>& scores, const ReportOptions& options);

}  // namespace refocus
