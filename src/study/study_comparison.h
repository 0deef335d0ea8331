// Which attention statistics differ between two groups of texts, layer by layer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stats/mean_difference.h"
#include "study/study.h"

namespace refocus {

// Fewer texts than this in a group are not compared: their variance is not known well enough.
inline constexpr std::size_t kLeastTexts = 10;

// Texts as places: of an arm, and of its texts; `before`: the other model's values of them.
struct TextGroup {
  std::string name;  // "right", "wrong", or an arm's name
  std::size_t arm = 0;
  bool before = false;
  std::vector<std::size_t> texts;
};

// One statistic at one layer. Texts without a value are left out, in pairs both.
struct StatisticDifference {
  std::int64_t layer = 0;
  std::size_t statistic = 0;
  std::int64_t first_texts = 0, second_texts = 0;
  double first_mean = 0, second_mean = 0;
  MeanDifference difference;  // second - first
  double p_holm = 1;          // over all statistics and layers of the comparison
};

// A statistic of rows that too few texts of a group have a value of, at one layer: not compared.
struct MissingDifference {
  std::int64_t layer = 0;
  std::size_t statistic = 0;
  std::int64_t first_texts = 0, second_texts = 0;
};

struct StudyComparison {
  enum class Question { kRightOrWrong, kPrompts, kInterventions, kModels } question;
  TextGroup first, second;
  bool paired = false;                          // by item: Student's t; otherwise Welch's
  std::vector<StatisticDifference> rows;        // by layer; empty where a group has fewer than kLeastTexts
  std::vector<MissingDifference> missing = {};  // by layer; empty where nothing is compared
};

// In each arm wrong against right answers; with the same intervention direct answers against chain of
// thought; with the same kind of prompt the first arm against the others; in each arm the model before
// against that after.
std::vector<StudyComparison> compare_texts(const Study& study);

// "wrong_right-cot-none": a comparison's file name without its ending, unique among them.
std::string comparison_name(const Study& study, const StudyComparison& comparison);
// "cot-none: wrong answers against right ones".
std::string comparison_title(const Study& study, const StudyComparison& comparison);

}  // namespace refocus
