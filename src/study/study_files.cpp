#include "study/study_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analyze/row_statistics.h"
#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "eval/journal/run_directory.h"
#include "eval/text/csv_writer.h"
#include "study/study_figures.h"
#include "study/study_summary.h"

namespace refocus {

namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// Numbers that read back as the same float64; nothing where there is none.
std::string number(double value) { return std::isnan(value) ? "" : fmt::format("{}", value); }

void append_rows(const Study& study, const StudiedArm& arm, const StudiedText& text, const TextValues& values,
                 const char* model, std::string& out) {
  for (std::int64_t layer = 0; layer < study.layers; ++layer) {
    std::vector<std::string> fields = {arm.name,
                                       model,
                                       text.subject,
                                       std::to_string(text.index),
                                       text.answer,
                                       !text.correct   ? ""
                                       : *text.correct ? "True"
                                                       : "False",
                                       std::to_string(text.prompt_tokens),
                                       std::to_string(text.generated_tokens),
                                       std::to_string(layer)};
    for (std::size_t s = 0; s < study.statistics.size(); ++s)
      fields.push_back(number(study.value(values, layer, s)));
    append_csv_row(out, {fields.begin(), fields.end()});
  }
}

ordered_json nullable(double value) { return std::isnan(value) ? ordered_json() : ordered_json(value); }

// How many texts have no value of a statistic of rows, by layer; only statistics that some text lacks.
ordered_json missing_json(const Study& study, std::size_t arm, const ArmSummary& summary) {
  ordered_json out = ordered_json::object();
  for (std::size_t s = 0; s < study.statistics.size(); ++s) {
    if (!is_row_statistic(study.statistics[s])) continue;
    std::vector<std::int64_t> layers;
    for (std::int64_t l = 0; l < study.layers; ++l) {
      layers.push_back(std::ssize(study.arms[arm].texts) - summary.texts_with(study, l, s));
    }
    if (std::ranges::count(layers, 0) < study.layers) out[study.statistics[s]] = layers;
  }
  return out;
}

ordered_json arm_json(const Study& study, std::size_t arm) {
  const StudiedArm& of = study.arms[arm];
  const ArmSummary summary = summarise(study, arm);
  ordered_json means;
  for (std::size_t s = 0; s < study.statistics.size(); ++s) {
    ordered_json& layers = means[study.statistics[s]] = ordered_json::array();
    for (std::int64_t l = 0; l < study.layers; ++l) layers.push_back(nullable(summary.mean(study, l, s)));
  }
  ordered_json out = {{"name", of.name},
                      {"prompt", of.prompt},
                      {"intervention", of.intervention},
                      {"texts", of.texts.size()},
                      {"labelled", summary.labelled},
                      {"right", summary.right},
                      {"means", means}};
  const ordered_json missing = missing_json(study, arm, summary);
  if (!missing.empty()) out["texts_without_value"] = missing;
  return out;
}

ordered_json group_json(const Study& study, const TextGroup& group) {
  return {{"name", group.name}, {"arm", study.arms[group.arm].name}, {"texts", group.texts.size()}};
}

constexpr const char* kQuestions[] = {"right_or_wrong", "prompts", "interventions", "models"};

ordered_json comparison_json(const Study& study, const StudyComparison& comparison) {
  ordered_json rows = ordered_json::array();
  for (const StatisticDifference& row : comparison.rows) {
    const std::optional<Interval>& interval = row.difference.interval;
    rows.push_back({{"layer", row.layer},
                    {"statistic", study.statistics[row.statistic]},
                    {"first_texts", row.first_texts},
                    {"second_texts", row.second_texts},
                    {"first_mean", row.first_mean},
                    {"second_mean", row.second_mean},
                    {"difference", row.difference.difference},
                    {"low", interval ? ordered_json(interval->low) : ordered_json()},
                    {"high", interval ? ordered_json(interval->high) : ordered_json()},
                    {"p", row.difference.p},
                    {"p_holm", row.p_holm}});
  }
  ordered_json out = {{"name", comparison_name(study, comparison)},
                      {"question", kQuestions[static_cast<int>(comparison.question)]},
                      {"first", group_json(study, comparison.first)},
                      {"second", group_json(study, comparison.second)},
                      {"paired", comparison.paired},
                      {"differences", rows}};
  for (const MissingDifference& row : comparison.missing) {
    out["not_compared"].push_back({{"layer", row.layer},
                                   {"statistic", study.statistics[row.statistic]},
                                   {"first_texts", row.first_texts},
                                   {"second_texts", row.second_texts}});
  }
  return out;
}

}  // namespace

std::string study_csv(const Study& study) {
  std::string out;
  std::vector<std::string_view> header = {"arm",     "model",         "subject",          "index", "answer",
                                          "correct", "prompt_tokens", "generated_tokens", "layer"};
  header.insert(header.end(), study.statistics.begin(), study.statistics.end());
  append_csv_row(out, header);
  for (const StudiedArm& arm : study.arms) {
    for (const StudiedText& text : arm.texts) {
      append_rows(study, arm, text, text.attention, study.has_before ? "after" : "", out);
      if (text.before) append_rows(study, arm, text, *text.before, "before", out);
    }
  }
  return out;
}

ordered_json study_json(const Study& study, std::span<const StudyComparison> comparisons,
                        const ordered_json& settings) {
  ordered_json out = {
      {"format", "refocus-study"}, {"version", 1}, {"settings", settings}, {"layers", study.layers}};
  for (std::size_t a = 0; a < study.arms.size(); ++a) out["arms"].push_back(arm_json(study, a));
  for (const StudyComparison& comparison : comparisons) {
    out["comparisons"].push_back(comparison_json(study, comparison));
  }
  return out;
}

void write_study(const Study& study, std::span<const StudyComparison> comparisons,
                 const ordered_json& numbers, const std::filesystem::path& directory) {
  write_file_atomically(directory / kTextsFile, study_csv(study));
  write_file_atomically(directory / "arms.svg", arms_svg(study));
  for (const StudyComparison& comparison : comparisons) {
    const std::string picture = comparison_svg(study, comparison);
    if (picture.empty()) continue;
    write_file_atomically(directory / (comparison_name(study, comparison) + ".svg"), picture);
  }
  write_file_atomically(directory / kStudyFile, json_text(numbers, 1) + "\n");
}

void remove_study(const fs::path& directory) {
  std::error_code error;
  if (!fs::exists(directory, error) || (fs::is_directory(directory, error) && fs::is_empty(directory, error)))
    return;
  bool is_study = fs::exists(directory / kStudyFile, error);
  if (!is_study && fs::exists(directory / "run.json", error)) {
    const ordered_json identity = read_run_record(directory).identity;
    is_study = identity.contains("kind") && identity["kind"] == "study";
  }
  if (!is_study) {
    throw input_error(
        directory.string(),
        "expected a study or an empty directory to replace, got another; choose another with -o");
  }
  const DirectoryLock lock(directory);
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().filename() != DirectoryLock::kFileName) fs::remove_all(entry.path(), error);
  }
}

}  // namespace refocus
