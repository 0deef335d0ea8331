#include "eval/harness/setting.h"

#include "base/error.h"
#include "base/json_reader.h"
#include "eval/harness/yaml_value.h"

namespace refocus::harness {

void Setting::fail(std::string_view expected) const {
  const bool shown = node_.kind == ConfigNode::Kind::kText;
  throw input_error(node_.where, "expected {} as '{}', got {}{}; correct it", expected, key_,
                    shown ? printable(node_.text) : std::string(kind_name(node_.kind)),
                    node_.tag.empty() ? "" : " with the tag " + printable(node_.tag));
}

std::string Setting::text() const {
  const auto value = yaml_value(node_);
  if (!value.is_string()) fail("a text");
  return value.get<std::string>();
}

std::vector<std::string> Setting::texts() const {
  if (node_.kind != ConfigNode::Kind::kList) return {text()};
  std::vector<std::string> out;
  for (const ConfigNode& item : node_.items) out.push_back(Setting(item, key_).text());
  return out;
}

std::int64_t Setting::whole(std::int64_t least, std::int64_t most) const {
  const auto value = yaml_value(node_);
  if (!value.is_number_integer() || value.get<std::int64_t>() < least || value.get<std::int64_t>() > most) {
    fail(fmt::format("a whole number from {} to {}", least, most));
  }
  return value.get<std::int64_t>();
}

double Setting::number() const {
  const auto value = yaml_value(node_);
  if (!value.is_number()) fail("a number");
  return value.get<double>();
}

bool Setting::flag() const {
  const auto value = yaml_value(node_);
  if (!value.is_boolean()) fail("true or false");
  return value.get<bool>();
}

}  // namespace refocus::harness
