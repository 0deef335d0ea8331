// How series are told apart: colours, marks and dashes, which differ also for those who see colours
// differently, and in grey.
#pragma once

#include <cstddef>
#include <string>

#include "figure/svg.h"

namespace refocus::figure {

// Okabe and Ito (2008), "Color universal design", without the yellow, which is not seen on white.
inline constexpr const char *kBlue = "#0072B2", *kVermillion = "#D55E00", *kGreen = "#009E73",
                            *kPurple = "#CC79A7", *kOrange = "#E69F00", *kSky = "#56B4E9",
                            *kBlack = "#000000";
inline constexpr const char* kGuide = "#555555";  // axes, and lines that values are compared with
inline constexpr const char* kFaint = "#dddddd";  // grid lines

inline constexpr double kMarkRadius = 2.3;  // points

struct SeriesStyle {
  const char* color = kBlue;
  const char* dashes = "";
  svg::Marker marker;
};

// Of the first 35 series no two share colour and marker, of the first ten no two share the marker, and
// neighbours differ in dashes.
SeriesStyle series_style(std::size_t series);

}  // namespace refocus::figure
