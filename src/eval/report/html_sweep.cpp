#include "eval/report/html_sweep.h"

#include <optional>

#include "base/error.h"
#include "base/json_node.h"
#include "base/text_file.h"
#include "eval/text/html_text.h"
#include "eval/text/table_text.h"
#include "web/page.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

constexpr const char* kSweepFile = "sweep.json";
constexpr const char* kFormat = "refocus-sweep";
constexpr const char* kRemedy = "repeat the sweep or remove the file";

using Node = JsonNode<ordered_json>;

std::optional<double> number_of(const Node& value, const char* key) {
  const auto member = value.find(key);
  return member ? std::optional<double>(member->number()) : std::nullopt;
}

std::optional<Interval> interval_of(const Node& value, const char* low, const char* high) {
  const auto from = number_of(value, low), to = number_of(value, high);
  return from && to ? std::optional<Interval>(Interval{*from, *to}) : std::nullopt;
}

// 0.1, or a text such as "mask".
std::string axis_value(const ordered_json& x) { return x.is_string() ? x.get<std::string>() : json_text(x); }

std::string fixed_text(const Node& fixed) {
  std::string text;
  for (const auto& [key, value] : fixed.object().items())
    text += (text.empty() ? "" : ", ") + key + "=" + axis_value(value);
  return text;
}

std::string accuracy_cell(const Node& point) {
  const auto accuracy = number_of(point, "accuracy");
  return number_cell(
      html_with_interval(html_percent(accuracy), html_interval(interval_of(point, "low", "high"))), accuracy);
}

std::string curve_rows(const Node& curve) {
  std::string rows;
  const std::string &prompt = curve.at("prompt").text(), &axis = curve.at("axis").text();
  const auto others = curve.find("fixed");
  const std::string fixed = others ? fixed_text(*others) : "";
  const auto row = [&](const std::string& x, const std::optional<double>& sort, const Node& point) {
    const auto count = number_of(point, "n");
    rows += html_row(row_head(prompt) + text_cell(axis) + number_cell(html_escape(x), sort) +
                     (count ? count_cell(static_cast<std::int64_t>(*count)) : number_cell("", {})) +
                     accuracy_cell(point) + text_cell(fixed));
  };
  if (const auto baseline = curve.find("baseline")) row("baseline", std::nullopt, *baseline);
  for (const Node& point : curve.at("points").items()) {
    const ordered_json& x = point.at("x").json();
    row(axis_value(x), x.is_number() ? std::optional(x.get<double>()) : std::nullopt, point);
  }
  return rows;
}

// "With cot, alpha 0.1 was the best on 315 questions; on the other 315 it has 95.2% [..], none 94.9%: ..."
std::string selection_sentence(const std::string& task, const Node& selection, std::size_t axes) {
  const Node chosen = selection.at("chosen_on"), reported = selection.at("reported_on");
  const Node best = selection.at("best");
  const auto difference = number_of(reported, "difference");
  std::string with;  // the other axes, where several were swept
  if (const auto fixed = best.find("fixed"); axes > 1 && fixed) with = " with " + fixed_text(*fixed);
  std::string sentence = fmt::format(
      "{}, {}: <strong>{} = {}{}</strong> was best on the {} questions it was chosen on ({}%). On {} others, "
      "which had "
      "no part in the choice, it has {}% {} against {}% of the baseline",
      html_escape(task), html_escape(selection.at("prompt").text()), html_escape(selection.at("axis").text()),
      html_escape(axis_value(best.at("x").json())), html_escape(with), with_thousands(chosen.at("n").whole()),
      html_percent(number_of(chosen, "accuracy")), with_thousands(reported.at("n").whole()),
      html_percent(number_of(reported, "accuracy")), html_interval(interval_of(reported, "low", "high")),
      html_percent(number_of(reported, "baseline_accuracy")));
  if (difference) {
    const auto p = number_of(reported, "p");
    sentence += fmt::format(": {} points {}{}", html_points(*difference),
                            html_points_interval(interval_of(reported, "difference_low", "difference_high")),
                            p ? ", p " + (*p < 0.0001 ? "" : std::string("= ")) + html_p(p) : "");
  }
  return "<li>" + sentence + ".</li>\n";
}

}  // namespace

ordered_json read_sweep(const std::filesystem::path& run_directory) {
  const std::filesystem::path path = run_directory / kSweepFile;
  if (!std::filesystem::is_regular_file(path)) return nullptr;
  ordered_json sweep = parse_ordered_json_object(read_text_file(path), {path.string(), kRemedy});
  if (sweep.value("format", ordered_json()) != kFormat) {
    throw input_error(path.string(), "expected \"format\": \"{}\", got another file; {}", kFormat, kRemedy);
  }
  if (sweep.value("version", ordered_json()) != 1) {
    throw input_error(path.string(), "expected version 1, got {}; use the program that wrote it",
                      printable(json_text(sweep.value("version", ordered_json()))));
  }
  return sweep;
}

SweepHtml html_sweep(const ordered_json& sweep, const std::string& where) {
  if (sweep.is_null()) return {};
  const Node root(sweep, {where, kRemedy});
  std::string sentences, tables;
  for (const Node& task : root.at("tasks").items()) {
    const std::string& name = task.at("task").text();
    std::string rows;
    for (const Node& curve : task.at("curves").items()) rows += curve_rows(curve);
    if (const auto selections = task.find("selection")) {
      const std::size_t axes = root.at("axes").items().size();
      for (const Node& selection : selections->items())
        sentences += selection_sentence(name, selection, axes);
    }
    const std::string head = column_head("prompt") + column_head("axis") + number_column_head("value") +
                             number_column_head("n") + number_column_head("accuracy, %") +
                             column_head("with");
    tables += html_table(name + ": accuracy along the sweep, with 95% interval", head,
                         "<tbody>\n" + rows + "</tbody>\n");
  }
  return {sentences,
          "<section id=\"sweep\" aria-labelledby=\"sweep-title\">\n<h2 id=\"sweep-title\">Sweep</h2>\n"
          "<div id=\"sweep-plots\"></div>\n<details><summary>The numbers of the sweep</summary>\n" +
              tables + "</details>\n</section>\n"};
}

}  // namespace refocus
