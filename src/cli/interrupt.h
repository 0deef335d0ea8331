// What a long command says when Ctrl-C or a polite kill ends it.
#pragma once

#include <string>

namespace refocus::cli {

// From now on SIGINT, SIGTERM and SIGHUP print `hint` (a text of static lifetime) on one line, and then end
// the process as they always do. For commands whose finished work is safe at any moment.
void tell_how_to_resume(
    const char* hint = "stopped; finished answers are kept, and the same command goes on from there");

// From now on the first of these signals is only remembered, for a command that then finishes what it has at
// hand; a second one ends the process.
void watch_interrupts();
// That signal, or 0.
int interrupt_signal();
// Prints `what` on one line and ends the process by the signal that was remembered.
[[noreturn]] void end_by_interrupt(const std::string& what);

// From now on SIGUSR1, and all of these signals, are remembered, whatever is asked above: for a process among
// several, which stop together. A second one ends the process.
void remember_stops();

// Within its life the functions above leave signals alone: they are another program's.
class SignalsLeftAlone {
 public:
  SignalsLeftAlone();
  ~SignalsLeftAlone();
  SignalsLeftAlone(const SignalsLeftAlone&) = delete;
  SignalsLeftAlone& operator=(const SignalsLeftAlone&) = delete;
};

}  // namespace refocus::cli
