// Which differences of accuracy so many items could show (stats/power.h), as text and JSON: of designs, and
// of the pairs of arms of a finished run. docs/statistics.md says what the numbers mean.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/score/comparison.h"
#include "stats/power.h"

namespace refocus {

struct PowerAim {
  double level = 0.05, power = 0.8;
  std::int64_t tests = 1;  // that are made together: each is held to level / tests

  TestAim of_a_test() const { return {level / static_cast<double>(tests), power}; }
};

// Tables of designs. Shares and differences are fractions of 1 here and in JSON, and per cent and points in
// text.
struct PowerDesigns {
  std::vector<double> changed;      // columns: shares of items whose correctness changes
  std::vector<std::int64_t> items;  // rows: the smallest difference found with each; or empty, and
  std::vector<double> differences;  // rows: the items that each takes
};

std::string designs_text(const PowerDesigns& designs, const PowerAim& aim);
nlohmann::ordered_json designs_json(const PowerDesigns& designs, const PowerAim& aim);

// A pair of arms over all items of a task whose right answer is known. The share of its items that changed
// is what it was and, as an interval (Wilson), what it may have been; the numbers below have one for each.
// None: see smallest_difference and pairs_needed, and where nothing changed.
struct PairPower {
  struct Numbers {
    double changed = 0;
    std::optional<double> smallest_difference;
    std::vector<std::optional<std::int64_t>> items_needed;  // [kAskedDifferences]
  };
  std::string task, baseline, arm;
  std::int64_t asked = 0, changed = 0;  // items of the run, and those of them whose correctness changed
  std::int64_t items = 0;               // that the smallest difference is of
  Numbers observed, low, high;
};

inline constexpr double kAskedDifferences[] = {0.01, 0.02};

// Of every pair of the comparison. With `items`, of as many items as that instead of the run's. Tasks
// without right answers, such as transcripts, are left out. InputError where nothing is left.
std::vector<PairPower> power_of_pairs(const Comparison& comparison, std::optional<std::int64_t> items,
                                      const PowerAim& aim);

std::string pairs_text(const std::vector<PairPower>& pairs, const PowerAim& aim);
nlohmann::ordered_json pairs_json(const std::vector<PairPower>& pairs, const PowerAim& aim);

// What arms could show of which each is asked `items`, before they are, with a line end. `of`: behind
// "items", such as " of mmlu", where there are several tasks.
std::string could_show_line(std::int64_t items, const std::string& of = {});

}  // namespace refocus
