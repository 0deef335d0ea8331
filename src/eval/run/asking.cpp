#include "eval/run/asking.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <set>

#include "base/error.h"
#include "eval/run/answering.h"
#include "eval/run/shared_asking.h"
#include "eval/text/progress.h"

namespace refocus {

namespace {

using Jobs = std::vector<Job>;

// Calls on_job(question, arm's place) for all that is open, question by question.
template <class OnJob>
void for_each_open(const Plan& plan, const IsOpen& is_open, const OnJob& on_job) {
  for (const Question& question : plan.questions) {
    for (std::size_t a = 0; a < plan.arms.size(); ++a) {
      if (plan.arms[a].arm.prompt == question.kind && is_open(question, a)) on_job(question, a);
    }
  }
}

std::int64_t count_of(const Plan& plan, const IsOpen& is_open) {
  std::int64_t out = 0;
  for_each_open(plan, is_open, [&](const Question&, std::size_t) { ++out; });
  return out;
}

// What is still to be asked, by the turn it belongs to: question by question, so that an interrupted run has
// pairs.
std::vector<Jobs> open_jobs(const Plan& plan, const IsOpen& is_open) {
  std::vector<Jobs> turns(1);
  for_each_open(plan, is_open, [&](const Question& question, std::size_t arm) {
    const auto turn = static_cast<std::size_t>(question.item->turn);
    if (turns.size() <= turn) turns.resize(turn + 1);
    turns[turn].push_back({&question, &plan.arms[arm]});
  });
  return turns;
}

// The same, of the settings' shard alone.
IsOpen within_shard(const EvalSettings& settings, IsOpen is_open) {
  if (settings.shard.is_whole()) return is_open;
  return [items = items_of_shard(settings.tasks, settings.shard), is_open = std::move(is_open)](
             const Question& question, std::size_t arm) {
    return items.contains(question.item) && is_open(question, arm);
  };
}

// The longest prompts of texts come first: a long one at the end would be computed alone, and a lack of
// memory shows at once. Questions with common examples (log-likelihoods) stay together. The arms of a
// question do too.
void put_longest_first(Jobs& jobs) {
  std::ranges::stable_sort(jobs, std::greater(), [](const Job& job) { return job.asked().tokens.size(); });
}

NextJob in_order(const Jobs& jobs) {
  return [&jobs, next = std::size_t{0}]() mutable -> const Job* {
    return next < jobs.size() ? &jobs[next++] : nullptr;
  };
}

}  // namespace

std::shared_ptr<const InterventionTarget> target_of(const EvalModel& model, const EvalSettings& settings,
                                                    const Question& question, const InterventionSpec& spec) {
  if (!spec.needs_target()) return nullptr;  // encode nothing
  const EncodedPrompt encoded = encode_prompt(model.tokenizer, question.pieces,
                                              settings.chat ? PromptEnds::kBegin : PromptEnds::kModel);
  return aim(spec, {question.tokens, &question.pieces, &encoded, &model.tokenizer});
}

bool is_scored(const EvalSettings& settings) {
  return settings.prompts.front() == PromptKind::kLoglikelihood;
}

void check_memory(const EvalModel& model, const EvalSettings& settings, const Plan& plan) {
  constexpr std::int64_t kMiB = 1 << 20;
  const bool scored = is_scored(settings);
  const bool later_turns =
      std::ranges::any_of(plan.questions, [](const Question& q) { return q.item->turn > 0; });
  // Beside the longest question, an option's copy of its last block. Later turns may fill the context.
  const std::int64_t tokens = scored        ? plan.longest + kKeyBlock
                              : later_turns ? plan.context
                                            : std::min(plan.context, plan.longest + settings.max_new_tokens);
  const Transformer& transformer = model.transformer;
  const auto bytes = [&](std::int64_t count) {
    return kv_bytes(transformer.config(), count, transformer.kv_type(), transformer.max_rows());
  };
  const std::int64_t needed = scored ? bytes(plan.longest) + bytes(1) : bytes(tokens);
  if (settings.kv_bytes == 0 || needed <= settings.kv_bytes) return;
  throw input_error("cache",
                    "expected memory for sequences of {} tokens ({} MiB), got {} MiB; raise it with "
                    "--kv-memory {}{}",
                    tokens, (needed + kMiB - 1) / kMiB, settings.kv_bytes / kMiB, (needed + kMiB - 1) / kMiB,
                    scored        ? ""
                    : later_turns ? ", or use a smaller --context"
                                  : ", or use a smaller --max-new-tokens");
}

IsOpen open_in(const Plan& plan, const Journal& journal) {
  std::vector<std::set<ItemKey>> done;
  for (const PlannedArm& arm : plan.arms) done.push_back(journal.done(arm.name));
  return [done = std::move(done)](const Question& question, std::size_t arm) {
    return !done[arm].contains({question.item->subject, question.item->index});
  };
}

OpenAnswers count_open(const EvalSettings& settings, const Plan& plan, const Journal& journal) {
  const IsOpen is_open = open_in(plan, journal);
  return {count_of(plan, within_shard(settings, is_open)), count_of(plan, is_open)};
}

void ask(const EvalModel& model, const EvalSettings& settings, const Plan& plan, Journal& journal,
         const AskingOptions& options) {
  const bool scored = is_scored(settings);
  const IsOpen is_open = within_shard(settings, open_in(plan, journal));
  const std::int64_t open = count_of(plan, is_open);
  if (open == 0) return;
  check_memory(model, settings, plan);
  const auto all = [](const Question&, std::size_t) { return true; };
  const std::int64_t total = count_of(plan, within_shard(settings, all));
  Progress progress(options.label, total, total - open);
  std::vector<Jobs> turns = open_jobs(plan, is_open);
  Conversation conversation(plan, journal);
  const auto keep = [&](const Job& job, Response response, std::span<const std::int32_t> tokens) {
    const Question& question = job.asked();
    complete(job, response);
    if (options.keep_tokens) response.tokens.assign(tokens.begin(), tokens.end());
    journal.put(response);
    if (question.task->type == AnswerType::kTranscript) conversation.keep(response);
    progress.advance(scored ? question.tokens_with_options() : response.generated_tokens);
  };
  for (std::size_t turn = 0; turn < turns.size(); ++turn) {
    Jobs& jobs = turns[turn];
    if (turn > 0) {
      for (Job& job : jobs) {
        job.later = later_question(model, settings, *job.question, conversation.answers_before(job));
      }
    }
    if (!scored) put_longest_first(jobs);
    if (jobs.empty()) continue;
    if (settings.share != nullptr) {
      share_out(model, settings, plan, jobs, conversation, keep);
    } else {
      answer_jobs(model, settings, plan, in_order(jobs), keep);
    }
  }
}

AskedSample ask_sample(const EvalModel& model, const EvalSettings& settings, const Plan& plan) {
  const std::vector<Jobs> turns = open_jobs(plan, [](const Question&, std::size_t) { return true; });
  AskedSample out;
  const auto begin = std::chrono::steady_clock::now();
  out.stats = answer_jobs(model, settings, plan, in_order(turns.front()),
                          [&](const Job& job, Response response, std::span<const std::int32_t> tokens) {
                            complete(job, response);
                            response.tokens.assign(tokens.begin(), tokens.end());
                            out.responses.push_back(std::move(response));
                          });
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return out;
}

}  // namespace refocus
