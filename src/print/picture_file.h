// A drawn picture as a file: SVG as it is, PDF and PNG by librsvg and Cairo.
#pragma once

#include <filesystem>
#include <string>

#include "figure/style.h"

namespace refocus {

enum class PictureFormat { kSvg, kPdf, kPng };

// By the file's name. UsageError, naming the three, for any other.
PictureFormat picture_format(const std::filesystem::path& path);

// The file's bytes, which depend on nothing but the picture and the fonts of the machine. A PDF has one page
// of the picture's size and text as text; a PNG has `dpi` pixels an inch, and says so.
std::string picture_bytes(const figure::Picture& picture, PictureFormat format, double dpi);

}  // namespace refocus
