#include "analyze/pictures/capture_node.h"

#include <fmt/ranges.h>

#include "base/text_file.h"
#include "io/weight_file.h"

namespace refocus {

CaptureFile read_capture_file(const std::filesystem::path& path) {
  CaptureFile out;
  out.source = {where_of(path), "capture again"};
  out.json = parse_json_object(read_text_file(path), out.source);
  return out;
}

CaptureNode captured_arm(const CaptureNode& file, const char* key, const std::string& name) {
  const CaptureNode arms = file.at("arms");
  std::vector<std::string> names;
  for (const CaptureNode& arm : arms.items()) {
    if (name.empty() || arm.at(key).text() == name) return arm;
    names.push_back(printable(arm.at(key).text(), 200));
  }
  if (names.empty()) arms.fail("at least one arm");
  throw usage_error("--arm", "expected an arm that was captured, got '{}'; there are {}", printable(name),
                    fmt::join(names, ", "));
}

}  // namespace refocus
