// The tables of a report as HTML: what was found, the arms, the pairs of arms, the subjects.
#pragma once

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
// One sentence a comparison; where a sweep has selected (<li> elements), those in their place.
std::string html_findings(const ReportView& view, const std::string& selections);
std::string html_arms(const ReportView& view);         // counts and accuracies over all items
std::string html_comparisons(const ReportView& view);  // all pairs, then each pair by subject; "" for one arm
std::string html_subjects(const ReportView& view);     // every arm by subject; "" for tasks without subjects

// The identifier of a pair's section: "pair-0-1".
std::string pair_id(std::size_t task, std::size_t pair);

// A set as a row's label: "All questions", "Social sciences", "anatomy".
std::string set_label(const ItemSet& set);

}  // namespace refocus
