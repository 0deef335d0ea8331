// Runs the built program as a process, as a user does.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "support.h"

namespace refocus::testing {

struct ProcessOptions {
  std::string input = {};                             // on standard input
  std::optional<std::string> output_path = {};        // standard output goes there, such as /dev/full
  bool close_output = false;                          // standard output is closed before the program starts
  std::optional<std::uint64_t> file_size_limit = {};  // bytes, as by `ulimit -f`
  std::string program = REFOCUS_PROGRAM;
  std::filesystem::path directory = {};  // the working directory, if another
  std::string home = {};                 // REFOCUS_HOME, which is unset otherwise
  std::filesystem::path cache = {};      // XDG_CACHE_HOME; an empty folder of its own otherwise
};

struct ProcessResult {
  int status = -1;  // exit status, or -1 where a signal ended it
  int signal = 0;
  std::string out, err;
};

// A started process. Its output is collected in files, so it never blocks on a full pipe.
class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments, const ProcessOptions& options = {});
  ~Process();  // ends it where it still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void send(int signal) const;
  bool running();
  ProcessResult wait();

 private:
  void collect(int wait_status);

  TempDir files_;
  pid_t pid_ = -1;
  ProcessResult result_;
};

// `refocus ARGUMENTS...` from start to end.
ProcessResult refocus(const std::vector<std::string>& arguments, const ProcessOptions& options = {});

// Expects the failure that every command promises: this status, nothing on standard output, and one line on
// standard error that begins with "refocus: " and holds all of `parts`.
void expect_failure(const ProcessResult& result, int status, const std::vector<std::string>& parts);

// A file's bytes; a test failure where it cannot be read.
std::string file_text(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::string_view text);

// All files below `directory`, relative to it, sorted.
std::vector<std::string> files_below(const std::filesystem::path& directory);

}  // namespace refocus::testing
