#include "eval/journal/run_directory.h"

#include <fmt/chrono.h>

#include <ctime>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/made_directories.h"
#include "base/text_file.h"
#include "eval/journal/fingerprint.h"
#include "eval/task/file_names.h"

namespace refocus {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kRunFile = "run.json";
constexpr const char* kFormat = "refocus-run";
constexpr int kVersion = 1;

std::string dump(const ordered_json& value, int indent = -1) { return json_text(value, indent); }

bool is_temporary(const std::string& name, const std::string& of) {
  const std::size_t at = name.rfind(".tmp");
  return at != std::string::npos && at + 4 < name.size() &&
         name.find_first_not_of("0123456789", at + 4) == std::string::npos &&
         (of.empty() || name.substr(0, at) == of);
}

[[noreturn]] void unusable(const fs::path& path, const std::error_code& error) {
  throw input_error(path.string(), "cannot be used: {}; check its permissions or choose another -o directory",
                    error.message());
}

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  if (error) unusable(directory, error);
  return names;
}

// What a killed process left of files that it was writing.
void remove_temporaries(const fs::path& directory) {
  std::error_code ignored;
  for (const std::string& name : names_in(directory)) {
    if (is_temporary(name, "")) fs::remove(directory / name, ignored);
  }
}

enum class State { kAbsent, kEmpty, kRun };

// What is at `path`. Left-overs of a process that was killed before it wrote run.json count as empty.
State inspect(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) return State::kAbsent;
  if (status.type() == fs::file_type::none) unusable(path, error);
  if (status.type() != fs::file_type::directory) {
    throw input_error(path.string(), "expected a directory, got a file; choose another -o directory");
  }
  std::string foreign;
  for (const std::string& name : names_in(path)) {
    if (name == kRunFile) return State::kRun;
    if (name != DirectoryLock::kFileName && !is_temporary(name, kRunFile)) foreign = name;
  }
  if (!foreign.empty()) {
    throw input_error(
        path.string(),
        "expected a new, an empty or a run directory, got one with '{}' and no run.json; choose "
        "another -o directory",
        printable(foreign));
  }
  return State::kEmpty;
}

std::string utc_now() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }

void write_record(const fs::path& path, const RunRecord& record) {
  ordered_json file;
  file["format"] = kFormat;
  file["version"] = kVersion;
  file["identity"] = record.identity;
  file["sessions"] = record.sessions;
  write_file_atomically(path / kRunFile, dump(file, 2) + "\n");
}

// As it will be read back: what JSON cannot hold (bad UTF-8, NaN) must not look like a difference.
ordered_json normalised(const ordered_json& value) {
  return value.is_object() ? parse_ordered_json(dump(value), {"settings"}) : ordered_json::object();
}

ordered_json parse_bounded(const fs::path& path) {
  constexpr std::uintmax_t kLargest = 64u << 20;
  std::error_code error;
  if (fs::file_size(path, error) > kLargest && !error) {
    throw input_error(path.string(),
                      "expected the settings of a run, got more than 64 MiB; restore a copy of it");
  }
  return parse_ordered_json(read_text_file(path), {path.string(), "restore a copy of the run"});
}

}  // namespace

RunRecord read_run_record(const fs::path& run_directory) {
  const fs::path path = run_directory / kRunFile;
  if (!fs::is_regular_file(path)) {
    throw input_error(path.string(),
                      "expected the settings of a run, got no such file; give a run directory");
  }
  ordered_json file = parse_bounded(path);
  const bool known = file.is_object() && file.contains("format") && file["format"] == kFormat &&
                     file.contains("version") && file["version"].is_number_integer();
  if (!known) {
    throw input_error(path.string(),
                      "expected \"format\": \"{}\" and a version, got another file; give a run directory",
                      kFormat);
  }
  if (file["version"] != kVersion) {
    throw input_error(path.string(), "expected run format {}, got {}; use the program version that wrote it",
                      kVersion, dump(file["version"]));
  }
  RunRecord record;
  record.identity = file.value("identity", ordered_json());
  const ordered_json sessions = file.value("sessions", ordered_json());
  if (!record.identity.is_object() || !sessions.is_array()) {
    throw input_error(path.string(),
                      "expected an object \"identity\" and a list \"sessions\"; restore a copy of it");
  }
  for (const ordered_json& session : sessions) record.sessions.push_back(session);
  return record;
}

RunDirectory RunDirectory::open(const fs::path& path, const RunSettings& settings) {
  const bool new_run = inspect(path) != State::kRun;
  MadeDirectories made(path, "check its permissions or choose another -o directory");
  std::shared_ptr<const DirectoryLock> lock;
  try {
    lock = std::make_shared<const DirectoryLock>(path);
    RunRecord record;
    std::string growth;
    record.identity = normalised(settings.identity);
    if (inspect(path) == State::kRun) {  // anew: another process may have begun it before we had the lock
      RunRecord kept = read_run_record(path);
      expect_same_model(kept.identity, record.identity, path.string());
      if (const auto why = hindrance(kept.identity, record.identity, settings.questions)) {
        throw input_error(path.string(), "{}", *why);
      }
      growth = growth_text(kept.identity, record.identity);
      // The model's files keep the names that they were begun under.
      if (kept.identity.contains(kModelFiles)) record.identity[kModelFiles] = kept.identity[kModelFiles];
      if (growth.empty()) record.identity = std::move(kept.identity);
      record.sessions = std::move(kept.sessions);
    }
    remove_temporaries(path);
    ordered_json session = {{"started", utc_now()}};
    session.update(normalised(settings.details));
    record.sessions.push_back(std::move(session));
    write_record(path, record);
    return RunDirectory(path, std::move(lock), std::move(record), std::move(growth));
  } catch (...) {
    std::error_code ignored;
    if (new_run && lock && lock->created()) fs::remove(path / DirectoryLock::kFileName, ignored);
    made.undo();
    throw;
  }
}

bool RunDirectory::goes_on(const fs::path& path, const RunSettings& settings) {
  const RunRecord kept = read_run_record(path);
  const ordered_json now = normalised(settings.identity);
  return is_same_model(kept.identity, now) && !hindrance(kept.identity, now, settings.questions);
}

RunDirectory RunDirectory::begin(const fs::path& path, RunRecord record) {
  auto lock = std::make_shared<const DirectoryLock>(path);
  write_record(path, record);
  return RunDirectory(path, std::move(lock), std::move(record), "");
}

RunDirectory RunDirectory::reopen(const fs::path& path) {
  read_run_record(path);  // so that no lock file is left in what is no run
  auto lock = std::make_shared<const DirectoryLock>(path, "work on a copy of the run");
  return RunDirectory(path, std::move(lock), read_run_record(path), "");
}

void RunDirectory::note(const std::string& key, const ordered_json& value) {
  record_.sessions.back()[key] = value;
  write_record(path_, record_);
}

fs::path RunDirectory::arm_directory(const std::string& arm) const {
  const fs::path directory = path_ / "arms" / checked_file_name(arm);
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) unusable(directory, error);
  remove_temporaries(directory);
  return directory;
}

}  // namespace refocus
