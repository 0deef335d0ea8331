// How wide a text is, before it is drawn.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "figure/style.h"

namespace refocus::figure {

// In ems, by the advance widths of Helvetica, which Arial, Liberation Sans and Nimbus Sans share. A table and
// no font of this machine: a picture's bytes are the same everywhere, and who opens it may have other fonts.
double helvetica_ems(std::string_view text);

// In points.
double width_of(std::string_view text, const Font& font, bool bold = false);

// The text in lines that are no wider than `room` points: broken at blanks and after commas, and within a
// word that is wider alone. At least one line.
std::vector<std::string> wrapped(const std::string& text, double room, const Font& font, bool bold = false);

// The text, or its beginning with an ellipsis where it has no room of so many points.
std::string shortened_to(const std::string& text, double room, const Font& font);

// With a capital letter, where it begins with a letter of ASCII.
std::string capitalized(std::string text);

}  // namespace refocus::figure
