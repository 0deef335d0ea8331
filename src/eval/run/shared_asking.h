// The answers to a plan's questions, computed by several processes that have the same plan.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "cluster/work_share.h"
#include "eval/run/answering.h"

namespace refocus {

// The leader's: answers the jobs together with the processes of settings.share. Which process answers what
// changes no answer. `conversation` has the answers that later turns go on from.
void share_out(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
               const std::vector<Job>& jobs, const Conversation& conversation, const OnResponse& on_response);

// The name of the phase in which the others do answering_work.
inline constexpr char kAnsweringPhase[] = "answers";
DoWork answering_work(const EvalModel& model, const EvalSettings& settings, const Plan& plan);

// Of each rank, for the record: its host and how many answers it was asked for.
nlohmann::ordered_json ranks_json(const WorkShare& share);

}  // namespace refocus
