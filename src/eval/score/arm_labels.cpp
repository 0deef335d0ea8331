#include "eval/score/arm_labels.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

namespace refocus {
namespace {

struct Parts {
  std::string name;                                           // "rebalance"
  std::vector<std::pair<std::string, std::string>> settings;  // {"alpha", "0.2"}, ...
};

// Of the canonical text "name:key=value,key=value".
Parts parts_of(const std::string& intervention) {
  Parts parts;
  const std::size_t colon = intervention.find(':');
  parts.name = intervention.substr(0, colon);
  for (std::size_t at = colon; at < intervention.size();) {
    const std::size_t end = std::min(intervention.find(',', at + 1), intervention.size());
    const std::string setting = intervention.substr(at + 1, end - at - 1);
    const std::size_t equals = std::min(setting.find('='), setting.size());
    parts.settings.emplace_back(setting.substr(0, equals),
                                equals < setting.size() ? setting.substr(equals + 1) : "");
    at = end;
  }
  return parts;
}

// For each intervention and setting the values that occur.
using Values = std::map<std::pair<std::string, std::string>, std::set<std::string>>;

// The settings that vary; where none does, the first, which is the strength.
std::string short_intervention(const Parts& parts, const Values& values) {
  std::string label = parts.name;
  for (const auto& [key, value] : parts.settings) {
    if (values.at({parts.name, key}).size() > 1) label += " " + key + "=" + value;
  }
  if (label == parts.name && !parts.settings.empty()) {
    label += " " + parts.settings[0].first + "=" + parts.settings[0].second;
  }
  return label;
}

std::vector<std::string> short_interventions(const std::vector<ComparedArm>& arms) {
  Values values;
  std::vector<Parts> all;
  for (const ComparedArm& arm : arms) {
    all.push_back(parts_of(arm.arm.intervention));
    for (const auto& [key, value] : all.back().settings) values[{all.back().name, key}].insert(value);
  }
  std::vector<std::string> labels;
  for (std::size_t a = 0; a < arms.size(); ++a) {
    const std::string name = arms[a].arm.given_name();
    labels.push_back(name.empty() ? short_intervention(all[a], values) : name);
  }
  return labels;
}

}  // namespace

std::vector<std::string> arm_labels(const std::vector<ComparedArm>& arms,
                                    const std::vector<std::string>& runs) {
  std::set<std::string> prompts;
  for (const ComparedArm& arm : arms) prompts.insert(arm.arm.prompt);
  std::vector<std::string> labels = short_interventions(arms);
  std::map<std::string, int> uses;
  for (std::size_t a = 0; a < arms.size(); ++a) {
    if (prompts.size() > 1) labels[a] = arms[a].arm.prompt + ", " + labels[a];
    if (runs.size() > 1) {
      labels[a] +=
          " of " +
          std::filesystem::path(runs[static_cast<std::size_t>(arms[a].run)]).lexically_normal().string();
    }
    ++uses[labels[a]];
  }
  for (std::size_t a = 0; a < arms.size(); ++a) {
    if (uses[labels[a]] == 1) continue;
    labels[a] = arms[a].arm.name;
    if (runs.size() > 1) labels[a] += " of run " + std::to_string(arms[a].run + 1);
  }
  return labels;
}

PairLabels pair_labels(const Comparison& comparison, const std::vector<std::string>& labels,
                       const ArmPair& pair) {
  const ComparedArm &base = comparison.arms[pair.baseline], &arm = comparison.arms[pair.arm];
  const std::string shared = arm.arm.prompt + ", ";
  const std::string &of_base = labels[pair.baseline], &of_arm = labels[pair.arm];
  if (base.arm.prompt == arm.arm.prompt && of_base.starts_with(shared) && of_arm.starts_with(shared)) {
    return {of_arm.substr(shared.size()), of_base.substr(shared.size()) + " (" + arm.arm.prompt + ")"};
  }
  return {of_arm, of_base};
}

std::string pair_label(const Comparison& comparison, const std::vector<std::string>& labels,
                       const ArmPair& pair) {
  const PairLabels both = pair_labels(comparison, labels, pair);
  return both.arm + " against " + both.baseline;
}

}  // namespace refocus
