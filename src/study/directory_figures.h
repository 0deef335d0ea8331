// Pictures of a study for a paper, from its directory: the numbers of study.json and texts.csv.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "figure/style.h"

namespace refocus {

// InputErrors where a file is missing or something else. `arms`: only these, by their names with or without
// the prompt's (direct-none, none); empty for all. UsageError, by --arms, for one that the study has not.

// The differences of one statistic in each comparison, by layer, with their intervals; `arms`: comparisons of
// these with another one, or of their own answers. UsageError, by --value, for a statistic that was not
// compared.
figure::Picture study_forest_figure(const std::filesystem::path& directory, const std::string& statistic,
                                    const std::vector<std::string>& arms, const figure::Style& style);
// The accuracy of each arm, with Wilson's interval.
figure::Picture study_accuracy_figure(const std::filesystem::path& directory,
                                      const std::vector<std::string>& arms, const figure::Style& style);
// How many tokens the answers of each arm have.
figure::Picture study_lengths_figure(const std::filesystem::path& directory,
                                     const std::vector<std::string>& arms, const figure::Style& style);

}  // namespace refocus
