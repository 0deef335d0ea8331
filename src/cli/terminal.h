// A terminal that one key at a time is read from, and that is left as it was found: at the end, on an
// exception, and when a signal ends or stops the process.
#pragma once

#include <termios.h>

#include <string>
#include <string_view>
#include <vector>

namespace refocus::cli {

struct Key {
  enum class Kind {
    kCharacter,  // `character`, a byte
    kUp,
    kDown,
    kLeft,
    kRight,
    kPageUp,
    kPageDown,
    kRedraw,  // the window's size changed, or the process goes on after it was stopped
    kUnknown,
    kEnd,  // the terminal is gone
  };
  Kind kind = Kind::kUnknown;
  char character = 0;
};

// Whether both standard input and output are terminals.
bool is_terminal();

// Whether colours may be printed at all: unless NO_COLOR is any text but an empty one (no-color.org). Where
// the output is no terminal, nothing is coloured anyway.
bool wants_colours();

// One at a time in a process. While it lives, the terminal shows another screen and passes on each key at
// once, unseen; keys that send signals still do. InputError where the terminal refuses.
class Terminal {
 public:
  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  struct Size {
    int rows = 24, columns = 80;
  };
  Size size() const;

  // Waits for a key.
  Key read() const;

  // Waits until no key has come for a moment, and drops those that came: a key that was held down, or a
  // pasted text, must not answer for what is shown next.
  void wait_for_silence() const;

  // Replaces what is on the screen. Lines must not be wider than it is, and are printed as they are.
  void show(const std::vector<std::string>& lines) const;
};

}  // namespace refocus::cli
