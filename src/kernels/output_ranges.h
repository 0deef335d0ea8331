// Hands out the outputs of several products as the tasks of one parallel loop.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "base/error.h"
#include "base/thread_pool.h"

namespace refocus {

// One product: `count` outputs (or panels of them), of which a task takes `step`.
struct OutputRange {
  std::int64_t count = 0, step = 1;
};

inline constexpr std::size_t kMaxJobs = 4;  // products in one loop

// How many outputs a task takes: enough to outweigh handing it out (128 KiB of weights), few enough that the
// threads end together; a multiple of `multiple`.
inline std::int64_t outputs_a_task(std::int64_t outputs, std::int64_t bytes_an_output, int threads,
                                   std::int64_t multiple) {
  const std::int64_t streamed = (std::int64_t{1} << 17) / std::max<std::int64_t>(1, bytes_an_output);
  const std::int64_t shared = outputs / (std::int64_t{4} * threads);
  return std::max(multiple, std::min(streamed, shared) / multiple * multiple);
}

// Calls body(j, begin, end) for ranges [begin, end) that cover each products's outputs.
template <class Body>
void for_output_ranges(ThreadPool& pool, std::span<const OutputRange> ranges, const Body& body) {
  REFOCUS_CHECK(ranges.size() <= kMaxJobs);
  std::int64_t first_task[kMaxJobs + 1] = {0};
  for (std::size_t j = 0; j < ranges.size(); ++j) {
    first_task[j + 1] = first_task[j] + (ranges[j].count + ranges[j].step - 1) / ranges[j].step;
  }
  pool.parallel_for(first_task[ranges.size()], [&](std::int64_t task, int) {
    std::size_t j = 0;
    while (task >= first_task[j + 1]) ++j;
    const std::int64_t begin = (task - first_task[j]) * ranges[j].step;
    body(j, begin, std::min(begin + ranges[j].step, ranges[j].count));
  });
}

}  // namespace refocus
