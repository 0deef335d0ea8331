// What the simpler normalizers of a tokenizer.json do to a text, each as Hugging Face tokenizers does it
// (normalizers/*.rs). Texts are valid UTF-8 and stay so.
#pragma once

#include <string>
#include <string_view>

namespace refocus {

// Every character by its own full lower-case mapping, whatever stands beside it.
std::string lower_case(std::string_view text);

// Without the combining marks (general category M).
std::string without_marks(std::string_view text);

// SentencePiece's rules "nmt": control characters go, other kinds of white space become spaces.
std::string nmt_text(std::string_view text);

// Without the white space at the ends.
std::string_view without_outer_space(std::string_view text, bool left, bool right);

}  // namespace refocus
