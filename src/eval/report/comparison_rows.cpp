#include "eval/report/comparison_rows.h"

#include "base/error.h"
#include "eval/text/display_width.h"
#include "eval/text/table_text.h"

namespace refocus {
namespace {

constexpr int kLongestName = 30;

// A name of at most kLongestName columns.
std::string shortened(const std::string& name) {
  const std::string whole = printable(name, 200);
  return display_width(whole) <= kLongestName ? whole : printable(whole, kLongestName - 3);
}

}  // namespace

ComparisonRows comparison_rows(const TaskComparison& task) {
  ComparisonRows rows;
  std::vector<std::size_t> subjects;
  std::vector<std::string> categories;
  for (std::size_t s = 0; s < task.sets.size(); ++s) {
    const ItemSet& set = task.sets[s];
    if (set.kind == ItemSet::Kind::kSubject) {
      subjects.push_back(s);
      continue;
    }
    const bool all = set.kind == ItemSet::Kind::kAll;
    rows.totals.push_back({all ? set.name : shown_group(set.name, kLongestName), s});
    if (set.kind == ItemSet::Kind::kCategory && set.name != "non_stem") categories.push_back(set.name);
  }
  categories.emplace_back();  // subjects without a category come last
  for (const std::string& category : categories) {
    if (subjects.size() < 2) break;
    if (!category.empty()) rows.subjects.push_back({shown_group(category, kLongestName), std::nullopt});
    for (const std::size_t s : subjects) {
      if (task.sets[s].category != category) continue;
      rows.subjects.push_back({shortened(task.sets[s].name), s, !category.empty()});
    }
  }
  return rows;
}

const TaskKind& kind_of(const Comparison& comparison, const TaskComparison& task) {
  const auto place = static_cast<std::size_t>(&task - comparison.tasks.data());
  return kind_of(*comparison.arms.front().arm.tasks[place].task);
}

}  // namespace refocus
