// A control: a task whose labels say nothing of its items.
#pragma once

#include <cstdint>

#include "eval/task/item.h"

namespace refocus {

// Gives the items each other's labels, among those with as many options. The same for the same seed.
void shuffle_labels(Task& task, std::uint64_t seed);

}  // namespace refocus
