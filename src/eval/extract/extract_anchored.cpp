#include "eval/extract/extract_anchored.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "eval/extract/answer_statements.h"
#include "eval/extract/option_verdicts.h"
#include "eval/extract/plain_text.h"
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

// What the last outright statements leave.
struct Outcome {
  Found found;
  bool several = false;                     // the last names several options, or contradicts itself
  std::optional<std::size_t> revoked = {};  // where the last choice is taken back, and none is made instead
};

Outcome outcome_of(std::span<const Statement> statements) {
  Outcome outcome;
  const Statement* last = nullptr;
  std::size_t joined_end = 0;  // of several options named together, of which none is chosen
  for (const Statement& statement : statements) {
    if (statement.place < joined_end) continue;
    const Reading& reading = statement.reading;
    const bool chosen_now = outcome.found.reading.chosen();
    if (statement.retracts) {
      if (chosen_now) outcome = {{}, false, statement.end};
    } else if (reading.kind == Reading::Kind::kAmbiguous) {
      outcome = {{}, true, {}};
      joined_end = reading.span.end;
    } else if (reading.chosen()) {
      // "If ..., the answer is A. If ..., the answer is C."
      const bool either = statement.conditional && last != nullptr && last->conditional && chosen_now &&
                          last->reading.letter != reading.letter;
      const bool text = reading.kind == Reading::Kind::kText;
      outcome = either ? Outcome{{}, true, {}}
                       : Outcome{{reading, statement.rule + std::string(text ? "_text" : "")}};
      last = &statement;
    } else if (chosen_now && outcome.found.reading.letter == reading.letter) {
      outcome = {{}, false, statement.end};
    }
  }
  return outcome;
}

using Sign = std::pair<Reading, const char*>;

// The first of `signs` that no outright statement denies or doubts; or what corrects it, if anything.
Found first_sign(const Reply& reply, std::span<const Sign> signs, const Statements& all,
                 std::span<const Statement> statements) {
  for (const auto& [reading, rule] : signs) {
    if (!reading.chosen() || denies(statements, reading.letter)) continue;
    const bool verdict = rule == std::string_view("verdict") || rule == std::string_view("option_verdict");
    if (!verdict && (all.unsure >> (reading.letter - 'A') & 1) != 0) continue;
    const auto instead = correction_of(reply, reading);
    if (!instead) return {reading, rule};
    return instead->chosen() ? Found{*instead, "correction"} : Found{};
  }
  return {};
}

// Weaker signs after the header, in order.
Found weak_after_header(const Reply& reply, const Statements& all, std::span<const Statement> statements) {
  const std::size_t header = *all.header;
  const std::array<Sign, 3> signs = {{{read_verdicts(reply, header), "verdict"},
                                      {read_only_mention(reply, header, Mention::kAny), "only_mention"},
                                      {read_only_text(reply, header), "only_text"}}};
  return first_sign(reply, signs, all, statements);
}

// Signs in a reply without any outright statement.
Found weak_anywhere(const Reply& reply, const Statements& all) {
  const Reading opening = read_opening(reply);
  const std::array<Sign, 1> first = {
      {{opening, opening.kind == Reading::Kind::kText ? "opening_text" : "opening"}}};
  if (const Found found = first_sign(reply, first, all, all.list); found.reading.chosen()) return found;
  if (refuses(reply, 0)) return {};
  const Reading verdict = read_verdicts(reply, 0);
  const bool several = verdict.kind == Reading::Kind::kAmbiguous;
  const std::array<Sign, 4> signs = {{{verdict, "verdict"},
                                      {several ? Reading{} : read_option_verdicts(reply), "option_verdict"},
                                      {read_closing(reply), "closing"},
                                      {read_only_mention(reply, 0, Mention::kPointed), "only_mention"}}};
  return first_sign(reply, signs, all, all.list);
}

// What follows a choice that was taken back: nothing but a verdict makes up for it.
Found after_retraction(const Reply& reply, const Statements& all, std::size_t at) {
  const std::array<Sign, 1> signs = {{{read_verdicts(reply, at), "verdict"}}};
  return first_sign(reply, signs, all, {});
}

Found decide(const Reply& reply) {
  const Statements statements = find_statements(reply);
  const std::span<const Statement> all = statements.list;
  const auto settled = [&](const Outcome& outcome) -> std::optional<Found> {
    if (outcome.found.reading.chosen()) return outcome.found;
    if (outcome.several) return Found{};
    if (outcome.revoked) return after_retraction(reply, statements, *outcome.revoked);
    return std::nullopt;
  };
  if (statements.header) {
    const std::size_t header = *statements.header;
    const auto split = std::ranges::lower_bound(all, header, {}, &Statement::place) - all.begin();
    const auto after = all.subspan(static_cast<std::size_t>(split));
    if (const auto found = settled(outcome_of(after))) return *found;
    if (const Found found = weak_after_header(reply, statements, after); found.reading.chosen()) return found;
    if (refuses(reply, header)) return {};
  }
  if (const auto found = settled(outcome_of(all))) return *found;
  return weak_anywhere(reply, statements);
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

// Whether `at` is in reasoning that the response never ends: "<think>" without "</think>".
bool in_unfinished_thought(std::string_view text, std::size_t at) {
  static const Pattern mark(R"(<(/)?(?:think|thinking|thought|reasoning)>)", Pattern::Text::kBytes, true);
  bool open = false;
  std::size_t from = 0, opened = 0;
  while (const auto found = mark.search(text, from)) {
    open = !(*found)[1];
    opened = (*found)[0]->begin;
    from = (*found)[0]->end;
  }
  return open && opened < at;
}

Extraction to_extraction(const Found& found, const PlainText& plain) {
  if (!found.reading.chosen()) return {};
  const Span span = plain.original(found.reading.span);
  const bool unfinished = in_unfinished_thought(plain.text(), found.reading.span.begin);
  return {found.reading.letter, unfinished ? "unfinished_thought" : found.rule,
          static_cast<std::int64_t>(span.begin), static_cast<std::int64_t>(span.end)};
}

}  // namespace

Extraction extract_anchored(std::span<const std::string> choices, std::string_view response) {
  REFOCUS_CHECK(!choices.empty() && choices.size() <= 26);
  std::vector<std::string> options;
  for (const std::string& choice : choices) options.push_back(PlainText(choice).text());
  const PlainText plain(response);
  const Reply reply(options, plain.text());
  if (const std::size_t end = next_question(reply); end != std::string_view::npos) {
    const Found found = decide(Reply(options, reply.text.substr(0, end)));
    if (found.rule.starts_with("header") || found.rule.starts_with("opening")) {
      return to_extraction(found, plain);
    }
  }
  return to_extraction(decide(reply), plain);
}

}  // namespace refocus
