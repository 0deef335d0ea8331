#include "server/page/run_shelf.h"

#include <algorithm>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_hash.h"
#include "base/utf8.h"
#include "eval/journal/run_directory.h"
#include "eval/report/html_report.h"

namespace refocus::server {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

std::vector<std::string> texts_of(const ordered_json& object, const char* name) {
  std::vector<std::string> out;
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array()) return out;
  for (const auto& text : *found) {
    if (text.is_string()) out.push_back(text.get<std::string>());
  }
  return out;
}

ListedRun listed(const fs::path& path) {
  const RunRecord record = read_run_record(path);
  ListedRun out;
  out.path = path;
  out.name = replace_invalid_utf8(path.filename().string());
  out.id = fmt::format("{:016x}", text_hash(path.filename().string()));
  out.tasks = texts_of(record.identity, "tasks");
  out.arms = texts_of(record.identity, "arms");
  if (const auto items = record.identity.find("items");
      items != record.identity.end() && items->is_number_integer()) {
    out.items = items->get<std::int64_t>();
  }
  if (!record.sessions.empty() && record.sessions[0].is_object()) {
    const auto started = record.sessions[0].find("started");
    if (started != record.sessions[0].end() && started->is_string())
      out.created = started->get<std::string>();
  }
  return out;
}

std::vector<ListedRun> listed_runs(const fs::path& directory) {
  std::error_code error;
  std::vector<ListedRun> out;
  fs::directory_iterator entry(directory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code ignored;
    if (entry->symlink_status(ignored).type() != fs::file_type::directory) continue;
    if (!fs::exists(entry->path() / "run.json", ignored)) continue;
    try {
      out.push_back(listed(entry->path()));
    } catch (const InputError&) {
      continue;  // other things lie beside runs
    }
  }
  if (error) {
    throw input_error(directory.string(),
                      "expected a directory of runs for --runs, got '{}'; name the one that refocus eval -o "
                      "wrote runs into",
                      error.message());
  }
  std::ranges::sort(out, {}, &ListedRun::name);
  return out;
}

}  // namespace

RunShelf::RunShelf(const fs::path& directory) : runs_(listed_runs(directory)) {}

const ListedRun* RunShelf::find(std::string_view id) const {
  const auto found = std::ranges::find(runs_, id, &ListedRun::id);
  return found == runs_.end() ? nullptr : &*found;
}

std::string RunShelf::list_text() const {
  ordered_json data = ordered_json::array();
  for (const ListedRun& run : runs_) {
    data.push_back({{"id", run.id},
                    {"object", "refocus.run"},
                    {"name", run.name},
                    {"created", run.created.empty() ? ordered_json() : ordered_json(run.created)},
                    {"tasks", run.tasks},
                    {"arms", run.arms},
                    {"items", run.items},
                    {"report", fmt::format("/v1/runs/{}/report", run.id)}});
  }
  return json_text(ordered_json{{"object", "list"}, {"data", std::move(data)}});
}

std::string report_of(const ListedRun& run) { return html_report({run.path}); }

}  // namespace refocus::server
