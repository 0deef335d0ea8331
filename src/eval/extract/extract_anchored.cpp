#include "eval/extract/extract_anchored.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "eval/extract/answer_statements.h"
#include "eval/extract/weak_signs.h"

namespace refocus {

namespace {

struct Found {
  Reading reading;
  std::string rule;
};

bool denies(std::span<const Statement> statements, char letter) {
  return std::ranges::any_of(statements, [&](const Statement& s) {
    return s.reading.kind == Reading::Kind::kDenied && s.reading.letter == letter;
  });
}

// The last option chosen among `statements`; a later denial takes it back.
Found last_statement(std::span<const Statement> statements) {
  Found found;
  for (const Statement& statement : statements) {
    if (statement.reading.chosen()) {
      found = {statement.reading, statement.rule};
      if (statement.reading.kind == Reading::Kind::kText) found.rule += "_text";
    } else if (found.reading.letter == statement.reading.letter) {
      found = {};
    }
  }
  return found;
}

// Weaker signs after the header, in order; none that an outright statement denies.
Found weak_after_header(const Reply& reply, std::size_t header, std::span<const Statement> statements) {
  const std::array<std::pair<Reading, const char*>, 3> signs = {
      {{read_verdicts(reply, header), "verdict"},
       {read_only_mention(reply, header, Mention::kAny), "only_mention"},
       {read_only_text(reply, header), "only_text"}}};
  for (const auto& [reading, rule] : signs) {
    if (reading.chosen() && !denies(statements, reading.letter)) return {reading, rule};
  }
  return {};
}

// Signs in a reply without any outright statement.
Found weak_anywhere(const Reply& reply, std::span<const Statement> statements) {
  if (const Reading opening = read_opening(reply); opening.chosen() && !denies(statements, opening.letter)) {
    return {opening, opening.kind == Reading::Kind::kText ? "opening_text" : "opening"};
  }
  if (refuses(reply, 0)) return {};
  const std::array<std::pair<Reading, const char*>, 4> signs = {
      {{read_verdicts(reply, 0), "verdict"},
       {read_option_verdicts(reply), "option_verdict"},
       {read_closing(reply), "closing"},
       {read_only_mention(reply, 0, Mention::kPointed), "only_mention"}}};
  for (const auto& [reading, rule] : signs) {
    if (reading.chosen() && !denies(statements, reading.letter)) return {reading, rule};
  }
  return {};
}

Found decide(const Reply& reply) {
  const Statements statements = find_statements(reply);
  const std::span<const Statement> all = statements.list;
  if (!statements.header) {
    const Found found = last_statement(all);
    return found.reading.chosen() ? found : weak_anywhere(reply, all);
  }
  const std::size_t header = *statements.header;
  const auto split =
      static_cast<std::size_t>(std::ranges::lower_bound(all, header, {}, &Statement::place) - all.begin());
  if (const Found found = last_statement(all.subspan(split)); found.reading.chosen()) return found;
  if (const Found found = weak_after_header(reply, header, all.subspan(split)); found.reading.chosen()) {
    return found;
  }
  if (refuses(reply, header)) return {};
  if (const Found found = last_statement(all); found.reading.chosen()) return found;
  return weak_anywhere(reply, all);
}

// Where a model that was not stopped may have gone on to invent the next question: a "Question:" line, or a
// list of options that are not the item's.
std::size_t next_question(const Reply& reply) {
  static const Pattern marker(
      R"(\n [ \t*\#]* (?:question|q) \s* \d* \s* [:.)] | \n [ \t]* for\ each\ multiple-choice\ question)",
      Pattern::Text::kBytes, true, true);
  static const Pattern list(R"(\n[ \t]*\(?A[.):][ \t]+([^\n]+)\n\s*\(?B[.):][ \t]+([^\n]+))",
                            Pattern::Text::kBytes);
  static const Pattern judging(R"(correct|wrong|\bright\b|because|this|\bnot?\b)", Pattern::Text::kBytes,
                               true);
  std::size_t at = std::string_view::npos;
  if (const auto found = marker.search(reply.text)) at = (*found)[0]->begin;
  std::size_t from = 0;
  while (const auto found = list.search(reply.text, from)) {
    const Span whole = *(*found)[0], a = *(*found)[1], b = *(*found)[2];
    from = whole.end;
    if (whole.begin >= at) break;
    if (reply.options.end_of(0, reply.text, a.begin) || reply.count < 2 ||
        reply.options.end_of(1, reply.text, b.begin) ||
        judging.search(reply.text.substr(a.begin, b.end - a.begin))) {
      continue;
    }
    return whole.begin;
  }
  return at;
}

Extraction to_extraction(const Found& found) {
  if (!found.reading.chosen()) return {};
  return {found.reading.letter, found.rule, static_cast<std::int64_t>(found.reading.span.begin),
          static_cast<std::int64_t>(found.reading.span.end)};
}

}  // namespace

Extraction extract_anchored(std::span<const std::string> choices, std::string_view response) {
  REFOCUS_CHECK(!choices.empty() && choices.size() <= 26);
  const Reply reply(choices, response);
  if (const std::size_t end = next_question(reply); end != std::string_view::npos) {
    const Found found = decide(Reply(choices, response.substr(0, end)));
    if (found.rule.starts_with("header") || found.rule.starts_with("opening")) return to_extraction(found);
  }
  return to_extraction(decide(reply));
}

}  // namespace refocus
