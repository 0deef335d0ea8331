// What the tests of run directories, journals and reports share: small runs, and children that get killed.
#pragma once

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

#include "eval/journal/journal.h"
#include "eval/task/scoring.h"
#include "support.h"

namespace refocus::testing {

inline RunSettings settings() {
  RunSettings s;
  s.identity = {{"model", {{"path", "models/tiny.gguf"}, {"fingerprint", "abc"}}},
                {"tasks", {"mmlu", "piqa"}},
                {"data", "d41d8c"},
                {"profile", {{"name", "default"}, {"sha256", "e3b0"}}},
                {"arms", {"cot-none", "direct-none"}},
                {"limit", nullptr},
                {"generation", {{"max_new_tokens", 2048}, {"temperature", 0.0}}}};
  s.details = {{"program_version", "0.1.0"}, {"threads", 2}, {"batch", 16}};
  return s;
}

inline Response response(const std::string& arm, const std::string& subject, int index,
                         const std::string& text) {
  Response r;
  r.arm = arm;
  r.subject = subject;
  r.index = index;
  r.prompt = "Question " + std::to_string(index);
  r.text = text;
  r.finish_reason = "eos";
  r.prompt_tokens = 10;
  r.generated_tokens = 3;
  return r;
}

// An MMLU item with the fields that its file has.
inline Item mmlu_item(const std::string& subject, int index, const std::string& question,
                      std::optional<char> label) {
  Item item;
  item.subject = subject;
  item.index = index;
  item.choices = {"one", "two", "three", "four"};
  item.fields = {{"question", question}, {"A", "one"}, {"B", "two"}, {"C", "three"}, {"D", "four"}};
  if (label) item.fields.emplace_back("answer", std::string(1, *label));
  item.label = label;
  return item;
}

// Takes a response of one letter as the answer.
inline Extraction first_letter(const Item&, const std::string& text) {
  Extraction found;
  if (text.empty() || text[0] < 'A' || text[0] > 'D') return found;
  found.letter = text[0];
  found.rule = "first";
  found.span_end = 1;
  return found;
}

// The categories of some subjects, as a careless author writes them.
inline std::map<std::string, std::string, std::less<>> categories() {
  return {{"anatomy", "STEM"},
          {"astronomy", "STEM"},
          {"philosophy", "Humanities"},
          {"sociology", "Social"},
          {"marketing", "Other"}};
}

// Runs `body` in a child process; the child's exit status, or 128 + the signal that ended it. Exceptions end
// it with 99.
inline int in_child(const std::function<int()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    int status = 99;
    try {
      status = body();
    } catch (...) {
    }
    ::_exit(status);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// The same, by a process of the user nobody, for tests that run as root. 90 where it cannot become one.
inline int in_child_of_nobody(const std::function<int()>& body) {
  return in_child([&] {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 90;
    ::prctl(PR_SET_DUMPABLE, 1);  // or the sanitizers could not read /proc/self any more
    return body();
  });
}

// A disk that is full from `bytes` a file on: writes beyond fail with EFBIG, as they would with ENOSPC.
inline void limit_file_size(rlim_t bytes) {
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit = {bytes, RLIM_INFINITY};
  ::setrlimit(RLIMIT_FSIZE, &limit);
}

}  // namespace refocus::testing
