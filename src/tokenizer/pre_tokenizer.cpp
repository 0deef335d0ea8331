#include "tokenizer/pre_tokenizer.h"

#include <algorithm>

#include "base/error.h"

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

void PreTokenizer::add(const std::string& where, JsonObject json) {
  const std::string_view type = json_type(where, json);
  if (byte_level_) {
    throw input_error(
        where,
        "expected ByteLevel as the last pre-tokenizer, got '{}' after it; this tokenizer is not supported",
        printable(type));
  }
  if (type == "Sequence") {
    for (const JsonValue part : required(where, "pretokenizers", json_array(where, json, "pretokenizers"))) {
      add(where, as_object(where, "a pre-tokenizer", part));
    }
  } else if (type == "Split") {
    steps_.emplace_back(
        Split{TextPattern(where, required(where, "pattern", json_object(where, json, "pattern"))),
              split_behavior(where, required(where, "behavior", json_string(where, json, "behavior"))),
              json_bool(where, json, "invert").value_or(false)});
  } else if (type == "Digits") {
    const bool individual = json_bool(where, json, "individual_digits").value_or(false);
    steps_.emplace_back(
        Split{TextPattern(Regex(where, individual ? "\\p{N}" : "\\p{N}+")), SplitBehavior::kIsolated, false});
  } else if (type == "ByteLevel") {
    add_byte_level(where, json);
  } else if (type == "Metaspace") {
    add_metaspace(where, json);
  } else {
    throw input_error(where,
                      "expected a pre-tokenizer of type Split, ByteLevel, Digits, Metaspace or Sequence, got "
                      "'{}'; this tokenizer is not supported",
                      printable(type));
  }
}

void PreTokenizer::add_byte_level(const std::string& where, JsonObject json) {
  byte_level_ = true;
  if (json_bool(where, json, "add_prefix_space").value_or(true)) steps_.emplace_back(PrefixSpace{});
  if (json_bool(where, json, "use_regex").value_or(true)) {
    steps_.emplace_back(Split{TextPattern(Regex(where, kGpt2Pattern)), SplitBehavior::kIsolated, false});
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

Words PreTokenizer::apply(std::string_view text, bool first) const {
  Words result;
  if (text.empty()) return result;
  result.words = {text};
  for (const auto& step : steps_) {
    std::vector<std::string_view> words;
    for (std::string_view word : result.words) {
      if (const auto* split = std::get_if<Split>(&step)) {
        split->apply(word, words);
      } else if (std::holds_alternative<PrefixSpace>(step)) {
        if (!word.starts_with(' ')) word = result.storage.emplace_back(1, ' ').append(word);
        words.push_back(word);
      } else {
        const auto& metaspace = std::get<Metaspace>(step);
        const bool at_start = first && word.data() == text.data();
        word = result.storage.emplace_back(metaspace.apply(word, at_start));
        if (metaspace.split) {
          metaspace.split->apply(word, words);
        } else {
          words.push_back(word);
        }
      }
    }
    result.words = std::move(words);
  }
  return result;
}

}  // namespace refocus
