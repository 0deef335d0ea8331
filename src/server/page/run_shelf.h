// Runs of `refocus eval` that the server shows: those of one directory, listed once when it starts.
//
// Clients name a run by an identifier of the list, never by a path, so that no request decides which file is
// opened.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace refocus::server {

struct ListedRun {
  std::string id;       // 16 hexadecimal digits, the same each time the directory is listed
  std::string name;     // of its directory
  std::string created;  // when its first session began, such as "2026-11-28T03:20:38Z"; may be empty
  std::vector<std::string> tasks, arms;
  std::int64_t items = 0;
  std::filesystem::path path;
};

class RunShelf {
 public:
  // The runs among the directories in `directory`, by name; links are not followed, and what is no run is
  // left out. InputError where it is no directory or cannot be read.
  explicit RunShelf(const std::filesystem::path& directory);

  const std::vector<ListedRun>& runs() const { return runs_; }
  const ListedRun* find(std::string_view id) const;  // null where there is none
  // GET /v1/runs: {object: "list", data: [{id, object, name, created, tasks, arms, items, report}]}.
  std::string list_text() const;

 private:
  std::vector<ListedRun> runs_;
};

// The report of a run as `refocus report` makes it. InputError where the run is not finished or damaged.
std::string report_of(const ListedRun& run);

}  // namespace refocus::server
