#include "base/error.h"

#include <cstdio>
#include <cstdlib>

#include "base/utf8.h"

namespace refocus {

InputError::InputError(std::string_view where, std::string_view message)
    : std::runtime_error(printable(fmt::format("[{}] {}", where, message), std::string::npos)) {}

std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    const std::string_view bytes = text.substr(0, static_cast<std::size_t>(step.length));
    const bool shown = step.status == Utf8Status::kValid && step.code_point >= 0x20 &&
                       (step.code_point < 0x7F || step.code_point > 0x9F);
    std::string piece(shown ? bytes : "");
    if (!shown) {
      for (const char c : bytes) piece += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    if (out.size() + piece.size() > limit) return out + "...";
    out += piece;
    text.remove_prefix(bytes.size());
  }
  return out;
}

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "refocus: internal error at %s:%d: %s\n", file, line, condition);
  std::abort();
}

}  // namespace refocus
