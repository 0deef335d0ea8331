#include "eval/task/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "eval/task/default_profile.h"
#include "eval/task/prompt_template.h"

namespace refocus {

namespace {

using Json = nlohmann::json;

void check_keys(const Json& object, std::string_view where, const std::vector<std::string_view>& known) {
  if (!object.is_object()) {
    throw input_error(where, "expected a JSON object, got {}; see docs/profiles.md", object.type_name());
  }
  for (const auto& [key, value] : object.items()) {
    if (std::ranges::find(known, key) == known.end()) {
      throw input_error(where, "unknown key '{}'; known keys: {}", printable(key), fmt::join(known, ", "));
    }
  }
}

enum class Need { kRequired, kOptional };

std::string text_of(const Json& object, std::string_view key, std::string_view where, Need need) {
  const auto found = object.find(key);
  if (found == object.end() && need == Need::kOptional) return "";
  if (found == object.end() || !found->is_string()) {
    throw input_error(where, "expected a text '{}', got {}; add it", key,
                      found == object.end() ? "none" : found->type_name());
  }
  return found->get<std::string>();
}

// A placeholder outside the body would reach the model as it stands: surely a mistake.
void check_literal(std::string_view text, std::string_view key, const std::vector<std::string>& fields,
                   std::string_view where) {
  for (const std::string& name : fields) {
    if (text.find(fmt::format("{{{}}}", name)) != std::string_view::npos) {
      throw input_error(where, "expected no placeholder in {}, got '{{{}}}'; only body is a template", key,
                        name);
    }
  }
}

TaskPrompts parse_task(const Json& json, std::string_view task, const std::string& where) {
  check_keys(json, where,
             {"cot_instruction", "direct_instruction", "body", "cot_suffix", "direct_suffix",
              "chat_direct_instruction", "chat_direct_suffix"});
  TaskPrompts prompts;
  prompts.cot_instruction = text_of(json, "cot_instruction", where, Need::kOptional);
  prompts.direct_instruction = text_of(json, "direct_instruction", where, Need::kOptional);
  prompts.body = text_of(json, "body", where, Need::kRequired);
  prompts.cot_suffix = text_of(json, "cot_suffix", where, Need::kRequired);
  prompts.direct_suffix = text_of(json, "direct_suffix", where, Need::kRequired);
  const std::vector<std::string>& fields = task_kind(task).placeholders;
  check_template(prompts.body, "body", fields, where);
  check_literal(prompts.cot_instruction, "cot_instruction", fields, where);
  check_literal(prompts.direct_instruction, "direct_instruction", fields, where);
  check_literal(prompts.cot_suffix, "cot_suffix", fields, where);
  check_literal(prompts.direct_suffix, "direct_suffix", fields, where);
  const auto of_chats = [&](std::string_view key, std::optional<std::string>& text) {
    if (!json.contains(key)) return;
    text = text_of(json, key, where, Need::kRequired);
    check_literal(*text, key, fields, where);
  };
  of_chats("chat_direct_instruction", prompts.chat_direct_instruction);
  of_chats("chat_direct_suffix", prompts.chat_direct_suffix);
  return prompts;
}

}  // namespace

const TaskPrompts& Profile::prompts(std::string_view task) const {
  const auto found = tasks.find(task);
  if (found != tasks.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& [key, value] : tasks) known.push_back(key);
  throw input_error(fmt::format("profile {}", printable(name)),
                    "expected prompts of task '{}', got only those of: {}; add them under tasks",
                    printable(task), fmt::join(known, ", "));
}

Profile parse_profile(std::string_view json, std::string_view where, std::string_view default_name) {
  const Json root = parse_json(json, {std::string(where), "see docs/profiles.md"});
  check_keys(root, where, {"name", "source", "note", "extraction", "tasks"});
  Profile profile;
  profile.name = text_of(root, "name", where, Need::kOptional);
  if (profile.name.empty()) profile.name = default_name;
  profile.source = text_of(root, "source", where, Need::kOptional);
  profile.note = text_of(root, "note", where, Need::kOptional);
  if (root.contains("extraction")) {
    const std::string rules = text_of(root, "extraction", where, Need::kRequired);
    if (rules != "anchored" && rules != "published") {
      throw input_error(where, "expected extraction 'anchored' or 'published', got '{}'", printable(rules));
    }
    profile.extraction = parse_rules(rules);
  }
  const auto tasks = root.find("tasks");
  if (tasks == root.end()) throw input_error(where, "expected 'tasks', got none; see docs/profiles.md");
  std::vector<std::string_view> known;
  for (const TaskKind& kind : task_kinds()) known.push_back(kind.name);
  check_keys(*tasks, fmt::format("{} tasks", where), known);
  for (const auto& [task, value] : tasks->items()) {
    profile.tasks[task] = parse_task(value, task, fmt::format("{} tasks.{}", where, task));
  }
  return profile;
}

Profile load_profile(const std::filesystem::path& path) {
  return parse_profile(read_text_file(path), path.string(), path.stem().string());
}

const Profile& default_profile() {
  static const Profile profile = parse_profile(kDefaultProfileJson, "default profile", "default");
  return profile;
}

PromptParts prompt_parts(const Profile& profile, std::string_view task, PromptKind kind, bool chat) {
  const TaskPrompts& prompts = profile.prompts(task);
  if (kind == PromptKind::kCot) return {prompts.cot_instruction, prompts.body, prompts.cot_suffix};
  if (!chat) return {prompts.direct_instruction, prompts.body, prompts.direct_suffix};
  return {prompts.chat_direct_instruction.value_or(prompts.direct_instruction), prompts.body,
          prompts.chat_direct_suffix.value_or(prompts.direct_suffix)};
}

PromptParts prompt_parts(const Profile& profile, const Task& task, PromptKind kind, bool chat) {
  const TaskKind& own = kind_of(task);
  if (!own.is_own()) return prompt_parts(profile, task.name, kind, chat);
  const auto found = own.prompts.find(kind);
  REFOCUS_CHECK(found != own.prompts.end());
  return found->second;
}

Prompt make_prompt(const PromptParts& parts, const Item& item) {
  Prompt out;
  append(out, template_piece(parts.instruction));
  append(out, fill_pieces(parts.body, "prompt",
                          [&](const std::string& name) { return field_pieces(item, name); }));
  append(out, template_piece(parts.suffix));
  return out;
}

std::string_view rules_name(ExtractionRules rules) {
  return rules == ExtractionRules::kAnchored ? "anchored" : "published";
}

ExtractionRules parse_rules(std::string_view name) {
  if (name == "anchored") return ExtractionRules::kAnchored;
  if (name == "published") return ExtractionRules::kPublished;
  throw usage_error("extraction", "unknown rules '{}'; known rules: anchored, published", printable(name));
}

}  // namespace refocus
