#include "eval/task/item.h"

#include <fmt/core.h>

#include <algorithm>

#include "eval/task/file_names.h"
#include "eval/text/sha256.h"

namespace refocus {
namespace {

// The separators of `name:key=value,key=value` become underscores.
std::string readable_name(const std::string& intervention) {
  std::string name;
  for (const char c : intervention) {
    const bool separator = c == ':' || c == ',';
    name += separator ? '_' : c != '~' && is_safe_file_name(std::string("x") + c) ? c : '-';
  }
  return name;
}

// A given name, or one with swept values behind it, which stays readable as long as it is unambiguous.
std::string label_file_name(const std::string& label) {
  constexpr std::size_t kLongest = 120;
  const std::string name = readable_name(label);
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._-=:,").find(c) != std::string_view::npos;
  };
  if (name.size() <= kLongest && std::ranges::all_of(label, plain)) return name;
  return name.substr(0, kLongest) + "~" + sha256_hex(label).substr(0, 8);
}

// What readable_name was made of, if it was the ordinary `name:key=value,...` without an underscore.
std::string intervention_of(std::string name) {
  bool first = true;
  for (char& c : name) {
    if (c != '_') continue;
    c = first ? ':' : ',';
    first = false;
  }
  return name;
}

}  // namespace

std::string_view prompt_kind_name(PromptKind kind) {
  switch (kind) {
    case PromptKind::kCot:
      return "cot";
    case PromptKind::kDirect:
      return "direct";
    case PromptKind::kLoglikelihood:
      break;
  }
  return "loglikelihood";
}

std::string intervention_file_name(const std::string& intervention) {
  constexpr std::size_t kLongest = 120;
  std::string name = readable_name(intervention);
  // A text that cannot be read back from its name is told from its likes by a hash.
  if (name.size() > kLongest || intervention_of(name) != intervention) {
    name = name.substr(0, kLongest) + "~" + sha256_hex(intervention).substr(0, 8);
  }
  return name;
}

std::string Arm::name() const {
  return fmt::format("{}-{}", prompt_kind_name(prompt),
                     label.empty() ? intervention_file_name(intervention) : label_file_name(label));
}

std::string own_name(const std::string& arm, const std::string& prompt, const std::string& intervention) {
  const std::string begin = prompt + "-";
  if (!arm.starts_with(begin) || arm == begin + intervention_file_name(intervention)) return "";
  const std::string name = arm.substr(begin.size());
  return name.find_first_of(":,+\"") == std::string::npos ? name : "";
}

bool is_called(const std::string& arm, const std::string& prompt, const std::string& name) {
  return arm == name || arm == prompt + "-" + name;
}

std::vector<std::string> choices_of_fields(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::map<std::string_view, const std::string*> by_name;
  for (const auto& [name, text] : fields) by_name.emplace(name, &text);
  for (const auto& [stem, first] : {std::pair("", 'A'), std::pair("answer", 'A'), std::pair("sol", '1')}) {
    std::vector<std::string> choices;
    for (char c = first; c <= 'Z'; ++c) {
      const auto at = by_name.find(stem + std::string(1, c));
      if (at == by_name.end()) break;
      choices.push_back(*at->second);
    }
    if (choices.size() > 1) return choices;
  }
  return {};
}

}  // namespace refocus
