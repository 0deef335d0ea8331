#include "prompt/answer_end.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/error.h"

namespace refocus {

AnswerEnds::AnswerEnds(const Tokenizer& tokenizer, std::vector<std::string> texts)
    : texts_(std::move(texts)) {
  for (const std::string& text : texts_) {
    REFOCUS_CHECK(!text.empty());
    longest_ = std::max(longest_, text.size());
    const std::optional<std::int32_t> id = tokenizer.find(text);
    if (id && tokenizer.is_special(*id) && !has_token(*id)) tokens_.push_back(*id);
  }
}

bool AnswerEnds::has_token(std::int32_t id) const { return std::ranges::count(tokens_, id) > 0; }

std::size_t AnswerEnds::find(std::string_view text) const {
  std::size_t first = std::string_view::npos;
  for (const std::string& end : texts_) first = std::min(first, text.find(end));
  return first;
}

std::size_t AnswerEnds::begun(std::string_view text) const {
  for (std::size_t size = std::min(text.size(), std::max<std::size_t>(longest_, 1) - 1); size > 0; --size) {
    const std::string_view last = text.substr(text.size() - size);
    for (const std::string& end : texts_) {
      if (end.size() > size && std::string_view(end).starts_with(last)) return size;
    }
  }
  return 0;
}

FinishedAnswer finished_answer(const Tokenizer& tokenizer, const AnswerEnds& ends,
                               std::span<const std::int32_t> tokens, std::span<const std::int32_t> eos) {
  FinishedAnswer out;
  if (!tokens.empty()) {
    const std::int32_t last = tokens.back();
    if (std::ranges::count(eos, last) > 0) {
      out.finish_reason = kFinishEos;
    } else if (ends.has_token(last)) {
      out.finish_reason = kFinishStop;
    }
    if (out.finish_reason != kFinishLength) tokens = tokens.first(tokens.size() - 1);
  }
  out.text = tokenizer.decode(tokens);
  if (const std::size_t end = ends.find(out.text); end != std::string::npos) {
    out.text.resize(end);
    out.finish_reason = kFinishStop;
  }
  return out;
}

AnswerStream::AnswerStream(const Tokenizer& tokenizer, AnswerEnds ends, std::vector<std::int32_t> eos)
    : ends_(std::move(ends)), eos_(std::move(eos)), decoder_(tokenizer) {}

// `all`: whether nothing comes after it.
std::string AnswerStream::give(std::string_view more, bool all) {
  held_ += more;
  const std::size_t end = ends_.find(held_);
  if (end != std::string::npos) ended_ = true;
  const std::size_t sure =
      end != std::string::npos ? end : held_.size() - (all ? std::size_t{0} : ends_.begun(held_));
  std::string out = held_.substr(0, sure);
  held_.erase(0, ended_ ? held_.size() : sure);
  return out;
}

std::string AnswerStream::push(std::int32_t id) {
  if (ended_) return "";
  if (std::ranges::count(eos_, id) == 0 && !ends_.has_token(id)) return give(decoder_.push(id), false);
  std::string out = finish();
  ended_ = true;
  return out;
}

std::string AnswerStream::finish() { return ended_ ? "" : give(decoder_.finish(), true); }

std::function<bool(std::int32_t)> ends_after(const Tokenizer& tokenizer, const AnswerEnds& ends) {
  if (ends.empty()) return nullptr;
  auto stream = std::make_shared<AnswerStream>(tokenizer, ends, std::vector<std::int32_t>());
  return [stream](std::int32_t token) {
    stream->push(token);
    return stream->ended();
  };
}

}  // namespace refocus
