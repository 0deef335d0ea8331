// The subjects of the small worlds, and what they share.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "dataset/world.h"

namespace refocus {

const std::vector<WorldSubject>& world_subjects() {
  static const std::vector<WorldSubject> subjects = {{"codes", "stem", make_codes},
                                                     {"containers", "other", make_containers},
                                                     {"events", "humanities", make_events},
                                                     {"handovers", "other", make_handovers},
                                                     {"jobs", "social", make_jobs},
                                                     {"kinship", "social", make_kinship},
                                                     {"laws", "humanities", make_laws},
                                                     {"places", "stem", make_places},
                                                     {"prices", "social", make_prices},
                                                     {"quantities", "stem", make_quantities},
                                                     {"reactions", "stem", make_reactions},
                                                     {"remedies", "other", make_remedies},
                                                     {"syllogisms", "humanities", make_syllogisms},
                                                     {"tables", "other", make_tables}};
  return subjects;
}

const WorldSubject& world_subject(std::string_view name) {
  std::vector<std::string_view> known;
  for (const WorldSubject& subject : world_subjects()) {
    if (subject.name == name) return subject;
    known.push_back(subject.name);
  }
  throw usage_error("dataset", "unknown subject '{}'; known subjects: {}", printable(name),
                    fmt::join(known, ", "));
}

void set_choices(WorldQuestion& question, const std::string& right, std::vector<std::string> others,
                 WordDraw& draw) {
  std::erase(others, right);
  draw.shuffle(others);
  REFOCUS_CHECK(others.size() >= 3);
  question.answer = draw.below(4);
  for (int i = 0, next = 0; i < 4; ++i) question.choices[i] = i == question.answer ? right : others[next++];
}

}  // namespace refocus
