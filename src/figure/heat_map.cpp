#include "figure/heat_map.h"

#include <algorithm>
#include <cmath>

#include "figure/axis.h"
#include "figure/heat.h"
#include "figure/page.h"
#include "figure/palette.h"
#include "figure/text_width.h"

namespace refocus::figure {
namespace {

constexpr double kGapped = 4;  // points; cells from this width on stand a little apart
constexpr double kCellLabelGap = 3, kMapGap = 10, kBarHeight = 7, kBarWidth = 130;
constexpr double kMostTurned = 60;  // points, of labels that are written upwards
constexpr double kLeastCell = 0.8;
constexpr double kLeastSigned = -0.2;  // a place below which cells have a sign: lighter ones are near 0

double colour_place(const HeatScale& scale, double value) {
  const double share = std::clamp(value / scale.most, -1.0, 1.0);
  return scale.root ? std::copysign(std::sqrt(std::fabs(share)), share) : share;
}

std::string colour_at(const HeatScale& scale, double place) {
  return scale.signs ? svg::diverging_color(place) : svg::sequential_color(place);
}

// What tells a number below 0 from one above where colours are not seen.
std::string below_zero_sign(double x, double y, double width, const std::string& color) {
  return svg::line({{x - width / 2, y}, {x + width / 2, y}},
                   {.color = svg::is_dark(color) ? "white" : "black", .width = 0.7});
}

// 1, 2, 5, 10, ... so that every so many labels have room of `needed` each.
std::size_t every_label(double needed, double cell) {
  for (std::size_t power = 1;; power *= 10) {
    for (const std::size_t factor : {1U, 2U, 5U}) {
      if (static_cast<double>(factor * power) * cell >= needed) return factor * power;
    }
  }
}

double widest_text(const std::vector<std::string>& texts, const Font& font) {
  double out = 0;
  for (const std::string& text : texts) out = std::max(out, width_of(text, font));
  return out;
}

class MapLayout {
 public:
  MapLayout(const HeatMap& map, const Style& style) : map_(map), font_(style.font), width_(style.width) {
    const double most_label = 0.35 * style.width;
    for (const std::string& label : map.row_labels)
      row_labels_.push_back(shortened_to(label, most_label, font_));
    for (const std::string& label : map.column_labels) {
      column_labels_.push_back(map.turned_columns ? shortened_to(label, kMostTurned, font_) : label);
    }
    left_ = kMargin + (map.row_title.empty() ? 0 : 1.6 * font_.size) +
            (row_labels_.empty() ? 0 : widest_text(row_labels_, font_) + kCellLabelGap);
    // The last column's label may reach beyond its cell.
    const double right = map.turned_columns ? 0 : 0.5 * widest_text(column_labels_, font_);
    const double room = style.width - left_ - kMargin - std::max(0.0, right - map.most_cell / 2);
    cell_ = std::min(map.most_cell, room / static_cast<double>(std::max<std::size_t>(map.columns, 1)));
    height_ = map.cell_height > 0 ? map.cell_height : cell_;
    title_ = map.title.empty() ? std::vector<std::string>()
                               : wrapped(map.title, width_ - 2 * kMargin, font_, true);
    bar_title_ = map.scale.title.empty() ? std::vector<std::string>()
                                         : wrapped(map.scale.title, width_ - 2 * kMargin, font_);
  }

  double rows_height() const { return height_ * static_cast<double>(map_.rows); }
  // All but the rows.
  double around() const {
    return lines(title_) + (title_.empty() ? 0 : 0.3 * font_.size) + labels_height() +
           (map_.column_title.empty() ? 0 : 1.3 * font_.size) + bar_height();
  }
  void set_row_height(double height) {
    if (map_.cell_height <= 0) cell_ = std::min(cell_, height);
    height_ = map_.cell_height > 0 ? height : cell_;
  }

  std::string draw(double top) {
    top_ = top + lines(title_) + (title_.empty() ? 0 : 0.3 * font_.size);
    std::string out;
    for (std::size_t l = 0; l < title_.size(); ++l) {
      out += svg::text(kMargin, top + 0.85 * font_.size + font_.line() * static_cast<double>(l), title_[l],
                       {.bold = true});
    }
    return out + cells() + frames() + labels() +
           bar(bottom() + labels_height() + (map_.column_title.empty() ? 0 : 1.3 * font_.size));
  }

 private:
  double lines(const std::vector<std::string>& text) const {
    return font_.line() * static_cast<double>(text.size());
  }
  // Of so many column labels one is shown.
  std::size_t each_column() const {
    const double across = widest_text(column_labels_, font_) + 0.5 * font_.size;
    return every_label(map_.turned_columns ? 1.15 * font_.size : across, cell_);
  }
  double labels_height() const {
    if (column_labels_.empty()) return kCellLabelGap;
    if (!map_.turned_columns) return 1.5 * font_.size;
    double widest = 0;
    for (std::size_t c = 0; c < column_labels_.size(); c += each_column()) {
      widest = std::max(widest, width_of(column_labels_[c], font_));
    }
    return widest + 2 * kCellLabelGap;
  }
  double bar_height() const { return 0.8 * font_.size + lines(bar_title_) + kBarHeight + 1.6 * font_.size; }

  double x(std::size_t column) const { return left_ + cell_ * static_cast<double>(column); }
  double y(std::size_t row) const {
    return top_ + height_ * static_cast<double>(map_.upward ? map_.rows - 1 - row : row);
  }
  double bottom() const { return top_ + rows_height(); }
  double right() const { return x(map_.columns); }

  std::string cells() const {
    // Cells without a gap reach into the next one, so that no background is seen between them.
    const double gap = std::min(cell_, height_) >= kGapped ? 0.5 : -0.15;
    std::string out, marks;
    for (std::size_t i = 0; i < map_.rows * map_.columns; ++i) {
      const double value = map_.values[i], left = x(i % map_.columns), top = y(i / map_.columns);
      if (std::isnan(value) && map_.blank_missing) continue;
      const double place = std::isnan(value) ? 0 : colour_place(map_.scale, value);
      const std::string color = std::isnan(value) ? svg::kNothing : colour_at(map_.scale, place);
      if (map_.blank_missing && color == "#ffffff") continue;
      out += svg::rectangle(left, top, cell_ - gap, height_ - gap, color);
      const double middle = left + (cell_ - gap) / 2;
      if (has_texts()) {
        marks += svg::text(middle, top + height_ / 2 + 0.35 * font_.size, with_minus_signs(map_.texts[i]),
                           {.anchor = "middle", .color = svg::is_dark(color) ? "white" : "black"});
      } else if (place < kLeastSigned && gap > 0) {
        marks += below_zero_sign(middle, top + (height_ - gap) / 2, 0.4 * cell_, color);
      }
    }
    return out + marks +
           svg::frame(left_, top_, right() - left_, rows_height(), {.color = kGuide, .width = 0.4});
  }

  bool has_texts() const {
    return !map_.texts.empty() && widest_text(map_.texts, font_) + 2 <= cell_ && 1.1 * font_.size <= height_;
  }

  std::string frames() const {
    std::string out;
    for (const auto& [row, column] : map_.framed) {
      out += svg::frame(x(column), y(row), cell_, height_, {.width = std::clamp(0.15 * cell_, 0.8, 1.6)});
    }
    return out;
  }

  std::string labels() const {
    std::string out;
    const std::size_t each_row = every_label(1.15 * font_.size, height_);
    for (std::size_t r = 0; r < row_labels_.size(); r += each_row) {
      out += svg::text(left_ - kCellLabelGap, y(r) + height_ / 2 + 0.35 * font_.size, row_labels_[r],
                       {.anchor = "end"});
    }
    for (std::size_t c = 0; c < column_labels_.size(); c += each_column()) {
      const double middle = x(c) + cell_ / 2;
      out += map_.turned_columns
                 ? svg::text(middle + 0.35 * font_.size, bottom() + kCellLabelGap, column_labels_[c],
                             {.anchor = "end", .turn = -90})
                 : svg::text(middle, bottom() + 1.2 * font_.size, column_labels_[c], {.anchor = "middle"});
    }
    if (!map_.row_title.empty()) {
      out += svg::text(kMargin + 0.8 * font_.size,
                       top_ + std::max(rows_height(), width_of(map_.row_title, font_)) / 2, map_.row_title,
                       {.anchor = "middle", .turn = -90});
    }
    if (map_.column_title.empty()) return out;
    return out + svg::text((left_ + right()) / 2, bottom() + labels_height() + font_.size, map_.column_title,
                           {.anchor = "middle"});
  }

  // The number of the colour at a place of the bar.
  std::string bar_label(double at) const {
    const HeatScale& scale = map_.scale;
    if (at == 0) return "0";
    const double value = std::copysign(scale.root ? at * at : std::fabs(at), at) * scale.most;
    return (scale.signs && at > 0 ? "+" : "") + number_text(value, 3);
  }

  // What colours stand for.
  std::string bar(double top) const {
    constexpr int kSteps = 40;
    const HeatScale& scale = map_.scale;
    double widest_label = 0;
    for (const double at : {-1.0, -0.5, 0.5, 1.0}) {
      widest_label = std::max(widest_label, width_of(bar_label(at), font_));
    }
    // Labels at its ends reach beyond it by a half.
    const double aside = kMargin + widest_label / 2, width = std::min(kBarWidth, width_ - 2 * aside);
    const double from = scale.signs ? -1 : 0, left = std::clamp(left_, aside, width_ - aside - width);
    std::string out;
    double y = top + 0.8 * font_.size;
    for (const std::string& line : bar_title_) {
      out += svg::text(kMargin, y + 0.8 * font_.size, line);
      y += font_.line();
    }
    const svg::Scale x{from, 1, left, left + width};
    for (int i = 0; i < kSteps; ++i) {
      const double at = from + (1 - from) * i / kSteps, middle = at + (1 - from) / (2 * kSteps);
      out += svg::rectangle(x(at), y, width / kSteps + (i + 1 < kSteps ? 0.15 : 0), kBarHeight,
                            colour_at(scale, middle));
    }
    for (const double at : {-0.875, -0.625, -0.375, -0.125}) {
      if (scale.signs) out += below_zero_sign(x(at), y + kBarHeight / 2, 4, colour_at(scale, at));
    }
    out += svg::frame(left, y, width, kBarHeight, {.color = kGuide, .width = 0.4});
    // Halves are labelled where they have room.
    const bool halves = widest_label + 0.5 * font_.size < (x(0.5) - x(0));
    for (const double at : {-1.0, -0.5, 0.0, 0.5, 1.0}) {
      if (at < from || (std::fabs(at) == 0.5 && !halves)) continue;
      out += svg::text(x(at), y + kBarHeight + 1.1 * font_.size, bar_label(at), {.anchor = "middle"});
    }
    return out;
  }

  const HeatMap& map_;
  Font font_;
  double width_, left_ = 0, cell_ = 0, height_ = 0, top_ = 0;
  std::vector<std::string> row_labels_, column_labels_, title_, bar_title_;
};

}  // namespace

HeatMap layers_and_heads(const std::vector<std::int64_t>& layers, const std::vector<std::int64_t>& heads,
                         std::vector<double> values, std::string what) {
  HeatMap map;
  map.rows = layers.size();
  map.columns = heads.size();
  map.upward = true;
  for (const std::int64_t layer : layers) map.row_labels.push_back(std::to_string(layer));
  for (const std::int64_t head : heads) map.column_labels.push_back(std::to_string(head));
  map.row_title = "layer";
  map.column_title = "head";
  double most = 0;
  map.scale.signs = false;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    most = std::max(most, std::fabs(value));
    map.scale.signs |= value < 0;
  }
  map.scale.most = most == 0 ? 1 : most;
  map.scale.title = std::move(what);
  map.values = std::move(values);
  return map;
}

Picture heat_maps(const std::vector<HeatMap>& maps, const Style& style, std::string caption) {
  std::vector<MapLayout> layouts;
  double around = kMargin + title_height(style) + kMargin, rows = 0, usual = 0;
  for (const HeatMap& map : maps) {
    const MapLayout& layout = layouts.emplace_back(map, style);
    around += layout.around() + (layouts.size() > 1 ? kMapGap : 0);
    rows += static_cast<double>(map.rows);
    usual += layout.rows_height();
  }
  const double height = content_height(style, around, kLeastCell * rows, usual);
  double top = kMargin + title_height(style);
  std::string drawn;
  for (std::size_t m = 0; m < layouts.size(); ++m) {
    if (style.height) layouts[m].set_row_height(height / rows);
    drawn += layouts[m].draw(top);
    top += layouts[m].around() + layouts[m].rows_height() + kMapGap;
  }
  return finished_picture(style, top - kMapGap, drawn, std::move(caption));
}

}  // namespace refocus::figure
