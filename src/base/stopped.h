// What ends work that a process was told to break off.
#pragma once

#include <exception>

namespace refocus {

// Not an error: what was finished is kept.
struct Stopped : std::exception {
  const char* what() const noexcept override { return "stopped"; }
};

}  // namespace refocus
