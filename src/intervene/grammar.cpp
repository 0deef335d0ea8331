// The grammar of --intervene: see intervene/spec.h.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "intervene/spec.h"
#include "intervene/spec_text.h"

namespace refocus {

namespace {

// "a, b or c"
std::string alternatives(const std::vector<std::string_view>& words) {
  if (words.size() == 1) return std::string(words[0]);
  const std::span<const std::string_view> first(words.data(), words.size() - 1);
  return fmt::format("{} or {}", fmt::join(first, ", "), words.back());
}

std::string_view article(std::string_view word) {
  return std::string_view("aeiou").find(word.front()) == std::string_view::npos ? "a" : "an";
}

std::string range_text(const MethodKey& key) {
  const auto plain = [](double value) { return fmt::format("{:.0f}", value); };
  if (key.above_least && key.below_most) {
    return fmt::format("above {} and below {}", plain(key.least), plain(key.most));
  }
  if (key.above_least) return fmt::format("above 0, of at most {}", plain(key.most));
  if (key.below_most) return fmt::format("of at least {} and below {}", plain(key.least), plain(key.most));
  return fmt::format("from {} to {}", plain(key.least), plain(key.most));
}

std::string parse_number(const MethodKey& key, std::string_view text, const SpecPlace& place) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    throw spec_error(place, "expected a number for {}, got '{}'", key.name, printable(text));
  }
  value += 0.0;  // -0 becomes 0
  const bool low = key.above_least ? value <= key.least : value < key.least;
  const bool high = key.below_most ? value >= key.most : value > key.most;
  if (low || high) {
    throw spec_error(place, "expected {} {} {}, got '{}'", article(key.name), key.name, range_text(key),
                     printable(text));
  }
  return fmt::format("{}", value);
}

std::string parse_layer(const MethodKey& key, std::string_view text, const SpecPlace& place) {
  if (text == "LAST") return "LAST";
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1) {
    throw spec_error(place, "expected a positive integer for {} (the last layer's index), got '{}'", key.name,
                     printable(text));
  }
  if (value > kLargestDepth) {
    throw spec_error(place, "expected a {} of at most {} (the last layer's index), got '{}'", key.name,
                     kLargestDepth, printable(text));
  }
  return fmt::format("{}", value);
}

std::string parse_value(const MethodKey& key, std::string_view text, const SpecPlace& place) {
  if (key.kind == MethodKey::Kind::kNumber) return parse_number(key, text, place);
  if (key.kind == MethodKey::Kind::kLayer) return parse_layer(key, text, place);
  if (std::ranges::find(key.words, text) == key.words.end()) {
    throw spec_error(place, "expected {} {}, got '{}'", key.name, alternatives(key.words), printable(text));
  }
  return std::string(text);
}

std::vector<std::string_view> keys_of(const Method& method) {
  std::vector<std::string_view> out;
  for (const MethodKey& key : method.keys) out.push_back(key.name);
  if (method.chooses_keys) out.push_back("keys");
  out.push_back("layers");
  if (method.takes_heads) out.push_back("heads");
  if (method.takes_rows) out.push_back("rows");
  return out;
}

// A file, or no more than what is in it, as canonical texts have it.
void set_file(InterventionPart& part, std::string_view key, std::string_view value, const SpecPlace& place) {
  std::string text = unquoted_text(value, "a file", place);
  if (text.empty()) throw spec_error(place, "expected {}=FILE, got nothing", key);
  if (!is_tensor_identity(text)) {
    part.file = std::make_shared<const TensorFile>(text);
    text = part.file->identity();
  }
  part.values.insert_or_assign(std::string(key), text);
}

void set_key(InterventionPart& part, std::string_view key, std::string_view value, const SpecPlace& place) {
  if (key == "layers") {
    part.layers = parse_layers(value, place);
  } else if (key == "heads") {
    part.heads = parse_heads(value, place);
  } else if (key == "rows") {
    part.rows = parse_rows(value, place);
  } else if (key == "keys") {
    part.keys = parse_keys(value, place);
  } else if (std::ranges::find(part.method->keys, key, &MethodKey::name)->kind == MethodKey::Kind::kFile) {
    set_file(part, key, value, place);
  } else {
    const auto own = std::ranges::find(part.method->keys, key, &MethodKey::name);
    part.values.insert_or_assign(std::string(key), parse_value(*own, value, place));
  }
}

// Takes one key=value into the part.
void parse_pair(InterventionPart& part, std::string_view text, const SpecPlace& place,
                std::set<std::string_view>& seen) {
  if (text.empty()) throw spec_error(place, "expected key=value beside each comma, got nothing");
  const std::size_t equals = text.find('=');
  const std::string_view key = text.substr(0, equals);
  const std::vector<std::string_view> known = keys_of(*part.method);
  if (std::ranges::find(known, key) == known.end()) {
    throw spec_error(place, "expected {}'s {}, got '{}'", part.method->name, alternatives(known),
                     printable(key));
  }
  if (equals == std::string_view::npos) {
    throw spec_error(place, "expected {}=VALUE, got '{}'", key, printable(text));
  }
  if (!seen.insert(key).second) throw spec_error(place, "expected {} once, got it twice", key);
  set_key(part, key, text.substr(equals + 1), {place.option, place.column + equals + 1});
}

const Method& need_method(std::string_view name, const SpecPlace& place) {
  const Method* method = find_method(name);
  if (method != nullptr) return *method;
  std::vector<std::string_view> names = {"none"};
  for (const Method& known : all_methods()) names.push_back(known.name);
  throw spec_error(place, "expected {}, got '{}'", alternatives(names), printable(name));
}

InterventionPart parse_part(std::string_view text, const SpecPlace& place) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  InterventionPart part;
  part.method = &need_method(name, place);
  const Method& method = *part.method;
  for (const MethodKey& key : method.keys) {
    if (!key.initial.empty()) part.values.emplace(key.name, key.initial);
  }
  part.rows = parse_rows(method.initial_rows, place);
  if (!method.initial_layers.empty()) part.layers = parse_layers(method.initial_layers, place);
  if (!method.initial_keys.empty()) part.keys = parse_keys(method.initial_keys, place);
  std::set<std::string_view> seen;
  if (colon != std::string_view::npos) {
    const std::string_view parameters = text.substr(colon + 1);
    const SpecPlace after{place.option, place.column + colon + 1};
    if (parameters.empty()) throw spec_error(after, "expected key=value after '{}:', got nothing", name);
    for_parts(parameters, ',', after,
              [&](std::string_view pair, const SpecPlace& at) { parse_pair(part, pair, at, seen); });
  }
  for (const MethodKey& key : method.keys) {
    if (!part.values.contains(key.name)) {
      throw spec_error(place, "expected {}:{}=VALUE, got '{}'", name, key.name, printable(text));
    }
  }
  if (method.chooses_keys && part.keys.terms.empty()) {
    throw spec_error(place,
                     "expected {}:keys=KEYS, such as field:question, text:\"...\" or positions:4-7, got '{}'",
                     name, printable(text));
  }
  return part;
}

// Where the part that begins at `from` ends: at a '+' outside quotes before a letter (1e+5 goes on).
std::size_t end_of_part(std::string_view text, std::size_t from) {
  for (std::size_t at = from;;) {
    at = find_unquoted(text, "+", at);
    const bool letter = at + 1 < text.size() && text[at + 1] >= 'a' && text[at + 1] <= 'z';
    if (at == text.size() || at + 1 == text.size() || letter) return at;
    ++at;
  }
}

}  // namespace

InterventionSpec parse_intervention(std::string_view text, std::string_view where) {
  InterventionSpec spec;
  if (text == "none") return spec;
  if (text.starts_with("none:")) {
    throw spec_error({where, 6}, "expected no parameters for none, got '{}'", printable(text.substr(5)));
  }
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = end_of_part(text, begin);
    const SpecPlace place{where, begin + 1};
    if (spec.parts.size() == kMostParts) throw spec_error(place, "expected at most {} parts", kMostParts);
    const std::string_view part = text.substr(begin, end - begin);
    if (part.empty() && !spec.parts.empty())
      throw spec_error(place, "expected a part after '+', got nothing");
    spec.parts.push_back(parse_part(part, place));
    if (end == text.size()) break;
    begin = end + 1;
  }
  return spec;
}

}  // namespace refocus
