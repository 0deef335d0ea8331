#include "eval/extract/short_answer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/utf8.h"
#include "eval/extract/extraction.h"
#include "eval/task/ending.h"
#include "eval/text/code_points.h"

namespace refocus {

namespace {

constexpr std::string_view kHeader = "Response:";

bool is_ascii_punctuation(char32_t c) {
  return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) ||
         (c >= 0x7B && c <= 0x7E);
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  bool inside = false;
  for (const CodePoint& c : decode_utf8(text)) {
    const bool white = is_white_space(c.code);
    if (!white && !inside) words.emplace_back();
    if (!white) words.back() += text.substr(c.begin, c.end - c.begin);
    inside = !white;
  }
  return words;
}

std::string in_lower_case(std::string_view text) {
  std::string out;
  for (const char32_t c : code_points(text)) append_utf8(lower_case(c), out);
  return out;
}

std::string without_punctuation(const std::string& text) {
  std::string out = text;
  std::erase_if(out, [](char c) { return is_ascii_punctuation(static_cast<unsigned char>(c)); });
  return words_of(out).empty() ? text : out;
}

std::string without_articles(const std::string& text) {
  static const Pattern article(R"(\b(?:a|an|the)\b)", Pattern::Text::kUtf8);
  std::string out;
  std::size_t from = 0;
  while (const auto found = article.search(text, from)) {
    const Span span = *(*found)[0];
    out += text.substr(from, span.begin - from) + ' ';
    from = span.end;
  }
  out += text.substr(from);
  return words_of(out).empty() ? text : out;
}

std::vector<std::string> normalised_words(std::string_view text) {
  return words_of(without_articles(without_punctuation(in_lower_case(text))));
}

// Without white space around it.
Span trimmed(std::string_view text, Span span) {
  const std::string_view inner = stripped(text.substr(span.begin, span.size()));
  if (inner.empty()) return {span.end, span.end};
  const auto begin = static_cast<std::size_t>(inner.data() - text.data());
  return {begin, begin + inner.size()};
}

// The last match from left to right, its first group where the pattern has one.
std::optional<Span> last_match(const Pattern& pattern, std::string_view text) {
  std::optional<Span> last;
  for (std::size_t from = 0; from <= text.size();) {
    const auto found = pattern.search(text, from);
    if (!found) break;
    const Span whole = *(*found)[0];
    const std::optional<Span> part = found->size() > 1 ? (*found)[1] : whole;
    if (part && part->begin <= part->end) last = part;
    from = std::max(whole.end, from);
    if (whole.end > whole.begin) continue;
    if (from >= text.size()) break;
    from += static_cast<std::size_t>(utf8_step(text.substr(from)).length);
  }
  return last;
}

// Compiled once for all responses of a task.
const Pattern& compiled(const std::string& regex) {
  thread_local std::map<std::string, Pattern> patterns;
  const auto found = patterns.find(regex);
  if (found != patterns.end()) return found->second;
  return patterns.emplace(regex, Pattern(regex, Pattern::Text::kUtf8)).first->second;
}

struct Part {
  Span span;
  const char* rule = "";
};

std::optional<Part> answer_part(const ShortAnswerRules& rules, std::string_view response) {
  if (!rules.pattern.empty()) {
    const std::optional<Span> found = last_match(compiled(rules.pattern), response);
    if (!found) return std::nullopt;
    return Part{trimmed(response, *found), kPatternRule};
  }
  const std::size_t header = response.rfind(kHeader);
  if (header == std::string_view::npos) return Part{trimmed(response, {0, response.size()}), "whole"};
  return Part{trimmed(response, {header + kHeader.size(), response.size()}), "header"};
}

bool is_right(const ShortAnswerRules& rules, const std::string& answer, const std::string& right) {
  if (rules.metric != ShortMetric::kNumeric) return exact_match(answer, right);
  const auto a = whole_number_text(answer), b = whole_number_text(right);
  REFOCUS_CHECK(a && b);
  return numbers_agree(*a, *b, rules.tolerance);
}

void judge_short_answer(const TaskKind& kind, const Item& item, Answer& answer) {
  if (kind.measure) {
    MeasuredText measured = kind.measure(item, answer.response.text);
    answer.extraction.text = std::move(measured.found);
    if (answer.extraction.text) answer.extraction.rule = std::move(measured.rule);
    answer.correct = measured.right;
    return;
  }
  try {
    answer.extraction = extract_short_answer(kind.short_answer, answer.response.text);
  } catch (const InputError&) {
    throw input_error(fmt::format("{} item {}", printable(item.subject), item.index),
                      "expected an answer_pattern that finds its way in a response of {} bytes, got one that "
                      "needs more steps than allowed; simplify it",
                      answer.response.text.size());
  }
  if (item.answers.empty()) return;
  const std::string found = answer.extraction.text.value_or("");
  answer.correct = answer.extraction.text && std::ranges::any_of(item.answers, [&](const std::string& right) {
                     return is_right(kind.short_answer, found, right);
                   });
  if (!kind.has_f1()) return;
  answer.f1 = 0;
  if (!answer.extraction.text) return;
  for (const std::string& right : item.answers) answer.f1 = std::max(*answer.f1, token_f1(found, right));
}

}  // namespace

std::string normalised_answer(std::string_view text) { return joined(normalised_words(text)); }

bool exact_match(std::string_view answer, std::string_view right) {
  return normalised_answer(answer) == normalised_answer(right);
}

double token_f1(std::string_view answer, std::string_view right) {
  const std::vector<std::string> a = normalised_words(answer), b = normalised_words(right);
  if (a.empty() && b.empty()) return 1;
  std::map<std::string, int> left;
  for (const std::string& word : b) ++left[word];
  double common = 0;
  for (const std::string& word : a) {
    if (left[word]-- > 0) ++common;
  }
  // 2 P R / (P + R) with P = common / |a| and R = common / |b|.
  return 2 * common / static_cast<double>(a.size() + b.size());
}

std::optional<NumberFound> last_number(std::string_view text) {
  REFOCUS_CHECK(is_valid_utf8(text));
  static const Pattern pattern(
      "(?:(?<![\\p{L}\\p{N})\\]])[-+\\x{2212}])?"
      "(?:(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\\.[0-9]+)?|(?<![0-9])\\.[0-9]+)"
      "(?:[eE][-+]?[0-9]+)?",
      Pattern::Text::kUtf8);
  const std::optional<Span> found = last_match(pattern, text);
  if (!found) return std::nullopt;
  std::string digits(text.substr(found->begin, found->size()));
  const bool negative = digits.starts_with('-') || digits.starts_with("\u2212");
  digits.erase(0, digits.find_first_of("0123456789."));
  std::erase(digits, ',');
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return NumberFound{negative ? -value : value, *found};
}

std::optional<double> whole_number_text(std::string_view text) {
  const Span inner = trimmed(text, {0, text.size()});
  const auto found = last_number(text);
  if (!found || found->span.begin != inner.begin || found->span.end != inner.end) return std::nullopt;
  return found->value;
}

bool numbers_agree(double a, double b, double tolerance) {
  if (a == b) return true;
  // A difference of two decimal fractions misses the tolerance by a rounding error: 1.1 - 1.0 > 0.1.
  const double rounding = 1e-12 * std::max(std::abs(a), std::abs(b));
  return tolerance > 0 && std::abs(a - b) <= tolerance + rounding;
}

Extraction extract_short_answer(const ShortAnswerRules& rules, std::string_view response) {
  REFOCUS_CHECK(is_valid_utf8(response));
  std::optional<Part> part = answer_part(rules, response);
  if (!part || part->span.size() == 0) return {};
  if (rules.metric == ShortMetric::kNumeric) {
    const auto number = last_number(response.substr(part->span.begin, part->span.size()));
    if (!number) return {};
    part->span = {part->span.begin + number->span.begin, part->span.begin + number->span.end};
  }
  Extraction found;
  found.rule = part->rule;
  found.span_begin = static_cast<std::int64_t>(part->span.begin);
  found.span_end = static_cast<std::int64_t>(part->span.end);
  found.text = std::string(response.substr(part->span.begin, part->span.size()));
  return found;
}

std::optional<std::string> short_answer_pattern_error(const std::string& regex) {
  return Pattern::error(regex, Pattern::Text::kUtf8);
}

Answer judge_text(const Task& task, const Item& item, Response response, ExtractionRules rules) {
  const TaskKind& kind = kind_of(task);
  Answer answer;
  answer.item = &item;
  answer.response = std::move(response);
  prepare_response(answer.response);
  switch (kind.type) {
    case AnswerType::kChoice:
      answer.extraction = extract(rules, item.choices, answer.response.text);
      if (item.label) answer.correct = answer.extraction.letter == item.label;
      break;
    case AnswerType::kShort:
      judge_short_answer(kind, item, answer);
      break;
    case AnswerType::kTranscript:
      answer.open_ended = true;
      return answer;
  }
  answer.unfinished = is_unfinished(answer.response, answer.extraction);
  return answer;
}

}  // namespace refocus
