#include "tokenizer/pipeline/pre_tokenizer.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "tokenizer/byte_alphabet.h"

namespace refocus {
namespace {

struct Stretch {
  std::size_t begin, end;
  bool match;
};

SplitBehavior split_behavior(const std::string& where, std::string_view name) {
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  throw input_error(where,
                    "expected a split behavior Removed, Isolated, MergedWithPrevious, MergedWithNext or "
                    "Contiguous, got '{}'; this tokenizer is not supported",
                    printable(name));
}

// GPT-2's pattern, which a ByteLevel pre-tokenizer uses unless told not to.
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Whether the stretch `next` joins `last`, which stands right before it.
bool joins(SplitBehavior behavior, const Stretch& last, const Stretch& next) {
  switch (behavior) {
    case SplitBehavior::kContiguous:
      return last.match == next.match;
    case SplitBehavior::kMergedWithPrevious:
      return next.match && !last.match;
    case SplitBehavior::kMergedWithNext:
      return last.match && !next.match;
    default:
      return false;
  }
}

// Cuts `text` into words of so many characters, the last one maybe shorter.
void cut_evenly(std::string_view text, std::int64_t characters, std::vector<std::string_view>& words) {
  while (!text.empty()) {
    std::size_t end = 0;
    for (std::int64_t i = 0; i < characters && end < text.size(); ++i) {
      end += static_cast<std::size_t>(utf8_step(text.substr(end)).length);
    }
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

}  // namespace

void Split::apply(std::string_view text, std::vector<std::string_view>& words) const {
  std::vector<Stretch> stretches;
  std::size_t done = 0;
  for (const auto& [begin, end] : pattern.find_all(text)) {
    if (done < begin) stretches.push_back({done, begin, invert});
    stretches.push_back({begin, end, !invert});
    done = end;
  }
  if (done < text.size()) stretches.push_back({done, text.size(), invert});
  std::size_t begin = 0;
  for (std::size_t i = 0; i < stretches.size(); ++i) {
    if (i > 0 && !joins(behavior, stretches[i - 1], stretches[i])) begin = stretches[i].begin;
    const bool ends = i + 1 == stretches.size() || !joins(behavior, stretches[i], stretches[i + 1]);
    const bool removed = behavior == SplitBehavior::kRemoved && stretches[i].match;
    if (ends && !removed && begin < stretches[i].end)
      words.push_back(text.substr(begin, stretches[i].end - begin));
  }
}

void PreTokenizer::add_regex(const std::string& where, std::string_view regex, SplitBehavior behavior,
                             bool invert) {
  steps_.emplace_back(Split{TextPattern(Regex(where, regex)), behavior, invert});
}

// The types that cut words and change nothing in them; false for another type.
bool PreTokenizer::add_cut(const std::string& where, std::string_view type, JsonObject json) {
  constexpr std::string_view kPunctuation = R"([\p{P}!-/:-@\[-`{-~])";
  const auto behavior = [&](std::optional<std::string_view> absent) {
    const auto name = json_string(where, json, "behavior");
    return split_behavior(where, required(where, "behavior", name ? name : absent));
  };
  if (type == "Split") {
    steps_.emplace_back(
        Split{TextPattern(where, required(where, "pattern", json_object(where, json, "pattern"))),
              behavior(std::nullopt), json_bool(where, json, "invert").value_or(false)});
  } else if (type == "Digits") {
    const bool individual = json_bool(where, json, "individual_digits").value_or(false);
    add_regex(where, individual ? "\\p{N}" : "\\p{N}+", SplitBehavior::kIsolated, false);
  } else if (type == "Punctuation") {
    add_regex(where, kPunctuation, behavior("Isolated"), false);
  } else if (type == "Whitespace") {  // \w there takes in the two joiners
    add_regex(where, R"([\w\x{200C}\x{200D}]+|[^\w\s\x{200C}\x{200D}]+)", SplitBehavior::kRemoved, true);
  } else if (type == "WhitespaceSplit") {
    add_regex(where, "\\s", SplitBehavior::kRemoved, false);
  } else if (type == "BertPreTokenizer") {
    add_regex(where, "\\s", SplitBehavior::kRemoved, false);
    add_regex(where, kPunctuation, SplitBehavior::kIsolated, false);
  } else if (type == "CharDelimiterSplit") {
    steps_.emplace_back(
        Split{TextPattern(json_short_string(where, json, "delimiter")), SplitBehavior::kRemoved, false});
  } else if (type == "FixedLength") {
    const std::int64_t length = json_integer(where, json, "length").value_or(5);
    if (length < 1) {
      throw input_error(where, "expected a \"length\" of at least 1, got {}; the file is damaged", length);
    }
    steps_.emplace_back(FixedLength{length});
  } else {
    return false;
  }
  return true;
}

void PreTokenizer::add(const std::string& where, JsonObject json) {
  const std::string_view type = json_type(where, json);
  if (type == "Sequence") {
    for (const JsonValue part : required(where, "pretokenizers", json_array(where, json, "pretokenizers"))) {
      add(where, as_object(where, "a pre-tokenizer", part));
    }
    return;
  }
  if (byte_level_ && (type == "ByteLevel" || type == "Metaspace")) {
    throw input_error(
        where, "expected no {} behind ByteLevel as a pre-tokenizer, got one; this tokenizer is not supported",
        type);
  }
  if (byte_level_ && !spelled_) {
    steps_.emplace_back(SpellBytes{});
    spelled_ = true;
  }
  if (type == "ByteLevel") {
    add_byte_level(where, json);
  } else if (type == "Metaspace") {
    add_metaspace(where, json);
  } else if (!add_cut(where, type, json)) {
    throw input_error(where,
                      "expected a pre-tokenizer of type Split, ByteLevel, Digits, Metaspace, Punctuation, "
                      "Whitespace, WhitespaceSplit, CharDelimiterSplit, BertPreTokenizer, FixedLength or "
                      "Sequence, got '{}'; this tokenizer is not supported",
                      printable(type));
  }
}

void PreTokenizer::add_byte_level(const std::string& where, JsonObject json) {
  byte_level_ = true;
  if (json_bool(where, json, "add_prefix_space").value_or(true)) steps_.emplace_back(PrefixSpace{});
  if (json_bool(where, json, "use_regex").value_or(true)) {
    add_regex(where, kGpt2Pattern, SplitBehavior::kIsolated, false);
  }
}

void PreTokenizer::add_metaspace(const std::string& where, JsonObject json) {
  Metaspace step;
  step.replacement = json_short_string(where, json, "replacement");
  if (const auto scheme = json_string(where, json, "prepend_scheme")) {
    if (*scheme == "first") {
      step.scheme = PrependScheme::kFirst;
    } else if (*scheme == "never") {
      step.scheme = PrependScheme::kNever;
    } else if (*scheme != "always") {
      throw input_error(where,
                        "expected \"prepend_scheme\" always, first or never, got '{}'; the file is damaged",
                        printable(*scheme));
    }
  } else if (!json_bool(where, json, "add_prefix_space").value_or(true)) {  // how older files say it
    step.scheme = PrependScheme::kNever;
  }
  if (json_bool(where, json, "split").value_or(true)) {
    step.split = Split{TextPattern(step.replacement), SplitBehavior::kMergedWithNext, false};
  }
  steps_.emplace_back(std::move(step));
}

std::string PreTokenizer::Metaspace::apply(std::string_view text, bool first) const {
  std::string out;
  for (const char c : text) {
    if (c == ' ') {
      out += replacement;
    } else {
      out += c;
    }
  }
  const bool wanted = scheme == PrependScheme::kAlways || (scheme == PrependScheme::kFirst && first);
  if (wanted && !out.starts_with(replacement)) out.insert(0, replacement);
  return out;
}

// Applies the step to every word of `words`; `text` is the whole, `first` whether it starts the input.
void PreTokenizer::apply_step(const Step& step, std::string_view text, bool first, Words& words) const {
  std::vector<std::string_view> out;
  for (std::string_view word : words.words) {
    if (const auto* split = std::get_if<Split>(&step)) {
      split->apply(word, out);
    } else if (std::holds_alternative<PrefixSpace>(step)) {
      if (!word.starts_with(' ')) word = words.storage.emplace_back(1, ' ').append(word);
      out.push_back(word);
    } else if (std::holds_alternative<SpellBytes>(step)) {
      out.push_back(words.storage.emplace_back(spell_bytes(word)));
    } else if (const auto* fixed = std::get_if<FixedLength>(&step)) {
      cut_evenly(word, fixed->characters, out);
    } else {
      const auto& metaspace = std::get<Metaspace>(step);
      word = words.storage.emplace_back(metaspace.apply(word, first && word.data() == text.data()));
      if (metaspace.split) {
        metaspace.split->apply(word, out);
      } else {
        out.push_back(word);
      }
    }
  }
  words.words = std::move(out);
}

Words PreTokenizer::apply(std::string_view text, bool first) const {
  Words result;
  if (text.empty()) return result;
  result.words = {text};
  for (const Step& step : steps_) apply_step(step, text, first, result);
  if (!spelled_) return result;
  for (std::string_view& word : result.words) {
    auto bytes = spelled_bytes(word);
    REFOCUS_CHECK(bytes.has_value());  // words were cut between characters of the spelling
    word = result.storage.emplace_back(std::move(*bytes));
  }
  return result;
}

}  // namespace refocus
