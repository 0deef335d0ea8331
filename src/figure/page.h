// A picture's frame: margins, title, and the height that its content turns out to need.
#pragma once

#include <string>

#include "figure/style.h"

namespace refocus::figure {

inline constexpr double kMargin = 3;  // points, on every side

// How much of the height a title takes; 0 where there is none.
double title_height(const Style& style);

// What of the asked height is left for a content that needs `least` points and, where no height is asked for,
// has `usual`; `around` is what else takes height. UsageError where it is less than that.
double content_height(const Style& style, double around, double least, double usual);

// The picture of `drawn`, which was drawn below the title, with `height` points to the content's end. Where
// the style says a height, it is that one.
Picture finished_picture(const Style& style, double height, const std::string& drawn, std::string caption);

}  // namespace refocus::figure
