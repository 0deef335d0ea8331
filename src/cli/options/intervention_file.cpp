#include "cli/options/intervention_file.h"

#include <fmt/ranges.h>

#include "base/error.h"
#include "base/text_file.h"
#include "eval/text/config_node.h"
#include "intervene/grammar/named.h"

namespace refocus::cli {

namespace {

constexpr std::string_view kRemedy = "write a list such as \"- boost: {factor: 3, keys: field:question}\"";

[[noreturn]] void refuse(const ConfigNode& node, std::string_view expected) {
  throw input_error(node.where, "expected {}, got {}; {}", expected, kind_name(node.kind), kRemedy);
}

// {12: [3], 14: [0, 1]} as 12.3;14.0;14.1
std::string heads_text(const ConfigNode& node) {
  std::vector<std::string> heads;
  for (const auto& [layer, of_layer] : node.entries) {
    for (const std::string& head : of_layer.as_texts("heads")) {
      heads.push_back(fmt::format("{}.{}", layer, head));
    }
  }
  return fmt::format("{}", fmt::join(heads, ";"));
}

std::string value_text(const std::string& key, const ConfigNode& node) {
  switch (node.kind) {
    case ConfigNode::Kind::kText:
      return node.text;
    case ConfigNode::Kind::kList:
      return fmt::format("{}", fmt::join(node.as_texts(key), key == "keys" ? "|" : ";"));
    case ConfigNode::Kind::kMap:
      if (key == "heads") return heads_text(node);
      break;
    case ConfigNode::Kind::kNull:
      break;
  }
  refuse(node, fmt::format("a value of {}", printable(key)));
}

std::string part_text(const ConfigNode& node) {
  if (node.kind == ConfigNode::Kind::kText) return node.text;
  if (node.kind != ConfigNode::Kind::kMap || node.entries.size() != 1) {
    refuse(node, "the name of a method, or one with its keys,");
  }
  const auto& [name, keys] = node.entries.front();
  if (keys.kind == ConfigNode::Kind::kNull) return name;
  if (keys.kind != ConfigNode::Kind::kMap) refuse(keys, fmt::format("keys of {}", printable(name)));
  std::vector<std::string> pairs;
  for (const auto& [key, value] : keys.entries) {
    pairs.push_back(fmt::format("{}={}", key, value_text(key, value)));
  }
  return pairs.empty() ? name : fmt::format("{}:{}", name, fmt::join(pairs, ","));
}

// That of the file.
std::string text_of_file(const std::string& path) {
  const ConfigNode node = parse_config(read_text_file(path), path, path.ends_with(".json"));
  node.refuse_tags();
  if (node.kind == ConfigNode::Kind::kText) return node.text;
  if (node.kind == ConfigNode::Kind::kMap) return part_text(node);
  if (node.kind != ConfigNode::Kind::kList || node.items.empty()) refuse(node, "a list of parts");
  std::vector<std::string> parts;
  for (const ConfigNode& part : node.items) parts.push_back(part_text(part));
  return fmt::format("{}", fmt::join(parts, "+"));
}

}  // namespace

std::string intervention_text(const std::string& asked) {
  const std::size_t name = end_of_arm_name(asked);
  const std::size_t begin = name == std::string::npos ? 0 : name + 1;
  if (begin == asked.size() || asked[begin] != '@') return asked;
  return asked.substr(0, begin) + text_of_file(asked.substr(begin + 1));
}

}  // namespace refocus::cli
