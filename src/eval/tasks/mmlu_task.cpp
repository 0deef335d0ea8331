// MMLU, and the bundled benchmark in its format: one CSV file a subject.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "eval/task/mmlu_categories.h"
#include "eval/task/scoring.h"
#include "eval/tasks/task_data.h"
#include "eval/text/code_points.h"
#include "eval/text/csv_reader.h"
#include "eval/text/fuzzy_ratio.h"

namespace refocus {

namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 6> kFields = {"question", "A", "B", "C", "D", "answer"};

// The header of a common copy of the dev split, whose answers are 0 to 3 instead of A to D.
constexpr std::array<const char*, 6> kNumberedFields = {"question", "choice0", "choice1",
                                                        "choice2",  "choice3", "answer"};

std::string file_suffix(std::string_view split) { return fmt::format("_{}.csv", split); }

// The subjects that have a file in `folder`, in alphabetical order.
std::vector<std::string> subjects_in(const fs::path& folder, std::string_view split) {
  std::vector<std::string> subjects;
  if (!fs::is_directory(folder)) return subjects;
  const std::string suffix = file_suffix(split);
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.size() > suffix.size() && name.ends_with(suffix)) {
      subjects.push_back(name.substr(0, name.size() - suffix.size()));
    }
  }
  std::ranges::sort(subjects);
  return subjects;
}

UsageError unknown_subject(std::string_view task, std::string_view wanted,
                           const std::vector<std::string>& known) {
  std::vector<std::pair<double, std::string>> near;
  for (const std::string& subject : known) {
    near.emplace_back(-weighted_ratio(code_points(wanted), code_points(subject)), subject);
  }
  std::ranges::sort(near);
  std::string names;
  for (const auto& [score, subject] : near) {
    if (-score >= 75 && std::ranges::count(names, ',') < 2) names += (names.empty() ? "" : ", ") + subject;
  }
  if (!names.empty()) {
    return usage_error(task, "unknown subject '{}'; did you mean {}?", printable(wanted), names);
  }
  return usage_error(task, "unknown subject '{}'; known subjects: {}", printable(wanted),
                     fmt::join(known, ", "));
}

// Collects the questions of one file.
struct SubjectRows {
  std::string where;  // the file
  std::string subject;
  bool numbered = false;  // answers are 0 to 3
  std::vector<Item> items;

  void add(CsvRow&& csv) {
    std::vector<std::string>& row = csv.cells;
    if (items.empty() && (std::ranges::equal(row, kFields) || std::ranges::equal(row, kNumberedFields))) {
      numbered = row[1] == kNumberedFields[1];
      return;
    }
    const auto error = [&](const std::string& message) {
      return input_error(where, "row {} (line {}): {}", items.size() + 1, csv.line, message);
    };
    if (row.size() != kFields.size()) {
      throw error(
          fmt::format("expected 6 fields (question,A,B,C,D,answer), got {}; quote fields that hold "
                      "commas, and write an empty option as \"\"",
                      row.size()));
    }
    std::string& answer = row.back();
    if (numbered && answer.size() == 1 && answer[0] >= '0' && answer[0] <= '3') {
      answer[0] = static_cast<char>(answer[0] - '0' + 'A');
    } else if (numbered || answer.size() != 1 || answer[0] < 'A' || answer[0] > 'D') {
      throw error(fmt::format("expected an answer from {}, got '{}'; correct the last field",
                              numbered ? "0 to 3" : "A to D", printable(answer)));
    }
    Item item;
    item.subject = subject;
    item.index = static_cast<int>(items.size());
    for (std::size_t i = 0; i < kFields.size(); ++i) {
      if (first_invalid_utf8(row[i]) != row[i].size()) {
        throw error(
            fmt::format("expected UTF-8 in field '{}', got other bytes; convert the file", kFields[i]));
      }
      item.fields.emplace_back(kFields[i], row[i]);
    }
    item.label = answer[0];
    item.choices.assign(row.begin() + 1, row.begin() + 5);
    items.push_back(std::move(item));
  }
};

std::vector<Item> read_subject(const fs::path& path, const std::string& subject) {
  SubjectRows rows{path.string(), subject, false, {}};
  read_csv(read_text_file(path), rows.where, ',', [&](CsvRow&& row) { rows.add(std::move(row)); });
  if (rows.items.empty()) throw input_error(rows.where, "expected questions, got an empty file; restore it");
  return std::move(rows.items);
}

// A task's questions, and the folder that they were in.
struct LoadedTask {
  Task task;
  fs::path folder;
};

LoadedTask load_subjects(std::string_view name, const fs::path& dir, std::span<const std::string> subjects,
                         std::string_view split) {
  const std::array<fs::path, 4> places = {dir / name / split, dir / split, dir / name, dir};
  fs::path folder;
  Task task;
  for (const fs::path& place : places) {
    folder = place;
    task.subjects = subjects_in(folder, split);
    if (!task.subjects.empty()) break;
  }
  if (task.subjects.empty()) {
    throw input_error(dir.string(),
                      "expected files {0}/{1}/SUBJECT_{1}.csv, found none; give the folder "
                      "that holds {0} with --data",
                      name, split);
  }
  for (const std::string& wanted : subjects) {
    if (!std::ranges::binary_search(task.subjects, wanted)) {
      throw unknown_subject(name, wanted, task.subjects);
    }
  }
  if (!subjects.empty()) {
    std::erase_if(task.subjects,
                  [&](const std::string& s) { return std::ranges::find(subjects, s) == subjects.end(); });
  }
  task.name = name;
  for (const std::string& subject : task.subjects) {
    std::vector<Item> items = read_subject(folder / (subject + file_suffix(split)), subject);
    std::ranges::move(items, std::back_inserter(task.items));
  }
  return {std::move(task), std::move(folder)};
}

void read_categories(const fs::path& path, Task& task) {
  const auto json = parse_json_object(read_text_file(path),
                                      {path.string(), "give every subject a category, or remove the file"});
  for (const std::string& subject : task.subjects) {
    const auto found = json.find(subject);
    if (found == json.end()) {
      throw input_error(path.string(), "expected a category for '{}', got none; add it, or remove the file",
                        printable(subject));
    }
    const auto known = std::ranges::find_if(
        kMmluCategories, [&](MmluCategory category) { return *found == category_name(category); });
    if (known == kMmluCategories.end()) {
      throw input_error(path.string(), "expected stem, humanities, social or other for '{}', got {}",
                        printable(subject), printable(json_text(*found)));
    }
    task.categories.emplace(subject, category_name(*known));
  }
}

}  // namespace

Task load_mmlu(const fs::path& dir, std::span<const std::string> subjects, std::string_view split) {
  Task task = load_subjects("mmlu", dir, subjects, split).task;
  task.categories = mmlu_categories(task.subjects);
  return task;
}

std::map<std::string, std::vector<Item>, std::less<>> load_mmlu_examples(
    const fs::path& dir, std::span<const std::string> subjects, int count) {
  const auto [dev, folder] = load_subjects("mmlu", dir, {}, "dev");
  std::map<std::string, std::vector<Item>, std::less<>> out;
  for (const Item& item : dev.items) {
    if (item.index < count) out[item.subject].push_back(item);
  }
  for (const std::string& subject : subjects) {
    const auto found = out.find(subject);
    const fs::path file = folder / (subject + file_suffix("dev"));
    if (found == out.end() && count > 0) {
      throw input_error(file.string(),
                        "expected worked examples, got no such file; add it, or leave --shots out");
    }
    if (found != out.end() && std::ssize(found->second) < count) {
      throw input_error(file.string(),
                        "expected at least {} questions for --shots {}, got {}; use fewer shots", count,
                        count, found->second.size());
    }
  }
  std::erase_if(out, [&](const auto& e) { return std::ranges::find(subjects, e.first) == subjects.end(); });
  return out;
}

Task load_worlds(const fs::path& dir, std::span<const std::string> subjects) {
  LoadedTask loaded = load_subjects("worlds", dir, subjects, "test");
  for (const std::string& subject : loaded.task.subjects) {
    if (!is_group_name(subject)) continue;
    throw input_error(loaded.folder.string(),
                      "expected subjects that are not named as groups are, got '{}'; rename its file",
                      subject);
  }
  for (const fs::path& place : {loaded.folder / "..", loaded.folder}) {
    const fs::path path = (place / "categories.json").lexically_normal();
    if (!fs::exists(path)) continue;
    read_categories(path, loaded.task);
    break;
  }
  return std::move(loaded.task);
}

}  // namespace refocus
