#include "server/api/answering.h"

#include <algorithm>

#include "server/api/responses.h"

namespace refocus::server {
namespace {

const openai::ApiFault kServerFault{.status = 500, .type = "server_error"};
const openai::ApiFault kQueueFull{.status = 429, .type = "rate_limit_error", .code = "queue_full"};
// No status that clients try again: what took too long once does so again.
const openai::ApiFault kTooLong{.status = 400, .type = "invalid_request_error", .code = "request_timeout"};

// What stands between a prompt and its answer where both are one text: SentencePiece writes no space before
// the first word of a text, and an answer behind its prompt is none.
std::string joint_of(const Tokenizer& tokenizer, std::vector<std::int32_t> prompt, std::int32_t first) {
  const std::size_t before = tokenizer.decode(prompt).size();
  prompt.push_back(first);
  const std::string both = tokenizer.decode(prompt), alone = tokenizer.decode({&first, 1});
  return both.size() > before && both.substr(before) == " " + alone ? " " : "";
}

constexpr std::size_t kMostUnsent = std::size_t{8} << 20;  // bytes that a client may leave untaken

}  // namespace

Answering::Answering(Prepared prepared, AnswerForm form, std::unique_ptr<AttentionKeeping> keeping,
                     const Tokenizer& tokenizer, Engine& engine, std::shared_ptr<http::Reply> reply)
    : prepared_(std::move(prepared)),
      form_(std::move(form)),
      keeping_(std::move(keeping)),
      tokenizer_(tokenizer),
      engine_(engine),
      reply_(std::move(reply)),
      writer_(form_.kind, form_.head, form_.include_usage),
      choices_(prepared_.prompts.size() * static_cast<std::size_t>(prepared_.n)),
      left_(choices_.size()) {
  for (ChoiceState& choice : choices_) {
    choice.stream.emplace(tokenizer_, prepared_.ends, prepared_.eos);
    choice.offsets.emplace(tokenizer_);
  }
}

void Answering::begin() {
  std::vector<Job> jobs = jobs_of(prepared_, tokenizer_);
  const auto self = shared_from_this();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (keeping_) jobs[i].request.watch = keeping_->watch(i);
    jobs[i].on_token = [self, i](const GeneratedToken& token) { self->on_token(i, token); };
    jobs[i].on_done = [self, i](GenerationResult&& result) { self->on_done(i, std::move(result)); };
    jobs[i].on_failure = [self](const std::string& message) { self->fail(kServerFault, message); };
  }
  auto ids = engine_.submit(std::move(jobs));
  if (!ids) {
    return fail(kQueueFull,
                "[server] expected room in the queue, got as many requests as may wait; try again later");
  }
  bool over = false;
  {
    const std::lock_guard lock(mutex_);
    ids_ = std::move(*ids);
    over = over_;
  }
  if (over) cancel();
  reply_->on_gone([weak = weak_from_this()] {
    if (const auto alive = weak.lock()) alive->cancel();
  });
}

void Answering::cancel() {
  std::vector<std::uint64_t> ids;
  {
    const std::lock_guard lock(mutex_);
    ids = ids_;
    over_ = true;
  }
  for (const std::uint64_t id : ids) engine_.cancel(id);
}

bool Answering::on_time(double ping_seconds, double limit_seconds) {
  const auto now = Clock::now();
  const auto seconds_since = [&](Clock::time_point t) {
    return std::chrono::duration<double>(now - t).count();
  };
  bool late = false;
  {
    const std::lock_guard lock(mutex_);
    if (over_) return false;
    late = seconds_since(begin_) > limit_seconds;
    if (!late && form_.stream && seconds_since(last_sent_) > ping_seconds) {
      if (!streaming_) {
        begin_stream();
      }
      write(std::string(openai::kSsePing));
    }
  }
  if (late) {
    fail(kTooLong,
         fmt::format("[request] expected an answer within {} seconds, got none; ask for fewer tokens, or "
                     "start the server with a larger --request-seconds",
                     limit_seconds));
  }
  return !late;
}

void Answering::fail(const openai::ApiFault& fault, const std::string& message) {
  {
    const std::lock_guard lock(mutex_);
    if (over_) return;
    over_ = true;
    if (streaming_) {
      reply_->write(openai::sse_error(openai::ApiError(fault, message)));
      reply_->end();
    } else {
      send(error_response(fault, message));
    }
  }
  cancel();
}

void Answering::send(http::Response response) {
  response.headers.insert(response.headers.end(), form_.headers.begin(), form_.headers.end());
  reply_->send(std::move(response));
}

void Answering::begin_stream() {
  http::Fields fields = form_.headers;
  fields.emplace_back("Content-Type", "text/event-stream; charset=utf-8");
  fields.emplace_back("Cache-Control", "no-cache");
  reply_->begin(200, fields);
  streaming_ = true;
}

void Answering::write(const std::string& bytes) {
  if (bytes.empty()) return;
  reply_->write(bytes);
  last_sent_ = Clock::now();
}

void Answering::stream_begin(std::size_t choice) {
  if (!streaming_) {
    begin_stream();
  }
  ChoiceState& state = choices_[choice];
  if (state.begun) return;
  state.begun = true;
  write(writer_.begin(static_cast<std::int64_t>(choice)));
}

void Answering::on_token(std::size_t choice, const GeneratedToken& token) {
  bool slow = false;
  {
    const std::lock_guard lock(mutex_);
    if (over_) return;
    if (times_.tokens++ == 0)
      times_.first_token = std::chrono::duration<double>(Clock::now() - begin_).count();
    // With an echo the prompt comes first, whose scores are known at the end of the choice.
    if (!form_.stream || form_.echo || prepared_.max_tokens == 0) return;
    stream_begin(choice);
    ChoiceState& state = choices_[choice];
    const std::string text = state.stream->push(token.token);
    if (token.score != nullptr) {
      const std::vector<openai::ScoredToken> scores = {
          scored(*token.score, prepared_.logprobs, *state.offsets)};
      write(writer_.more(static_cast<std::int64_t>(choice), text, &scores));
    } else if (!text.empty()) {
      write(writer_.more(static_cast<std::int64_t>(choice), text, nullptr));
    }
    slow = reply_->unsent() > kMostUnsent;
  }
  if (slow) cancel();
}

void Answering::on_done(std::size_t choice, GenerationResult&& result) {
  const std::lock_guard lock(mutex_);
  if (over_) return;
  choices_[choice].result = std::move(result);
  if (keeping_) keep_attention(choice);
  --left_;
  if (form_.stream) stream_end(choice);
  if (left_ > 0) return;
  if (!form_.stream) send_whole();
  finish();
}

void Answering::keep_attention(std::size_t choice) {
  KeptText text{prepared_.canonical, prompt_of(choice).tokens, std::ssize(prompt_of(choice).tokens)};
  const auto& generated = choices_[choice].result->tokens;
  text.tokens.insert(text.tokens.end(), generated.begin(), generated.end());
  choices_[choice].attention = keeping_->finish(choice, std::move(text));
}

void Answering::finish() {
  over_ = true;
  times_.whole = std::chrono::duration<double>(Clock::now() - begin_).count();
  if (on_end_) on_end_(times_);
}

void Answering::send_whole() {
  openai::Answer answer{form_.head, {}, usage(), facts()};
  for (std::size_t i = 0; i < choices_.size(); ++i) answer.choices.push_back(choice_of(i));
  const bool chat = form_.kind == openai::ChunkWriter::Kind::kChat;
  send(json_response(chat ? openai::chat_answer(answer) : openai::completion_answer(answer)));
}

void Answering::stream_end(std::size_t choice) {
  stream_begin(choice);
  const auto index = static_cast<std::int64_t>(choice);
  if (form_.echo || prepared_.max_tokens == 0) {
    const openai::Choice whole = choice_of(choice);
    write(writer_.more(index, whole.text, whole.tokens ? &*whole.tokens : nullptr));
  } else {
    const std::string rest = choices_[choice].stream->finish();
    if (!rest.empty()) write(writer_.more(index, rest, nullptr));
  }
  const openai::RefocusFacts what = facts();
  write(writer_.end(index, finished(choice).finish_reason, left_ == 0 ? &what : nullptr));
  if (left_ > 0) return;
  write(writer_.usage(usage()));
  write(std::string(openai::kSseDone));
  reply_->end();
}

openai::ScoredToken Answering::scored(const TokenScore& score, std::optional<std::int64_t> most,
                                      openai::TextOffsets& offsets) const {
  openai::ScoredToken out;
  out.offset = offsets.next(score.token);
  out.token = openai::token_score(tokenizer_, score.token, score.logprob);
  const auto count = std::min(score.top.size(), static_cast<std::size_t>(most.value_or(0)));
  for (std::size_t i = 0; i < count; ++i) {
    const TokenScore::Candidate& candidate = score.top[i];
    const auto rank = static_cast<std::int64_t>(i) + 1;
    if (candidate.token == score.token) out.token.rank = rank;
    out.top.push_back(openai::token_score(tokenizer_, candidate.token, candidate.logprob, rank));
  }
  return out;
}

std::vector<openai::ScoredToken> Answering::prompt_tokens(std::size_t choice,
                                                          std::optional<std::int64_t> most,
                                                          openai::TextOffsets& offsets) const {
  const std::vector<std::int32_t>& tokens = prompt_of(choice).tokens;
  std::vector<openai::ScoredToken> out;
  openai::ScoredToken first;
  first.offset = offsets.next(tokens.front());
  first.token = openai::token_score(tokenizer_, tokens.front(), 0);
  first.scored = false;
  out.push_back(std::move(first));
  for (const TokenScore& score : choices_[choice].result->prompt_scores)
    out.push_back(scored(score, most, offsets));
  return out;
}

FinishedAnswer Answering::finished(std::size_t choice) const {
  if (prepared_.max_tokens == 0) return {};  // what was generated all the same is nobody's
  return finished_answer(tokenizer_, prepared_.ends, choices_[choice].result->tokens, prepared_.eos);
}

openai::Choice Answering::choice_of(std::size_t choice) const {
  const GenerationResult& result = *choices_[choice].result;
  openai::Choice out;
  out.index = static_cast<std::int64_t>(choice);
  FinishedAnswer answer = finished(choice);
  out.text = std::move(answer.text);
  out.finish_reason = answer.finish_reason;
  openai::TextOffsets offsets(tokenizer_);
  if (prepared_.logprobs) out.tokens.emplace();
  if (form_.echo) {
    const PreparedPrompt& prompt = prompt_of(choice);
    if (!out.text.empty()) out.text.insert(0, joint_of(tokenizer_, prompt.tokens, result.tokens.front()));
    out.text.insert(0, prompt.text);
    if (out.tokens) out.tokens = prompt_tokens(choice, prepared_.logprobs, offsets);
  }
  if (out.tokens && prepared_.max_tokens > 0) {
    for (const TokenScore& score : result.scores)
      out.tokens->push_back(scored(score, prepared_.logprobs, offsets));
  }
  if (form_.prompt_logprobs) {
    openai::TextOffsets own(tokenizer_);
    out.prompt_tokens = prompt_tokens(choice, form_.prompt_candidates, own);
  }
  return out;
}

openai::Usage Answering::usage() const {
  openai::Usage out;
  for (const PreparedPrompt& prompt : prepared_.prompts) out.prompt += std::ssize(prompt.tokens);
  for (const ChoiceState& choice : choices_) {
    if (choice.result && prepared_.max_tokens > 0) out.completion += std::ssize(choice.result->tokens);
  }
  return out;  // how much was in the cache depends on others, and answers do not
}

openai::RefocusFacts Answering::facts() const {
  openai::RefocusFacts out{prepared_.canonical, form_.ignored, {}};
  for (const ChoiceState& choice : choices_) {
    if (choice.attention) out.attention.push_back(*choice.attention);
  }
  return out;
}

}  // namespace refocus::server
