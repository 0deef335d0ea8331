#include "eval/run/answering.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "eval/journal/likelihood_answer.h"
#include "eval/run/asking.h"
#include "eval/run/common_prefix.h"
#include "eval/run/layer_sharing.h"
#include "eval/run/likelihood_scorer.h"
#include "eval/task/ending.h"
#include "eval/task/transcript.h"
#include "eval/text/code_points.h"
#include "prompt/answer_end.h"

namespace refocus {

namespace {

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

// Jobs that are being answered, by the number that the engine knows them by; with what their keys= chose
// nothing with.
class Asked {
 public:
  Asked(const EvalModel& model, const EvalSettings& settings) : model_(model), settings_(settings) {}

  // Its target in its prompt.
  std::shared_ptr<const InterventionTarget> begin(std::uint64_t number, const Job& job) {
    auto target = target_of(model_, settings_, job.asked(), job.arm->intervention);
    jobs_.emplace(number, One{&job, target ? target->unmatched : std::vector<std::string>()});
    return target;
  }
  // Once.
  const Job& end(std::uint64_t number, Response& response) {
    auto one = jobs_.extract(number);
    REFOCUS_CHECK(!one.empty());
    response.unmatched_keys = std::move(one.mapped().unmatched);
    return *one.mapped().job;
  }
  const Job& at(std::uint64_t number) const { return *jobs_.at(number).job; }

 private:
  struct One {
    const Job* job;
    std::vector<std::string> unmatched;
  };

  const EvalModel& model_;
  const EvalSettings& settings_;
  std::map<std::uint64_t, One> jobs_;
};

SchedulerStats generate(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                        const NextJob& next, const OnResponse& on_response) {
  Scheduler scheduler(model.transformer, {settings.batch, plan.context, settings.kv_bytes});
  Asked asked(model, settings);
  std::uint64_t count = 0;
  std::map<const TaskKind*, AnswerEnds> ends;
  for (const Question& question : plan.questions) {
    if (!ends.contains(question.task)) {
      ends.emplace(question.task, AnswerEnds(model.tokenizer, question.task->until));
    }
  }
  const auto source = [&]() -> std::optional<GenerationRequest> {
    const Job* job = next();
    // A turn that the turns before it leave no room for stays without an answer.
    for (; job != nullptr && std::ssize(job->asked().tokens) >= plan.context; job = next()) {
      Response response;
      response.finish_reason = kFinishLength;
      on_response(*job, std::move(response), {});
    }
    if (job == nullptr) return std::nullopt;
    const Question& question = job->asked();
    GenerationRequest request;
    request.prompt = question.tokens;
    request.shared_prefix = question.shared_prefix;
    request.max_new_tokens = most_new_tokens(settings, *question.task);
    request.intervention = job->arm->intervention;
    request.id = count++;
    request.target = asked.begin(request.id, *job);
    const AnswerEnds& own = ends.at(question.task);
    add_ends(request, model.tokenizer, own, model.eos_ids);
    return request;
  };
  scheduler.run(source, [&](GenerationResult&& result) {
    const TaskKind& task = *asked.at(result.id).question->task;
    Response response = to_response(model, task, ends.at(&task), result);
    const Job& job = asked.end(result.id, response);
    on_response(job, std::move(response), result.tokens);
  });
  return scheduler.stats();
}

SchedulerStats score_options(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                             const NextJob& next, const OnResponse& on_response) {
  const auto begin = std::chrono::steady_clock::now();
  LikelihoodScorer scorer(model.transformer, {settings.batch, plan.context, settings.kv_bytes});
  Asked asked(model, settings);
  StartedJobs jobs(model, settings, plan, next);
  const auto source = [&]() -> std::optional<LikelihoodRequest> {
    std::optional<StartedJob> started = jobs.next();
    if (!started) return std::nullopt;
    const Question& question = *started->job->question;
    LikelihoodRequest request;
    request.id = started->number;
    request.context = question.tokens;
    request.options = question.options;
    request.leads = question.leads;
    request.shared_prefix = question.shared_prefix;
    request.intervention = started->job->arm->intervention;
    request.target = asked.begin(started->number, *started->job);
    request.first_layer = started->first_layer;
    request.start = std::move(started->start);
    request.records = std::move(started->records);
    return request;
  };
  // Responses are told in the order of the jobs, whatever was computed first.
  std::map<std::uint64_t, Response> done;
  std::uint64_t told = 0;
  scorer.run(source, [&](LikelihoodResult&& result) {
    Response& response = done[result.id];
    response.text = likelihoods_text(result.options);
    response.finish_reason = kLikelihoodRule;
    for (auto its = done.begin(); its != done.end() && its->first == told; its = done.erase(its), ++told) {
      const Job& job = asked.end(told, its->second);
      on_response(job, std::move(its->second), {});
    }
  });
  SchedulerStats stats;
  // Those that went through some of the layers count in part.
  stats.prefill_tokens = scorer.computed_layers() / model.transformer.config().num_hidden_layers;
  stats.prefill_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return stats;
}

}  // namespace

SchedulerStats answer_jobs(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                           const NextJob& next, const OnResponse& on_response) {
  return (is_scored(settings) ? score_options : generate)(model, settings, plan, next, on_response);
}

void complete(const Job& job, Response& response) {
  const Question& question = job.asked();
  response.arm = job.arm->name;
  response.subject = question.item->subject;
  response.index = question.item->index;
  response.prompt = question.prompt();
  response.question_end = question.question_end;
  response.prompt_tokens = static_cast<std::int64_t>(question.tokens.size());
}

Question later_question(const EvalModel& model, const EvalSettings& settings, const Question& question,
                        const std::vector<std::string>& answers) {
  std::vector<const Item*> items;
  for (std::size_t t = 0; t <= answers.size(); ++t) {
    items.push_back(question.item - (answers.size() - t));  // a question's turns stand together
  }
  Question later = question;
  if (settings.chat) {
    ask_as_chat(model.tokenizer, *settings.chat, transcript_messages(items, answers, later.instruction),
                later);
  } else {
    later.pieces = transcript_prompt(*later.task, later.instruction, items, answers);
    later.tokens = encode_prompt(model.tokenizer, later.pieces).tokens;
    later.shared_prefix = common_prefix(
        encode_prompt(model.tokenizer, {template_piece(later.instruction)}).tokens, later.tokens);
  }
  return later;
}

Conversation::Conversation(const Plan& plan, const Journal& journal) {
  std::set<std::string> subjects;
  for (const Question& question : plan.questions) {
    if (question.task->type == AnswerType::kTranscript) subjects.insert(question.item->subject);
  }
  if (subjects.empty()) return;
  for (const PlannedArm& arm : plan.arms) {
    journal.for_each(arm.name, [&](const Response& response) {
      if (subjects.contains(response.subject)) keep(response);
    });
  }
}

void Conversation::keep(const Response& response) {
  texts_[{response.arm, response.subject, response.index}] = replace_invalid_utf8(response.text);
}

std::vector<std::string> Conversation::answers_before(const Job& job) const {
  const Item* item = job.question->item;
  std::vector<std::string> out;
  for (int before = item->turn; before > 0; --before) {
    const Item& earlier = *(item - before);  // a question's turns stand together
    out.push_back(texts_.at({job.arm->name, earlier.subject, earlier.index}));
  }
  return out;
}

}  // namespace refocus
