#include "intervene/target.h"

#include <algorithm>

#include "base/error.h"
#include "base/random.h"
#include "prompt/token_class.h"
#include "tokenizer/pipeline/regex.h"

namespace refocus {

namespace {

// Which tokens of a prompt one term chooses, and whether those that are yet to come.
class TermReader {
 public:
  explicit TermReader(const TargetPrompt& prompt) : prompt_(prompt), size_(prompt.tokens.size()) {
    if (prompt.encoded == nullptr) return;
    const std::vector<std::int32_t>& all = prompt.encoded->tokens;
    const auto ends = std::mismatch(prompt.tokens.begin(), prompt.tokens.end(), all.begin(), all.end());
    known_ = static_cast<std::size_t>(ends.first - prompt.tokens.begin());
  }

  KeyRanges read(const KeyTerm& term) {
    std::vector<bool> chosen(size_, false);
    // Positions are numbers of any token, also of those to come.
    if (term.kind == KeyTerm::Kind::kPositions && !term.negated && !term.draw) return positions_of(term);
    choose(term, chosen);
    bool generated = term.kind == KeyTerm::Kind::kGenerated;
    if (term.negated) {
      chosen.flip();
      generated = !generated;
    }
    if (term.draw) {
      chosen = drawn(*term.draw, static_cast<std::size_t>(std::ranges::count(chosen, true)));
      generated = term.draw->negated;
      if (term.draw->negated) chosen.flip();
    }
    KeyRanges out;
    for (std::size_t i = 0; i < size_; ++i) {
      if (chosen[i]) out.append(static_cast<std::int64_t>(i), static_cast<std::int64_t>(i) + 1);
    }
    if (generated) out.append(static_cast<std::int64_t>(size_), KeyRanges::kForever);
    return out;
  }

 private:
  // `count` of the prompt's tokens, but for those of bos.
  std::vector<bool> drawn(const KeyTerm::Draw& draw, std::size_t count) const {
    std::vector<bool> bos(size_, false);
    choose_bos(bos, "random");
    std::uint64_t seed = draw.seed;
    for (const std::int32_t token : prompt_.tokens) seed = seed_of(seed, static_cast<std::uint64_t>(token));
    const auto first = static_cast<std::size_t>(std::ranges::count(bos, true));
    const std::vector<bool> places = drawn_of(size_ - first, count, SplitMix64(seed));
    std::copy(places.begin(), places.end(), bos.begin() + static_cast<std::ptrdiff_t>(first));
    std::fill_n(bos.begin(), first, false);
    return bos;
  }

  static KeyRanges positions_of(const KeyTerm& term) {
    KeyRanges out;
    for (const auto& [first, last] : term.positions.ranges) out.append(first, last + 1);
    return out;
  }

  void choose(const KeyTerm& term, std::vector<bool>& chosen) {
    switch (term.kind) {
      case KeyTerm::Kind::kBos:
        return choose_bos(chosen);
      case KeyTerm::Kind::kSinks:
      case KeyTerm::Kind::kPositions:
        for (std::size_t i = 0; i < size_; ++i) {
          chosen[i] = term.positions.contains(static_cast<std::int64_t>(i));
        }
        return;
      case KeyTerm::Kind::kText:
      case KeyTerm::Kind::kRegex:
        return choose_text(term, chosen);
      case KeyTerm::Kind::kClass:
        return choose_class(term, chosen);
      case KeyTerm::Kind::kField:
      case KeyTerm::Kind::kRole:
      case KeyTerm::Kind::kShot:
      case KeyTerm::Kind::kMarked:
        return choose_pieces(term, chosen);
      case KeyTerm::Kind::kGenerated:
        return;
    }
  }

  // The tokens that the tokenizer puts before a prompt.
  void choose_bos(std::vector<bool>& chosen, std::string_view what = "bos") const {
    const std::vector<std::int32_t>& prefix = need_tokenizer(what).prompt_prefix();
    if (prefix.size() > size_ || !std::equal(prefix.begin(), prefix.end(), prompt_.tokens.begin())) return;
    std::fill_n(chosen.begin(), prefix.size(), true);
  }

  void choose_class(const KeyTerm& term, std::vector<bool>& chosen) const {
    const std::vector<TokenClass> classes = classify_tokens(&need_tokenizer("class"), prompt_.tokens);
    for (std::size_t i = 0; i < size_; ++i) chosen[i] = token_class_name(classes[i]) == term.text;
  }

  static bool is_of(const PieceOrigin& origin, const KeyTerm& term) {
    switch (term.kind) {
      case KeyTerm::Kind::kField:
        return origin.field == term.text;
      case KeyTerm::Kind::kRole:
        return origin.role == term.text;
      case KeyTerm::Kind::kShot:
        return origin.shot >= 0 && term.positions.contains(origin.shot);
      default:
        return origin.marked;
    }
  }

  void choose_pieces(const KeyTerm& term, std::vector<bool>& chosen) const {
    need_pieces(term);
    for (std::size_t i = 0; i < known_; ++i) {
      const std::int32_t piece = prompt_.encoded->pieces[i];
      if (piece == EncodedPrompt::kNoPiece) continue;
      chosen[i] = is_of((*prompt_.pieces)[static_cast<std::size_t>(piece)].origin, term);
    }
  }

  // Tokens that have a byte of any match.
  void choose_text(const KeyTerm& term, std::vector<bool>& chosen) const {
    need_pieces(term);
    const std::string& text = prompt_.encoded->text;
    std::vector<std::pair<std::size_t, std::size_t>> found;  // both ends ascend, as those of tokens do
    std::size_t next = 0;
    if (term.kind == KeyTerm::Kind::kRegex) {
      found = Regex("--intervene", term.text).find_all(text);
    } else {
      for (std::size_t at = text.find(term.text); at != std::string::npos;
           at = text.find(term.text, at + 1)) {
        found.emplace_back(at, at + term.text.size());
      }
    }
    for (std::size_t i = 0; i < known_; ++i) {
      const ByteRange& bytes = prompt_.encoded->bytes[i];
      while (next < found.size() && found[next].second <= bytes.begin) ++next;
      chosen[i] = next < found.size() && bytes.begin < found[next].second && found[next].first < bytes.end;
    }
  }

  const Tokenizer& need_tokenizer(std::string_view what) const {
    if (prompt_.tokenizer != nullptr) return *prompt_.tokenizer;
    throw usage_error("--intervene",
                      "expected a tokenizer beside the model for keys={}, got none; choose keys by "
                      "positions:",
                      what);
  }

  void need_pieces(const KeyTerm& term) const {
    if (prompt_.encoded != nullptr) return;
    throw usage_error("--intervene",
                      "expected a prompt of text for keys={}, got ids of tokens; choose keys by positions:",
                      printable(term.written()));
  }

  const TargetPrompt& prompt_;
  std::size_t size_;
  std::size_t known_ = 0;  // tokens that the encoded prompt begins with too
};

KeyRanges union_of(std::vector<std::pair<std::int64_t, std::int64_t>> all) {
  std::ranges::sort(all);
  KeyRanges out;
  for (auto [begin, end] : all) {
    if (!out.empty()) begin = std::max(begin, out.ranges.back().second);
    out.append(begin, end);
  }
  return out;
}

}  // namespace

std::shared_ptr<const InterventionTarget> aim(const InterventionSpec& spec, const TargetPrompt& prompt) {
  const auto is_own = [](const InterventionPart& part) { return part.own != nullptr; };
  const bool has_own = std::ranges::any_of(spec.parts, is_own);  // a function may look at the prompt's tokens
  if (!spec.needs_target() && !has_own) return nullptr;
  auto out = std::make_shared<InterventionTarget>();
  out->prompt = std::ssize(prompt.tokens);
  TermReader reader(prompt);
  for (const InterventionPart& part : spec.parts) {
    std::vector<std::pair<std::int64_t, std::int64_t>> all;
    for (const KeyTerm& term : part.keys.terms) {
      const KeyRanges chosen = reader.read(term);
      all.insert(all.end(), chosen.ranges.begin(), chosen.ranges.end());
    }
    out->keys.push_back(union_of(std::move(all)));
    if (part.chooses_keys() && out->keys.back().empty()) out->unmatched.push_back(part.keys.text());
  }
  std::vector<std::uint32_t> marks(prompt.tokens.size(), 0);
  for (std::size_t p = 0; p < spec.parts.size(); ++p) {
    // Published PASTA counts its spans, wherever they are.
    const bool counts =
        spec.parts[p].method->id == MethodId::kPasta && spec.parts[p].word("variant") == "published";
    const auto spans = counts ? static_cast<std::uint32_t>(out->keys[p].ranges.size()) : 0u;
    for (std::size_t i = 0; i < marks.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      marks[i] |= (out->keys[p].contains(at) ? 1u : 0u) << (2 * p);
      marks[i] |= (spec.parts[p].rows.contains(at, out->prompt) ? 1u : 0u) << (2 * p + 1);
      marks[i] += spans << (2 * kMostParts);
    }
  }
  out->marks = std::move(marks);
  if (has_own) {
    out->tokens.assign(prompt.tokens.begin(), prompt.tokens.end());
    for (const std::int32_t token : prompt.tokens) {
      if (prompt.tokenizer == nullptr) break;
      out->pieces.push_back(prompt.tokenizer->contains(token) ? prompt.tokenizer->piece(token) : "");
    }
  }
  return out;
}

std::shared_ptr<const InterventionTarget> aim(const InterventionSpec& spec, const Tokenizer& tokenizer,
                                              const Prompt& pieces, const EncodedPrompt& encoded) {
  return aim(spec, {encoded.tokens, &pieces, &encoded, &tokenizer});
}

}  // namespace refocus
