// A part of the questions of a run, so that several processes share them: `--shard 2/4`.
//
// Question k of a subject (from 0, in the order of the data) is in shard (k + h) mod n, h being a number that
// is the subject's own. So shards differ by at most one question in every subject; what falls over from many
// subjects does not all fall to the first shard; and with a larger --limit, or more subjects, tasks or arms,
// each question stays in its shard. The turns of a transcript go together.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "eval/task/item.h"

namespace refocus {

struct Shard {
  std::size_t index = 1, count = 1;  // index from 1; 1/1 is everything

  bool is_whole() const { return count == 1; }
  std::string text() const;  // "2/4"
};

// UsageError for anything but I/N with 1 <= I <= N <= 100000.
Shard parse_shard(std::string_view text);

// The items of the tasks that are in a shard.
std::set<const Item*> items_of_shard(const std::vector<Task>& tasks, const Shard& shard);

}  // namespace refocus
