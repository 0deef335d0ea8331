#include "eval/report/html_sweep.h"

#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/json_node.h"
#include "base/text_file.h"
#include "eval/report/sweep/sweep_files.h"
#include "eval/report/sweep/sweep_grid.h"
#include "eval/text/html_text.h"
#include "eval/text/json_values.h"
#include "eval/text/table_text.h"
#include "web/page.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

constexpr const char* kFormat = "refocus-sweep";
constexpr const char* kRemedy = "repeat the sweep or remove the file";

using Node = JsonNode<ordered_json>;

std::optional<Interval> interval_of(const Node& value, const char* low, const char* high) {
  const auto from = number_at(value, low), to = number_at(value, high);
  return from && to ? std::optional<Interval>(Interval{*from, *to}) : std::nullopt;
}

// 0.1, 2, or a text such as "mask".
std::string axis_value(const ordered_json& x) {
  if (x.is_string()) return x.get<std::string>();
  return x.is_number() ? fmt::format("{}", x.get<double>()) : json_text(x);
}

std::string fixed_text(const Node& fixed) {
  std::string text;
  for (const auto& [key, value] : fixed.object().items())
    text += (text.empty() ? "" : ", ") + key + "=" + axis_value(value);
  return text;
}

std::string accuracy_cell(const Node& point) {
  const auto accuracy = number_at(point, "accuracy");
  return number_cell(
      html_with_interval(html_percent(accuracy), html_interval(interval_of(point, "low", "high"))), accuracy);
}

// "alpha", or with the method, where the file names it, "boost:factor".
std::string axis_name(const Node& node) {
  const auto method = node.find("method");
  return (method ? method->text() + ":" : "") + node.at("axis").text();
}

std::string curve_rows(const Node& curve) {
  std::string rows;
  const std::string &prompt = curve.at("prompt").text(), axis = axis_name(curve);
  const auto others = curve.find("fixed");
  const std::string fixed = others ? fixed_text(*others) : "";
  const auto row = [&](const std::string& x, const std::optional<double>& sort, const Node& point) {
    const auto count = number_at(point, "n");
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

// How many axes were swept of the selection's method.
std::size_t axes_of(const Node& root, const Node& selection) {
  const auto method = selection.find("method");
  std::size_t axes = 0;
  for (const Node& axis : root.at("axes").items()) {
    const auto own = axis.find("method");
    if (!method || (own && own->text() == method->text())) ++axes;
  }
  return axes;
}

// "alpha = 0.1", with the other axes where several were swept.
std::string choice_text(const Node& selection, std::size_t axes) {
  const Node best = selection.at("best");
  const auto fixed = best.find("fixed");
  return axis_name(selection) + " = " + axis_value(best.at("x").json()) +
         (axes > 1 && fixed ? " with " + fixed_text(*fixed) : "");
}

// " (the first of 8 that tie)"
std::string tie_text(const Node& best) {
  const auto tied = best.find("tied");
  return tied && tied->whole() > 0 ? fmt::format(" (the first of {} that tie)", tied->whole() + 1) : "";
}

// "With cot, alpha 0.1 was the best on 315 questions; on the other 315 it has 95.2% [..], none 94.9%: ..."
std::string selection_sentence(const std::string& task, const Node& selection, std::size_t axes) {
  const Node chosen = selection.at("chosen_on"), reported = selection.at("reported_on");
  const auto difference = number_at(reported, "difference");
  std::string sentence = fmt::format(
      "{}, {}: <strong>{}</strong>{} was best on the {} questions it was chosen on ({}%). On {} others, "
      "which had "
      "no part in the choice, it has {}% {} against {}% of the baseline",
      html_escape(task), html_escape(selection.at("prompt").text()),
      html_escape(choice_text(selection, axes)), tie_text(selection.at("best")),
      with_thousands(chosen.at("n").whole()), html_percent(number_at(chosen, "accuracy")),
      with_thousands(reported.at("n").whole()), html_percent(number_at(reported, "accuracy")),
      html_interval(interval_of(reported, "low", "high")),
      html_percent(number_at(reported, "baseline_accuracy")));
  if (difference) {
    const auto p = number_at(reported, "p");
    sentence += fmt::format(": {} points {}{}", html_points(*difference),
                            html_points_interval(interval_of(reported, "difference_low", "difference_high")),
                            p ? ", p " + (*p < 0.0001 ? "" : std::string("= ")) + html_p(p) : "");
  }
  return "<li>" + sentence + ".</li>\n";
}

std::string held_out_cell(const Node& reported) {
  const auto difference = number_at(reported, "difference");
  if (!difference) return number_cell(std::string(kMissing), {});
  return number_cell(
      html_with_interval(html_points(*difference),
                         html_points_interval(interval_of(reported, "difference_low", "difference_high"))),
      difference);
}

std::string p_cell(const Node& reported, const char* key) {
  const auto p = number_at(reported, key);
  return number_cell(html_p(p), p);
}

// By method how many points it had.
std::map<std::string, std::int64_t> tries_of(const Node& root) {
  std::map<std::string, std::int64_t> tries;
  if (const auto methods = root.find("methods")) {
    for (const Node& method : methods->items()) {
      tries[method.at("method").text()] = method.at("tried").whole();
    }
  }
  return tries;
}

// How many points it was chosen from; files of earlier versions say it of methods alone.
std::int64_t tried_of(const Node& root, const Node& selection) {
  if (const auto tried = selection.find("tried")) return tried->whole();
  const std::map<std::string, std::int64_t> tries = tries_of(root);
  const auto found = tries.find(sweep_method(selection));
  return found == tries.end() ? 0 : found->second;
}

std::string selection_title(const Node& selection) {
  const auto name = selection.find("name");
  return name ? name->text() : sweep_method(selection);
}

// Whether choices of one kind of prompt stand beside each other.
bool compares(const Node& selections) {
  std::set<std::string> prompts;
  for (const Node& selection : selections.items()) prompts.insert(selection.at("prompt").text());
  return selections.items().size() > prompts.size();
}

// Several methods beside each other, each at its choice of one half; empty where one was swept.
std::string methods_html(const Node& root, const Node& task) {
  const auto selections = task.find("selection");
  if (!selections || !compares(*selections)) return "";
  std::map<std::string, std::int64_t> tries;
  std::string rows, counts;
  std::set<std::int64_t> different;
  for (const Node& selection : selections->items()) {
    const Node reported = selection.at("reported_on");
    const std::string title = selection_title(selection);
    const std::int64_t tried = tried_of(root, selection);
    if (tries.emplace(title, tried).second)
      counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", title, tried);
    different.insert(tried);
    rows += html_row(row_head(title) + text_cell(selection.at("prompt").text()) + count_cell(tried) +
                     text_cell(choice_text(selection, axes_of(root, selection))) +
                     count_cell(reported.at("n").whole()) + accuracy_cell(reported) +
                     held_out_cell(reported) + p_cell(reported, "p") + p_cell(reported, "p_holm"));
  }
  const std::string note =
      different.size() > 1
          ? fmt::format(
                "The methods had different numbers of tries ({}): the best of more is flattered more on "
                "the half that chose. Only the half that had no part in the choice compares them.",
                counts)
          : fmt::format("Each had {} tries.", *different.begin());
  const std::string head = column_head("method") + column_head("prompt") + number_column_head("tries") +
                           column_head("chosen on one half") + number_column_head("n of the other") +
                           number_column_head("accuracy there, %") + number_column_head("points from none") +
                           number_column_head("p") + number_column_head("p, Holm over these rows");
  return html_table(task.at("task").text() + ": methods at their held-out choice", head,
                    "<tbody>\n" + rows + "</tbody>\n") +
         "<p class=\"note\">" + html_escape(note) + "</p>\n";
}

std::string grid_html(const SweepGrid& grid) {
  const std::string title =
      fmt::format("{}, {}{}: difference to none over {} and {}", grid.task, grid.prompt,
                  grid.method.empty() ? "" : ", " + grid.method, grid.x_key, grid.y_key);
  return fmt::format(
      "<figure class=\"sweep-grid\">\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
      "aria-label=\"{0}\">\n{1}</div>\n"
      "<figcaption>{0}. The table below has all numbers.</figcaption>\n</figure>\n",
      html_escape(title), sweep_grid_svg({grid}));
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
  std::string sentences, methods, tables, grids;
  for (const SweepGrid& grid : sweep_grids(root)) grids += grid_html(grid);
  for (const Node& task : root.at("tasks").items()) {
    const std::string& name = task.at("task").text();
    std::string rows;
    for (const Node& curve : task.at("curves").items()) rows += curve_rows(curve);
    if (const auto selections = task.find("selection")) {
      for (const Node& selection : selections->items())
        sentences += selection_sentence(name, selection, axes_of(root, selection));
    }
    methods += methods_html(root, task);
    const std::string head = column_head("prompt") + column_head("axis") + number_column_head("value") +
                             number_column_head("n") + number_column_head("accuracy, %") +
                             column_head("with");
    tables += html_table(name + ": accuracy along the sweep, with 95% interval", head,
                         "<tbody>\n" + rows + "</tbody>\n");
  }
  return {sentences,
          "<section id=\"sweep\" aria-labelledby=\"sweep-title\">\n<h2 id=\"sweep-title\">Sweep</h2>\n" +
              methods + "<div id=\"sweep-plots\"></div>\n" + grids +
              "<details><summary>The numbers of the sweep</summary>\n" + tables + "</details>\n</section>\n"};
}

}  // namespace refocus
