#include "eval/report/html_sweep.h"

#include <optional>

#include "base/error.h"
#include "base/text_file.h"
#include "eval/text/html_text.h"
#include "eval/text/table_text.h"
#include "web/page.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

constexpr const char* kSweepFile = "sweep.json";
constexpr const char* kFormat = "refocus-sweep";

std::optional<double> number_of(const ordered_json& value, const char* key) {
  const auto at = value.find(key);
  return at != value.end() && at->is_number() ? std::optional<double>(at->get<double>()) : std::nullopt;
}

std::optional<Interval> interval_of(const ordered_json& value, const char* low, const char* high) {
  const auto from = number_of(value, low), to = number_of(value, high);
  return from && to ? std::optional<Interval>(Interval{*from, *to}) : std::nullopt;
}

// 0.1, or a text such as "mask".
std::string axis_value(const ordered_json& x) { return x.is_string() ? x.get<std::string>() : x.dump(); }

std::string fixed_text(const ordered_json& fixed) {
  std::string text;
  for (const auto& [key, value] : fixed.items())
    text += (text.empty() ? "" : ", ") + key + "=" + axis_value(value);
  return text;
}

std::string accuracy_cell(const ordered_json& point) {
  const auto accuracy = number_of(point, "accuracy");
  return number_cell(
      html_with_interval(html_percent(accuracy), html_interval(interval_of(point, "low", "high"))), accuracy);
}

std::string curve_rows(const ordered_json& curve) {
  std::string rows;
  const std::string prompt = curve.at("prompt"), axis = curve.at("axis");
  const std::string fixed = fixed_text(curve.value("fixed", ordered_json::object()));
  const auto row = [&](const std::string& x, const std::optional<double>& sort, const ordered_json& point) {
    const auto count = number_of(point, "n");
    rows += html_row(row_head(prompt) + text_cell(axis) + number_cell(html_escape(x), sort) +
                     (count ? count_cell(static_cast<std::int64_t>(*count)) : number_cell("", {})) +
                     accuracy_cell(point) + text_cell(fixed));
  };
  if (const auto baseline = curve.find("baseline"); baseline != curve.end() && baseline->is_object()) {
    row("baseline", std::nullopt, *baseline);
  }
  for (const ordered_json& point : curve.at("points")) {
    row(axis_value(point.at("x")), number_of(point, "x"), point);
  }
  return rows;
}

// "With cot, alpha 0.1 was the best on 315 questions; on the other 315 it has 95.2% [..], none 94.9%: ..."
std::string selection_sentence(const std::string& task, const ordered_json& selection, std::size_t axes) {
  const ordered_json& chosen = selection.at("chosen_on");
  const ordered_json& reported = selection.at("reported_on");
  const auto difference = number_of(reported, "difference");
  const ordered_json& best = selection.at("best");
  std::string with;  // the other axes, where several were swept
  if (axes > 1 && best.contains("fixed")) with = " with " + fixed_text(best.at("fixed"));
  std::string sentence = fmt::format(
      "{}, {}: <strong>{} = {}{}</strong> was best on the {} questions it was chosen on ({}%). On {} others, "
      "which had "
      "no part in the choice, it has {}% {} against {}% of the baseline",
      html_escape(task), html_escape(selection.at("prompt").get<std::string>()),
      html_escape(selection.at("axis").get<std::string>()), html_escape(axis_value(best.at("x"))),
      html_escape(with), with_thousands(chosen.at("n")), html_percent(number_of(chosen, "accuracy")),
      with_thousands(reported.at("n")), html_percent(number_of(reported, "accuracy")),
      html_interval(interval_of(reported, "low", "high")),
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
  ordered_json sweep = ordered_json::parse(read_text_file(path), nullptr, false);
  if (!sweep.is_object() || sweep.value("format", ordered_json()) != kFormat) {
    throw input_error(path.string(),
                      "expected \"format\": \"{}\", got another file; repeat the sweep or remove the file",
                      kFormat);
  }
  if (sweep.value("version", ordered_json()) != 1) {
    throw input_error(path.string(), "expected version 1, got {}; use the program that wrote it",
                      printable(sweep.value("version", ordered_json()).dump()));
  }
  return sweep;
}

SweepHtml html_sweep(const ordered_json& sweep, const std::string& where) {
  if (sweep.is_null()) return {};
  try {
    std::string sentences, tables;
    for (const ordered_json& task : sweep.at("tasks")) {
      const std::string name = task.at("task");
      std::string rows;
      for (const ordered_json& curve : task.at("curves")) rows += curve_rows(curve);
      for (const ordered_json& selection : task.value("selection", ordered_json::array())) {
        sentences += selection_sentence(name, selection, sweep.at("axes").size());
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
  } catch (const ordered_json::exception& e) {
    throw input_error(where, "expected the curves of a sweep, got: {}; repeat the sweep or remove the file",
                      printable(e.what(), 160));
  }
}

}  // namespace refocus
