// A small world: facts in words, and multiple-choice questions that need one to four of them.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "dataset/words.h"

namespace refocus {

struct WorldQuestion {
  std::string text;
  std::vector<std::string> steps;  // sentences that lead to the answer: facts as they stand, and sums
  std::array<std::string, 4> choices;
  int answer = 0;  // index of the right choice
  int facts = 0;   // how many facts must be put together
};

struct World {
  std::vector<std::string> facts;  // sentences, in the order in which they are told
  std::vector<WorldQuestion> questions;
};

// Steps that a question of places, events and the like asks for at most.
inline constexpr int kMostSteps = 3;

struct WorldSize {
  int questions = 1;
  int least_facts = 1, most_facts = 4;  // that a question needs; the least is 1 or 2, which every subject has
};

struct WorldSubject {
  std::string_view name, category;  // category: stem, humanities, social or other, as MMLU's
  World (*make)(WordDraw&, const WorldSize&);
};

// In alphabetical order.
const std::vector<WorldSubject>& world_subjects();
// UsageError that lists the known subjects where there is none of that name.
const WorldSubject& world_subject(std::string_view name);

// Makes the four choices: the right one and three of `others`, which may hold it, in random order.
void set_choices(WorldQuestion& question, const std::string& right, std::vector<std::string> others,
                 WordDraw& draw);

// One world of each subject.
World make_syllogisms(WordDraw&, const WorldSize&);  // chain_worlds.cpp
World make_laws(WordDraw&, const WorldSize&);
World make_containers(WordDraw&, const WorldSize&);
World make_remedies(WordDraw&, const WorldSize&);
World make_jobs(WordDraw&, const WorldSize&);  // line_worlds.cpp
World make_events(WordDraw&, const WorldSize&);
World make_handovers(WordDraw&, const WorldSize&);
World make_kinship(WordDraw&, const WorldSize&);  // map_worlds.cpp
World make_places(WordDraw&, const WorldSize&);
World make_reactions(WordDraw&, const WorldSize&);
World make_prices(WordDraw&, const WorldSize&);  // number_worlds.cpp
World make_quantities(WordDraw&, const WorldSize&);
World make_codes(WordDraw&, const WorldSize&);  // table_worlds.cpp
World make_tables(WordDraw&, const WorldSize&);

}  // namespace refocus
