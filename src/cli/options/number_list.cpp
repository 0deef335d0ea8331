#include "cli/options/number_list.h"

#include <charconv>
#include <numeric>
#include <set>

#include "base/error.h"

namespace refocus::cli {

std::vector<std::int64_t> parse_number_list(std::string_view option, const std::string& text,
                                            std::int64_t count, std::string_view things) {
  const auto malformed = [&] {
    return usage_error(option, "expected {} and ranges of them such as 0,4-7, got '{}'", things,
                       printable(text));
  };
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&] {
    std::int64_t value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc() || *at == '-') throw malformed();
    at = next;
    if (value >= count) {
      throw usage_error(option, "expected {} from 0 to {}, got {}; name those that there are", things,
                        count - 1, value);
    }
    return value;
  };
  std::set<std::int64_t> out;
  for (bool more = true; more;) {
    if (at == end) throw malformed();
    const std::int64_t first = number();
    std::int64_t last = first;
    if (at != end && *at == '-') {
      if (++at == end) throw malformed();
      last = number();
      if (last < first) throw malformed();
    }
    for (std::int64_t i = first; i <= last; ++i) out.insert(i);
    more = at != end;
    if (more && *at++ != ',') throw malformed();
  }
  return {out.begin(), out.end()};
}

std::vector<std::int64_t> all_numbers(std::int64_t count) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(count));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

}  // namespace refocus::cli
