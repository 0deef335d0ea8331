// A configuration that a user wrote in YAML or JSON, as a tree of nodes that know where they stand, so that
// every complaint can name the line.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace refocus {

struct ConfigNode {
  enum class Kind { kNull, kText, kList, kMap };
  Kind kind = Kind::kNull;
  std::string where;              // "file.yaml:3", or "file.json" (JSON has no lines here)
  std::string text;               // of a scalar, as it is written: numbers and words alike
  std::vector<ConfigNode> items;  // kList
  struct Entry;
  std::vector<Entry> entries;  // kMap, in order
  std::string tag = {};        // of YAML, as "!function"; empty where it says none
  bool is_plain = false;       // a YAML scalar without quotes, which may stand for a number, true or null
  bool key_is_plain = false;   // of the value of an entry: its key is such a scalar

  // The entry of a map, or null where it has none, or a null one.
  const ConfigNode* find(std::string_view key) const;

  // InputError, naming tag and line, where this or anything in it has a tag of its own ("!function").
  void refuse_tags() const;

  // InputError, listing `known`, where this is no map or has another key.
  void check_keys(std::string_view what, const std::vector<std::string_view>& known) const;

  // InputError, naming `key`, where this is no text, no list of texts, or no number.
  const std::string& as_text(std::string_view key) const;
  std::vector<std::string> as_texts(std::string_view key) const;
  double as_number(std::string_view key) const;

  nlohmann::ordered_json as_json() const;  // every scalar is a text
};

struct ConfigNode::Entry {
  std::string key;
  ConfigNode value;
};

// The word for a message: "a text", "a list", "a map", "nothing".
std::string_view kind_name(ConfigNode::Kind kind);

// `file` names the text in errors. InputError for what is no YAML (no JSON, where `json`) in UTF-8, with line
// and column, for a key that is there twice, and for more than one document.
ConfigNode parse_config(std::string_view text, const std::string& file, bool json);

}  // namespace refocus
