// Pieces of plain-text tables: padding by display width, and numbers as people read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace refocus {

std::string repeated(char c, int times);

// Padded with spaces to `width` columns, on the left or on the right; longer text stays as it is.
std::string right(const std::string& text, int width);
std::string left(const std::string& text, int width);

std::string with_thousands(std::int64_t value);                 // "14,042"
std::string one_decimal(const std::optional<double>& value);    // "35.2", or "-"
std::optional<double> in_percent(std::optional<double> value);  // times 100

// An interval's end in points of 100: "+2.7", and "-0.03" where one decimal would make it nothing, so that
// only an end at 0 is "0.0".
std::string points_end(double fraction);

// A group of subjects as a row's label: "STEM", "Social sciences", "non-STEM", "unseen".
std::string shown_group(const std::string& name, int longest);

// Lines of a table, without blanks at their ends.
class TextLines {
 public:
  void line(std::string text = "");
  void rule(int width) { line(repeated('-', width)); }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

}  // namespace refocus
