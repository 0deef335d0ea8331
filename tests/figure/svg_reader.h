// Reads the pictures that the program draws back: their elements, and where their texts lie.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace refocus::testing {

struct SvgElement {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::string text;  // of an element without others in it, unescaped

  double number(const std::string& attribute) const;      // a test failure where it is none
  std::vector<std::pair<double, double>> points() const;  // of a polyline or polygon
};

// In the order of the document, the root first. A test failure where it is no well-formed XML.
std::vector<SvgElement> svg_elements(const std::string& svg);

std::vector<SvgElement> named(const std::vector<SvgElement>& elements, const std::string& name);

// The text elements that say this; a test failure unless there is one.
SvgElement the_text(const std::vector<SvgElement>& elements, const std::string& text);

// Where a text is drawn, by the widths of Helvetica. Turned ones as they lie on the page.
struct TextBox {
  std::string text;
  double left = 0, right = 0, top = 0, bottom = 0;
};
std::vector<TextBox> text_boxes(const std::string& svg);

// "A over B" for texts that overlap, and "A outside" for one that leaves the page.
std::vector<std::string> collisions(const std::string& svg);

}  // namespace refocus::testing
