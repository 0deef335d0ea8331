// Which layers, heads, rows and keys a part of an intervention acts on, as texts say it.
//
//   layers   8-31 | 0;4-7 | last:8 | every:2 | window:12:10 | inner:2:1   inclusive ranges, joined by ';'
//   heads    12.3 | 12.3;14.0-3                                    layer.head, query heads
//            random:N:SEED | random:HEADS:SEED                     N drawn at random; others than HEADS, as
//            many
//   rows     all | prompt | generated | last | positions:4-7;12    queries; last: the prompt's last one
//   keys     one or more, joined by '|', each perhaps after "not:":
//            bos | sinks[:4] | positions:4-7;12 | text:"..." | regex:"..." | class:punctuation |
//            field:question | role:system | shot:3 | marked | generated |
//            random:SEED:SELECTOR   as many of the prompt's, drawn at random
//
// Positions count from 0. Texts in double quotes may hold any character, '"' and '\' behind a '\'.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace refocus {

// Whether a SPEC may name a file, which is opened then. Texts from elsewhere (a request) may not.
enum class SpecFiles { kOpened, kRefused };

// Where a text stands in what a user wrote, for messages: "--intervene", and the column of its first byte.
struct SpecPlace {
  std::string_view option;
  std::size_t column = 1;
  SpecFiles files = SpecFiles::kOpened;

  SpecPlace after(std::size_t bytes) const { return {option, column + bytes, files}; }
};

// Inclusive ranges of numbers, ascending and apart.
struct NumberRanges {
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges;

  bool contains(std::int64_t number) const;
  std::int64_t largest() const { return ranges.empty() ? -1 : ranges.back().second; }
  std::string text() const;  // "4-7;12"
};

// UsageError for a text of another form; `what` is what is counted, for the message.
NumberRanges parse_ranges(std::string_view text, std::string_view what, const SpecPlace& place);
NumberRanges ranges_of(const std::vector<bool>& chosen);

struct LayerSelector {
  enum class Kind { kRanges, kLast, kEvery, kWindow, kInner };
  Kind kind = Kind::kRanges;
  NumberRanges ranges;
  // kLast: the last `count`. kEvery: 0, count, 2 count, ... kWindow: `count` layers around `center`,
  // max(0, center - count / 2) .. center + count / 2 (attention knockout, Geva et al. 2023).
  // kInner: all but the first `center` and the last `count`.
  std::int64_t count = 0, center = 0;

  std::string text() const;  // as it is written
};
LayerSelector parse_layers(std::string_view text, const SpecPlace& place);
// [layers]. UsageError where the model has none of a named layer.
std::vector<bool> chosen_layers(const LayerSelector& selector, std::int64_t layers);

// Heads that are drawn once a model is known (intervene/head_draw.h), by the seed.
struct HeadDraw {
  std::int64_t count = 0;  // 0: in each layer as many as are named there, and none of these
  std::uint64_t seed = 0;
};

struct HeadSelector {
  // Of each layer that is named, ascending.
  std::vector<std::pair<std::int64_t, NumberRanges>> heads;
  std::optional<HeadDraw> draw = std::nullopt;

  std::string text() const;  // "12.3;14.0-3", "random:8:0", "random:12.3;14.0-3:0"
};
// "@FILE", also after "random:", reads PASTA's form: {"12": [3], "14": [0, 1, 2, 3]}.
HeadSelector parse_heads(std::string_view text, const SpecPlace& place);

struct RowSelector {
  enum class Kind { kAll, kPrompt, kGenerated, kLast, kPositions };
  Kind kind = Kind::kAll;
  NumberRanges positions;

  std::string text() const;
  // Whether the row of a query at `position` is chosen, after a prompt of `prompt` tokens.
  bool contains(std::int64_t position, std::int64_t prompt) const;
};
RowSelector parse_rows(std::string_view text, const SpecPlace& place);

struct KeyTerm {
  enum class Kind {
    kBos,
    kSinks,  // the first `positions.largest() + 1` positions; four where not given (Xiao et al. 2024)
    kPositions,
    kText,
    kRegex,
    kClass,
    kField,
    kRole,
    kShot,
    kMarked,
    kGenerated
  };
  // Instead of what the term chooses in a prompt, as many keys of the prompt's, drawn from all but those of
  // bos; by the seed and the prompt's tokens.
  struct Draw {
    std::uint64_t seed = 0;
    bool negated = false;  // what is drawn, where KeyTerm::negated is of what is counted
  };
  Kind kind = Kind::kBos;
  bool negated = false;
  std::string text = {};        // of kText, kRegex, kClass, kField, kRole
  NumberRanges positions = {};  // of kPositions, kSinks, kShot
  std::optional<Draw> draw = std::nullopt;

  std::string written() const;  // as it is written
};

// A key is chosen where any of the terms chooses it.
struct KeySelector {
  std::vector<KeyTerm> terms;

  std::string text() const;
  bool has(KeyTerm::Kind kind) const;
};
KeySelector parse_keys(std::string_view text, const SpecPlace& place);

}  // namespace refocus
