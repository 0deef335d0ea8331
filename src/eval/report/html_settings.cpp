#include "eval/report/html_settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "base/json_reader.h"
#include "eval/text/html_text.h"
#include "web/page.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

std::string plain_text(const ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  return json_text(value);
}

// A list of plain values on one line; texts with line breaks keep them.
std::string value_html(const ordered_json& value) {
  if (value.is_array()) {
    std::string list;
    for (const ordered_json& each : value) list += (list.empty() ? "" : ", ") + plain_text(each);
    return html_escape(list);
  }
  const std::string text = plain_text(value);
  if (text.find('\n') != std::string::npos) return "<pre>" + html_escape(text) + "</pre>";
  return html_escape(text);
}

// One row a setting; those inside objects under "outer.inner".
void append_settings(const std::string& name, const ordered_json& value, std::string& rows) {
  if (value.is_object() && !value.empty()) {
    for (const auto& [key, inner] : value.items()) {
      append_settings(name.empty() ? key : name + "." + key, inner, rows);
    }
    return;
  }
  rows += html_row(row_head(name) + "<td class=\"setting\">" + value_html(value) + "</td>");
}

std::string settings_table(const std::string& caption, const ordered_json& settings) {
  std::string rows;
  append_settings("", settings, rows);
  return html_table(caption, column_head("setting") + column_head("value"), "<tbody>\n" + rows + "</tbody>\n",
                    false);
}

std::string command_html(const RunRecord& record) {
  if (record.sessions.empty() || !record.sessions.back().is_object()) return "";
  const auto command = record.sessions.back().find("command");
  if (command == record.sessions.back().end() || !command->is_string()) return "";
  return "<p>The command that answered the questions:</p>\n<pre>" + html_escape(command->get<std::string>()) +
         "</pre>\n";
}

// Whether there is a difference of F1 in it.
bool bootstrapped(const Comparison& comparison) {
  return std::ranges::any_of(comparison.tasks, [](const TaskComparison& task) {
    return std::ranges::any_of(
        task.pairs, [](const PairComparison& pair) { return pair.numbers.back().f1_difference.has_value(); });
  });
}

}  // namespace

std::string html_settings(const ReportView& view) {
  std::string html =
      "<section id=\"settings\" aria-labelledby=\"settings-title\">\n<h2 id=\"settings-title\">Settings and "
      "versions</h2>\n";
  for (std::size_t r = 0; r < view.records.size(); ++r) {
    const RunRecord& record = view.records[r];
    const std::string run = view.runs.size() > 1 ? view.runs[r] + ": " : "";
    html += command_html(record);
    html += "<details><summary>" + html_escape(run) + (run.empty() ? "All" : "all") +
            " settings that decide the answers</summary>\n" +
            settings_table(run + "settings", record.identity) + "</details>\n";
    html += "<details><summary>" + html_escape(run) + (run.empty() ? "Versions" : "versions") +
            " and sessions</summary>\n";
    for (std::size_t s = 0; s < record.sessions.size(); ++s) {
      html += settings_table(fmt::format("{}session {} of {}", run, s + 1, record.sessions.size()),
                             record.sessions[s]);
    }
    html += "</details>\n";
  }
  html += fmt::format(
      "<p class=\"note\">Differences of accuracies have Tango’s 95% score intervals for pairs{}.</p>\n",
      bootstrapped(view.comparison)
          ? fmt::format(", those of F1 95% intervals from {} paired bootstrap resamples with seed {}",
                        view.comparison.resamples, view.comparison.seed)
          : "");
  return html + "</section>\n";
}

}  // namespace refocus
