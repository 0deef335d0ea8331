#include "eval/harness/dataset.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_set>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "eval/harness/csv_columns.h"

namespace refocus::harness {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

void add_row(Json row, std::string where, std::vector<Document>& out) {
  if (!row.is_object()) {
    throw input_error(where, "expected a JSON object, got {}; write one object a row", json_kind(row));
  }
  out.push_back({std::move(row), std::move(where)});
}

void add_json_rows(const std::string& text, const std::string& file, const std::string& member,
                   std::vector<Document>& out) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (member.empty() && first != std::string::npos && text[first] == '{') {
    for (const JsonLine& line : json_lines(text, file, BlankLines::kAtEnd)) {
      const std::string where = fmt::format("{} row {} (line {})", file, out.size() + 1, line.number);
      add_row(parse_ordered_json(line.text, {where, "write one object a line", true}), where, out);
    }
    return;
  }
  Json all = parse_ordered_json(text, {file});
  if (!member.empty()) {
    if (!all.is_object() || !all.contains(member)) {
      throw input_error(file,
                        "expected an object with the rows in its member '{}', got none; correct 'field'",
                        printable(member));
    }
    Json rows = std::move(all[member]);
    all = std::move(rows);
  }
  if (!all.is_array()) {
    throw input_error(file, "expected a list of objects, got {}; write one, or one object a line",
                      json_kind(all));
  }
  for (Json& row : all) add_row(std::move(row), fmt::format("{} row {}", file, out.size() + 1), out);
}

// Gives all documents the same fields in the same order, and columns of numbers one type.
void unify(Split& split) {
  std::unordered_set<std::string> seen, reals, wholes;
  for (const Document& document : split.documents) {
    for (const auto& [name, value] : document.fields.items()) {
      if (seen.insert(name).second) split.field_names.push_back(name);
      if (value.is_number_float()) reals.insert(name);
      if (value.is_number_integer()) wholes.insert(name);
    }
  }
  for (Document& document : split.documents) {
    Json fields = Json::object();
    for (const std::string& name : split.field_names) {
      const auto found = document.fields.find(name);
      Json value = found == document.fields.end() ? Json() : std::move(*found);
      if (value.is_number_integer() && reals.contains(name)) value = value.get<double>();
      fields[name] = std::move(value);
    }
    document.fields = std::move(fields);
  }
}

// A name of a data set or split as a path; nothing that leads out of the folder.
bool is_plain_path(const std::string& name) {
  return !name.empty() && name[0] != '/' && name.find("..") == std::string::npos;
}

}  // namespace

Split read_split(const std::vector<fs::path>& files, const std::string& member, char delimiter) {
  Split out;
  for (const fs::path& path : files) {
    const std::string text = read_text_file(path), file = path.string();
    std::vector<Document> rows;
    if (path.extension() == ".csv" || path.extension() == ".tsv") {
      rows = csv_documents(text, file, path.extension() == ".tsv" ? '\t' : delimiter);
    } else {
      add_json_rows(text, file, member, rows);
    }
    std::ranges::move(rows, std::back_inserter(out.documents));
  }
  if (out.documents.empty()) {
    throw input_error(files.front().string(), "expected at least one row of data, got none; add some");
  }
  unify(out);
  return out;
}

Dataset::Dataset(const DataRules& rules, std::string task_name, fs::path task_folder, fs::path data_folder)
    : rules_(rules),
      task_name_(std::move(task_name)),
      task_folder_(std::move(task_folder)),
      data_folder_(std::move(data_folder)) {}

const Split& Dataset::split(const std::string& name) {
  const auto known = splits_.find(name);
  if (known != splits_.end()) return known->second;
  const std::vector<fs::path> files = files_of(name);
  files_.insert(files_.end(), files.begin(), files.end());
  return splits_.emplace(name, read_split(files, rules_.member, rules_.delimiter)).first->second;
}

std::vector<fs::path> Dataset::files_of(const std::string& split) const {
  if (!rules_.is_local()) return files_on_hub(split);
  std::vector<std::string> known;
  for (const auto& [name, files] : rules_.files) {
    known.push_back(name);
    if (name != split) continue;
    std::vector<fs::path> paths;
    for (const std::string& file : files) {
      paths.push_back(task_folder_ / file);
      if (fs::is_regular_file(paths.back())) continue;
      throw input_error(rules_.where,
                        "expected a data file, got no such file: {}; give its path relative to the task's",
                        printable(paths.back().string(), 300));
    }
    return paths;
  }
  throw input_error(rules_.where,
                    "expected files for the split '{}' in data_files, got only {}; add it, or name one of "
                    "these as the split",
                    printable(split), printable(fmt::format("{}", fmt::join(known, ", ")), 300));
}

std::vector<fs::path> Dataset::files_on_hub(const std::string& split) const {
  const std::string last = rules_.path.substr(rules_.path.rfind('/') + 1);
  std::vector<fs::path> folders = {task_name_};
  for (const std::string& path : {rules_.path, last}) {
    if (!rules_.name.empty()) folders.push_back(fs::path(path) / rules_.name);
    folders.push_back(path);
  }
  bool has_parquet = false;
  if (!data_folder_.empty() && is_plain_path(split)) {
    for (const fs::path& folder : folders) {
      if (!is_plain_path(folder.string())) continue;
      for (const char* ending : {".jsonl", ".json", ".csv", ".tsv"}) {
        const fs::path file = data_folder_ / folder / (split + ending);
        if (fs::is_regular_file(file)) return {file};
      }
      has_parquet = has_parquet || fs::is_regular_file(data_folder_ / folder / (split + ".parquet"));
    }
  }
  const fs::path wanted = data_folder_ / folders.front() / (split + ".jsonl");
  throw input_error(rules_.where,
                    "expected the split '{}' of {}{} as {}{}, got {}; write it by python3 -c \"from datasets "
                    "import load_dataset; "
                    "load_dataset('{}'{}, split='{}').to_json('{}')\"",
                    printable(split), printable(rules_.path),
                    rules_.name.empty() ? "" : " (" + printable(rules_.name) + ")",
                    printable(wanted.string(), 300), data_folder_.empty() ? " in the folder of --data" : "",
                    has_parquet ? "Parquet, which is not read" : "no such file", printable(rules_.path),
                    rules_.name.empty() ? "" : ", '" + printable(rules_.name) + "'", printable(split),
                    printable(wanted.string(), 300));
}

}  // namespace refocus::harness
