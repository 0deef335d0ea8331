// Which matrices of a model an adapter's configuration means, and with which rank and alpha: PEFT 0.21.2's
// rules (check_target_module_exists, get_pattern_key, _find_minimal_target_modules).
//
// - exclude_modules: a text matches a whole name as a regular expression; of a list, the name or its end
//   behind a dot. It goes before all others.
// - target_modules: the same; "all-linear" (in any case) is all linear layers but the output matrix, null
//   q_proj and v_proj. layers_to_transform leaves out other layers, but not matrices that a list has with
//   their whole names. The layer is the first number behind a name of layers_pattern, or behind any name.
//   A list of 20 names or more is first made shorter, as PEFT does it, after which whole names may be ends.
// - rank_pattern, alpha_pattern: the first entry, in the order of the file, whose key matches the name or its
//   end behind a dot, as the regular expression (.*\.)?(KEY)$.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "io/peft/peft_config.h"
#include "tensor/adapter.h"

namespace refocus {

struct PeftChange {
  std::int64_t rank = 0;
  double alpha = 0;
};

// The changed matrices by name. Adds to settings.warnings what has no effect. InputError where nothing, or
// what is no linear layer, is meant, for settings.unsupported, and for regular expressions that Python would
// not take either.
std::map<std::string, PeftChange> peft_changes(PeftSettings& settings, const AdapterBase& base);

}  // namespace refocus
