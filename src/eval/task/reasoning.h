// Answers that begin with a part in which the model thinks: <think> ... </think>, as Qwen 3, DeepSeek-R1 and
// others write it.
#pragma once

#include <string_view>

namespace refocus {

struct ThoughtAndAnswer {
  std::string_view reasoning;  // without its marks and the white space around it
  std::string_view answer;     // what stands after it, without white space around it
  bool thinks = false;         // whether there is such a part
};

// Both are parts of `text`. The part begins with <think> at the beginning of the text, or with the text where
// the prompt ends with that mark, and ends with the last </think>. Where it has no end, all is reasoning, and
// the answer is empty: it was cut off.
ThoughtAndAnswer split_reasoning(std::string_view prompt, std::string_view text);

}  // namespace refocus
