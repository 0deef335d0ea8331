#include "eval/run/asking.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <set>

#include "base/error.h"
#include "eval/journal/likelihood_answer.h"
#include "eval/run/likelihood_scorer.h"
#include "eval/run/transcript_answers.h"
#include "eval/task/ending.h"
#include "eval/text/code_points.h"
#include "eval/text/progress.h"
#include "model/partition.h"
#include "prompt/answer_end.h"

namespace refocus {

namespace {

// A question in an arm. A later turn of a transcript has its prompt only once those before it are answered.
struct Job {
  const Question* question;
  const PlannedArm* arm;
  std::optional<Question> later = {};

  const Question& asked() const { return later ? *later : *question; }
};

using Jobs = std::vector<Job>;
// The tokens are those that were generated, a stop token included; none in log-likelihood mode.
using OnResponse = std::function<void(const Job&, Response, std::span<const std::int32_t> tokens)>;

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

Response to_response(const EvalModel& model, const TaskKind& task, const AnswerEnds& ends,
                     const GenerationResult& result) {
  Response response;
  response.generated_tokens = static_cast<std::int64_t>(result.tokens.size());
  FinishedAnswer answer = finished_answer(model.tokenizer, ends, result.tokens, model.eos_ids);
  response.finish_reason = answer.finish_reason;
  response.text = task.keeps_blanks ? std::move(answer.text) : std::string(stripped(answer.text));
  return response;
}

// A task may say how long its answers are at most.
std::int64_t most_new_tokens(const EvalSettings& settings, const TaskKind& task) {
  return task.max_new_tokens > 0 ? std::min(task.max_new_tokens, settings.max_new_tokens)
                                 : settings.max_new_tokens;
}

// The targets of jobs in their prompts; and of each job what its keys= chose nothing with.
class Aims {
 public:
  Aims(const EvalModel& model, const EvalSettings& settings, const Jobs& jobs)
      : model_(model), settings_(settings), jobs_(jobs), unmatched_(jobs.size()) {}

  std::shared_ptr<const InterventionTarget> aim(std::size_t job) {
    auto out = target_of(model_, settings_, jobs_[job].asked(), jobs_[job].arm->intervention);
    if (out) unmatched_[job] = out->unmatched;
    return out;
  }
  // Once.
  std::vector<std::string> unmatched(std::size_t job) { return std::move(unmatched_[job]); }

 private:
  const EvalModel& model_;
  const EvalSettings& settings_;
  const Jobs& jobs_;
  std::vector<std::vector<std::string>> unmatched_;  // [jobs]
};

SchedulerStats generate(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                        const Jobs& jobs, const OnResponse& on_response) {
  Scheduler scheduler(model.transformer, {settings.batch, plan.context, settings.kv_bytes});
  Aims aims(model, settings, jobs);
  std::map<const TaskKind*, AnswerEnds> ends;
  for (const Job& job : jobs) {
    const TaskKind* task = job.question->task;
    if (!ends.contains(task)) ends.emplace(task, AnswerEnds(model.tokenizer, task->until));
  }
  std::size_t next = 0;
  const auto source = [&]() -> std::optional<GenerationRequest> {
    // A turn that the turns before it leave no room for stays without an answer.
    for (; next < jobs.size() && std::ssize(jobs[next].asked().tokens) >= plan.context; ++next) {
      Response response;
      response.finish_reason = kFinishLength;
      on_response(jobs[next], std::move(response), {});
    }
    if (next == jobs.size()) return std::nullopt;
    const Question& question = jobs[next].asked();
    GenerationRequest request;
    request.prompt = question.tokens;
    request.shared_prefix = question.shared_prefix;
    request.max_new_tokens = most_new_tokens(settings, *question.task);
    request.intervention = jobs[next].arm->intervention;
    request.target = aims.aim(next);
    const AnswerEnds& own = ends.at(question.task);
    add_ends(request, model.tokenizer, own, model.eos_ids);
    request.id = next++;
    return request;
  };
  scheduler.run(source, [&](GenerationResult&& result) {
    const Job& job = jobs[result.id];
    const TaskKind& task = *job.question->task;
    Response response = to_response(model, task, ends.at(&task), result);
    response.unmatched_keys = aims.unmatched(result.id);
    on_response(job, std::move(response), result.tokens);
  });
  return scheduler.stats();
}

SchedulerStats score_options(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                             const Jobs& jobs, const OnResponse& on_response) {
  const auto begin = std::chrono::steady_clock::now();
  LikelihoodScorer scorer(model.transformer, {settings.batch, plan.context, settings.kv_bytes});
  Aims aims(model, settings, jobs);
  std::size_t next = 0;
  const auto source = [&]() -> std::optional<LikelihoodRequest> {
    if (next == jobs.size()) return std::nullopt;
    const Job& job = jobs[next];
    const Question& question = *job.question;
    auto target = aims.aim(next);
    return LikelihoodRequest{next++,           question.tokens,        question.options,
                             question.leads,   question.shared_prefix, job.arm->intervention,
                             std::move(target)};
  };
  scorer.run(source, [&](LikelihoodResult&& result) {
    Response response;
    response.text = likelihoods_text(result.options);
    response.finish_reason = kLikelihoodRule;
    response.unmatched_keys = aims.unmatched(result.id);
    on_response(jobs[result.id], std::move(response), {});
  });
  SchedulerStats stats;
  stats.prefill_tokens = scorer.computed_rows();
  stats.prefill_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return stats;
}

// Says whose response it is.
void complete(const Job& job, Response& response) {
  const Question& question = job.asked();
  response.arm = job.arm->name;
  response.subject = question.item->subject;
  response.index = question.item->index;
  response.prompt = question.prompt();
  response.question_end = question.question_end;
  response.prompt_tokens = static_cast<std::int64_t>(question.tokens.size());
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

namespace {

// What a process has to know to ask what is open.
struct Open {
  IsOpen is_open;
  TranscriptAnswers answers;
};

// Asks all of it, and hands each answer, complete, to `keep`.
void ask_open(const EvalModel& model, const EvalSettings& settings, const Plan& plan, Open open,
              const std::function<void(Response&, std::span<const std::int32_t> tokens)>& keep_response) {
  const bool scored = is_scored(settings);
  check_memory(model, settings, plan);
  std::vector<Jobs> turns = open_jobs(plan, open.is_open);
  TranscriptAnswers& answers = open.answers;
  const auto keep = [&](const Job& job, Response response, std::span<const std::int32_t> tokens) {
    const Question& question = job.asked();
    complete(job, response);
    keep_response(response, tokens);
    if (question.task->type == AnswerType::kTranscript) answers.keep(response);
  };
  for (std::size_t turn = 0; turn < turns.size(); ++turn) {
    if (turn > 0) {
      for (Job& job : turns[turn])
        job.later = answers.later_question(model, settings, *job.question, job.arm->name);
    }
    if (!scored) put_longest_first(turns[turn]);
    if (!turns[turn].empty()) {
      (scored ? score_options : generate)(model, settings, plan, turns[turn], keep);
    }
  }
}

void ask_open_in(const EvalModel& model, const EvalSettings& settings, const Plan& plan, Open open,
                 Journal& journal, const AskingOptions& options) {
  const std::int64_t count = count_of(plan, open.is_open);
  if (count == 0) return;
  const auto all = [](const Question&, std::size_t) { return true; };
  const std::int64_t total = count_of(plan, within_shard(settings, all));
  Progress progress(options.label, total, total - count);
  const bool scored = is_scored(settings);
  ask_open(model, settings, plan, std::move(open),
           [&](Response& response, std::span<const std::int32_t> tokens) {
             if (options.keep_tokens) response.tokens.assign(tokens.begin(), tokens.end());
             journal.put(response);
             progress.advance(scored ? response.prompt_tokens : response.generated_tokens);
           });
}

Open open_by(const EvalSettings& settings, const Plan& plan, const Journal& journal) {
  return {within_shard(settings, open_in(plan, journal)), TranscriptAnswers(plan, journal)};
}

}  // namespace

void ask(const EvalModel& model, const EvalSettings& settings, const Plan& plan, Journal& journal,
         const AskingOptions& options) {
  ask_open_in(model, settings, plan, open_by(settings, plan, journal), journal, options);
}

void ask_with_others(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                     Journal& journal) {
  Open open = open_by(settings, plan, journal);
  if (const ModelPartition* others = model.transformer.partition()) {
    std::string flags;
    for (const Question& question : plan.questions) {
      for (std::size_t a = 0; a < plan.arms.size(); ++a) flags += open.is_open(question, a) ? '1' : '0';
    }
    others->text_of_first(flags);
    others->text_of_first(open.answers.text());
  }
  ask_open_in(model, settings, plan, std::move(open), journal, {});
}

void follow_asking(const EvalModel& model, const EvalSettings& settings, const Plan& plan) {
  const ModelPartition& others = *model.transformer.partition();
  const std::string flags = others.text_of_first("");
  TranscriptAnswers answers = TranscriptAnswers::of_text(others.text_of_first(""));
  if (flags.size() != plan.questions.size() * plan.arms.size()) ModelPartition::refuse_other_calls();
  if (flags.find('1') == std::string::npos) return;
  const IsOpen is_open = [&](const Question& question, std::size_t arm) {
    const auto place = static_cast<std::size_t>(&question - plan.questions.data());
    return flags[place * plan.arms.size() + arm] == '1';
  };
  ask_open(model, settings, plan, {is_open, std::move(answers)},
           [](const Response&, std::span<const std::int32_t>) {});
}

AskedSample ask_sample(const EvalModel& model, const EvalSettings& settings, const Plan& plan) {
  const std::vector<Jobs> turns = open_jobs(plan, [](const Question&, std::size_t) { return true; });
  AskedSample out;
  const auto begin = std::chrono::steady_clock::now();
  out.stats = (is_scored(settings) ? score_options : generate)(
      model, settings, plan, turns.front(),
      [&](const Job& job, Response response, std::span<const std::int32_t> tokens) {
        complete(job, response);
        response.tokens.assign(tokens.begin(), tokens.end());
        out.responses.push_back(std::move(response));
      });
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return out;
}

}  // namespace refocus
