// The built program on a pseudo terminal, as a person at a keyboard has it.
#pragma once

#include <sys/types.h>
#include <termios.h>

#include <string>
#include <vector>

#include "cli/process.h"

namespace refocus::testing {

class PtyProcess {
 public:
  PtyProcess(const std::vector<std::string>& arguments, int rows, int columns, bool colours = true);
  ~PtyProcess();  // ends it where it still runs
  PtyProcess(const PtyProcess&) = delete;
  PtyProcess& operator=(const PtyProcess&) = delete;

  void type(std::string_view keys) const;
  void resize(int rows, int columns) const;
  void send(int signal) const;

  // Waits until what the program printed since the last call holds `text`, and returns it up to there; a test
  // failure where that does not come, or the program ends before.
  std::string until(std::string_view text);
  // The same until the program ends; fills status and signal.
  std::string to_end();

  int status = -1, signal = 0;

  // How the terminal is set now; it is the same before the program begins.
  termios settings() const;

 private:
  bool read_more(int milliseconds);

  int terminal_ = -1;
  int other_end_ = -1;  // kept open, so that the settings outlive the program
  pid_t pid_ = -1;
  std::string text_;
};

}  // namespace refocus::testing
