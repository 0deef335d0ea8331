// What detectors found: as text, CSV, JSON, and HTML with a picture of each.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "detect/detection.h"
#include "heads/head_search.h"
#include "stats/spearman.h"

namespace refocus {

// How a detector goes with what a search found: over the heads that were tried, its score and the change of
// log P(right option) on the selection half, or of patching the share of the difference that the head
// recovers.
struct DetectorEffect {
  std::string detector;
  RankCorrelation correlation;
  double holm = 1;  // its p, corrected over the detectors
};
std::vector<DetectorEffect> detector_effects(const Detection& detection, const HeadSearch& search);

// The highest heads of each detector, and what was measured. With a search: the correlations, and the scores
// of its best heads.
std::string detection_table(const Detection& detection, const HeadSearch* search);

// Of every head: layer,head, a column a detector, nothing where there is no score; with a search
// accuracy_change,likelihood_change of those that were tried, and of patching recovered.
std::string detection_csv(const Detection& detection, const HeadSearch* search);

nlohmann::ordered_json detection_json(const Detection& detection, const HeadSearch* search);

// A section of a page.
std::string detection_section(const Detection& detection, const HeadSearch* search);
// A page of it alone; `about` is a line on the model.
std::string detection_page(const Detection& detection, const std::string& about);

// Layers from bottom to top, heads from left to right; the five highest heads are framed.
std::string detector_map(const Detection& detection, const Detector& detector);

}  // namespace refocus
