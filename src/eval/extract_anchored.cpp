#include "eval/extract_anchored.h"

#include <algorithm>

#include "base/error.h"
#include "eval/answer_statements.h"
#include "eval/weak_signs.h"

namespace refocus {

namespace {

struct Found {
  Reading reading;
  std::string rule;
};

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

Found decide(const Reply& reply) {
  const Statements statements = find_statements(reply);
  const std::size_t header = statements.header.value_or(0);
  const auto after = std::ranges::lower_bound(statements.list, header, {}, &Statement::place);
  if (Found found = last_statement({after, statements.list.end()}); found.reading.chosen()) return found;
  if (statements.header) {
    const auto weak = [&](const Reading& reading, const char* rule) { return Found{reading, rule}; };
    for (const Found& found : {weak(read_verdicts(reply, header), "verdict"),
                               weak(read_only_mention(reply, header, Mention::kAny), "only_mention"),
                               weak(read_only_text(reply, header), "only_text")}) {
      if (found.reading.chosen()) return found;
    }
    if (refuses(reply, header)) return {};
    if (Found found = last_statement({statements.list.begin(), after}); found.reading.chosen()) return found;
  }
  if (const Reading opening = read_opening(reply); opening.chosen()) {
    return {opening, opening.kind == Reading::Kind::kText ? "opening_text" : "opening"};
  }
  if (refuses(reply, 0)) return {};
  if (const Reading verdict = read_verdicts(reply, 0); verdict.chosen()) return {verdict, "verdict"};
  if (const Reading verdict = read_option_verdicts(reply); verdict.chosen())
    return {verdict, "option_verdict"};
  if (const Reading closing = read_closing(reply); closing.chosen()) return {closing, "closing"};
  if (const Reading only = read_only_mention(reply, 0, Mention::kPointed); only.chosen()) {
    return {only, "only_mention"};
  }
  return {};
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
