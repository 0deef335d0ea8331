// The tables of a report as HTML: what was found, the arms, the subjects.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "eval/journal/run_directory.h"
#include "eval/score/comparison.h"

namespace refocus {

// What the parts of a report are made from.
struct ReportView {
  const Comparison& comparison;     // its items with their fields
  std::vector<std::string> runs;    // paths, one or two
  std::vector<RunRecord> records;   // [runs]
  std::vector<std::string> labels;  // [arms] arm_labels
  bool loglikelihood = false;
};

ReportView report_view(const Comparison& comparison, std::vector<std::string> runs,
                       std::vector<RunRecord> records);

std::string html_masthead(const ReportView& view, const std::string& title);
// One sentence a comparison, largest differences first, those without change as a number; where a sweep has
// selected (<li> elements), those in their place.
std::string html_findings(const ReportView& view, const std::string& selections);
std::string html_arms(const ReportView& view);      // counts and accuracies over all items
std::string html_subjects(const ReportView& view);  // every arm by subject; "" for tasks without subjects

// A set as a row's label: "All questions", "Social sciences", "anatomy".
std::string set_label(const ItemSet& set);

// "35.2 [30.1, 40.5]", sorted by the accuracy.
std::string html_accuracy_cell(const Tally& tally);

// Rows for the groups (all first), then for the subjects, in bodies of their own so that sorting keeps them.
// cells(place of the set) are what follows its label.
std::string html_set_rows(const TaskComparison& task, const std::function<std::string(std::size_t)>& cells);

}  // namespace refocus
