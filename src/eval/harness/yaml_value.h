// What a scalar of a YAML file stands for, as PyYAML's safe loader (YAML 1.1) takes it: a plain 0 is a
// number, a plain yes is true, and "0" in quotes is a text.
#pragma once

#include <nlohmann/json.hpp>

#include "eval/text/config_node.h"

namespace refocus::harness {

// The node as JSON. InputError, naming the line, for tags, for dates, and for what only a Python program
// could hold: maps whose keys are numbers, whole numbers of more than 64 bits, infinities.
nlohmann::ordered_json yaml_value(const ConfigNode& node);

// Whether a plain scalar of that text is something else than a text.
bool is_plain_text(std::string_view text);

}  // namespace refocus::harness
