#include "eval/score/held_out.h"

#include <fmt/core.h>

#include <string>

#include "eval/text/sha256.h"

namespace refocus {

int half_of_item(std::string_view subject, int index) {
  const std::string hash = sha256_hex(fmt::format("{}/{}/{}", kHeldOutSeed, subject, index / 2));
  const int first = hash[0] >= '8' ? 1 : 0;  // a digit of four bits: '8' and more begin with 1
  return index % 2 == 0 ? first : 1 - first;
}

}  // namespace refocus
