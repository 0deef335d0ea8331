// The documents of a task of lm-evaluation-harness, from local files: as the library `datasets` gives them to
// it.
//
// JSON lines (.jsonl, and .json that begins with an object), a JSON array of objects, or an object with the
// rows in one member; CSV, whose columns are whole numbers, numbers, true and false, or texts, as all cells
// of the column allow, with pandas' words for "nothing" ("", NA, null, ...). Every document of a split has
// the fields of all of them, null where it lacks one; a column of whole and other numbers has numbers alone.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/harness/task_config.h"

namespace refocus::harness {

struct Document {
  nlohmann::ordered_json fields;  // an object
  std::string where;              // "FILE row 3"
};

struct Split {
  std::vector<std::string> field_names;  // in the order of their first appearance
  std::vector<Document> documents;       // at least one
};

// The splits of one task, each read when it is first asked for.
class Dataset {
 public:
  // `data_folder` is where data sets with a name on a hub are looked for (docs/harness_tasks.md has the
  // rule); may be empty. `task_name` is the first folder that is tried.
  Dataset(const DataRules& rules, std::string task_name, std::filesystem::path task_folder,
          std::filesystem::path data_folder);

  // InputError for a split that is not there, with the places that were looked at, and for files that are no
  // such data.
  const Split& split(const std::string& name);

  // The files that were read so far.
  const std::vector<std::filesystem::path>& files() const { return files_; }

 private:
  std::vector<std::filesystem::path> files_of(const std::string& split) const;
  std::vector<std::filesystem::path> files_on_hub(const std::string& split) const;

  const DataRules rules_;
  std::string task_name_;
  std::filesystem::path task_folder_, data_folder_;
  std::map<std::string, Split> splits_;
  std::vector<std::filesystem::path> files_;
};

// The rows of files that make up one split. `member`, `delimiter`: see DataRules.
Split read_split(const std::vector<std::filesystem::path>& files, const std::string& member, char delimiter);

}  // namespace refocus::harness
