// What a person sees of one answer under review, in lines for a terminal.
#pragma once

#include <string>
#include <vector>

#include "eval/audit/review.h"

namespace refocus {

struct PageOptions {
  int columns = 80;    // at least 20
  int rows = 0;        // cut the response so that the page fits into so many; 0 for no limit
  bool whole = false;  // do not cut
  bool colours = false;
  bool show_arm = false, show_label = false;
  bool hide_rules = false;  // what the rules read is neither marked nor named
};

// Question, options, the response with the places that the rules read marked, and what each rule says. The
// right answer and the arm are left out unless asked for: they would sway the verdict. No control character
// of a text is passed on. The response's beginning, its end and the lines around the marked places stay when
// it is cut.
std::vector<std::string> review_page(const Review& review, const PageOptions& options);

}  // namespace refocus
