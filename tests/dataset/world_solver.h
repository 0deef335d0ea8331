// Answers a question of a small world from its text alone, by reading the sentences: a second way to the
// answer, which shares nothing with the generators.
#pragma once

#include <array>
#include <string>

namespace refocus {

// `told` is facts and question as one text. The answer's text, or "" where the text cannot be understood.
std::string solve_world(const std::string& subject, const std::string& told,
                        const std::array<std::string, 4>& choices);

}  // namespace refocus
