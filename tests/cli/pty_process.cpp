#include "cli/pty_process.h"

#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

#include <csignal>
#include <cstdlib>

namespace refocus::testing {

PtyProcess::PtyProcess(const std::vector<std::string>& arguments, int rows, int columns, bool colours) {
  std::vector<std::string> words = {REFOCUS_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  winsize size = {static_cast<unsigned short>(rows), static_cast<unsigned short>(columns), 0, 0};
  if (::openpty(&terminal_, &other_end_, nullptr, nullptr, &size) != 0)
    throw std::runtime_error("openpty failed");
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ > 0) return;
  ::close(terminal_);
  ::login_tty(other_end_);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGTSTP}) std::signal(signal, SIG_DFL);
  if (colours) {
    ::unsetenv("NO_COLOR");
  } else {
    ::setenv("NO_COLOR", "1", 1);
  }
  ::execv(argv[0], argv.data());
  ::_exit(122);
}

PtyProcess::~PtyProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(terminal_);
  ::close(other_end_);
}

void PtyProcess::type(std::string_view keys) const {
  EXPECT_EQ(::write(terminal_, keys.data(), keys.size()), std::ssize(keys));
}

void PtyProcess::resize(int rows, int columns) const {
  winsize size = {static_cast<unsigned short>(rows), static_cast<unsigned short>(columns), 0, 0};
  EXPECT_EQ(::ioctl(terminal_, TIOCSWINSZ, &size), 0);
}

void PtyProcess::send(int signal) const { ::kill(pid_, signal); }

bool PtyProcess::read_more(int milliseconds) {
  pollfd in = {terminal_, POLLIN, 0};
  if (::poll(&in, 1, milliseconds) <= 0) return false;
  char buffer[4096];
  const ssize_t n = ::read(terminal_, buffer, sizeof buffer);
  if (n <= 0) return false;
  text_.append(buffer, static_cast<std::size_t>(n));
  return true;
}

std::string PtyProcess::until(std::string_view text) {
  for (;;) {
    const std::size_t at = text_.find(text);
    if (at != std::string::npos) {
      const std::string read = text_.substr(0, at + text.size());
      text_.erase(0, at + text.size());
      return read;
    }
    if (!read_more(20000)) {
      ADD_FAILURE() << "expected '" << text << "', got '" << text_ << "'";
      return std::exchange(text_, "");
    }
  }
}

std::string PtyProcess::to_end() {
  int result = 0;
  while (::waitpid(pid_, &result, WNOHANG) == 0) read_more(20);
  pid_ = -1;
  while (read_more(0)) {
  }
  if (WIFEXITED(result)) status = WEXITSTATUS(result);
  if (WIFSIGNALED(result)) signal = WTERMSIG(result);
  return std::exchange(text_, "");
}

termios PtyProcess::settings() const {
  termios settings = {};
  ::tcgetattr(other_end_, &settings);
  return settings;
}

}  // namespace refocus::testing
