// Whether processes that are to do one piece of work are alike: the same program, model and questions, and
// what may change the last bits of a number.
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.h"

namespace refocus {

// What all processes must have alike.
struct RollFact {
  std::string what;    // "instruction set"
  std::string value;   // "AVX2"
  std::string remedy;  // "set REFOCUS_SIMD=avx2 on all machines"
  bool tells = true;   // the value says something to a reader; a hash does not
};

// Of one process: its facts, or why it cannot take part.
struct RollAnswer {
  std::string host;
  std::vector<RollFact> facts;
  std::string failure = {};
};

// Collective, once: every process says what it is, or that it has failed. Where all are alike, nothing.
// Otherwise InputError on the leader, which names the rank, its host and what differs, and RollRefused on the
// others; a process that has failed itself gets nothing, and throws its own error.
void call_roll(Communicator& comm, const RollAnswer& own);

// Another process cannot take part, which the leader has said.
struct RollRefused : std::exception {
  const char* what() const noexcept override { return "refused"; }
};

// What keeps the processes apart: InputError's where and message; both empty where nothing does. `answers` is
// [ranks].
struct RollDifference {
  std::string where, message;
};
RollDifference difference_in(const std::vector<RollAnswer>& answers);

}  // namespace refocus
