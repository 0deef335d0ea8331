// One comparison in several runs, of other models or tasks: of each run its pairs of arms over all questions,
// in one table, with p corrected over all of its rows. A claim on several models is one family of tests.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/score/comparison.h"
#include "eval/text/printed_table.h"
#include "figure/row_chart.h"

namespace refocus {

struct AcrossOptions {
  std::vector<std::string> arms;  // names, or those that --intervene gave; empty: all
  std::string baseline;           // the same; empty: the first arm of each kind of prompt
};

struct AcrossRow {
  std::string run, model, task;         // the directory as given; the model's name, empty if unknown
  std::string prompt, arm, baseline;    // "cot"; as in arm_labels, without the kind of prompt
  std::string metric;                   // "accuracy"
  std::optional<double> before, after;  // of the baseline and of the arm
  PairedNumbers numbers;                // p_holm: over all rows

  // "piqa, smollm2-135m", "mmlu, smollm2-135m, cot": what tells the rows of one pair apart, with the
  // directory where that takes it.
  std::string label = {};

  std::string compared() const;  // "published against none"
};

// Rows of one pair of arms stand together, in the order of the runs. Arms of different kinds of prompt are
// not compared, and transcripts, of which nothing is right or wrong, are left out. UsageError for an arm or a
// baseline that none of the runs has, InputError for a run that has no pair.
std::vector<AcrossRow> compare_across(const std::vector<std::string>& runs, const AcrossOptions& options);

std::string across_table(const std::vector<AcrossRow>& rows);
PrintedTable across_printed(const std::vector<AcrossRow>& rows);
// {"format": "refocus-across", "version": 1, "rows": [..]}; docs/statistics.md has the fields.
nlohmann::ordered_json across_json(const std::vector<AcrossRow>& rows);

// The differences with Tango's intervals, a heading a pair of arms and a row a run.
figure::Picture across_forest(const std::vector<AcrossRow>& rows, const figure::Style& style);

}  // namespace refocus
