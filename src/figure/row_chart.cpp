#include "figure/row_chart.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "figure/axis.h"
#include "figure/legend.h"
#include "figure/page.h"
#include "figure/text_width.h"

namespace refocus::figure {
namespace {

constexpr double kGap = 6;                     // points
constexpr double kMostLabel = 0.42;            // of the width
constexpr double kLeastPlotWithNumbers = 0.4;  // of the width, beside which numbers stand
constexpr double kLeastSlot = 6.5, kSlot = 8;  // heights that a mark of a row takes
constexpr const char* kBarColors[] = {kOrange, kBlue, kGreen, kPurple};

const char* bar_color(std::size_t series) { return kBarColors[series % std::size(kBarColors)]; }

// Where everything of a chart lies, in points.
class Layout {
 public:
  Layout(const RowChart& chart, const Style& style)
      : chart_(chart), font_(style.font), legend_(entries(chart), style.width - 2 * kMargin, style.font) {
    set_columns(style);
    set_scale();
    set_rows(style);
  }

  std::string draw() const {
    std::string out = legend_.draw(kMargin, legend_top_) + upright_grid(plot_, x_, ticks_);
    if (chart_.reference) {
      const double at = x_(*chart_.reference);
      out += reference_line({{at, plot_.top}, {at, plot_.bottom}});
    }
    if (numbers_width_ > 0 && !chart_.numbers_title.empty()) {
      out += svg::text(plot_.right + kGap, plot_.top - 0.4 * font_.size, chart_.numbers_title);
    }
    double top = plot_.top;
    for (std::size_t r = 0; r < chart_.rows.size(); ++r) {
      out += draw_row(chart_.rows[r], r, top);
      top += heights_[r];
    }
    std::vector<Tick> shown = ticks_;
    if (chart_.sizes) {
      for (Tick& tick : shown) {
        if (tick.label.starts_with("−")) tick.label = tick.label.substr(std::string_view("−").size());
      }
    }
    return out + bottom_axis(plot_, x_, shown, chart_.label, font_, plot_.right - kMargin);
  }
  double bottom() const { return plot_.bottom + axis_height(); }

 private:
  double axis_height() const { return bottom_axis_height(chart_.label, font_, plot_.right - kMargin); }

  static std::vector<LegendEntry> entries(const RowChart& chart) {
    std::vector<LegendEntry> out;
    if (chart.series.size() < 2) return out;
    for (std::size_t s = 0; s < chart.series.size(); ++s) {
      out.push_back(chart.swatches ? area_entry(chart.series[s], bar_color(s))
                                   : mark_entry(chart.series[s], series_style(s)));
    }
    return out;
  }

  // The widths of labels and numbers; the plot has the rest.
  void set_columns(const Style& style) {
    double labels = 0;
    for (const ChartRow& row : chart_.rows) {
      // Headings may reach into the plot, where nothing is drawn in their rows.
      const double most = (row.heading ? 1 : kMostLabel) * (style.width - 2 * kMargin);
      labels_.push_back(wrapped(row.label, most, font_, row.heading));
      if (row.heading) continue;
      for (const std::string& line : labels_.back()) labels = std::max(labels, width_of(line, font_));
    }
    plot_.left = kMargin + labels + kGap;
    double numbers = 0;
    for (const ChartRow& row : chart_.rows)
      numbers = std::max(numbers, width_of(with_minus_signs(row.numbers), font_));
    if (numbers > 0) numbers = std::max(numbers, width_of(chart_.numbers_title, font_));
    if (numbers > 0 && style.width - plot_.left - numbers - 2 * kGap > kLeastPlotWithNumbers * style.width) {
      numbers_width_ = numbers;
    }
    plot_.right = style.width - kMargin - (numbers_width_ > 0 ? numbers_width_ + kGap : 0);
  }

  void set_scale() {
    double low = INFINITY, high = -INFINITY;
    const auto cover = [&](double value) { low = std::min(low, value), high = std::max(high, value); };
    double beyond = 0;  // what texts at the ends of bars take
    for (const ChartRow& row : chart_.rows) {
      for (const RowMark& mark : row.marks) {
        cover(mark.value);
        if (mark.interval) cover(mark.interval->low), cover(mark.interval->high);
        if (mark.kind == RowMark::Kind::kBar) cover(0);
        beyond = std::max(beyond, width_of(mark.text, font_) + (mark.text.empty() ? 0 : 4));
      }
    }
    if (chart_.reference) cover(*chart_.reference);
    if (low > high) low = 0, high = 1;
    if (high - low < 1e-9) low -= 0.5, high += 0.5;
    const double share = std::clamp(0.03 + beyond / std::max(plot_.width(), 1.0), 0.03, 0.3);
    const double margin = (high - low) * share / (1 - 2 * share);
    double from = low - margin, to = high + margin;
    if (chart_.within) from = std::max(from, chart_.within->low), to = std::min(to, chart_.within->high);
    ticks_ = horizontal_ticks(from, to, plot_.width(), font_);
    // The label of a tick at the end reaches beyond the plot.
    const double half = ticks_.empty() ? 0 : width_of(ticks_.back().label, font_) / 2;
    if (numbers_width_ == 0) plot_.right -= std::max(half, 2.0);
    x_ = {from, to, plot_.left + 3, plot_.right};
  }

  // How many heights of a mark a row has; bars go to both sides of 0 on one.
  static double slots(const ChartRow& row) {
    if (row.marks.empty() || row.marks.front().kind == RowMark::Kind::kBar) return 1;
    return static_cast<double>(row.marks.size());
  }

  // What a row needs where each mark takes `slot`.
  double row_height(std::size_t row, double slot) const {
    const ChartRow& of = chart_.rows[row];
    const double text = font_.line() * static_cast<double>(labels_[row].size());
    if (of.heading) return text + 0.35 * font_.size;
    return std::max(text + 2, slot * slots(of) + 2);
  }

  void set_rows(const Style& style) {
    legend_top_ = kMargin + title_height(style);
    const double legend = legend_.height() > 0 ? legend_.height() + 0.5 * font_.size : 0;
    const double head = numbers_width_ > 0 && !chart_.numbers_title.empty() ? font_.line() : 0;
    plot_.top = legend_top_ + legend + head;
    double headings = 0, usual = 0, least = 0;
    for (std::size_t r = 0; r < chart_.rows.size(); ++r) {
      if (chart_.rows[r].heading) headings += row_height(r, 0);
      usual += row_height(r, kSlot);
      least += row_height(r, kLeastSlot);
    }
    const double around = plot_.top + axis_height() + kMargin;
    const double height = content_height(style, around, least, usual);
    for (std::size_t r = 0; r < chart_.rows.size(); ++r) {
      // Headings stay as they are; what is more or less than usual is the other rows'.
      const double own = row_height(r, kSlot);
      heights_.push_back(chart_.rows[r].heading ? own : own * (height - headings) / (usual - headings));
    }
    plot_.bottom = plot_.top + height;
  }

  std::string draw_row(const ChartRow& row, std::size_t place, double top) const {
    const double height = heights_[place];
    std::string out;
    if (row.total) {
      out += svg::line({{kMargin, top}, {plot_.right, top}}, {.color = kGuide, .width = 0.4});
    }
    const std::vector<std::string>& lines = labels_[place];
    if (row.heading) {
      double y = top + 0.35 * font_.size + 0.9 * font_.size;
      for (const std::string& line : lines) {
        // On white: the lines of the plot go on behind it.
        out += svg::rectangle(kMargin, y - 0.8 * font_.size, width_of(line, font_, true) + 2, font_.size,
                              "white") +
               svg::text(kMargin, y, line, {.bold = true});
        y += font_.line();
      }
      return out;
    }
    const double middle = top + height / 2;
    double y = middle - font_.line() * static_cast<double>(lines.size() - 1) / 2 + 0.35 * font_.size;
    for (const std::string& line : lines) {
      out += svg::text(plot_.left - kGap, y, line, {.anchor = "end"});
      y += font_.line();
    }
    if (numbers_width_ > 0 && !row.numbers.empty()) {
      out += svg::text(plot_.right + kGap, middle + 0.35 * font_.size, with_minus_signs(row.numbers));
    }
    const double slot = std::min(1.4 * kSlot, (height - 2) / slots(row));
    for (std::size_t m = 0; m < row.marks.size(); ++m) {
      const double at =
          middle + (slots(row) == 1 ? 0 : slot * (static_cast<double>(m) - (slots(row) - 1) / 2));
      out += draw_mark(row.marks[m], at, slot);
    }
    return out;
  }

  std::string draw_mark(const RowMark& mark, double y, double slot) const {
    const SeriesStyle style = series_style(mark.series);
    if (mark.kind == RowMark::Kind::kBar) return draw_bar(mark, y, slot);
    if (mark.kind == RowMark::Kind::kBox) return draw_box(mark, y, slot);
    std::string out;
    if (mark.interval) {
      const double low = x_(mark.interval->low), high = x_(mark.interval->high);
      out += svg::line({{low, y}, {high, y}}, {.color = style.color, .width = 1});
      for (const double end : {low, high}) {
        out += svg::line({{end, y - 1.6}, {end, y + 1.6}}, {.color = style.color, .width = 1});
      }
    }
    return out + svg::mark(x_(mark.value), y, style.marker, style.color, kMarkRadius);
  }

  std::string draw_box(const RowMark& mark, double y, double slot) const {
    const double half = 0.36 * slot, left = x_(mark.box.low), right = x_(mark.box.high);
    const svg::LineStyle edge{.color = kGuide, .width = 0.8};
    std::string out;
    if (mark.interval) {
      out += svg::line({{x_(mark.interval->low), y}, {left, y}}, edge) +
             svg::line({{right, y}, {x_(mark.interval->high), y}}, edge);
      for (const double end : {x_(mark.interval->low), x_(mark.interval->high)}) {
        out += svg::line({{end, y - half / 2}, {end, y + half / 2}}, edge);
      }
    }
    out += svg::rectangle(left, y - half, right - left, 2 * half, kSky) +
           svg::frame(left, y - half, std::max(right - left, edge.width), 2 * half, edge);
    out += svg::line({{x_(mark.middle), y - half}, {x_(mark.middle), y + half}},
                     {.color = kBlack, .width = 1.4});
    return out + svg::mark(x_(mark.value), y, {3, true}, kBlack, 1.8);
  }

  std::string draw_bar(const RowMark& mark, double y, double slot) const {
    const double half = 0.42 * slot, zero = x_(0), end = x_(mark.value);
    std::string out = svg::rectangle(std::min(zero, end), y - half, std::fabs(end - zero), 2 * half,
                                     bar_color(mark.series));
    if (mark.text.empty()) return out;
    const bool below = std::signbit(mark.value);
    return out + svg::text(end + (below ? -3 : 3), y + 0.35 * font_.size, mark.text,
                           {.anchor = below ? "end" : "start"});
  }

  const RowChart& chart_;
  Font font_;
  Legend legend_;
  Plot plot_;
  svg::Scale x_;
  std::vector<Tick> ticks_;
  std::vector<std::vector<std::string>> labels_;  // [rows], lines
  std::vector<double> heights_;                   // [rows]
  double numbers_width_ = 0, legend_top_ = 0;
};

}  // namespace

Picture row_chart(const RowChart& chart, const Style& style, std::string caption) {
  const Layout layout(chart, style);
  return finished_picture(style, layout.bottom(), layout.draw(), std::move(caption));
}

}  // namespace refocus::figure
