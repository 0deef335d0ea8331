// --intervene @FILE: an intervention that is too long for a command line, as YAML.
//
//   - rebalance: {alpha: 0.2, layers: 8-31}
//   - boost:
//       factor: 3
//       keys: [field:question, 'text:"in one word"']    joined by '|'
//       layers: [0, 4-7]                                 lists of other keys: joined by ';'
//       heads: {12: [3], 14: [0, 1]}                     or @FILE, or a text
//   - nosink
#pragma once

#include <string>

namespace refocus::cli {

// The text as --intervene takes it: that of the file for @FILE, NAME= and that of the file for NAME=@FILE,
// the text itself for any other. InputError for
// what is no such file; what its parts say is checked by parse_intervention.
std::string intervention_text(const std::string& asked);

}  // namespace refocus::cli
