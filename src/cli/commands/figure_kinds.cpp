#include "cli/commands/figure_kinds.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "analyze/pictures/capture_node.h"
#include "analyze/pictures/map_figure.h"
#include "base/error.h"
#include "base/nearest_word.h"
#include "detect/detector_figure.h"
#include "eval/journal/run_directory.h"
#include "eval/report/across.h"
#include "eval/report/html_sweep.h"
#include "eval/report/sweep/sweep_figure.h"
#include "eval/report/sweep/sweep_files.h"
#include "heads/search_figure.h"
#include "study/directory_figures.h"
#include "study/study_files.h"

namespace refocus::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kNames[] = {"forest",    "accuracy", "sweep", "heads",
                                       "attention", "lengths",  "flips"};

enum class Source { kRun, kStudy, kAttention, kHeads };

// Of the file that only such a directory has.
Source source_of(const fs::path& directory) {
  const auto has = [&](const char* file) { return fs::is_regular_file(directory / file); };
  if (has(kStudyFile)) return Source::kStudy;
  if (has(kCaptureFile) || has(kStatisticsFile)) return Source::kAttention;
  if (has(kHeadResultsFile) || has(kDetectorsFile)) return Source::kHeads;
  if (fs::is_directory(directory / "arms")) return Source::kRun;
  throw input_error(printable(directory.string(), 200),
                    "expected the directory of a finished eval, study, attention or heads, got {}",
                    fs::is_directory(directory) ? "another directory" : "no such directory");
}

std::vector<FigureKind> kinds_of(Source source, const std::vector<std::string>& directories) {
  using enum FigureKind;
  switch (source) {
    case Source::kStudy:
      return {kForest, kAccuracy, kLengths};
    case Source::kAttention:
      return {kHeads, kAttention};
    case Source::kHeads:
      return {kHeads};
    case Source::kRun:
      break;
  }
  if (directories.size() > 1 || !fs::is_regular_file(fs::path(directories[0]) / kSweepFile)) {
    return {kForest, kAccuracy, kLengths, kFlips};
  }
  return {kForest, kAccuracy, kSweep, kLengths, kFlips};
}

// Of a run or of two.
figure::Picture draw_comparison(const FigureRequest& request, const figure::Style& style) {
  ComparisonFigureOptions options{style, FigureSets::kAll, {}, request.arms};
  const bool by_subjects =
      request.by.empty() ? request.kind == FigureKind::kAccuracy : request.by == "subjects";
  if (by_subjects) options.sets = FigureSets::kSubjects;
  if (request.by == "groups") options.sets = FigureSets::kGroups;
  std::vector<FinishedArm> second;
  if (request.directories.size() > 1) {
    options.runs = request.directories;
    second = read_finished_run(request.directories[1]);
  }
  ComparisonOptions comparing = request.comparison;
  // An arm alone has an accuracy and lengths.
  comparing.pairs_needed = request.kind == FigureKind::kForest || request.kind == FigureKind::kFlips;
  const Comparison comparison =
      compare_runs(read_finished_run(request.directories[0]), std::move(second), comparing);
  switch (request.kind) {
    case FigureKind::kAccuracy:
      return accuracy_figure(comparison, options);
    case FigureKind::kLengths:
      return lengths_figure(comparison, options);
    case FigureKind::kFlips:
      return flips_figure(comparison, options);
    default:
      return forest_figure(comparison, options);
  }
}

figure::Picture draw_sweep(const FigureRequest& request, const figure::Style& style) {
  const fs::path directory = request.directories[0];
  const nlohmann::ordered_json file = read_sweep(directory);
  const SweepNode sweep(file, {(directory / kSweepFile).string(), "repeat the eval command"});
  figure::Picture out =
      request.grid ? sweep_grid_figure(sweep_grids(sweep), style) : sweep_figure(sweep, style);
  if (!out.svg.empty()) return out;
  if (request.grid) {
    throw usage_error("--grid",
                      "expected a sweep of two keys with several numbers each, got none; leave it out");
  }
  throw input_error((directory / kSweepFile).string(),
                    "expected accuracies, got none that is known; use lengths");
}

figure::Picture draw_heads(const FigureRequest& request, Source source, const figure::Style& style) {
  const fs::path directory = request.directories[0];
  if (source == Source::kAttention) {
    return statistic_figure(directory, request.arm, request.value.empty() ? "entropy" : request.value, style);
  }
  const bool searched = fs::is_regular_file(directory / kHeadResultsFile);
  if (request.value == "effect" || (request.value.empty() && searched)) {
    if (searched) return search_figure(directory, style);
    throw usage_error("--value",
                      "expected a detector of a directory without a search, got effect; name a detector");
  }
  if (!fs::is_regular_file(directory / kDetectorsFile)) {
    throw usage_error("--value", "expected effect of a search without --detect, got '{}'; leave it out",
                      printable(request.value));
  }
  return detector_figure(directory, request.value.empty() ? "induction" : request.value, style);
}

// Two whole numbers with `between` between them.
bool parse_two(const std::string& text, char between, std::int64_t& first, std::int64_t& second) {
  const char* end = text.data() + text.size();
  const auto one = std::from_chars(text.data(), end, first);
  if (one.ec != std::errc() || one.ptr == end || *one.ptr != between) return false;
  const auto other = std::from_chars(one.ptr + 1, end, second);
  return other.ec == std::errc() && other.ptr == end && first >= 0 && second >= 0;
}

figure::Picture draw_attention(const FigureRequest& request, const figure::Style& style) {
  MapChoice choice;
  choice.arm = request.arm;
  if (request.head.empty())
    throw usage_error("--head", "expected which head to draw, got none; add --head LAYER.HEAD");
  if (!parse_two(request.head, '.', choice.layer, choice.head)) {
    throw usage_error("--head", "expected LAYER.HEAD, got '{}'; an example is 3.0", printable(request.head));
  }
  if (!request.tokens.empty() && !parse_two(request.tokens, '-', choice.first, choice.last)) {
    throw usage_error("--tokens", "expected FIRST-LAST, got '{}'; an example is 0-19",
                      printable(request.tokens));
  }
  return map_figure(request.directories[0], choice, style);
}

figure::Picture draw_study(const FigureRequest& request, const figure::Style& style) {
  const auto refuse = [](const char* option) {
    throw usage_error(option, "expected a run of eval, got a study, which has no use for it; leave it out");
  };
  if (!request.by.empty()) refuse("--by");
  if (!request.comparison.baseline.empty()) refuse("--baseline");
  const std::string& directory = request.directories[0];
  if (request.kind == FigureKind::kAccuracy) return study_accuracy_figure(directory, request.arms, style);
  if (request.kind == FigureKind::kLengths) return study_lengths_figure(directory, request.arms, style);
  return study_forest_figure(directory, request.value.empty() ? "entropy" : request.value, request.arms,
                             style);
}

}  // namespace

std::vector<std::string_view> figure_kind_names() { return {std::begin(kNames), std::end(kNames)}; }

std::string_view name_of(FigureKind kind) { return kNames[static_cast<std::size_t>(kind)]; }

FigureKind figure_kind(const std::string& name, const std::vector<std::string>& directories, bool across) {
  const auto named = std::ranges::find(kNames, name);
  if (named == std::end(kNames)) {
    throw usage_error("figure", "expected one of {} as the last word, got '{}'{}", fmt::join(kNames, ", "),
                      printable(name), did_you_mean(name, kNames));
  }
  const auto kind = static_cast<FigureKind>(named - std::begin(kNames));
  const Source source = source_of(directories[0]);
  const bool all_runs =
      std::ranges::all_of(directories, [](const std::string& one) { return source_of(one) == Source::kRun; });
  if ((directories.size() > 1 || across) && !all_runs) {
    throw usage_error("figure", "expected runs of eval, got something else beside them; name one directory");
  }
  if (directories.size() > 2 && !across) {
    throw usage_error("figure", "expected one run or two, got {}; each by itself: --across",
                      directories.size());
  }
  if (across && kind != FigureKind::kForest) {
    throw usage_error("--across", "expected forest, got {}, which has no use for it; leave it out", name);
  }
  const std::vector<FigureKind> kinds = kinds_of(source, directories);
  if (std::ranges::find(kinds, kind) != kinds.end()) return kind;
  std::vector<std::string_view> names;
  for (const FigureKind one : kinds) names.push_back(name_of(one));
  throw usage_error("figure", "expected one of {}, which {} has, got '{}'", fmt::join(names, ", "),
                    printable(directories[0], 200), name);
}

figure::Picture draw_figure(const FigureRequest& request, const figure::Style& style) {
  const Source source = source_of(request.directories[0]);
  if (source == Source::kStudy) return draw_study(request, style);
  if (request.across) {
    return across_forest(compare_across(request.directories, {request.arms, request.comparison.baseline}),
                         style);
  }
  if (request.kind == FigureKind::kHeads) return draw_heads(request, source, style);
  if (request.kind == FigureKind::kAttention) return draw_attention(request, style);
  if (request.kind == FigureKind::kSweep) return draw_sweep(request, style);
  return draw_comparison(request, style);
}

}  // namespace refocus::cli
