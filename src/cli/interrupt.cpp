#include "cli/interrupt.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace refocus::cli {

namespace {

const char* hint_text = "";  // set before the handler is
volatile std::sig_atomic_t remembered = 0;
bool leaves_alone = false;
bool remembers_stops = false;

// Only calls that are safe in a signal handler. The action was reset on entry, so the raised signal ends the
// process as soon as this returns, and the caller's shell sees the signal.
void say_and_end(int signal) {
  for (const char* text : {"\nrefocus: ", hint_text, "\n"}) {
    [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text, std::strlen(text));
  }
  std::raise(signal);
}

void remember(int signal) { remembered = signal; }

void handle(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  struct sigaction before = {};
  ::sigaction(signal, nullptr, &before);
  if (before.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);  // nohup stays in force
}

void handle_interrupts(void (*handler)(int)) {
  if (leaves_alone || remembers_stops) return;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) handle(signal, handler);
}

}  // namespace

SignalsLeftAlone::SignalsLeftAlone() { leaves_alone = true; }
SignalsLeftAlone::~SignalsLeftAlone() { leaves_alone = false; }

void tell_how_to_resume(const char* hint) {
  hint_text = hint;
  handle_interrupts(say_and_end);
}

void watch_interrupts() { handle_interrupts(remember); }

void remember_stops() {
  handle_interrupts(remember);
  handle(SIGUSR1, remember);
  remembers_stops = true;
}

int interrupt_signal() { return remembered; }

void end_by_interrupt(const std::string& what) {
  std::fprintf(stderr, "\nrefocus: %s\n", what.c_str());
  std::fflush(nullptr);
  std::raise(remembered);  // its action was reset when it came
  std::_Exit(128 + remembered);
}

}  // namespace refocus::cli
