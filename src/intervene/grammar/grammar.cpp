// The grammar of --intervene: see intervene/spec.h.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "base/nearest_word.h"
#include "intervene/grammar/named.h"
#include "intervene/grammar/spec.h"
#include "intervene/grammar/spec_keys.h"
#include "intervene/grammar/spec_text.h"

namespace refocus {

namespace {

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
  if (key.kind == MethodKey::Kind::kSeed) return fmt::format("{}", need_spec_seed(text, place));
  if (std::ranges::find(key.words, text) == key.words.end()) {
    throw spec_error(place, "expected {} {}, got '{}'{}", key.name, alternatives(key.words), printable(text),
                     did_you_mean(text, key.words));
  }
  return std::string(text);
}

// A file, or no more than what is in it, as canonical texts have it.
void set_file(InterventionPart& part, std::string_view key, std::string_view value, const SpecPlace& place) {
  std::string text = unquoted_text(value, "a file", place);
  if (text.empty()) throw spec_error(place, "expected {}=FILE, got nothing", key);
  if (place.files == SpecFiles::kRefused) {
    throw spec_error(place,
                     "expected no {}=, since a request may name no file, got one; who starts the server can "
                     "name it in an arm",
                     key);
  }
  if (!is_tensor_identity(text)) {
    part.file = std::make_shared<const TensorFile>(text);
    text = part.file->identity();
  }
  part.values.insert_or_assign(std::string(key), text);
}

// "a@0123456789abcdef, b@..", or that there are none.
std::string registered_text(std::span<const std::shared_ptr<const OwnChange>> all) {
  constexpr std::size_t kShown = 8;
  std::vector<std::string> names;
  for (const auto& change : all.first(std::min(all.size(), kShown))) names.push_back(change->identity());
  if (names.empty()) return "there is none";
  return fmt::format("{}{}", fmt::join(names, ", "),
                     all.size() > kShown ? fmt::format(" and {} more", all.size() - kShown) : "");
}

// A function by its identity, or by its name where that says which.
void set_function(InterventionPart& part, std::string_view key, std::string_view value,
                  const SpecPlace& place) {
  if (place.files == SpecFiles::kRefused) {
    throw spec_error(place,
                     "expected no {}=, since a request may name no function of the program, got one; who "
                     "starts the server can name it in an arm",
                     key);
  }
  const std::vector<std::shared_ptr<const OwnChange>> all = own_changes();
  std::vector<std::shared_ptr<const OwnChange>> found;
  for (const auto& change : all) {
    const std::string_view identity = change->identity();
    if (identity == value || identity.substr(0, identity.find('@')) == value) found.push_back(change);
  }
  if (found.empty()) {
    throw spec_error(place,
                     "expected a function that the program has registered ({}), got '{}'; own: is for "
                     "programs that embed Refocus (docs/python.md)",
                     registered_text(all), printable(value));
  }
  if (found.size() > 1) {
    throw spec_error(place, "expected one of the functions of that name ({}), got '{}'; write which",
                     registered_text(found), printable(value));
  }
  part.own = found.front();
  part.values.insert_or_assign(std::string(key), part.own->identity());
}

}  // namespace

std::vector<std::string_view> keys_of(const Method& method) {
  std::vector<std::string_view> out;
  for (const MethodKey& key : method.keys) out.push_back(key.name);
  if (method.chooses_keys) out.push_back("keys");
  out.push_back("layers");
  if (method.takes_heads) out.push_back("heads");
  if (method.takes_rows) out.push_back("rows");
  return out;
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
  } else if (part.method->id == MethodId::kOwn) {
    set_function(part, key, value, place);
  } else {
    const auto own = std::ranges::find(part.method->keys, key, &MethodKey::name);
    part.values.insert_or_assign(std::string(key), parse_value(*own, value, place));
  }
}

InterventionPart default_part(const Method& method) {
  InterventionPart part;
  part.method = &method;
  for (const MethodKey& key : method.keys) {
    if (!key.initial.empty()) part.values.emplace(key.name, key.initial);
  }
  part.rows = parse_rows(method.initial_rows, {});
  if (!method.initial_layers.empty()) part.layers = parse_layers(method.initial_layers, {});
  if (!method.initial_keys.empty()) part.keys = parse_keys(method.initial_keys, {});
  return part;
}

namespace {

// Takes one key=value into the part.
void parse_pair(InterventionPart& part, std::string_view text, const SpecPlace& place,
                std::set<std::string, std::less<>>& seen) {
  if (text.empty()) throw spec_error(place, "expected key=value beside each comma, got nothing");
  const std::size_t equals = text.find('=');
  const std::string_view key = text.substr(0, equals);
  const std::vector<std::string_view> known = keys_of(*part.method);
  if (std::ranges::find(known, key) == known.end()) {
    throw spec_error(place, "expected {}'s {}, got '{}'{}", part.method->name, alternatives(known),
                     printable(key), did_you_mean(key, known));
  }
  if (equals == std::string_view::npos) {
    throw spec_error(place, "expected {}=VALUE, got '{}'", key, printable(text));
  }
  if (!seen.emplace(key).second) throw spec_error(place, "expected {} once, got it twice", key);
  set_key(part, key, text.substr(equals + 1), place.after(equals + 1));
}

bool is_supplied(std::span<const SuppliedKey> supplied, std::string_view method, std::string_view key) {
  return std::ranges::find(supplied, SuppliedKey{method, key}) != supplied.end();
}

// Needs what has no default, but for keys that are supplied later.
void expect_needed(const InterventionPart& part, std::string_view text, const SpecPlace& place,
                   std::span<const SuppliedKey> supplied) {
  const Method& method = *part.method;
  for (const MethodKey& key : method.keys) {
    if (part.values.contains(key.name) || is_supplied(supplied, method.name, key.name)) continue;
    throw spec_error(place, "expected {}:{}=VALUE, got '{}'", method.name, key.name, printable(text));
  }
  if (part.lacks_keys() && !is_supplied(supplied, method.name, "keys")) {
    throw spec_error(place,
                     "expected {}:keys=KEYS, such as field:question, text:\"...\" or positions:4-7, got '{}'",
                     method.name, printable(text));
  }
}

// No key that means nothing beside the others, unless one of these gets its value later.
void expect_used(const InterventionPart& part, const std::set<std::string, std::less<>>& given,
                 const SpecPlace& place, std::span<const SuppliedKey> supplied) {
  for (const MethodKey& key : part.method->keys) {
    if (part.uses(key) || !given.contains(key.name) || is_supplied(supplied, part.method->name, key.with_key))
      continue;
    throw spec_error(place,
                     "expected {0} with {1}={2} alone, got it with {1}={3}; leave {0} out, or write "
                     "{1}={2}",
                     key.name, key.with_key, key.with_word, part.word(key.with_key));
  }
}

// Of all that a text may name.
const Method* method_of_text(std::string_view name) {
  return name == own_method().name ? &own_method() : find_method(name);
}

const Method& need_method(std::string_view name, const SpecPlace& place) {
  const Method* method = method_of_text(name);
  if (method != nullptr) return *method;
  std::vector<std::string_view> names = {"none"};
  for (const Method& known : all_methods()) names.push_back(known.name);
  throw spec_error(place, "expected {}, got '{}'{}", alternatives(names), printable(name),
                   did_you_mean(name, names));
}

// `given` gets the keys that the text sets.
InterventionPart parse_part(std::string_view text, const SpecPlace& place,
                            std::span<const SuppliedKey> supplied,
                            std::set<std::string, std::less<>>& given) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  InterventionPart part = default_part(need_method(name, place));
  if (colon != std::string_view::npos) {
    const std::string_view parameters = text.substr(colon + 1);
    const SpecPlace after = place.after(colon + 1);
    if (parameters.empty()) throw spec_error(after, "expected key=value after '{}:', got nothing", name);
    for_parts(parameters, ',', after,
              [&](std::string_view pair, const SpecPlace& at) { parse_pair(part, pair, at, given); });
  }
  expect_needed(part, text, place, supplied);
  expect_used(part, given, place, supplied);
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

// Whether it changes weights after softmax, wherever it stands.
bool acts_on_weights(const InterventionPart& part) {
  switch (part.method->id) {
    case MethodId::kOwn:
      return part.own->when() == OwnChange::When::kWeights;
    case MethodId::kRebalance:
    case MethodId::kScale:
    case MethodId::kBoost:
    case MethodId::kSpotlight:
    case MethodId::kAct:
    case MethodId::kZero:
      return true;
    default:
      return false;
  }
}

// A function of scores cannot act on weights instead, as methods of ours do after one that changes weights.
void expect_scores(const InterventionPart& part, std::span<const InterventionPart> before,
                   const SpecPlace& place) {
  if (part.own == nullptr || part.own->when() != OwnChange::When::kScores) return;
  const auto found = std::ranges::find_if(before, acts_on_weights);
  if (found == before.end()) return;
  throw spec_error(place,
                   "expected {}, which changes scores before softmax, before {}, which changes weights after "
                   "it, got it behind; put it first",
                   part.own->identity(), found->method->name);
}

void parse_parts(std::string_view text, const SpecPlace& at, std::span<const SuppliedKey> supplied,
                 WrittenIntervention& out) {
  if (text == "none") return;
  if (text.starts_with("none:")) {
    throw spec_error(at.after(5), "expected no parameters for none, got '{}'", printable(text.substr(5)));
  }
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = end_of_part(text, begin);
    const SpecPlace place = at.after(begin);
    if (out.spec.parts.size() == kMostParts) {
      throw spec_error(place, "expected at most {} parts", kMostParts);
    }
    const std::string_view part = text.substr(begin, end - begin);
    if (part.empty() && !out.spec.parts.empty())
      throw spec_error(place, "expected a part after '+', got nothing");
    out.given.emplace_back();
    InterventionPart parsed = parse_part(part, place, supplied, out.given.back());
    expect_scores(parsed, out.spec.parts, place);
    out.spec.parts.push_back(std::move(parsed));
    if (end == text.size()) break;
    begin = end + 1;
  }
}

constexpr std::string_view kNameCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

void check_arm_name(std::string_view name, std::string_view spec, const SpecPlace& place) {
  if (method_of_text(name) != nullptr) {
    throw spec_error(place, "expected an arm's name before '=', got the method {}; write {}:{}", name, name,
                     printable(spec));
  }
  if (name == "none" && spec != "none") {
    throw spec_error(place, "expected a name for '{}', got none, which is the arm without intervention",
                     printable(spec));
  }
  const std::size_t bad = name.find_first_not_of(kNameCharacters);
  if (bad != std::string_view::npos) {
    throw spec_error(place.after(bad),
                     "expected an arm's name of letters, digits, '_', '-' and '.', got '{}'",
                     printable(name));
  }
  const std::string_view begin("_-.");
  if (name.empty() || begin.find(name.front()) != std::string_view::npos) {
    throw spec_error(place, "expected an arm's name that begins with a letter or a digit, got '{}'",
                     printable(name));
  }
  if (name.size() > kLongestArmName) {
    throw spec_error(place, "expected an arm's name of at most {} characters, got {}", kLongestArmName,
                     name.size());
  }
}

}  // namespace

InterventionSpec parse_intervention(std::string_view text, std::string_view where, SpecFiles files) {
  WrittenIntervention out;
  parse_parts(text, {where, 1, files}, {}, out);
  return std::move(out.spec);
}

std::size_t end_of_arm_name(std::string_view text) {
  const std::size_t end = text.find_first_of("=:+\"");
  return end != std::string_view::npos && text[end] == '=' ? end : std::string_view::npos;
}

WrittenIntervention parse_named_intervention(std::string_view text, std::string_view where,
                                             std::span<const SuppliedKey> supplied) {
  WrittenIntervention out;
  std::size_t begin = 0;
  if (const std::size_t end = end_of_arm_name(text); end != std::string_view::npos) {
    begin = end + 1;
    check_arm_name(text.substr(0, end), text.substr(begin), {where, 1});
    if (text.substr(0, end) != "none") out.name = text.substr(0, end);
  }
  parse_parts(text.substr(begin), {where, 1 + begin}, supplied, out);
  return out;
}

std::vector<WrittenIntervention> parse_named_interventions(std::span<const std::string> texts,
                                                           std::string_view where,
                                                           std::span<const SuppliedKey> supplied) {
  std::vector<WrittenIntervention> out;
  for (const std::string& text : texts) {
    WrittenIntervention next = parse_named_intervention(text, where, supplied);
    if (!next.name.empty() && std::ranges::find(out, next.name, &WrittenIntervention::name) != out.end()) {
      throw spec_error({where, 1}, "expected a name for one arm, got {} for two; rename one", next.name);
    }
    out.push_back(std::move(next));
  }
  return out;
}

}  // namespace refocus
