#include "eval/journal/run_growth.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "eval/journal/fingerprint.h"
#include "eval/text/sha256.h"

namespace refocus {

using nlohmann::ordered_json;

namespace {

constexpr const char* kQuestions = "questions";

// Lists that may grow, and what one of their elements is called.
constexpr std::pair<const char*, const char*> kLists[] = {
    {"arms", "arm"}, {"tasks", "task"}, {"subjects", "subject"}};
// Objects that have a member for each task, subject or named arm.
constexpr const char* kByMember[] = {"prompts", "task_files", "named_arms"};
constexpr const char* kHow[] = {"generation", "loglikelihood"};
constexpr const char* kByMemberOfHow[] = {"until_tokens", "examples"};
// What follows from the questions.
constexpr const char* kCounts[] = {"items", "left_out_long"};

const ordered_json& member(const ordered_json& object, const char* key) {
  static const ordered_json kNothing;
  const auto at = object.find(key);
  return at == object.end() ? kNothing : *at;
}

bool has(const ordered_json& list, const ordered_json& element) {
  return std::find(list.begin(), list.end(), element) != list.end();
}

std::int64_t items_of(const ordered_json& questions, const std::string& subject) {
  const auto at = questions.find(subject);
  if (at == questions.end() || !at->is_object()) return 0;
  const ordered_json& items = member(*at, "items");
  return items.is_number_integer() ? items.get<std::int64_t>() : 0;
}

std::optional<std::string> missing_element(const ordered_json& kept, const ordered_json& now) {
  for (const auto& [list, name] : kLists) {
    const ordered_json &before = member(kept, list), &after = member(now, list);
    if (!before.is_array() || !after.is_array()) continue;
    for (const ordered_json& element : before) {
      if (has(after, element)) continue;
      return fmt::format(
          "expected all {} of the run, which may grow and not shrink, got none called {}; choose another -o "
          "directory, or name that {} too to resume the run",
          list, printable(element.is_string() ? element.get<std::string>() : json_text(element), 200), name);
    }
  }
  return std::nullopt;
}

std::optional<std::string> other_questions(const ordered_json& kept, const QuestionHashes& questions) {
  for (const auto& [subject, before] : member(kept, kQuestions).items()) {
    const std::int64_t items = items_of(member(kept, kQuestions), subject);
    const auto now = questions.find(subject);
    const std::int64_t got = now == questions.end() ? 0 : std::ssize(now->second);
    if (got < items) {
      return fmt::format(
          "expected at least the {} items of {} that the run has, got {}; choose another -o directory, or "
          "raise "
          "--limit or leave it out to resume the run",
          items, printable(subject), got);
    }
    if (items <= 0 || member(before, "hash") == now->second[static_cast<std::size_t>(items - 1)]) continue;
    return fmt::format(
        "expected the first {} items of {} to be those that the run was begun with, got others: the data "
        "have "
        "changed; choose another -o directory, or bring the data back to resume the run",
        items, printable(subject));
  }
  return std::nullopt;
}

// Takes from `now` what `kept` has not, in an object with a member for each task, subject or arm.
void keep_common(const ordered_json& kept, ordered_json& now, const char* key) {
  const auto after = now.find(key);
  if (after == now.end() || !after->is_object()) return;
  const ordered_json& before = member(kept, key);
  ordered_json common = ordered_json::object();
  for (const auto& [name, value] : after->items()) {
    if (before.is_object() && before.contains(name)) common[name] = value;
  }
  if (common.empty() && before.is_null()) {
    now.erase(key);
  } else {
    *after = std::move(common);
  }
}

// What of `now` was there before, so that the rest must be equal.
ordered_json common_part(const ordered_json& kept, ordered_json now) {
  for (const char* key : kByMember) keep_common(kept, now, key);
  for (const char* how : kHow) {
    if (!now.contains(how) || !now[how].is_object()) continue;
    for (const char* key : kByMemberOfHow) keep_common(member(kept, how), now[how], key);
  }
  return now;
}

ordered_json without_questions(ordered_json identity) {
  for (const auto& [list, name] : kLists) identity.erase(list);
  for (const char* count : kCounts) identity.erase(count);
  identity.erase(kQuestions);
  return identity;
}

// The model's files have a comparison of their own: expect_same_model.
ordered_json without_model(ordered_json identity) {
  identity.erase(kModelFiles);
  return identity;
}

}  // namespace

QuestionHashes question_hashes(const std::vector<Task>& tasks) {
  QuestionHashes out;
  for (const Task& task : tasks) {
    for (const Item& item : task.items) {
      std::vector<std::string>& its = out[item.subject];
      // The hash before, and the task's name, have no line end.
      const std::string before = its.empty() ? task.name : its.back();
      its.push_back(sha256_hex(before + "\n" + item_text(item)).substr(0, 16));
    }
  }
  return out;
}

ordered_json questions_json(const QuestionHashes& questions) {
  ordered_json out = ordered_json::object();
  for (const auto& [subject, hashes] : questions) {
    out[subject] = {{"items", hashes.size()}, {"hash", hashes.back()}};
  }
  return out;
}

std::optional<std::string> hindrance(const ordered_json& kept, const ordered_json& now,
                                     const QuestionHashes& questions) {
  const bool grows = now.contains(kQuestions);
  if (grows && !kept.contains(kQuestions)) {
    return "expected the hashes of its questions in run.json, got a run of an earlier version; begin anew in "
           "another -o directory (compare, report and rescore work on this one)";
  }
  if (grows) {
    if (auto missing = missing_element(kept, now)) return missing;
    if (auto other = other_questions(kept, questions)) return other;
  }
  const ordered_json before = without_model(kept), after = without_model(now);
  const auto difference =
      grows ? first_difference(without_questions(before), common_part(before, without_questions(after)))
            : first_difference(before, after);
  if (!difference) return std::nullopt;
  return fmt::format(
      "expected {} to be {} as in its run.json, got {}; choose another -o directory, or repeat the settings "
      "to "
      "resume the run",
      printable(difference->field), difference->before, difference->now);
}

std::string growth_text(const ordered_json& kept, const ordered_json& now) {
  std::string out;
  const auto add = [&](std::int64_t count, const char* what) {
    if (count > 0)
      out += fmt::format("{}{} {}{}", out.empty() ? "" : ", ", count, what, count == 1 ? "" : "s");
  };
  for (const auto& [list, name] : kLists) {
    const ordered_json &before = member(kept, list), &after = member(now, list);
    if (!before.is_array() || !after.is_array()) continue;
    add(std::ranges::count_if(after, [&](const ordered_json& element) { return !has(before, element); }),
        name);
  }
  const ordered_json& questions = member(now, kQuestions);
  std::int64_t items = 0;
  if (questions.is_object()) {
    for (const auto& [subject, its] : questions.items()) {
      items += items_of(questions, subject) - items_of(member(kept, kQuestions), subject);
    }
  }
  add(items, "question");
  return out;
}

ordered_json without_growth(ordered_json identity) {
  ordered_json out = without_questions(std::move(identity));
  for (const char* key : kByMember) out.erase(key);
  for (const char* how : kHow) {
    if (!out.contains(how) || !out[how].is_object()) continue;
    for (const char* key : kByMemberOfHow) out[how].erase(key);
  }
  return out;
}

std::optional<SettingDifference> first_difference(const ordered_json& before, const ordered_json& now) {
  const auto shown = [](const ordered_json* value) {
    return value == nullptr ? std::string("nothing") : printable(dump(*value), 300);
  };
  if (before.is_array() && now.is_array() && before.size() == now.size()) {
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (auto inner = first_difference(before[i], now[i])) {
        const bool nested = !inner->field.empty() && inner->field[0] != '[';
        inner->field = fmt::format("[{}]{}{}", i, nested ? "." : "", inner->field);
        return inner;
      }
    }
    return std::nullopt;
  }
  if (!before.is_object() || !now.is_object()) {
    if (before == now) return std::nullopt;
    return SettingDifference{"", shown(&before), shown(&now)};
  }
  const auto in_member = [&](const std::string& key) -> std::optional<SettingDifference> {
    const auto a = before.find(key);
    const auto b = now.find(key);
    if (a == before.end()) return SettingDifference{key, shown(nullptr), shown(&*b)};
    if (b == now.end()) return SettingDifference{key, shown(&*a), shown(nullptr)};
    auto inner = first_difference(*a, *b);
    if (inner)
      inner->field = key + (inner->field.empty() || inner->field[0] == '[' ? "" : ".") + inner->field;
    return inner;
  };
  for (const auto& [key, value] : now.items()) {
    if (auto difference = in_member(key)) return difference;
  }
  for (const auto& [key, value] : before.items()) {
    if (auto difference = in_member(key)) return difference;
  }
  return std::nullopt;
}

}  // namespace refocus
