// --detect of refocus heads, and what goes with it (docs/heads.md).
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "detect/detection.h"
#include "heads/head_search.h"

namespace refocus::cli {

struct DetectOptions {
  bool detect = false, no_search = false, no_needles = false;
  std::int64_t stimulus_length = 50, stimulus_sequences = 10, sink_keys = 1;
  std::string haystack, needles, needle_question{kNeedleQuestion};
  std::vector<std::int64_t> needle_lengths;
  std::vector<double> needle_depths = {10, 50, 90};

  void add(CLI::App& command);

  // `seed`: of the stimulus; `context`: of the model. InputError for files that are not as they should be.
  DetectionSettings settings(std::uint64_t seed, std::int64_t context) const;
};

// What decides the scores, beside model and task.
nlohmann::ordered_json detection_identity(const DetectionSettings& settings);

// detectors.csv, detectors.json, and detector_NAME.svg of each, in a run's directory.
void write_detection(const std::filesystem::path& directory, const Detection& detection,
                     const HeadSearch* search);

}  // namespace refocus::cli
