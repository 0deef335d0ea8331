// Runs of `refocus eval` that the server shows: those of one directory, listed once when it starts.
//
// Clients name a run by an identifier of the list, never by a path, so that no request decides which file is
// opened. Reports of large runs take seconds and are made by one thread of their own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
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
  ~RunShelf();
  RunShelf(const RunShelf&) = delete;
  RunShelf& operator=(const RunShelf&) = delete;

  const std::vector<ListedRun>& runs() const { return runs_; }
  const ListedRun* find(std::string_view id) const;  // null where there is none
  // GET /v1/runs: {object: "list", data: [{id, object, name, created, tasks, arms, items, report}]}.
  std::string list_text() const;

  // Does `work` on the thread that makes reports, after what was given before; what waits when the shelf
  // goes is dropped. It must not throw.
  void post(std::function<void()> work);

 private:
  void work();

  std::vector<ListedRun> runs_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::thread worker_;
};

// The report of a run as `refocus report` makes it. InputError where the run is not finished or damaged.
std::string report_of(const ListedRun& run);

}  // namespace refocus::server
