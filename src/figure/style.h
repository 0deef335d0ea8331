// What a picture is asked to be: its size on paper, its font, its title; and what it is when it is drawn.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "figure/units.h"

namespace refocus::figure {

double helvetica_ems(std::string_view text);  // figure/text_width.h

// As of CSS: the first that a machine has. Those before the last have the widths of one table.
inline constexpr const char* kDefaultFamily = "Helvetica, Arial, Liberation Sans, sans-serif";

struct Font {
  std::string family = kDefaultFamily;
  double size = 8;                                                   // points
  std::function<double(std::string_view text)> ems = helvetica_ems;  // a text's width, in ems

  double line() const { return 1.25 * size; }  // from a baseline to the next
};

inline constexpr double kOneColumn = 84 * kMillimetre;
inline constexpr double kTwoColumns = 174 * kMillimetre;

struct Style {
  double width = kOneColumn;          // points
  std::optional<double> height = {};  // points; what the content needs where it is not said
  Font font = {};
  std::string title = {};  // none where it is empty
};

// Pictures that stand by themselves, in the directories of runs.
inline Style standalone_style(std::string title = "") {
  Style out;
  out.width = kTwoColumns;
  out.title = std::move(title);
  return out;
}

// A drawn picture, and what stands below it in print: what is shown, of how many, by which test.
struct Picture {
  std::string svg, caption;
  double width = 0, height = 0;  // points
};

}  // namespace refocus::figure
