// A prompt profile: the texts that turn an item into a prompt, as JSON data (format: docs/profiles.md).
//
// A prompt is instruction + body + suffix. The instruction is the same for all items of a task, so that an
// engine can share its KV cache. Only the body is a template (eval/task/prompt_template.h). No BOS and no
// chat template here.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "eval/task/item.h"
#include "eval/task/task_kind.h"
#include "prompt/prompt.h"

namespace refocus {

// The rule set that reads letters from responses; see eval/extract/extraction.h.
enum class ExtractionRules { kAnchored, kPublished };

struct TaskPrompts {
  std::string cot_instruction, direct_instruction;  // empty unless the profile gives them
  std::string body;                                 // a template, checked when it is read
  std::string cot_suffix;
  std::string direct_suffix;
  // Of a conversation (--direct), in place of those above: nobody completes a text there.
  std::optional<std::string> chat_direct_instruction, chat_direct_suffix;
};

struct Profile {
  std::string name;
  std::string source;
  std::string note;
  std::optional<ExtractionRules> extraction;  // what the profile asks for, if it says
  std::map<std::string, TaskPrompts, std::less<>> tasks;

  // InputError (naming the tasks it has) where the profile lacks `task`.
  const TaskPrompts& prompts(std::string_view task) const;
};

// `where` names the source in errors. InputError for what is no profile: unknown keys and placeholders are
// errors that list the known ones. A profile without "name" has the name `default_name`.
Profile parse_profile(std::string_view json, std::string_view where, std::string_view default_name);
Profile load_profile(const std::filesystem::path& path);

// The profile compiled into the program (data/profiles/default.json).
const Profile& default_profile();

// The texts of a built-in task's prompts; `chat`: as a user's message.
PromptParts prompt_parts(const Profile& profile, std::string_view task, PromptKind kind, bool chat = false);

// The profile's texts for a built-in task; a task of a user's file has its own, and must have this kind.
PromptParts prompt_parts(const Profile& profile, const Task& task, PromptKind kind, bool chat = false);

// The whole prompt of an item: the profile's or the task's words are template text, its fields data. It
// begins with the instruction, which all items of the task share.
Prompt make_prompt(const PromptParts& parts, const Item& item);

// "anchored", "published".
std::string_view rules_name(ExtractionRules rules);
// UsageError naming the known ones where `name` is neither.
ExtractionRules parse_rules(std::string_view name);

}  // namespace refocus
