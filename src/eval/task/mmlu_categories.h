// The four categories of MMLU's 57 subjects, as the re-balancing paper's published code groups them
// (arXiv 2403.14932). "Non-STEM" is the other three together; averages over a category are over questions.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace refocus {

enum class MmluCategory { kStem, kHumanities, kSocial, kOther };

inline constexpr std::array<MmluCategory, 4> kMmluCategories = {
    MmluCategory::kStem, MmluCategory::kHumanities, MmluCategory::kSocial, MmluCategory::kOther};

// "stem", "humanities", "social", "other".
std::string_view category_name(MmluCategory category);

// The category of `subject` ("abstract_algebra"); nothing for a name that is not one of the 57.
std::optional<MmluCategory> mmlu_category(std::string_view subject);

// The names of the subjects' categories (Task::categories), without those that are not of the 57.
std::map<std::string, std::string, std::less<>> mmlu_categories(std::span<const std::string> subjects);

inline bool is_stem(MmluCategory category) { return category == MmluCategory::kStem; }

// The category's subjects, in alphabetical order.
std::span<const std::string_view> mmlu_subjects(MmluCategory category);

}  // namespace refocus
