// A run directory: one evaluation with all its arms, its settings in run.json, its answers in journal.db.
//
// run.json is
//   {"format": "refocus-run", "version": 1,
//    "identity": {...},                      everything that determines the answers
//    "sessions": [{"started": "...", ...}]}  one entry each time the run was begun or resumed
// A directory is resumed only under the identity it was begun with, or one that has more arms, tasks,
// subjects or items (eval/journal/run_growth.h), which is then the run's: answers of two settings never mix.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/journal/directory_lock.h"
#include "eval/journal/run_growth.h"

namespace refocus {

struct RunSettings {
  nlohmann::ordered_json identity;  // an object: model, data, tasks, profile, arms, limits, generation ...
  QuestionHashes questions;         // of the items; empty for what does not grow
  nlohmann::ordered_json details;   // an object of what may change between sessions: threads, batch, version
};

// What run.json holds.
struct RunRecord {
  nlohmann::ordered_json identity;
  std::vector<nlohmann::ordered_json> sessions;  // oldest first
};

// Reads PATH/run.json. InputError where there is none, or where it is no run of a known format.
RunRecord read_run_record(const std::filesystem::path& run_directory);

class RunDirectory {
 public:
  static constexpr const char* kComparisonFile = "comparison.json";  // see eval/report/comparison_files.h
  static constexpr const char* kReportFile = "report.html";          // see eval/report/html_report.h

  // Begins a run in a new or empty directory, or resumes the one that is there, and locks the directory for
  // this process. InputError, with the directory left as it was, where
  //   - the directory holds something else, or a run of another identity that this one is not grown from (the
  //     message names the field);
  //   - another process has it open;
  //   - it cannot be written.
  static RunDirectory open(const std::filesystem::path& path, const RunSettings& settings);

  // Whether the run that is there would go on with these settings. InputError where it cannot be read.
  static bool goes_on(const std::filesystem::path& path, const RunSettings& settings);

  // Begins a run with a record that others have made (eval/run/join.h) in an empty directory, and locks it.
  static RunDirectory begin(const std::filesystem::path& path, RunRecord record);

  // Opens a run that is there, whatever its identity, to judge its answers anew, and locks it. Writes
  // nothing; adds no session. InputError where there is none, another process has it open, or it cannot be
  // written.
  static RunDirectory reopen(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  bool resumed() const { return record_.sessions.size() > 1; }
  const RunRecord& record() const { return record_; }  // the session of this process is the last one
  // By what this session has grown the run: "1 arm, 45 questions"; empty where by nothing.
  const std::string& growth() const { return growth_; }

  // Adds to what run.json says of this session, at once.
  void note(const std::string& key, const nlohmann::ordered_json& value);

  // PATH/arms/ARM, made where absent and cleared of temporary files that a killed process left.
  std::filesystem::path arm_directory(const std::string& arm) const;

  std::shared_ptr<const DirectoryLock> lock() const { return lock_; }

 private:
  RunDirectory(std::filesystem::path path, std::shared_ptr<const DirectoryLock> lock, RunRecord record,
               std::string growth)
      : path_(std::move(path)),
        lock_(std::move(lock)),
        record_(std::move(record)),
        growth_(std::move(growth)) {}

  std::filesystem::path path_;
  std::shared_ptr<const DirectoryLock> lock_;
  RunRecord record_;
  std::string growth_;
};

}  // namespace refocus
