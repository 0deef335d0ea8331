#include "detect/needles.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"
#include "base/json_node.h"
#include "base/random.h"
#include "base/record_kind.h"
#include "base/text_file.h"

namespace refocus {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::vector<std::string> sentences_of(std::string_view text) {
  std::vector<std::string> out;
  std::string now;
  for (std::size_t i = 0; i < text.size(); ++i) {
    now += text[i];
    const bool last = i + 1 == text.size();
    const bool ends = text[i] == '.' || text[i] == '!' || text[i] == '?';
    if (!last && text[i] != '\n' && !(ends && is_blank(text[i + 1]))) continue;
    while (i + 1 < text.size() && is_blank(text[i + 1])) now += text[++i];
    if (!std::ranges::all_of(now, is_blank)) out.push_back(now);
    now.clear();
  }
  if (!out.empty() && !is_blank(out.back().back())) out.back() += ' ';
  return out;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  bool within = false;
  for (const char c : text) {
    const char low = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool part =
        (low >= 'a' && low <= 'z') || (low >= '0' && low <= '9') || static_cast<unsigned char>(low) >= 0x80;
    if (part && !within) out.emplace_back();
    if (part) out.back() += low;
    within = part;
  }
  return out;
}

Needle needle_of(std::string_view line, const std::string& where) {
  const nlohmann::json value = parse_json_object(line, {where, "correct the file", true});
  const JsonNode node(value, {where});
  if (const RecordKind kind = kind_of_record(value, {"another object", "correct the file"});
      !value.contains("needle")) {
    throw input_error(where, "expected {{\"needle\", \"question\", \"answer\"}}, got {}; {}", kind.name,
                      kind.remedy);
  }
  Needle out;
  out.needle = node.at("needle").text();
  out.question = node.at("question").text();
  const auto answer = node.find("answer"), published = node.find("real_needle");
  out.answer = answer ? answer->text() : published ? published->text() : out.needle;
  if (words_of(out.answer).empty() || out.needle.find(out.answer) == std::string::npos) {
    throw input_error(
        where,
        "expected an answer of words that stand in the needle as they are, got {}; copy it from the needle",
        printable(out.answer));
  }
  return out;
}

}  // namespace

std::vector<Needle> read_needles(const std::string& path) {
  const std::string text = read_text_file(path);
  std::vector<Needle> out;
  for (const JsonLine& line : json_lines(text, path, BlankLines::kSkip)) {
    out.push_back(needle_of(line.text, fmt::format("{}:{}", path, line.number)));
  }
  if (out.empty()) throw input_error(path, "expected at least one needle, got none; write one object a line");
  return out;
}

std::vector<Needle> default_needles() {
  return {{"The old lighthouse keeper of Marlow hides his key under the third step of the stone tower.",
           "Where does the old lighthouse keeper of Marlow hide his key?",
           "under the third step of the stone tower"},
          {"The best way to mend a cracked violin is to warm the wood with a cup of chestnut tea.",
           "What is the best way to mend a cracked violin?", "to warm the wood with a cup of chestnut tea"},
          {"Every winter the mayor of Dunmere gives seven white geese to the youngest baker in town.",
           "What does the mayor of Dunmere do every winter?",
           "gives seven white geese to the youngest baker in town"}};
}

std::string default_haystack() {
  constexpr std::array kWho = {"Anna",       "the miller",        "my uncle", "the tall clerk",
                               "Peter",      "the schoolteacher", "Rosa",     "the postman",
                               "old Thomas", "a traveller",       "Ines",     "the gardener"};
  constexpr std::array kWhen = {"On Monday", "Before noon", "In early spring",     "After the rain",
                                "Last week", "At dusk",     "On the first of May", "During the fair"};
  constexpr std::array kDid = {"walked along the river",    "read the newspaper aloud",
                               "bought a basket of pears",  "repaired the garden gate",
                               "wrote a long letter",       "sat by the window",
                               "counted the passing carts", "planted two rows of beans"};
  constexpr std::array kThen = {"and spoke to nobody", "and then went home",     "while the others slept",
                                "because it was warm", "as people always had",   "and thought of the sea",
                                "until the bell rang", "without any great hurry"};
  constexpr int kSentences = 400;
  SplitMix64 random(7);
  const auto pick = [&](const auto& from) { return from[random.below(from.size())]; };
  std::string out;
  for (int i = 0; i < kSentences; ++i) {
    const char *when = pick(kWhen), *who = pick(kWho), *did = pick(kDid), *then = pick(kThen);
    out += fmt::format("{} {} {} {}.{}", when, who, did, then, i % 12 == 11 ? "\n" : " ");
  }
  return out;
}

Haystack::Haystack(const Tokenizer& tokenizer, std::string_view text) : sentences_(sentences_of(text)) {
  if (sentences_.empty()) throw input_error("haystack", "expected text, got none; choose another --haystack");
  for (const std::string& sentence : sentences_) {
    sizes_.push_back(std::max<std::int64_t>(1, std::ssize(tokenizer.encode(sentence))));
  }
}

Prompt Haystack::prompt(const Needle& needle, std::int64_t tokens, double depth,
                        std::string_view question) const {
  std::vector<std::size_t> taken;
  std::int64_t size = 0;
  for (std::size_t i = 0; size + sizes_[i] <= tokens; i = (i + 1) % sizes_.size()) {
    taken.push_back(i);
    size += sizes_[i];
  }
  std::size_t before = 0;
  for (std::int64_t so_far = 0; before < taken.size(); ++before) {
    so_far += sizes_[taken[before]];
    if (static_cast<double>(so_far) > depth * static_cast<double>(size)) break;
  }
  Prompt out;
  for (std::size_t i = 0; i < before; ++i) append(out, data_piece(sentences_[taken[i]]));
  const std::size_t at = needle.needle.find(needle.answer);
  PieceOrigin looked_for;
  looked_for.field = kNeedleField;
  append(out, data_piece(needle.needle.substr(0, at)));
  append(out, data_piece(needle.answer, looked_for));
  append(out, data_piece(needle.needle.substr(at + needle.answer.size()) + " "));
  for (std::size_t i = before; i < taken.size(); ++i) append(out, data_piece(sentences_[taken[i]]));
  std::string asked(question);
  constexpr std::string_view kPlace = "{question}";
  if (const std::size_t place = asked.find(kPlace); place != std::string::npos) {
    append(out, template_piece(asked.substr(0, place)));
    append(out, data_piece(needle.question));
    append(out, template_piece(asked.substr(place + kPlace.size())));
  } else {
    append(out, template_piece(asked));
  }
  return out;
}

double rouge1_recall(std::string_view reference, std::string_view text) {
  std::map<std::string, std::int64_t> there;
  for (std::string& word : words_of(text)) ++there[std::move(word)];
  const std::vector<std::string> wanted = words_of(reference);
  std::int64_t found = 0;
  for (const std::string& word : wanted) {
    const auto at = there.find(word);
    if (at == there.end() || at->second == 0) continue;
    --at->second;
    ++found;
  }
  return wanted.empty() ? 0 : static_cast<double>(found) / static_cast<double>(wanted.size());
}

}  // namespace refocus
