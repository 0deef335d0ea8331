#include "cli/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace refocus::cli {

namespace {

// The terminal's other screen, without a cursor; and back.
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l";
constexpr std::string_view kLeave = "\x1b[?25h\x1b[?1049l";
constexpr std::string_view kPlain = "\x1b[0m";

constexpr std::array kEnding = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

// What the signal handlers need; set before they are.
termios found, raw;
volatile std::sig_atomic_t redraw = 0, coloured = 0;

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

// Only calls that are safe in a signal handler.
void leave() {
  if (coloured != 0) write_all(kPlain);
  write_all(kLeave);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &found);
}

void enter() {
  ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  write_all(kEnter);
}

void handle(int signal, void (*handler)(int), unsigned flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = static_cast<int>(flags);
  ::sigaction(signal, &action, nullptr);
}

// The action was reset on entry, so the raised signal ends the process once this returns.
void end(int signal) {
  leave();
  constexpr std::string_view kKept = "refocus: stopped; all verdicts given so far are kept\n";
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, kKept.data(), kKept.size());
  std::raise(signal);
}

void stop(int signal) {
  const int kept = errno;
  leave();
  std::raise(signal);  // the default action now; returns when the process goes on
  handle(SIGTSTP, stop, SA_RESETHAND | SA_NODEFER);
  enter();
  redraw = 1;
  errno = kept;
}

void note_new_size(int) { redraw = 1; }

// The rest of a key that sends several bytes, as far as it is there at once.
std::string rest_of_key() {
  std::string rest;
  pollfd in = {STDIN_FILENO, POLLIN, 0};
  while (rest.size() < 16 && ::poll(&in, 1, 30) > 0) {
    char c = 0;
    if (::read(STDIN_FILENO, &c, 1) != 1) break;
    rest += c;
    const bool introduces = rest.size() == 1 && (c == '[' || c == 'O');
    if (!introduces && c >= 0x40 && c <= 0x7E) break;
  }
  return rest;
}

Key escaped_key() {
  using Kind = Key::Kind;
  static const std::array<std::pair<std::string_view, Kind>, 10> kKeys = {{{"[A", Kind::kUp},
                                                                           {"[B", Kind::kDown},
                                                                           {"[C", Kind::kRight},
                                                                           {"[D", Kind::kLeft},
                                                                           {"OA", Kind::kUp},
                                                                           {"OB", Kind::kDown},
                                                                           {"OC", Kind::kRight},
                                                                           {"OD", Kind::kLeft},
                                                                           {"[5~", Kind::kPageUp},
                                                                           {"[6~", Kind::kPageDown}}};
  const std::string rest = rest_of_key();
  for (const auto& [text, kind] : kKeys) {
    if (rest == text) return {kind, 0};
  }
  return {};
}

}  // namespace

bool wants_colours() {
  const char* no_colour = std::getenv("NO_COLOR");
  return no_colour == nullptr || *no_colour == '\0';
}

bool is_terminal() { return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1; }

Terminal::Terminal() {
  if (::tcgetattr(STDIN_FILENO, &found) != 0) {
    throw input_error("terminal", "cannot be set up: {}; give the keys on a pipe, one a line",
                      std::strerror(errno));
  }
  coloured = wants_colours() ? 1 : 0;
  raw = found;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  for (const int signal : kEnding) handle(signal, end, SA_RESETHAND);
  handle(SIGTSTP, stop, SA_RESETHAND | SA_NODEFER);
  handle(SIGWINCH, note_new_size, 0);
  enter();
}

Terminal::~Terminal() {
  leave();
  for (const int signal : kEnding) handle(signal, SIG_DFL, 0);
  handle(SIGTSTP, SIG_DFL, 0);
  handle(SIGWINCH, SIG_DFL, 0);
}

Terminal::Size Terminal::size() const {
  winsize window = {};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_row == 0 || window.ws_col == 0) return {};
  return {std::max<int>(window.ws_row, 8), std::max<int>(window.ws_col, 20)};
}

Key Terminal::read() const {
  // Outside ppoll these are blocked, so that none comes between the look at `redraw` and the wait.
  sigset_t blocked, before;
  ::sigemptyset(&blocked);
  for (const int signal : {SIGWINCH, SIGTSTP}) ::sigaddset(&blocked, signal);
  ::sigprocmask(SIG_BLOCK, &blocked, &before);
  Key key{Key::Kind::kEnd, 0};
  for (;;) {
    if (redraw != 0) {
      redraw = 0;
      key.kind = Key::Kind::kRedraw;
      break;
    }
    pollfd in = {STDIN_FILENO, POLLIN, 0};
    if (::ppoll(&in, 1, nullptr, &before) < 0) {
      if (errno == EINTR) continue;
      break;
    }
    char c = 0;
    const ssize_t n = ::read(STDIN_FILENO, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n == 1) key = c == '\x1b' ? escaped_key() : Key{Key::Kind::kCharacter, c};
    break;
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  return key;
}

void Terminal::wait_for_silence() const {
  constexpr int kMilliseconds = 80;  // keys that are held down come every 30 to 50
  pollfd in = {STDIN_FILENO, POLLIN, 0};
  char dropped[64];
  while (::poll(&in, 1, kMilliseconds) > 0) {
    if (::read(STDIN_FILENO, dropped, sizeof dropped) <= 0) return;
  }
}

void Terminal::show(const std::vector<std::string>& lines) const {
  std::string text = "\x1b[H";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    text += (i > 0 ? "\r\n" : "") + lines[i] + "\x1b[K";
  }
  write_all(text + "\x1b[J");
}

}  // namespace refocus::cli
