#include "eval/task/reasoning.h"

#include "eval/text/code_points.h"

namespace refocus {

ThoughtAndAnswer split_reasoning(std::string_view prompt, std::string_view text) {
  constexpr std::string_view kBegin = "<think>", kEnd = "</think>";
  const std::string_view inner = stripped(text);
  const bool begun = inner.starts_with(kBegin);
  const bool begun_before = stripped(prompt).ends_with(kBegin);
  const std::size_t end = inner.rfind(kEnd);
  if (!begun && !begun_before && end == std::string_view::npos) return {"", inner, false};
  std::string_view reasoning = inner.substr(0, end);
  if (begun) reasoning.remove_prefix(std::min(kBegin.size(), reasoning.size()));
  const std::string_view answer =
      end == std::string_view::npos ? inner.substr(inner.size()) : stripped(inner.substr(end + kEnd.size()));
  return {stripped(reasoning), answer, true};
}

}  // namespace refocus
