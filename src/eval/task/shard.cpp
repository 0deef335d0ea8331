#include "eval/task/shard.h"

#include <charconv>
#include <map>

#include "base/error.h"
#include "eval/text/sha256.h"

namespace refocus {
namespace {

constexpr std::size_t kMostShards = 100'000;

// Where a subject begins, the same on every machine.
std::size_t begin_of(const std::string& subject) {
  return std::stoul(sha256_hex(subject).substr(0, 7), nullptr, 16);
}

// A whole number that is the text and nothing more; 0 for anything else.
std::size_t number_of(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

}  // namespace

std::string Shard::text() const { return fmt::format("{}/{}", index, count); }

Shard parse_shard(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    const Shard shard{number_of(text.substr(0, slash)), number_of(text.substr(slash + 1))};
    if (shard.index >= 1 && shard.index <= shard.count && shard.count <= kMostShards) return shard;
  }
  throw usage_error("--shard",
                    "expected I/N with 1 <= I <= N <= {}, such as 2/4 (the second of four), got '{}'",
                    kMostShards, printable(text));
}

std::set<const Item*> items_of_shard(const std::vector<Task>& tasks, const Shard& shard) {
  std::set<const Item*> out;
  for (const Task& task : tasks) {
    std::map<std::string, std::size_t>
        next;  // by subject, the place of its next question plus its own number
    bool in_shard = false;
    for (const Item& item : task.items) {
      if (item.turn == 0) {
        const auto [place, is_new] = next.try_emplace(item.subject);
        if (is_new) place->second = begin_of(item.subject);
        in_shard = place->second++ % shard.count == shard.index - 1;
      }
      if (in_shard) out.insert(&item);
    }
  }
  return out;
}

}  // namespace refocus
