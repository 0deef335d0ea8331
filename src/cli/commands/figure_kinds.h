// Which figures can be drawn of which directory, and drawing them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "eval/report/figures/comparison_figures.h"
#include "figure/style.h"

namespace refocus::cli {

enum class FigureKind { kForest, kAccuracy, kSweep, kHeads, kAttention, kLengths, kFlips };

// "forest", ..., in the order of the kinds.
std::vector<std::string_view> figure_kind_names();
std::string_view name_of(FigureKind kind);

// What is to be drawn, beside how it looks.
struct FigureRequest {
  std::vector<std::string> directories;  // one, or two runs; any number with `across`
  bool across = false;                   // of a forest: each run by itself
  FigureKind kind = FigureKind::kForest;
  std::string by;                 // "all", "groups", "subjects"; empty: what suits the kind
  std::vector<std::string> arms;  // empty: all
  ComparisonOptions comparison;
  bool grid = false;   // of a sweep of two keys with numbers
  std::string value;   // of heads and studies: which number; empty: the usual one
  std::string arm;     // of attention: which one; empty: the first
  std::string head;    // "LAYER.HEAD"
  std::string tokens;  // "FIRST-LAST"; empty: all
};

// The kind of that name, which the directories must have. UsageError that names those that they have,
// InputError where they are no directory that has figures.
FigureKind figure_kind(const std::string& name, const std::vector<std::string>& directories, bool across);

figure::Picture draw_figure(const FigureRequest& request, const figure::Style& style);

}  // namespace refocus::cli
