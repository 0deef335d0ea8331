// Computes the answers to questions of a plan, many at once. What is asked comes from a source, so that it
// may be a list, or another process's. Internal to src/eval.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "eval/journal/journal.h"
#include "eval/run/plan.h"
#include "eval/run/runner.h"

namespace refocus {

// A question in an arm. A later turn of a transcript has its prompt only once those before it are answered.
struct Job {
  const Question* question = nullptr;
  const PlannedArm* arm = nullptr;
  std::optional<Question> later = {};

  const Question& asked() const { return later ? *later : *question; }
};

// The next job, or null for good; it stays where it is until its response is there.
using NextJob = std::function<const Job*()>;
// The tokens are those that were generated, a stop token included; none in log-likelihood mode. Of the
// response, what says whose it is is not there yet: see complete().
using OnResponse = std::function<void(const Job&, Response, std::span<const std::int32_t> tokens)>;

// In any order; by the settings' prompts, texts or log-likelihoods of options.
SchedulerStats answer_jobs(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                           const NextJob& next, const OnResponse& on_response);

// Says whose response it is.
void complete(const Job& job, Response& response);

// A transcript's later turn with the answers to the turns before it, in their order.
Question later_question(const EvalModel& model, const EvalSettings& settings, const Question& question,
                        const std::vector<std::string>& answers);

// The answers to the turns of transcripts, for the prompts of the turns after them.
class Conversation {
 public:
  Conversation(const Plan& plan, const Journal& journal);

  void keep(const Response& response);
  // To the turns before a job's.
  std::vector<std::string> answers_before(const Job& job) const;

 private:
  std::map<std::tuple<std::string, std::string, int>, std::string> texts_;
};

}  // namespace refocus
