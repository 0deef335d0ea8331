#include "eval/run/shared_asking.h"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/error.h"
#include "cluster/packed_text.h"
#include "eval/run/asking.h"

namespace refocus {

namespace {

// A unit is a job, by its places in the list of jobs (the leader's) and in the plan (everyone's), with the
// answers before it:
//   job question arm answers answer...
// A result is a job's response:
//   job text finish_reason generated_tokens selectors selector... tokens token...

std::string unit_of(const Plan& plan, const Job& job, std::size_t place, const Conversation& conversation) {
  Packer out;
  out.add(static_cast<std::int64_t>(place))
      .add(job.question - plan.questions.data())
      .add(job.arm - plan.arms.data());
  const std::vector<std::string> answers =
      job.question->item->turn > 0 ? conversation.answers_before(job) : std::vector<std::string>();
  out.add(std::ssize(answers));
  for (const std::string& answer : answers) out.add(answer);
  return out.take();
}

template <class T>
const T& at(const std::vector<T>& list, std::int64_t place) {
  if (place < 0 || place >= std::ssize(list)) {
    throw input_error(
        "cluster",
        "expected a question of the same plan, got another; start the same command on all machines");
  }
  return list[static_cast<std::size_t>(place)];
}

std::string result_of(std::int64_t place, const Response& response, std::span<const std::int32_t> tokens) {
  Packer out;
  out.add(place).add(response.text).add(response.finish_reason).add(response.generated_tokens);
  out.add(std::ssize(response.unmatched_keys));
  for (const std::string& keys : response.unmatched_keys) out.add(keys);
  out.add(std::ssize(tokens));
  for (const std::int32_t token : tokens) out.add(token);
  return out.take();
}

void take_result(const std::vector<Job>& jobs, const std::string& result, const OnResponse& on_response) {
  Unpacker in(result);
  const Job& job = at(jobs, in.number());
  Response response;
  response.text = in.text();
  response.finish_reason = in.text();
  response.generated_tokens = in.number();
  for (std::int64_t left = in.number(); left > 0; --left) response.unmatched_keys.push_back(in.text());
  std::vector<std::int32_t> tokens;
  for (std::int64_t left = in.number(); left > 0; --left)
    tokens.push_back(static_cast<std::int32_t>(in.number()));
  on_response(job, std::move(response), tokens);
}

// Units that begin with the same examples are of one group. What texts have in common is short, and their
// order (the longest first) matters more.
std::vector<WorkUnit> units_of(const EvalSettings& settings, const Plan& plan, const std::vector<Job>& jobs,
                               const Conversation& conversation) {
  std::vector<WorkUnit> out;
  std::span<const std::int32_t> before;
  std::int64_t group = 0;
  for (std::size_t place = 0; place < jobs.size(); ++place) {
    const Job& job = jobs[place];
    if (is_scored(settings)) {
      const auto prefix =
          std::span(job.question->tokens).first(static_cast<std::size_t>(job.question->shared_prefix));
      if (!std::ranges::equal(prefix, before)) ++group;
      before = prefix;
    }
    out.push_back({std::to_string(group), unit_of(plan, job, place, conversation)});
  }
  return out;
}

}  // namespace

DoWork answering_work(const EvalModel& model, const EvalSettings& settings, const Plan& plan) {
  return [&](const NextUnit& next, const GiveResult& give) {
    std::unordered_map<const Job*, std::pair<std::unique_ptr<Job>, std::int64_t>> jobs;  // with their places
    const auto source = [&]() -> const Job* {
      const std::optional<std::string> unit = next();
      if (!unit) return nullptr;
      Unpacker in(*unit);
      const std::int64_t place = in.number();
      auto job = std::make_unique<Job>();
      job->question = &at(plan.questions, in.number());
      job->arm = &at(plan.arms, in.number());
      std::vector<std::string> answers;
      for (std::int64_t left = in.number(); left > 0; --left) answers.push_back(in.text());
      if (!answers.empty()) job->later = later_question(model, settings, *job->question, answers);
      const Job* out = job.get();
      jobs.emplace(out, std::pair(std::move(job), place));
      return out;
    };
    answer_jobs(model, settings, plan, source,
                [&](const Job& job, const Response& response, std::span<const std::int32_t> tokens) {
                  const auto its = jobs.extract(&job);
                  give(result_of(its.mapped().second, response, tokens));
                });
  };
}

nlohmann::ordered_json ranks_json(const WorkShare& share) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const WorkerTally& tally : share.tallies())
    out.push_back({{"host", tally.host}, {"answers", tally.units}});
  return out;
}

void share_out(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
               const std::vector<Job>& jobs, const Conversation& conversation,
               const OnResponse& on_response) {
  settings.share->run(kAnsweringPhase, units_of(settings, plan, jobs, conversation),
                      answering_work(model, settings, plan),
                      [&](const std::string& result) { take_result(jobs, result, on_response); });
}

}  // namespace refocus
