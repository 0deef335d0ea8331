#include "eval/text/html_text.h"

#include <fmt/core.h>

#include <cmath>

#include "eval/text/table_text.h"
#include "web/page.h"

namespace refocus {
namespace {

// With a true minus sign.
std::string signed_decimal(double value) {
  const std::string digits = fmt::format("{:.1f}", std::abs(value));
  if (digits == "0.0") return digits;
  return (value < 0 ? "−" : "+") + digits;
}

std::string cell(std::string_view tag, std::string_view attributes, const std::string& html) {
  return fmt::format("<{}{}>{}</{}>", tag, attributes, html, tag);
}

}  // namespace

std::string html_percent(const std::optional<double>& fraction) {
  return fraction ? fmt::format("{:.1f}", 100 * *fraction) : std::string(kMissing);
}

std::string html_points(double fraction) { return signed_decimal(100 * fraction); }

std::string html_interval(const std::optional<Interval>& interval) {
  if (!interval) return "";
  return fmt::format("[{:.1f}, {:.1f}]", 100 * interval->low, 100 * interval->high);
}

std::string html_points_interval(const std::optional<Interval>& interval) {
  if (!interval) return "";
  const auto end = [](double fraction) {
    const std::string text = points_end(fraction);
    return text[0] == '-' ? "−" + text.substr(1) : text;
  };
  return fmt::format("[{}, {}]", end(interval->low), end(interval->high));
}

std::string html_p(const std::optional<double>& p) {
  if (!p) return std::string(kMissing);
  if (*p < 0.0001) return "&lt;0.0001";
  std::string text = fmt::format("{:.4f}", *p);
  if (text == "1.0000") return "1";
  return text;
}

std::string html_with_interval(const std::string& number, const std::string& interval) {
  if (interval.empty()) return number;
  return number + " <span class=\"interval\">" + interval + "</span>";
}

std::string number_cell(const std::string& html, const std::optional<double>& sort) {
  return cell("td",
              sort ? fmt::format(" class=\"n\" data-value=\"{}\"", *sort) : " class=\"n\" data-value=\"\"",
              html);
}

std::string count_cell(std::int64_t count) {
  return number_cell(with_thousands(count), static_cast<double>(count));
}

std::string text_cell(std::string_view text) { return cell("td", "", html_escape(text)); }

std::string row_head(std::string_view text) {
  return cell("th", " scope=\"row\" class=\"name\"", html_escape(text));
}

std::string column_head(std::string_view text) { return cell("th", " scope=\"col\"", html_escape(text)); }

std::string number_column_head(std::string_view text) {
  return cell("th", " scope=\"col\" class=\"n\"", html_escape(text));
}

std::string html_table(const std::string& caption, const std::string& head, const std::string& bodies,
                       bool sortable) {
  const std::string label = html_escape(caption);
  return fmt::format(
      "<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
      "aria-label=\"{}\">\n<table{}>\n<caption><span>{}</span></caption>\n"
      "<thead><tr>{}</tr></thead>\n{}</table>\n</div>\n",
      label, sortable ? " class=\"sortable\"" : "", label, head, bodies);
}

std::string html_row(const std::string& cells, bool total) {
  return (total ? "<tr class=\"total\">" : "<tr>") + cells + "</tr>\n";
}

}  // namespace refocus
