// The grammar of keys=.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "intervene/grammar/selector.h"
#include "intervene/grammar/spec_text.h"
#include "prompt/token_class.h"

namespace refocus {

namespace {

// Those that a tokenizer tells apart.
const std::vector<std::string_view> kClasses = [] {
  std::vector<std::string_view> names;
  for (std::size_t c = 0; c + 1 < kTokenClasses; ++c) {
    names.push_back(token_class_name(static_cast<TokenClass>(c)));
  }
  return names;
}();

bool is_plain_word(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

constexpr std::int64_t kUsualSinks = 4;
constexpr std::string_view kRandom = "random";

constexpr std::array<std::pair<std::string_view, KeyTerm::Kind>, 11> kTerms = {{
    {"bos", KeyTerm::Kind::kBos},
    {"sinks", KeyTerm::Kind::kSinks},
    {"positions", KeyTerm::Kind::kPositions},
    {"text", KeyTerm::Kind::kText},
    {"regex", KeyTerm::Kind::kRegex},
    {"class", KeyTerm::Kind::kClass},
    {"field", KeyTerm::Kind::kField},
    {"role", KeyTerm::Kind::kRole},
    {"shot", KeyTerm::Kind::kShot},
    {"marked", KeyTerm::Kind::kMarked},
    {"generated", KeyTerm::Kind::kGenerated},
}};

bool takes_value(KeyTerm::Kind kind) {
  return kind != KeyTerm::Kind::kBos && kind != KeyTerm::Kind::kMarked && kind != KeyTerm::Kind::kGenerated;
}

void set_value(KeyTerm& term, std::string_view word, std::string_view value, const SpecPlace& at) {
  switch (term.kind) {
    case KeyTerm::Kind::kSinks: {
      const std::int64_t count = value.empty() ? kUsualSinks : need_spec_number(value, "sinks", at);
      if (count == 0) throw spec_error(at, "expected at least one sink, got '{}'", printable(value));
      term.positions.ranges = {{0, count - 1}};
      return;
    }
    case KeyTerm::Kind::kPositions:
    case KeyTerm::Kind::kShot:
      term.positions = parse_ranges(value, word == "shot" ? "shots" : "positions", at);
      return;
    default:
      term.text = unquoted_text(value, word, at);
  }
  if (term.text.empty()) throw spec_error(at, "expected {}:SOMETHING, got nothing", word);
  if (term.kind == KeyTerm::Kind::kClass && std::ranges::find(kClasses, term.text) == kClasses.end()) {
    throw spec_error(at, "expected a class of tokens ({}), got '{}'", fmt::join(kClasses, ", "),
                     printable(term.text));
  }
}

// Takes a word off the text's front, where it stands there.
bool take(std::string_view word, std::string_view& text, SpecPlace& place) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  place.column += word.size();
  return true;
}

// [not:]random:SEED: before a selector; nothing where another one stands there.
std::optional<KeyTerm::Draw> take_draw(std::string_view& text, SpecPlace& place) {
  const bool negated = text.starts_with("not:random");
  if (negated) take("not:", text, place);
  if (text.substr(0, text.find(':')) != kRandom) return std::nullopt;
  const std::string_view all = text;
  const SpecPlace begin = place;
  const std::size_t colon = text.find(':', kRandom.size() + 1);
  if (!take("random:", text, place) || colon == std::string_view::npos) {
    throw spec_error(begin, "expected random:SEED:SELECTOR, such as random:0:field:question, got '{}'",
                     printable(all));
  }
  const std::string_view seed = all.substr(kRandom.size() + 1, colon - kRandom.size() - 1);
  KeyTerm::Draw out{need_spec_seed(seed, place), negated};
  take(all.substr(kRandom.size() + 1, seed.size() + 1), text, place);
  return out;
}

KeyTerm parse_term(std::string_view text, SpecPlace place) {
  KeyTerm term;
  term.draw = take_draw(text, place);
  term.negated = take("not:", text, place);
  const std::size_t colon = text.find(':');
  const std::string_view word = text.substr(0, colon);
  const auto known = std::ranges::find(kTerms, word, &std::pair<std::string_view, KeyTerm::Kind>::first);
  if (known == kTerms.end()) {
    std::vector<std::string_view> words;
    for (const auto& [name, kind] : kTerms) words.push_back(name);
    if (!term.draw) words.push_back(kRandom);
    throw spec_error(place, "expected keys {} or not:, got '{}'", fmt::join(words, ", "), printable(text));
  }
  term.kind = known->second;
  const bool has_value = colon != std::string_view::npos;
  if (!takes_value(term.kind)) {
    if (has_value) throw spec_error(place, "expected {} alone, got '{}'", word, printable(text));
    return term;
  }
  if (!has_value && term.kind != KeyTerm::Kind::kSinks) {
    throw spec_error(place, "expected {}:SOMETHING, got '{}'", word, printable(text));
  }
  const std::size_t skip = has_value ? colon + 1 : text.size();
  set_value(term, word, text.substr(skip), place.after(skip));
  return term;
}

}  // namespace

std::string KeyTerm::written() const {
  const auto word = std::ranges::find(kTerms, kind, &std::pair<std::string_view, Kind>::second)->first;
  std::string out = draw ? fmt::format("{}{}:{}:", draw->negated ? "not:" : "", kRandom, draw->seed) : "";
  out += fmt::format("{}{}", negated ? "not:" : "", word);
  switch (kind) {
    case Kind::kSinks:
      return fmt::format("{}:{}", out, positions.largest() + 1);
    case Kind::kPositions:
    case Kind::kShot:
      return out + ":" + positions.text();
    case Kind::kText:
    case Kind::kRegex:
      return out + ":" + quoted_text(text);
    case Kind::kClass:
    case Kind::kField:
    case Kind::kRole:
      return out + ":" + (is_plain_word(text) ? text : quoted_text(text));
    default:
      return out;
  }
}

std::string KeySelector::text() const {
  std::string out;
  for (const KeyTerm& term : terms) {
    if (!out.empty()) out += '|';
    out += term.written();
  }
  return out;
}

bool KeySelector::has(KeyTerm::Kind kind) const {
  return std::ranges::any_of(terms, [&](const KeyTerm& term) { return term.kind == kind; });
}

KeySelector parse_keys(std::string_view text, const SpecPlace& place) {
  KeySelector out;
  for_parts(text, '|', place,
            [&](std::string_view part, const SpecPlace& at) { out.terms.push_back(parse_term(part, at)); });
  return out;
}

}  // namespace refocus
