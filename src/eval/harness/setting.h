// A value of a task's file with its key, as the type that it should have.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "eval/text/config_node.h"

namespace refocus::harness {

// Each throws InputError, naming line and key, where the value is of another type.
class Setting {
 public:
  Setting(const ConfigNode& node, std::string_view key) : node_(node), key_(key) {}

  std::string text() const;
  std::vector<std::string> texts() const;  // a text alone is a list of one
  std::int64_t whole(std::int64_t least, std::int64_t most) const;
  double number() const;
  bool flag() const;

 private:
  [[noreturn]] void fail(std::string_view expected) const;

  const ConfigNode& node_;
  std::string_view key_;
};

}  // namespace refocus::harness
