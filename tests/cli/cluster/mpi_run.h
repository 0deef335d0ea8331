// Runs of the program as several processes of this machine.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "cli/cli_support.h"

namespace refocus::testing {

// A new folder, and a bundled model to ask.
class MpiRun : public ::testing::Test {
 protected:
  // Skips the test where there is no mpirun, or no library for it.
  void SetUp() override;

  // "mpirun -n RANKS refocus ARGUMENTS...", without the first word.
  static Arguments ranks(int count, const Arguments& arguments);
  // The same of which each process has arguments of its own; the program may be another.
  struct Rank {
    Arguments arguments;
    Arguments before = {};  // words before the program's name, such as env NAME=VALUE
  };
  static Arguments each(const std::vector<Rank>& ranks);
  static ProcessResult mpirun(const Arguments& words);
  static ProcessOptions mpirun_options();

  // What the program says in a line that begins with its name.
  static std::vector<std::string> said(const ProcessResult& result);

  // `refocus eval` of the bundled model on its own task, in arms of texts.
  Arguments texts(const std::string& run, const Arguments& more = {}) const;

  // The processes of a run, by rank, as far as they are there now.
  std::vector<pid_t> pids(const std::string& run, int ranks) const;

  // Every answer of a run's journal, sorted.
  std::vector<std::string> answers(const std::string& run) const;
  void expect_same(const std::string& run, const std::string& whole) const;

  int items = 6, batch = 4;  // of texts(): items of each of three subjects
  TempDir dir;
};

}  // namespace refocus::testing
