#include "figure/axis.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "figure/palette.h"
#include "figure/text_width.h"

namespace refocus::figure {
namespace {

constexpr const char* kMinus = "−";
constexpr double kLabelGap = 2;  // between a tick and its label

std::vector<Tick> ticks_of_step(double low, double high, double step) {
  std::vector<Tick> out;
  for (const double value : svg::ticks(low, high, step)) out.push_back({value, tick_text(value, step)});
  return out;
}

// Steps from the finest on that could be wanted: 1, 2 and 5 times powers of ten.
template <class Fits>
std::vector<Tick> finest_ticks(double low, double high, const Fits& fits) {
  constexpr double kMost = 12;  // ticks on an axis
  const double range = high - low;
  double power = std::pow(10, std::floor(std::log10(range / kMost)));
  for (;; power *= 10) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (range / (factor * power) > kMost) continue;
      std::vector<Tick> out = ticks_of_step(low, high, factor * power);
      if (out.size() < 3 || fits(out, factor * power / range)) return out;
    }
  }
}

double label_line(const Font& font) { return kTickLength + kLabelGap + font.size; }

}  // namespace

std::string with_minus_signs(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool before = i > 0 && std::isalnum(static_cast<unsigned char>(text[i - 1])) != 0;
    const bool digit = i + 1 < text.size() && std::isdigit(static_cast<unsigned char>(text[i + 1])) != 0;
    if (text[i] == '-' && digit && !before) {
      out += kMinus;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string tick_text(double value, double step) {
  const int decimals = std::clamp(static_cast<int>(-std::floor(std::log10(step) + 1e-9)), 0, 12);
  if (decimals > 6 || std::fabs(value) >= 1e7) return with_minus_signs(fmt::format("{:g}", value));
  return with_minus_signs(fmt::format("{:.{}f}", value, decimals));
}

std::string number_text(double value, int digits) {
  return with_minus_signs(fmt::format("{:.{}g}", value, digits));
}

double widest(const std::vector<Tick>& ticks, const Font& font) {
  double out = 0;
  for (const Tick& tick : ticks) out = std::max(out, width_of(tick.label, font));
  return out;
}

std::vector<Tick> horizontal_ticks(double low, double high, double room, const Font& font) {
  return finest_ticks(low, high, [&](const std::vector<Tick>& ticks, double share) {
    return share * room >= widest(ticks, font) + 1.5 * font.size;
  });
}

std::vector<Tick> vertical_ticks(double low, double high, double room, const Font& font) {
  return finest_ticks(
      low, high, [&](const std::vector<Tick>&, double share) { return share * room >= 2.2 * font.size; });
}

std::vector<Tick> ticks_with_room(std::vector<Tick> ticks, const svg::Scale& scale, const Font& font) {
  std::ranges::stable_sort(ticks, {}, &Tick::value);
  std::vector<Tick> out;
  double end = -INFINITY;
  for (Tick& tick : ticks) {
    const double half = width_of(tick.label, font) / 2, at = scale(tick.value);
    if (at - half < end) continue;
    end = at + half + 0.6 * font.size;
    out.push_back(std::move(tick));
  }
  return out;
}

double bottom_axis_height(const std::string& label, const Font& font, double room) {
  if (label.empty()) return label_line(font) + 0.3 * font.size;
  return label_line(font) + 0.35 * font.size +
         font.line() * static_cast<double>(wrapped(label, room, font).size());
}

double left_axis_width(const std::vector<Tick>& ticks, const std::string& label, const Font& font) {
  return kTickLength + kLabelGap + widest(ticks, font) + (label.empty() ? 0 : 1.6 * font.size);
}

std::string bottom_axis(const Plot& plot, const svg::Scale& x, const std::vector<Tick>& ticks,
                        const std::string& label, const Font& font, double room) {
  const svg::LineStyle style{.color = kGuide, .width = 0.6};
  std::string out = svg::line({{plot.left, plot.bottom}, {plot.right, plot.bottom}}, style);
  for (const Tick& tick : ticks) {
    const double at = x(tick.value);
    out += svg::line({{at, plot.bottom}, {at, plot.bottom + kTickLength}}, style);
    out += svg::text(at, plot.bottom + label_line(font) - 0.2 * font.size, tick.label, {.anchor = "middle"});
  }
  if (label.empty()) return out;
  double y = plot.bottom + label_line(font) + 1.15 * font.size;
  for (const std::string& line : wrapped(label, room, font)) {
    // Below the plot's middle, unless it would reach beyond its right.
    const double middle = std::min((plot.left + plot.right) / 2, plot.right - width_of(line, font) / 2);
    out += svg::text(middle, y, line, {.anchor = "middle"});
    y += font.line();
  }
  return out;
}

std::string left_axis(const Plot& plot, const svg::Scale& y, const std::vector<Tick>& ticks,
                      const std::string& label, const Font& font) {
  std::string out;
  for (const Tick& tick : ticks) {
    const double at = y(tick.value);
    out += svg::line({{plot.left, at}, {plot.right, at}}, {.color = kFaint, .width = 0.5});
    out +=
        svg::text(plot.left - kTickLength - kLabelGap, at + 0.35 * font.size, tick.label, {.anchor = "end"});
  }
  if (label.empty()) return out;
  const double x = plot.left - left_axis_width(ticks, label, font) + 0.8 * font.size;
  return out + svg::text(x, (plot.top + plot.bottom) / 2, label, {.anchor = "middle", .turn = -90});
}

std::string upright_grid(const Plot& plot, const svg::Scale& x, const std::vector<Tick>& ticks) {
  std::string out;
  for (const Tick& tick : ticks) {
    out +=
        svg::line({{x(tick.value), plot.top}, {x(tick.value), plot.bottom}}, {.color = kFaint, .width = 0.5});
  }
  return out;
}

std::string reference_line(const svg::Points& points, std::size_t which) {
  constexpr const char* kDashes[] = {"4 2.5", "1 2"};
  return svg::line(points, {.color = kGuide, .width = 0.8, .dashes = kDashes[which % std::size(kDashes)]});
}

}  // namespace refocus::figure
