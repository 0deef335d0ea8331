#include "eval/task/data_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "eval/text/code_points.h"
#include "eval/text/csv_reader.h"
#include "eval/text/text_limit.h"

namespace refocus {

namespace {

using OrderedJson = nlohmann::ordered_json;

std::string_view kind_name(DataValue::Kind kind) {
  switch (kind) {
    case DataValue::Kind::kText:
      return "a text";
    case DataValue::Kind::kList:
      return "a list";
    case DataValue::Kind::kNull:
      return "null";
    case DataValue::Kind::kOther:
      break;
  }
  return "an object or a list of lists";
}

void check_names(const std::vector<std::string>& names, const std::string& where) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) throw input_error(where, "expected a name in column {}, got none; add it", i + 1);
    if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
        names.begin() + static_cast<std::ptrdiff_t>(i)) {
      throw input_error(where, "expected columns of different names, got '{}' twice; rename one",
                        printable(names[i]));
    }
  }
}

std::vector<DataRow> read_separated(const std::string& text, const std::string& file, char delimiter) {
  std::vector<std::string> names;
  std::vector<DataRow> rows;
  read_csv(text, file, delimiter, [&](CsvRow&& csv) {
    std::string where = fmt::format("{} row {} (line {})", file, rows.size() + 1, csv.line);
    if (names.empty()) where = fmt::format("{}:{}", file, csv.line);
    for (const std::string& cell : csv.cells) {
      if (first_invalid_utf8(cell) == cell.size()) continue;
      throw input_error(where, "expected UTF-8, got other bytes; convert the file");
    }
    if (names.empty()) {
      check_names(csv.cells, where);
      names = std::move(csv.cells);
      return;
    }
    if (csv.cells.size() != names.size()) {
      throw input_error(where, "expected {} cells as in the header, got {}; quote cells that hold {}",
                        names.size(), csv.cells.size(), delimiter == ',' ? "commas" : "tabs");
    }
    DataRow row{std::move(where), {}};
    for (std::size_t i = 0; i < names.size(); ++i) {
      row.fields.emplace_back(names[i], DataValue{DataValue::Kind::kText, std::move(csv.cells[i]), {}});
    }
    rows.push_back(std::move(row));
  });
  return rows;
}

bool is_scalar(const OrderedJson& json) { return json.is_string() || json.is_number() || json.is_boolean(); }

std::string scalar_text(const OrderedJson& json) {
  return json.is_string() ? json.get<std::string>() : json_text(json);
}

DataValue value_of(const OrderedJson& json) {
  DataValue value;
  if (json.is_null()) return value;
  value.text = scalar_text(json);
  value.kind = is_scalar(json) ? DataValue::Kind::kText : DataValue::Kind::kOther;
  if (!json.is_array() || !std::ranges::all_of(json, is_scalar)) return value;
  value.kind = DataValue::Kind::kList;
  for (const OrderedJson& item : json) value.list.push_back(scalar_text(item));
  return value;
}

DataRow row_of(const OrderedJson& json, std::string where) {
  if (!json.is_object()) {
    throw input_error(where, "expected a JSON object, got {}; write one object a row", json.type_name());
  }
  DataRow row{std::move(where), {}};
  for (const auto& [name, value] : json.items()) {
    row.fields.emplace_back(name, value_of(value));
    check_field_size(row.fields.back().second.text, row.where, "field '" + printable(name) + "'");
  }
  return row;
}

std::vector<DataRow> read_json_lines(const std::string& text, const std::string& file) {
  std::vector<DataRow> rows;
  for (const JsonLine& line : json_lines(text, file, BlankLines::kAtEnd)) {
    const std::string where = fmt::format("{} row {} (line {})", file, rows.size() + 1, line.number);
    rows.push_back(row_of(parse_ordered_json(line.text, {where, "correct it", true}), where));
  }
  return rows;
}

std::vector<DataRow> read_json_array(const std::string& text, const std::string& file) {
  const OrderedJson json = parse_ordered_json(text, {file});
  if (!json.is_array()) {
    throw input_error(file, "expected a JSON array of objects, got {}; for one object a line name it .jsonl",
                      json.type_name());
  }
  std::vector<DataRow> rows;
  for (const OrderedJson& item : json)
    rows.push_back(row_of(item, fmt::format("{} row {}", file, rows.size() + 1)));
  return rows;
}

}  // namespace

const DataValue* DataRow::find(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, [](const auto& f) { return std::string_view(f.first); });
  return found == fields.end() ? nullptr : &found->second;
}

const std::string& DataRow::text(std::string_view name) const {
  const DataValue* value = find(name);
  if (value == nullptr) {
    std::vector<std::string> names;
    for (const auto& field : fields) names.push_back(field.first);
    throw input_error(where, "expected a field '{}', got only {}; add it, or correct the task file",
                      printable(name), printable(fmt::format("{}", fmt::join(names, ", ")), 300));
  }
  if (value->kind != DataValue::Kind::kText) {
    throw input_error(where, "expected a text or number in field '{}', got {}; correct the row",
                      printable(name), kind_name(value->kind));
  }
  return value->text;
}

std::vector<DataRow> read_data_table(const std::filesystem::path& path) {
  const std::string file = path.string(), ending = path.extension().string();
  const std::string text = read_text_file(path);
  std::vector<DataRow> rows;
  if (ending == ".csv" || ending == ".tsv") {
    rows = read_separated(text, file, ending == ".csv" ? ',' : '\t');
  } else if (ending == ".jsonl") {
    rows = read_json_lines(text, file);
  } else if (ending == ".json") {
    rows = read_json_array(text, file);
  } else {
    throw input_error(file,
                      "expected a name that ends in .csv, .tsv, .jsonl or .json, got '{}'; rename the file",
                      printable(ending));
  }
  if (rows.empty()) throw input_error(file, "expected at least one row of data, got none; add some");
  return rows;
}

}  // namespace refocus
