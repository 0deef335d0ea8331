#include "figure/svg_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <regex>

#include "figure/text_width.h"

namespace refocus::testing {
namespace {

std::string unescaped(std::string text) {
  constexpr std::pair<const char*, const char*> kEntities[] = {
      {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}, {"&amp;", "&"}};
  for (const auto& [entity, character] : kEntities) {
    for (std::size_t at = text.find(entity); at != std::string::npos; at = text.find(entity, at + 1)) {
      text.replace(at, std::string_view(entity).size(), character);
    }
  }
  return text;
}

std::map<std::string, std::string> attributes_of(const std::string& text) {
  static const std::regex kAttribute("([a-zA-Z0-9:-]+)=\"([^\"<]*)\"");
  std::map<std::string, std::string> out;
  for (std::sregex_iterator found(text.begin(), text.end(), kAttribute), end; found != end; ++found) {
    EXPECT_TRUE(out.emplace((*found)[1], unescaped((*found)[2])).second) << "twice: " << (*found)[1];
  }
  return out;
}

}  // namespace

double SvgElement::number(const std::string& attribute) const {
  const auto found = attributes.find(attribute);
  if (found == attributes.end()) {
    ADD_FAILURE() << name << " has no " << attribute;
    return 0;
  }
  return std::stod(found->second);
}

std::vector<std::pair<double, double>> SvgElement::points() const {
  std::vector<std::pair<double, double>> out;
  const std::string& list = attributes.at("points");
  static const std::regex kPoint("(-?[0-9.]+),(-?[0-9.]+)");
  for (std::sregex_iterator found(list.begin(), list.end(), kPoint), end; found != end; ++found) {
    out.emplace_back(std::stod((*found)[1]), std::stod((*found)[2]));
  }
  return out;
}

std::vector<SvgElement> svg_elements(const std::string& svg) {
  static const std::regex kTag(R"(<(/?)([a-z]+)((?: [a-zA-Z0-9:-]+="[^"<]*")*)(/?)>)");
  static const std::regex kText(R"((?:[^<>&]|&(?:amp|lt|gt|quot|#39);)*)");
  std::vector<SvgElement> out;
  std::vector<std::size_t> open;
  auto at = svg.begin();
  for (std::sregex_iterator tag(svg.begin(), svg.end(), kTag), end; tag != end; ++tag) {
    const auto begin = svg.begin() + tag->position();
    const std::string text(at, begin);
    EXPECT_TRUE(std::regex_match(text, kText)) << text;
    at = begin + tag->length();
    if ((*tag)[1].length() > 0) {
      if (open.empty() || out[open.back()].name != (*tag)[2]) {
        ADD_FAILURE() << "closes nothing: " << (*tag)[0];
        return out;
      }
      if (open.back() + 1 == out.size()) out.back().text = unescaped(text);
      open.pop_back();
      continue;
    }
    out.push_back({(*tag)[2], attributes_of((*tag)[3]), ""});
    if ((*tag)[4].length() == 0) open.push_back(out.size() - 1);
  }
  EXPECT_TRUE(open.empty());
  EXPECT_EQ(std::string(at, svg.end()), "\n");
  return out;
}

std::vector<SvgElement> named(const std::vector<SvgElement>& elements, const std::string& name) {
  std::vector<SvgElement> out;
  std::ranges::copy_if(elements, std::back_inserter(out),
                       [&](const SvgElement& e) { return e.name == name; });
  return out;
}

SvgElement the_text(const std::vector<SvgElement>& elements, const std::string& text) {
  std::vector<SvgElement> found;
  for (const SvgElement& element : elements) {
    if (element.name == "text" && element.text == text) found.push_back(element);
  }
  EXPECT_EQ(found.size(), 1U) << text;
  return found.empty() ? SvgElement{} : found.front();
}

std::vector<TextBox> text_boxes(const std::string& svg) {
  const std::vector<SvgElement> elements = svg_elements(svg);
  if (elements.empty()) return {};
  figure::Font font;
  font.size = elements.front().number("font-size");
  std::vector<TextBox> out;
  for (const SvgElement& element : named(elements, "text")) {
    const double x = element.number("x"), y = element.number("y");
    const double width = figure::width_of(element.text, font, element.attributes.contains("font-weight"));
    const std::string anchor = element.attributes.at("text-anchor");
    const double before = anchor == "end" ? width : anchor == "middle" ? width / 2 : 0;
    const double rise = 0.72 * font.size, fall = 0.2 * font.size;
    const auto turn = element.attributes.find("transform");
    if (turn == element.attributes.end()) {
      out.push_back({element.text, x - before, x - before + width, y - rise, y + fall});
      continue;
    }
    EXPECT_EQ(turn->second.substr(0, 11), "rotate(-90 ") << "boxes of other turns are not known";
    out.push_back({element.text, x - rise, x + fall, y + before - width, y + before});
  }
  return out;
}

std::vector<std::string> collisions(const std::string& svg) {
  const std::vector<SvgElement> elements = svg_elements(svg);
  if (elements.empty()) return {"no picture"};
  double width = 0, height = 0;
  EXPECT_EQ(std::sscanf(elements.front().attributes.at("viewBox").c_str(), "0 0 %lf %lf", &width, &height),
            2);
  const std::vector<TextBox> boxes = text_boxes(svg);
  std::vector<std::string> out;
  constexpr double kSlack = 0.3;  // points, of rounding
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const TextBox& a = boxes[i];
    if (a.left < -kSlack || a.top < -kSlack || a.right > width + kSlack || a.bottom > height + kSlack) {
      out.push_back("'" + a.text + "' outside");
    }
    for (std::size_t j = 0; j < i; ++j) {
      const TextBox& b = boxes[j];
      if (a.left + kSlack < b.right && b.left + kSlack < a.right && a.top + kSlack < b.bottom &&
          b.top + kSlack < a.bottom) {
        out.push_back("'" + a.text + "' over '" + b.text + "'");
      }
    }
  }
  return out;
}

}  // namespace refocus::testing
