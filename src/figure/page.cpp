#include "figure/page.h"

#include <cmath>

#include "base/error.h"
#include "figure/svg.h"
#include "figure/text_width.h"

namespace refocus::figure {
namespace {

std::vector<std::string> title_lines(const Style& style) {
  return wrapped(style.title, style.width - 2 * kMargin, style.font, true);
}

}  // namespace

double title_height(const Style& style) {
  if (style.title.empty()) return 0;
  return style.font.line() * static_cast<double>(title_lines(style).size()) + 0.4 * style.font.size;
}

double content_height(const Style& style, double around, double least, double usual) {
  if (!style.height) return usual;
  if (*style.height - around < least) {
    throw usage_error("--height",
                      "expected at least {} for what is drawn, got {}; leave it out to get what is needed",
                      millimetres_text(std::ceil(around + least)), millimetres_text(*style.height));
  }
  return *style.height - around;
}

Picture finished_picture(const Style& style, double height, const std::string& drawn, std::string caption) {
  Picture out;
  out.width = style.width;
  out.height = style.height.value_or(height + kMargin);
  out.svg = svg::begin(svg::Page{out.width, out.height, style.font.family, style.font.size});
  if (!style.title.empty()) {
    double y = kMargin + 0.9 * style.font.size;
    for (const std::string& line : title_lines(style)) {
      out.svg += svg::text(kMargin, y, line, {.bold = true});
      y += style.font.line();
    }
  }
  out.svg += drawn + svg::end();
  out.caption = std::move(caption);
  return out;
}

}  // namespace refocus::figure
