// Needles in a haystack: prompts that hold one sentence which a question asks for (G. Kamradt 2023), as
// retrieval heads are measured with (Wu et al. 2024, arXiv 2404.15574).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "prompt/prompt.h"

namespace refocus {

struct Needle {
  std::string needle;    // what is put into the haystack
  std::string question;  // that asks for it
  std::string answer;    // the part of the needle that is looked for in reply and attention
};

// JSON lines of {"needle", "question", "answer"}; "real_needle", the published files' name, is read as
// "answer", and without either it is the whole needle. InputError where the answer is no part of the needle.
std::vector<Needle> read_needles(const std::string& path);

// Three of the project's own, and sentences of the project's own making about the days of made-up people, the
// same for every call: no text of anybody's.
std::vector<Needle> default_needles();
std::string default_haystack();

// How a question stands behind the haystack: {question} is replaced. The published wording.
inline constexpr std::string_view kNeedleQuestion =
    "\nBased on the content of the book, Question: {question}\nAnswer:";

// Sentences with the sizes that they have as tokens by themselves.
class Haystack {
 public:
  // Sentences end at '.', '!' or '?' before white space, and at line ends. InputError where there is none.
  Haystack(const Tokenizer& tokenizer, std::string_view text);

  // Whole sentences, again from the first where they run out, of at most `tokens` tokens, and the needle
  // where a sentence ends, at `depth` of 0 to 1 of them or the last place before it; then the question. The
  // answer's pieces have the origin's field kNeedleField.
  Prompt prompt(const Needle& needle, std::int64_t tokens, double depth, std::string_view question) const;

 private:
  std::vector<std::string> sentences_;
  std::vector<std::int64_t> sizes_;
};

inline constexpr const char* kNeedleField = "needle";

// Words of `reference` that `text` has too, each as often as it has it, over words of `reference` (ROUGE-1
// recall: Lin 2004). A word is a run of ASCII letters, which count as lower case, digits, and bytes of other
// scripts; there is no stemming. 0 where the reference has none.
double rouge1_recall(std::string_view reference, std::string_view text);

}  // namespace refocus
