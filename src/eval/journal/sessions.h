// Who computed what of a run: its sessions, as run.json lists them (docs/run-directory.md).
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "eval/journal/run_directory.h"

namespace refocus {

// The program and the machine of a session.
struct SessionFacts {
  std::string version, commit, build;         // "0.1.0", "0123456789", "Release, GNU 12.2.0"
  std::string host, processor, instructions;  // "node7", "AMD EPYC 9654 ...", "AVX-512 VNNI"
  std::string command;                        // the command line; may be empty
  std::string bf16_products = {};             // what multiplies activations in bf16: "AVX-512 BF16"
};

// Members of RunSettings::details. What is empty is left out, and what multiplies in bf16 too, unless
// activations are `in_bf16`.
nlohmann::ordered_json session_json(const SessionFacts& facts, bool in_bf16);

// In a session, how many answers were not there when it began.
inline constexpr const char* kToAsk = "to_ask";

// In a session of several processes, of each its host and how many answers it was asked for.
inline constexpr const char* kRanks = "ranks";

// In a session of a joined run, the run that it was of.
inline constexpr const char* kSessionRun = "run";

// The newest session that says something of `key`; null where none does.
const nlohmann::ordered_json* newest_session_with(const RunRecord& record, const char* key);

// Of a session that has gone on with a run: what may change the last bits of numbers, where none of the
// sessions before that asked something had it: "instruction set AVX2, now AVX-512". Nothing where nothing
// is other, or this session has nothing to ask.
std::optional<std::string> other_computation(const RunRecord& record);

// Where answers of a run are of several instruction sets, versions, commits or builds: a sentence that says
// which, and on what machines. Empty otherwise.
std::string mixed_computation(const RunRecord& record);

// Says on standard error that a run goes on, with what, and on what else it does.
void tell_resumed(const RunDirectory& run, std::int64_t answers);

}  // namespace refocus
