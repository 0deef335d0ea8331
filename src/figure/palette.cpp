#include "figure/palette.h"

#include <iterator>

namespace refocus::figure {

SeriesStyle series_style(std::size_t series) {
  constexpr const char* kColors[] = {kBlue, kVermillion, kGreen, kPurple, kOrange, kSky, kBlack};
  constexpr const char* kDashes[] = {"", "5 2", "1.5 1.5", "6 2 1.5 2"};
  constexpr std::size_t kShapes = svg::kMarkerShapes;
  return {kColors[series % std::size(kColors)],
          kDashes[series % std::size(kDashes)],
          {static_cast<int>(series % kShapes), series / kShapes % 2 == 1}};
}

}  // namespace refocus::figure
