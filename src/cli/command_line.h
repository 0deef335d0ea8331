// The command line as a person would type it, for the record of a run.
#pragma once

#include <string>
#include <vector>

namespace refocus::cli {

// Keeps the arguments behind the program's name.
void keep_command_line(const std::vector<std::string>& arguments);

// "refocus eval mmlu -o 'my run'", quoted for a POSIX shell.
std::string command_line();

// Within its life command_line() is this text: a call within another program.
class KeptCommandLine {
 public:
  explicit KeptCommandLine(std::string line);
  ~KeptCommandLine();
  KeptCommandLine(const KeptCommandLine&) = delete;
  KeptCommandLine& operator=(const KeptCommandLine&) = delete;

 private:
  std::string before_;
};

}  // namespace refocus::cli
