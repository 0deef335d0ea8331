#include "intervene/grammar/selector.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "intervene/grammar/spec_text.h"

namespace refocus {

namespace {

NumberRanges merged(std::vector<std::pair<std::int64_t, std::int64_t>> ranges) {
  std::ranges::sort(ranges);
  NumberRanges out;
  for (const auto& [first, last] : ranges) {
    if (!out.ranges.empty() && first <= out.ranges.back().second + 1) {
      out.ranges.back().second = std::max(out.ranges.back().second, last);
    } else {
      out.ranges.emplace_back(first, last);
    }
  }
  return out;
}

}  // namespace

bool NumberRanges::contains(std::int64_t number) const {
  const auto after =
      std::ranges::upper_bound(ranges, number, {}, &std::pair<std::int64_t, std::int64_t>::first);
  return after != ranges.begin() && number <= std::prev(after)->second;
}

std::string NumberRanges::text() const {
  std::string out;
  for (const auto& [first, last] : ranges) {
    out += out.empty() ? "" : ";";
    out += first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
  }
  return out;
}

NumberRanges parse_ranges(std::string_view text, std::string_view what, const SpecPlace& place) {
  std::vector<std::pair<std::int64_t, std::int64_t>> out;
  for_parts(text, ';', place, [&](std::string_view part, const SpecPlace& at) {
    const std::size_t dash = part.find('-');
    const std::optional<std::int64_t> first = spec_number(part.substr(0, dash));
    const std::optional<std::int64_t> last =
        dash == std::string_view::npos ? first : spec_number(part.substr(dash + 1));
    if (!first || !last || *last < *first) {
      throw spec_error(at, "expected {} as numbers and ranges joined by ';', such as 0;4-7, got '{}'", what,
                       printable(part));
    }
    out.emplace_back(*first, *last);
  });
  return merged(std::move(out));
}

NumberRanges ranges_of(const std::vector<bool>& chosen) {
  std::vector<std::pair<std::int64_t, std::int64_t>> out;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i]) out.emplace_back(i, i);
  }
  return merged(std::move(out));
}

LayerSelector parse_layers(std::string_view text, const SpecPlace& place) {
  LayerSelector out;
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    out.ranges = parse_ranges(text, "layers", place);
    return out;
  }
  const std::string_view word = text.substr(0, colon), rest = text.substr(colon + 1);
  const SpecPlace after = place.after(colon + 1);
  if (word == "last" || word == "every") {
    out.kind = word == "last" ? LayerSelector::Kind::kLast : LayerSelector::Kind::kEvery;
    out.count = need_spec_number(rest, "layers", after);
  } else if (word == "window" || word == "inner") {
    const bool window = word == "window";
    const std::size_t second = std::min(rest.find(':'), rest.size());
    out.kind = window ? LayerSelector::Kind::kWindow : LayerSelector::Kind::kInner;
    out.center =
        need_spec_number(rest.substr(0, second), window ? "the layer in the middle" : "first layers", after);
    out.count = need_spec_number(rest.substr(std::min(second + 1, rest.size())),
                                 window ? "layers around it" : "last layers", after);
    if (!window) return out;
  } else {
    throw spec_error(place,
                     "expected layers as 8-31, 0;4-7, last:8, every:2, window:12:10 or inner:2:1, got '{}'",
                     printable(text));
  }
  if (out.count == 0) throw spec_error(after, "expected at least one layer, got '{}'", printable(rest));
  return out;
}

std::string LayerSelector::text() const {
  if (kind == Kind::kRanges) return ranges.text();
  if (kind == Kind::kWindow) return fmt::format("window:{}:{}", center, count);
  if (kind == Kind::kInner) return fmt::format("inner:{}:{}", center, count);
  return fmt::format("{}:{}", kind == Kind::kLast ? "last" : "every", count);
}

std::vector<bool> chosen_layers(const LayerSelector& selector, std::int64_t layers) {
  std::vector<bool> out(static_cast<std::size_t>(layers), false);
  const std::int64_t named = selector.kind == LayerSelector::Kind::kWindow   ? selector.center
                             : selector.kind == LayerSelector::Kind::kRanges ? selector.ranges.largest()
                                                                             : -1;
  if (named >= layers) {
    throw usage_error("--intervene", "expected layers from 0 to {}, those of the model, got {}", layers - 1,
                      named);
  }
  for (std::int64_t l = 0; l < layers; ++l) {
    bool in = false;
    switch (selector.kind) {
      case LayerSelector::Kind::kRanges:
        in = selector.ranges.contains(l);
        break;
      case LayerSelector::Kind::kLast:
        in = l >= layers - selector.count;
        break;
      case LayerSelector::Kind::kEvery:
        in = l % selector.count == 0;
        break;
      case LayerSelector::Kind::kWindow:
        in = l >= selector.center - selector.count / 2 && l <= selector.center + selector.count / 2;
        break;
      case LayerSelector::Kind::kInner:
        in = l >= selector.center && l < layers - selector.count;
        break;
    }
    out[static_cast<std::size_t>(l)] = in;
  }
  if (selector.kind == LayerSelector::Kind::kInner && std::ranges::find(out, true) == out.end()) {
    throw usage_error("--intervene",
                      "expected layers={} to leave some of the model's {}, got none; name others",
                      selector.text(), layers);
  }
  return out;
}

namespace {

HeadSelector heads_of(const std::map<std::int64_t, std::vector<std::pair<std::int64_t, std::int64_t>>>& all) {
  HeadSelector out;
  for (const auto& [layer, ranges] : all) out.heads.emplace_back(layer, merged(ranges));
  return out;
}

HeadSelector read_heads(const std::string& path) {
  const nlohmann::json file =
      parse_json_object(read_text_file(path), {path, "write {\"12\": [3], \"14\": [0, 1]}"});
  std::map<std::int64_t, std::vector<std::pair<std::int64_t, std::int64_t>>> all;
  for (const auto& item : file.items()) {
    const std::optional<std::int64_t> layer = spec_number(item.key());
    const bool list = item.value().is_array();
    if (!layer || !list) {
      throw input_error(path,
                        "expected lists of heads by layer, as {{\"12\": [3], \"14\": [0, 1]}}, got '{}'",
                        printable(item.key()));
    }
    for (const nlohmann::json& head : item.value()) {
      if (!head.is_number_integer() || head.get<std::int64_t>() < 0 ||
          head.get<std::int64_t>() > kLargestSpecNumber) {
        throw input_error(path, "expected heads of layer {} as numbers from 0 on, got {}", *layer,
                          printable(json_text(head)));
      }
      all[*layer].emplace_back(head.get<std::int64_t>(), head.get<std::int64_t>());
    }
  }
  return heads_of(all);
}

}  // namespace

std::string HeadSelector::text() const {
  if (draw) {
    const std::string what = draw->count > 0 ? fmt::format("{}", draw->count) : HeadSelector{heads}.text();
    return fmt::format("random:{}:{}", what, draw->seed);
  }
  std::string out;
  for (const auto& [layer, ranges] : heads) {
    for (const auto& [first, last] : ranges.ranges) {
      out += out.empty() ? "" : ";";
      out += first == last ? fmt::format("{}.{}", layer, first) : fmt::format("{}.{}-{}", layer, first, last);
    }
  }
  return out;
}

namespace {

// N:SEED or HEADS:SEED. The seed stands behind the last colon, since a file's name may have others.
HeadSelector parse_drawn_heads(std::string_view text, const SpecPlace& place) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) {
    throw spec_error(place,
                     "expected random:N:SEED or random:@FILE:SEED, such as random:8:0, got 'random:{}'",
                     printable(text));
  }
  const std::string_view what = text.substr(0, colon);
  if (what.starts_with("random:")) throw spec_error(place, "expected random: once, got it twice");
  const std::optional<std::int64_t> count = spec_number(what);
  if (count && *count == 0) throw spec_error(place, "expected at least one head to draw, got '{}'", what);
  HeadSelector out = count ? HeadSelector{} : parse_heads(what, place);
  if (!count && out.heads.empty()) throw spec_error(place, "expected heads to draw others of, got none");
  out.draw = {count.value_or(0), need_spec_seed(text.substr(colon + 1), place.after(colon + 1))};
  return out;
}

}  // namespace

HeadSelector parse_heads(std::string_view text, const SpecPlace& place) {
  if (text.starts_with("random:")) return parse_drawn_heads(text.substr(7), place.after(7));
  if (text.starts_with('@')) {
    if (place.files == SpecFiles::kRefused) {
      throw spec_error(
          place,
          "expected heads as LAYER.HEAD, such as 12.3;14.0-3, since a request may name no file, got "
          "one; who starts the server can name it in an arm");
    }
    return read_heads(unquoted_text(text.substr(1), "a file", place));
  }
  std::map<std::int64_t, std::vector<std::pair<std::int64_t, std::int64_t>>> all;
  for_parts(text, ';', place, [&](std::string_view part, const SpecPlace& at) {
    const std::size_t dot = part.find('.');
    const std::optional<std::int64_t> layer = spec_number(part.substr(0, dot));
    if (dot == std::string_view::npos || !layer) {
      throw spec_error(at, "expected heads as LAYER.HEAD, such as 12.3;14.0-3, @FILE or random:8:0, got '{}'",
                       printable(part));
    }
    const NumberRanges heads = parse_ranges(part.substr(dot + 1), "heads", at.after(dot + 1));
    auto& of_layer = all[*layer];
    of_layer.insert(of_layer.end(), heads.ranges.begin(), heads.ranges.end());
  });
  return heads_of(all);
}

std::string RowSelector::text() const {
  constexpr std::array<std::string_view, 4> kWords = {"all", "prompt", "generated", "last"};
  if (kind == Kind::kPositions) return fmt::format("positions:{}", positions.text());
  return std::string(kWords[static_cast<std::size_t>(kind)]);
}

bool RowSelector::contains(std::int64_t position, std::int64_t prompt) const {
  switch (kind) {
    case Kind::kAll:
      return true;
    case Kind::kPrompt:
      return position < prompt;
    case Kind::kGenerated:
      return position >= prompt;
    case Kind::kLast:
      return position == prompt - 1;
    case Kind::kPositions:
      return positions.contains(position);
  }
  return false;
}

RowSelector parse_rows(std::string_view text, const SpecPlace& place) {
  RowSelector out;
  if (text.starts_with("positions:")) {
    out.kind = RowSelector::Kind::kPositions;
    out.positions = parse_ranges(text.substr(10), "positions", place.after(10));
    return out;
  }
  for (const auto kind : {RowSelector::Kind::kAll, RowSelector::Kind::kPrompt, RowSelector::Kind::kGenerated,
                          RowSelector::Kind::kLast}) {
    out.kind = kind;
    if (out.text() == text) return out;
  }
  throw spec_error(place, "expected rows all, prompt, generated, last or positions:4-7;12, got '{}'",
                   printable(text));
}

}  // namespace refocus
