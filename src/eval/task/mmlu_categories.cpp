#include "eval/task/mmlu_categories.h"

#include <algorithm>

namespace refocus {

namespace {

constexpr std::array<std::string_view, 19> kStemSubjects = {
    "abstract_algebra",
    "anatomy",
    "astronomy",
    "college_biology",
    "college_chemistry",
    "college_computer_science",
    "college_mathematics",
    "college_physics",
    "computer_security",
    "conceptual_physics",
    "electrical_engineering",
    "elementary_mathematics",
    "high_school_biology",
    "high_school_chemistry",
    "high_school_computer_science",
    "high_school_mathematics",
    "high_school_physics",
    "high_school_statistics",
    "machine_learning",
};
constexpr std::array<std::string_view, 13> kHumanitiesSubjects = {
    "formal_logic",
    "high_school_european_history",
    "high_school_us_history",
    "high_school_world_history",
    "international_law",
    "jurisprudence",
    "logical_fallacies",
    "moral_disputes",
    "moral_scenarios",
    "philosophy",
    "prehistory",
    "professional_law",
    "world_religions",
};
constexpr std::array<std::string_view, 12> kSocialSubjects = {
    "econometrics",
    "high_school_geography",
    "high_school_government_and_politics",
    "high_school_macroeconomics",
    "high_school_microeconomics",
    "high_school_psychology",
    "human_sexuality",
    "professional_psychology",
    "public_relations",
    "security_studies",
    "sociology",
    "us_foreign_policy",
};
constexpr std::array<std::string_view, 13> kOtherSubjects = {
    "business_ethics",
    "clinical_knowledge",
    "college_medicine",
    "global_facts",
    "human_aging",
    "management",
    "marketing",
    "medical_genetics",
    "miscellaneous",
    "nutrition",
    "professional_accounting",
    "professional_medicine",
    "virology",
};

}  // namespace

std::string_view category_name(MmluCategory category) {
  switch (category) {
    case MmluCategory::kStem:
      return "stem";
    case MmluCategory::kHumanities:
      return "humanities";
    case MmluCategory::kSocial:
      return "social";
    case MmluCategory::kOther:
      break;
  }
  return "other";
}

std::span<const std::string_view> mmlu_subjects(MmluCategory category) {
  switch (category) {
    case MmluCategory::kStem:
      return kStemSubjects;
    case MmluCategory::kHumanities:
      return kHumanitiesSubjects;
    case MmluCategory::kSocial:
      return kSocialSubjects;
    case MmluCategory::kOther:
      break;
  }
  return kOtherSubjects;
}

std::optional<MmluCategory> mmlu_category(std::string_view subject) {
  for (const MmluCategory category : kMmluCategories) {
    if (std::ranges::binary_search(mmlu_subjects(category), subject)) return category;
  }
  return std::nullopt;
}

std::map<std::string, std::string, std::less<>> mmlu_categories(std::span<const std::string> subjects) {
  std::map<std::string, std::string, std::less<>> categories;
  for (const std::string& subject : subjects) {
    if (const auto category = mmlu_category(subject)) categories.emplace(subject, category_name(*category));
  }
  return categories;
}

}  // namespace refocus
