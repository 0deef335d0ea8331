// What the program holds in memory, and what there is.
#pragma once

#include <cstdint>
#include <string>

namespace refocus {

// Now, mapped weights and cache included; 0 where the system does not say.
std::int64_t resident_bytes();
// The most since it began.
std::int64_t peak_resident_bytes();
// What is free for programs; the physical memory where the system does not say.
std::int64_t available_bytes();

// "812 MB", "1.24 GB": as people say it, in powers of 1000.
std::string memory_text(std::int64_t bytes);

}  // namespace refocus
