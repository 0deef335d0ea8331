#include "base/machine.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <fstream>

namespace refocus {

std::string host_name() {
  std::array<char, 256> name = {};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t at = line.find_first_not_of(" \t", line.find(':') + 1);
    if (at != std::string::npos) return line.substr(at);
  }
  utsname system = {};
  return ::uname(&system) == 0 ? system.machine : "";
}

}  // namespace refocus
