#include "generation.h"

#include <algorithm>

#include "base/error.h"

namespace refocus::python {

Generation::Generation(std::shared_ptr<Model> model, GenerationCall call)
    : model_(std::move(model)), call_(std::move(call)) {
  const auto lock = model_->computing();
  running_model_ = model_->shared();
  RunningModel& running = *running_model_;
  spec_ = model_->intervention(call_.spec);
  if (!call_.ignore_eos) eos_ = running.files.eos_ids;
  if (!call_.stop.empty()) ends_ = AnswerEnds(model_->tokenizer(), call_.stop);
  const std::int64_t context = running.settings.context_for(running.files.config);
  const std::int64_t needed =
      call_.longest > 0 ? std::min(context, call_.longest + call_.max_tokens) : context;
  scheduler_ = std::make_unique<Scheduler>(
      running.transformer,
      SchedulerOptions{call_.batch_size, context,
                       kv_budget(running.settings, running.transformer, call_.batch_size, needed)});
}

std::uint64_t Generation::add(const ReadPrompt& prompt, std::optional<std::uint64_t> stream) {
  scheduler_->check(prompt.tokens, spec_);
  GenerationRequest request;
  request.id = next_++;
  request.stream = stream;
  request.prompt = prompt.tokens;
  request.shared_prefix = std::ssize(request.prompt);  // what later prompts begin with is computed once
  request.max_new_tokens = call_.max_tokens;
  request.intervention = spec_;
  request.target = prompt.aim(spec_);
  request.sampling = call_.sampling;
  request.top_logprobs = call_.top_logprobs;
  request.stop_tokens = eos_;
  const Tokenizer* tokenizer = model_->running().files.tokenizer.get();
  if (tokenizer != nullptr) add_ends(request, *tokenizer, ends_, eos_);
  queue_.insert(queue_.begin(), std::move(request));
  return next_ - 1;
}

bool Generation::advance() {
  const auto lock = model_->computing();
  const Tokenizer* tokenizer = model_->running().files.tokenizer.get();
  const auto source = [&]() -> std::optional<GenerationRequest> {
    if (queue_.empty()) return std::nullopt;
    GenerationRequest request = std::move(queue_.back());
    queue_.pop_back();
    Running& running = running_[request.id];
    running.prompt = request.prompt;
    if (call_.streams && tokenizer != nullptr) running.stream.emplace(*tokenizer, ends_, eos_);
    return request;
  };
  const auto on_token = [&](const GeneratedToken& token) {
    std::optional<AnswerStream>& stream = running_.at(token.id).stream;
    if (!stream) return;
    if (std::string text = stream->push(token.token); !text.empty())
      pieces_.push_back({token.id, std::move(text)});
  };
  while (done_.empty() && pieces_.empty()) {
    if (!scheduler_->advance(
            source, [&](GenerationResult&& result) { finish(std::move(result)); }, on_token))
      return !done_.empty();
  }
  return true;
}

void Generation::finish(GenerationResult&& result) {
  DoneAnswer out;
  out.id = result.id;
  Running running = std::move(running_.at(result.id));
  running_.erase(result.id);
  const auto& tokenizer = model_->running().files.tokenizer;
  if (tokenizer) {
    const FinishedAnswer answer = finished_answer(*tokenizer, ends_, result.tokens, eos_);
    out.text = answer.text;
    out.finish_reason = answer.finish_reason;
  } else {
    out.finish_reason = result.stopped ? kFinishEos : kFinishLength;
  }
  if (running.stream) {
    if (std::string text = running.stream->finish(); !text.empty())
      pieces_.push_back({result.id, std::move(text)});
  }
  out.prompt = std::move(running.prompt);
  out.tokens = std::move(result.tokens);
  out.scores = std::move(result.scores);
  done_.push_back(std::move(out));
}

}  // namespace refocus::python
