#include "base/memory_use.h"

#include <fmt/core.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string_view>

namespace refocus {

namespace {

// The number of KiB in the line of a file of /proc that begins so; 0 where there is none.
std::int64_t bytes_of_line(const char* file, std::string_view name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name)) return std::strtoll(line.c_str() + name.size(), nullptr, 10) * 1024;
  }
  return 0;
}

}  // namespace

std::int64_t resident_bytes() { return bytes_of_line("/proc/self/status", "VmRSS:"); }

std::int64_t peak_resident_bytes() {
  // Not getrusage where there is this: that begins with what the parent held when it started the program.
  const std::int64_t most = bytes_of_line("/proc/self/status", "VmHWM:");
  if (most > 0) return most;
  rusage usage{};
  return ::getrusage(RUSAGE_SELF, &usage) == 0 ? static_cast<std::int64_t>(usage.ru_maxrss) * 1024 : 0;
}

std::int64_t available_bytes() {
  const std::int64_t available = bytes_of_line("/proc/meminfo", "MemAvailable:");
  if (available > 0) return available;
  return static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

std::string memory_text(std::int64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (value >= 1e9) return fmt::format("{:.2f} GB", value / 1e9);
  return value >= 1e7 ? fmt::format("{:.0f} MB", value / 1e6) : fmt::format("{:.1f} MB", value / 1e6);
}

}  // namespace refocus
