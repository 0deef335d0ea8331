#include "server/openai/scored_token.h"

#include <algorithm>
#include <cmath>

namespace refocus::openai {
namespace {

using nlohmann::ordered_json;

constexpr double kLowestLogprob = -9999.0;

std::int64_t characters_of(std::string_view text) {
  return std::ranges::count_if(text, [](unsigned char c) { return (c & 0xC0) != 0x80; });
}

std::string spelling(const TokenScore& score) { return replace_invalid_utf8(score.bytes); }

ordered_json byte_list(const std::string& bytes) {
  ordered_json out = ordered_json::array();
  for (const char c : bytes) out.push_back(static_cast<unsigned char>(c));
  return out;
}

void keep_larger(ordered_json& top, const TokenScore& score) {
  const double logprob = written_logprob(score.logprob);
  const auto [place, fresh] = top.emplace(spelling(score), logprob);
  if (!fresh && place->get<double>() < logprob) *place = logprob;
}

ordered_json chat_entry(const TokenScore& score) {
  return {{"token", spelling(score)},
          {"logprob", written_logprob(score.logprob)},
          {"bytes", byte_list(score.bytes)}};
}

void add_prompt_entry(ordered_json& entry, const TokenScore& score) {
  entry.emplace(std::to_string(score.id),
                ordered_json{{"logprob", written_logprob(score.logprob)},
                             {"rank", score.rank > 0 ? ordered_json(score.rank) : ordered_json()},
                             {"decoded_token", spelling(score)}});
}

}  // namespace

TokenScore token_score(const Tokenizer& tokenizer, std::int32_t id, double logprob, std::int64_t rank) {
  TokenScore out{id, "", logprob, rank};
  if (tokenizer.contains(id))
    out.bytes = tokenizer.is_special(id) ? tokenizer.piece(id) : tokenizer.token_bytes(id);
  return out;
}

std::int64_t TextOffsets::next(std::int32_t id) {
  if (!tokenizer_.contains(id) || tokenizer_.is_special(id)) return characters_;
  std::string bytes = tokenizer_.token_bytes(id);
  if (at_start_ && bytes.starts_with(' ') && !tokenizer_.decode({&id, 1}).starts_with(' ')) bytes.erase(0, 1);
  at_start_ = false;
  const std::int64_t before = characters_;
  characters_ += characters_of(assembler_.push(bytes));
  // With it an unfinished character may have been given up, which then stands before it.
  return is_valid_utf8(bytes) ? characters_ - characters_of(bytes) : before;
}

double written_logprob(double logprob) { return std::isfinite(logprob) ? logprob : kLowestLogprob; }

ordered_json completion_logprobs(std::span<const ScoredToken> tokens) {
  ordered_json spellings = ordered_json::array(), logprobs = ordered_json::array(),
               tops = ordered_json::array(), offsets = ordered_json::array();
  for (const ScoredToken& one : tokens) {
    spellings.push_back(spelling(one.token));
    offsets.push_back(one.offset);
    if (!one.scored) {
      logprobs.push_back(nullptr);
      tops.push_back(nullptr);
      continue;
    }
    logprobs.push_back(written_logprob(one.token.logprob));
    ordered_json top = ordered_json::object();
    for (const TokenScore& other : one.top) keep_larger(top, other);
    keep_larger(top, one.token);
    tops.push_back(std::move(top));
  }
  return {{"tokens", std::move(spellings)},
          {"token_logprobs", std::move(logprobs)},
          {"top_logprobs", std::move(tops)},
          {"text_offset", std::move(offsets)}};
}

ordered_json chat_logprobs(std::span<const ScoredToken> tokens) {
  ordered_json content = ordered_json::array();
  for (const ScoredToken& one : tokens) {
    ordered_json entry = chat_entry(one.token), top = ordered_json::array();
    for (const TokenScore& other : one.top) top.push_back(chat_entry(other));
    entry["top_logprobs"] = std::move(top);
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

ordered_json prompt_logprobs(std::span<const ScoredToken> tokens) {
  ordered_json out = ordered_json::array();
  for (const ScoredToken& one : tokens) {
    if (!one.scored) {
      out.push_back(nullptr);
      continue;
    }
    ordered_json entry = ordered_json::object();
    add_prompt_entry(entry, one.token);
    for (const TokenScore& other : one.top) add_prompt_entry(entry, other);  // keeps the first of a number
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace refocus::openai
