// A comparison as pictures for a paper, with what stands below them: the numbers are those of the tables.
#pragma once

#include <string>
#include <vector>

#include "eval/score/comparison.h"
#include "figure/row_chart.h"

namespace refocus {

// Which sets of items have rows.
enum class FigureSets {
  kAll,       // all items of a task together
  kGroups,    // groups of subjects, and all
  kSubjects,  // subjects, groups, and all
};

struct ComparisonFigureOptions {
  figure::Style style;
  FigureSets sets = FigureSets::kAll;
  std::vector<std::string> runs;  // the paths of two compared runs; empty for one
  std::vector<std::string> arms;  // names or labels of the arms that are shown; empty: all
};

// UsageError by --arms for a name that no arm has, by --height where that is too little, and InputError where
// nothing of the kind is known of the run.

// The difference of each arm to its baseline, with Tango's interval.
figure::Picture forest_figure(const Comparison& comparison, const ComparisonFigureOptions& options);
// The questions that each arm fixed and broke.
figure::Picture flips_figure(const Comparison& comparison, const ComparisonFigureOptions& options);
// The accuracy of each arm, with Wilson's interval.
figure::Picture accuracy_figure(const Comparison& comparison, const ComparisonFigureOptions& options);
// How many tokens the answers of each arm have: quartiles, the 5th and 95th percentile, mean.
figure::Picture lengths_figure(const Comparison& comparison, const ComparisonFigureOptions& options);

// What rows of such pictures have. Nothing where there is no accuracy.
std::vector<figure::RowMark> accuracy_marks(const Tally& tally, std::size_t series);
// `lengths`: at least one.
figure::RowMark length_mark(std::vector<double> lengths, double mean);
inline constexpr const char* kLengthMarks =
    "Box: quartiles and median; whiskers: 5th and 95th percentile; diamond: mean.";

}  // namespace refocus
