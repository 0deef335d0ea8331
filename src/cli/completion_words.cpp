#include "cli/completion_words.h"

#include <algorithm>

#include "cli/commands/figure_kinds.h"
#include "cli/options/option_text.h"
#include "eval/task/task_kind.h"
#include "intervene/grammar/named.h"
#include "intervene/grammar/spec_keys.h"
#include "opened/bundled.h"

namespace refocus::cli {

namespace {

class Values {
 public:
  Values(std::string_view typed, const std::string& before, Completion& out)
      : typed_(typed), before_(before), out_(out) {}

  // `text` is a whole value.
  void add(const std::string& text, std::string_view meaning = "") {
    if (text.starts_with(typed_)) out_.words.push_back({before_ + text, std::string(meaning)});
  }

 private:
  std::string_view typed_;
  const std::string& before_;
  Completion& out_;
};

void add_tasks(Values& values) {
  for (const TaskKind& kind : task_kinds()) values.add(kind.name, "built-in task");
}

// Keys of a part "METHOD:KEY=VALUE,...", or the words of the last one. `head`: what stands before the part.
void add_keys(const Method& method, const std::string& head, std::string_view part, Values& values) {
  const std::size_t last = part.find_last_of(":,") + 1;
  const std::string_view given = part.substr(0, last), open = part.substr(last);
  const std::string front = head + std::string(given);
  const std::size_t equals = open.find('=');
  if (equals == std::string_view::npos) {
    for (const std::string_view key : keys_of(method)) {
      if (given.find("," + std::string(key) + "=") != std::string_view::npos) continue;
      if (given.find(":" + std::string(key) + "=") != std::string_view::npos) continue;
      values.add(front + std::string(key) + "=");
    }
    return;
  }
  for (const MethodKey& key : method.keys) {
    if (key.name != open.substr(0, equals)) continue;
    for (const std::string_view word : key.words) {
      values.add(front + std::string(open.substr(0, equals + 1)) + std::string(word));
    }
  }
}

// [NAME=]PART+PART..., of which the last is being typed.
void add_parts(std::string_view typed, Values& values) {
  const std::size_t name = end_of_arm_name(typed), plus = typed.rfind('+');
  const std::size_t begin =
      std::max(name == std::string_view::npos ? 0 : name + 1, plus == std::string_view::npos ? 0 : plus + 1);
  const std::string head(typed.substr(0, begin));
  const std::string_view part = typed.substr(begin);
  const std::size_t colon = part.find(':');
  if (colon != std::string_view::npos) {
    if (const Method* method = find_method(part.substr(0, colon))) add_keys(*method, head, part, values);
    return;
  }
  if (plus == std::string_view::npos) values.add(head + "none", "no intervention");
  for (const Method& method : all_methods()) values.add(head + std::string(method.name), method.meaning);
}

// Of --sweep: METHOD:KEY=
void add_sweeps(std::string_view typed, Values& values) {
  const std::size_t colon = typed.find(':');
  for (const Method& method : all_methods()) {
    const std::string front = std::string(method.name) + ":";
    if (colon == std::string_view::npos) {
      values.add(front, method.meaning);
    } else if (typed.starts_with(front)) {
      for (const std::string_view key : keys_of(method)) values.add(front + std::string(key) + "=");
    }
  }
}

}  // namespace

void add_values(const CLI::Option& option, std::string_view typed, const std::string& before,
                Completion& out) {
  Values values(typed, before, out);
  for (const std::string& choice : choices_of(option)) values.add(choice);
  const std::string kind = option.get_type_name();
  if (kind == "MODEL") {
    for (const std::string& name : bundled_models()) values.add(name, "bundled model");
  } else if (kind == "TASK") {
    add_tasks(values);
  } else if (kind.ends_with(" KIND")) {
    for (const std::string_view name : figure_kind_names()) values.add(std::string(name), "kind of figure");
  } else if (kind == "SPEC") {
    add_parts(typed, values);
  } else if (kind == "METHOD") {
    for (const char* name : {"ablate", "patch"}) values.add(name);
    add_parts(typed, values);
  } else if (kind == "[METHOD:]KEY=VALUES") {
    add_sweeps(typed, values);
  }
  out.open |= kind == "SPEC" || kind == "METHOD" || kind == "[METHOD:]KEY=VALUES";
  out.files |= kind == "MODEL" || kind == "TASK" || kind.find("FILE") != std::string::npos ||
               kind.ends_with(".jsonl") || kind.ends_with(".npy");
  out.directories |= !out.files && kind.find("DIR") != std::string::npos;
}

}  // namespace refocus::cli
