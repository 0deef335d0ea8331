// What a file that should have JSON lines really is, and what kind of line an object is, by its keys: for the
// messages of readers that were given another one than theirs. All kinds of lines that the program reads or
// writes stand here.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace refocus {

// InputError where the text is a table, a model, JSON over several lines or another thing that has a name,
// rather than lines of JSON; what is unknown passes, for its reader to say what is wrong. `file` is its path.
void refuse_other_lines(std::string_view text, const std::string& file);
// The same of a file's beginning; one that cannot be read passes.
void refuse_other_lines(const std::string& file);

struct RecordKind {
  std::string_view name;    // after "got": "a sample of an evaluation"
  std::string_view remedy;  // where it is of use: "read it with refocus rescore"
};

// `otherwise` where an object's kind is unknown.
RecordKind kind_of_record(const nlohmann::ordered_json& object, RecordKind otherwise);
RecordKind kind_of_record(const nlohmann::json& object, RecordKind otherwise);

}  // namespace refocus
