// The fonts of this machine, by Pango.
#pragma once

#include <string>

#include "figure/style.h"

namespace refocus {

// Whether a family of that name is installed.
bool has_font(const std::string& family);

// A font whose texts are measured as this machine draws them. `family`: as of CSS, of several the first that
// there is.
figure::Font measured_font(const std::string& family, double size);

}  // namespace refocus
