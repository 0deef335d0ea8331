#include "eval/report/html_report.h"

#include <fmt/core.h>

#include "base/json_reader.h"
#include "base/text_file.h"
#include "eval/report/comparison_files.h"
#include "eval/report/html_accuracies.h"
#include "eval/report/html_answers.h"
#include "eval/report/html_comparisons.h"
#include "eval/report/html_settings.h"
#include "eval/report/html_sweep.h"
#include "eval/report/html_tables.h"
#include "web/page.h"

namespace refocus {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kPage = "report";

std::string run_name(const fs::path& run) {
  std::error_code error;
  const fs::path full = fs::weakly_canonical(run, error);
  const std::string name = (error ? run : full).filename().string();
  return name.empty() ? run.string() : name;
}

// Numbers for the plots: comparison.json with flips as places of items, and the sweep.
std::string report_block(const ReportView& view, const ordered_json& sweep) {
  const auto& tasks = view.comparison.tasks;
  ordered_json report = comparison_json(
      view.comparison, {view.runs.size() > 1 ? view.runs : std::vector<std::string>(), false});
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    for (std::size_t p = 0; p < tasks[t].pairs.size(); ++p) {
      ordered_json places = ordered_json::array();
      const Answer* first =
          view.comparison.arms[tasks[t].pairs[p].pair.arm].arm.tasks[t].answers.answers.data();
      for (const Flip& flip : tasks[t].pairs[p].flips) places.push_back(flip.after - first);
      report["tasks"][t]["comparisons"][p]["flips"] = std::move(places);
    }
  }
  report["labels"] = view.labels;
  report["loglikelihood"] = view.loglikelihood;
  report["sweep"] = sweep;
  return json_text(report);
}

std::string contents_list(const std::string& body) {
  constexpr std::pair<const char*, const char*> kParts[] = {
      {"arms", "Arms"},         {"sweep", "Sweep"},           {"comparisons", "Comparisons"},
      {"subjects", "Subjects"}, {"flips", "Changed answers"}, {"answers", "All answers"},
      {"settings", "Settings"}};
  std::string items;
  for (const auto& [id, name] : kParts) {
    if (body.find(fmt::format("<section id=\"{}\"", id)) == std::string::npos) continue;
    items += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", id, name);
  }
  return "<nav class=\"contents\" aria-label=\"Contents\">\n<ul>\n" + items + "</ul>\n</nav>\n";
}

std::string flips_section(const ReportView& view, bool script) {
  const auto& tasks = view.comparison.tasks;
  if (tasks.empty() || tasks[0].pairs.empty()) return "";
  std::string html =
      "<section id=\"flips\" aria-labelledby=\"flips-title\">\n<h2 id=\"flips-title\">Changed answers</h2>\n"
      "<p class=\"note\">Questions that one arm answers right and the other wrong.";
  if (!view.loglikelihood) html += " The marked words are those that the answer was read from.";
  html += "</p>\n";
  if (script) {
    html += "<div id=\"flip-list\"></div>\n<noscript>" + html_flips(view, false) + "</noscript>\n";
  } else {
    html += html_flips(view, true);
  }
  return html + "</section>\n";
}

}  // namespace

std::string html_report(const std::vector<fs::path>& run_directories, const ComparisonOptions& options,
                        const std::string& name) {
  std::vector<FinishedArm> second;
  if (run_directories.size() > 1) second = read_finished_run(run_directories[1], {.documents = true});
  ComparisonOptions lenient = options;
  lenient.pairs_needed = !options.baseline.empty();
  const Comparison comparison =
      compare_runs(read_finished_run(run_directories[0], {.documents = true}), std::move(second), lenient);
  return html_report(run_directories, comparison, name);
}

std::string html_report(const std::vector<fs::path>& run_directories, const Comparison& comparison,
                        const std::string& name) {
  std::vector<RunRecord> records;
  std::vector<std::string> runs;
  std::string title;
  for (const fs::path& run : run_directories) {
    records.push_back(read_run_record(run));
    runs.push_back(run.string());
    title += (title.empty() ? "" : " and ") + run_name(run);
  }
  if (!name.empty()) title = name;
  const ReportView view = report_view(comparison, runs, std::move(records));
  const bool script = has_page(kPage);
  const ordered_json sweep = run_directories.size() == 1 ? read_sweep(run_directories[0]) : ordered_json();
  const SweepHtml of_sweep = html_sweep(sweep, (run_directories[0] / "sweep.json").string());
  std::string main = html_accuracies(view) + html_findings(view, of_sweep.selections) + html_arms(view) +
                     of_sweep.section + html_comparisons(view) + html_subjects(view) +
                     flips_section(view, script);
  if (script) {
    main +=
        "<section id=\"answers\" aria-labelledby=\"answers-title\" class=\"screen\">\n"
        "<h2 id=\"answers-title\">All answers</h2>\n<div id=\"answer-list\"></div>\n"
        "<noscript><p>The questions and texts are in this file, compressed; a browser shows them with script "
        "switched on. They are also in the samples files of the run.</p></noscript>\n</section>\n";
  }
  main += html_settings(view);
  PageContents page;
  page.title = title + " – Refocus report";
  page.body =
      "<a class=\"skip\" href=\"#main\">Skip to the findings</a>\n" + html_masthead(view, title) +
      contents_list(main) + "<main id=\"main\">\n" + main +
      "</main>\n<footer>Made by Refocus. This file is whole: it asks the network for nothing.</footer>\n";
  if (script) {
    page.blocks.push_back({"report", report_block(view, sweep)});
    for (PageBlock& block : answer_blocks(view)) page.blocks.push_back(std::move(block));
  }
  return make_page(kPage, page);
}

void write_run_report(const fs::path& run_directory, const Comparison* comparison, const std::string& name) {
  const std::string html = comparison != nullptr ? html_report({run_directory}, *comparison, name)
                                                 : html_report({run_directory}, ComparisonOptions(), name);
  write_file_atomically(run_directory / RunDirectory::kReportFile, html);
}

}  // namespace refocus
