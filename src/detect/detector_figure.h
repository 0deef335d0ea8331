// A picture of what a detector found, from the directory of `refocus heads --detect`.
#pragma once

#include <filesystem>
#include <string>

#include "figure/style.h"

namespace refocus {

inline constexpr const char* kDetectorsFile = "detectors.json";

// The scores of one detector. UsageError, by --value, where the file has none of that name, InputError where
// it is something else.
figure::Picture detector_figure(const std::filesystem::path& directory, const std::string& detector,
                                const figure::Style& style);

}  // namespace refocus
