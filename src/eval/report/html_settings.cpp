#include "eval/report/html_settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "base/json_reader.h"
#include "eval/journal/sessions.h"
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

// Of a joined run all of its parts' commands, otherwise the last one.
std::string command_html(const RunRecord& record) {
  std::vector<std::string> commands;
  for (const ordered_json& session : record.sessions) {
    if (!session.is_object() || !session.contains("command") || !session["command"].is_string()) continue;
    if (!session.contains(kSessionRun)) commands.clear();
    std::string command = session["command"].get<std::string>();
    if (std::ranges::find(commands, command) == commands.end()) commands.push_back(std::move(command));
  }
  if (commands.empty()) return "";
  std::string all;
  for (const std::string& command : commands) all += (all.empty() ? "" : "\n") + command;
  return fmt::format("<p>The command{} that answered the questions:</p>\n<pre>{}</pre>\n",
                     commands.size() > 1 ? "s" : "", html_escape(all));
}

std::string mixed_html(const std::string& run, const RunRecord& record) {
  const std::string mixed = mixed_computation(record);
  return mixed.empty() ? "" : "<p class=\"note\">" + html_escape(run + mixed) + "</p>\n";
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
    html += command_html(record) + mixed_html(run, record);
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
