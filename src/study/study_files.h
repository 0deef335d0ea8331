// The files of a study; formats in docs/study.md.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>

#include "study/study_comparison.h"

namespace refocus {

inline constexpr const char *kStudyFile = "study.json", *kTextsFile = "texts.csv";

// texts.csv: a line a text and layer.
std::string study_csv(const Study& study);

// study.json; `settings` is put in as it is.
nlohmann::ordered_json study_json(const Study& study, std::span<const StudyComparison> comparisons,
                                  const nlohmann::ordered_json& settings);

// All of them, with the pictures, into a directory that exists; study.json last. `numbers` is what study_json
// made.
void write_study(const Study& study, std::span<const StudyComparison> comparisons,
                 const nlohmann::ordered_json& numbers, const std::filesystem::path& directory);

// Takes away the study that is at `directory`, finished or not, so that another can begin there. InputError,
// with nothing changed, where something else is there, or a process is at work in it.
void remove_study(const std::filesystem::path& directory);

}  // namespace refocus
