// The machine that the program runs on, as a record of results names it.
#pragma once

#include <string>

namespace refocus {

std::string host_name();  // empty where the system does not say

// The processor's own name, "AMD EPYC 9654 96-Core Processor"; where it has none, its kind: "aarch64".
std::string processor_name();

}  // namespace refocus
