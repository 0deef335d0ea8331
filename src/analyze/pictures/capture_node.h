// The JSON files of a directory of `refocus attention`, as pictures read them.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "base/json_node.h"

namespace refocus {

inline constexpr const char *kCaptureFile = "attention.json", *kStatisticsFile = "statistics.json";

using CaptureNode = JsonNode<nlohmann::json>;

struct CaptureFile {
  JsonSource source;
  nlohmann::json json;
  CaptureNode root() const { return {json, source}; }
};
// InputError where it is missing or no object.
CaptureFile read_capture_file(const std::filesystem::path& path);

// The arm whose member `key` is that name, or the first one for an empty name. UsageError by --arm.
CaptureNode captured_arm(const CaptureNode& file, const char* key, const std::string& name);

}  // namespace refocus
