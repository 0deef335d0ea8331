// Worlds of tables: code words with their meanings, and lists of people, their animals and what those eat.
#include <algorithm>

#include "dataset/world.h"

namespace refocus {

// A message of two or three code words. The options differ from each other in at least one word of two and
// two of three, and each meaning stands in half of them.
World make_codes(WordDraw& draw, const WorldSize& size) {
  constexpr int kRows = 7;
  constexpr std::array<std::string_view, 3> kFacts = {"{a} means {b}.", "{a} stands for {b}.",
                                                      "{a} is the code for {b}."};
  constexpr std::array<std::string_view, 2> kQuestions = {"what does the message {a} mean?",
                                                          "how does one read {a}?"};
  World world;
  std::vector<std::string> codes, meanings;
  bool allowed = false;
  while (!allowed) {
    codes = draw.plain(words::kCodes, kRows);
    meanings.clear();
    std::vector<std::string> free = draw.plain(words::kMeanings, static_cast<int>(words::kMeanings.size()));
    for (const std::string& code : codes) {
      const auto found =
          std::ranges::find_if(free, [&](const std::string& m) { return draw.allows(code, m); });
      if (found == free.end()) break;
      meanings.push_back(*found);
      free.erase(found);
    }
    allowed = meanings.size() == codes.size();
  }
  const std::string_view wording = draw.pick(kFacts);
  std::vector<std::string> told;
  for (int i = 0; i < kRows; ++i) told.push_back(fill(wording, codes[i], meanings[i]));
  world.facts = told;
  draw.shuffle(world.facts);
  for (int q = 0; q < size.questions; ++q) {
    const int length = draw.between(size.least_facts, std::min(size.most_facts, 3));
    std::vector<int> rows(kRows);
    for (int i = 0; i < kRows; ++i) rows[i] = i;
    draw.shuffle(rows);
    WorldQuestion question;
    question.facts = length;
    std::string message;
    for (int i = 0; i < length; ++i) {
      message += (i == 0 ? "" : " ") + codes[rows[i]];
      question.steps.push_back(told[rows[i]]);
    }
    question.text = fill(draw.pick(kQuestions), message);
    std::vector<std::string> readings;
    for (int option = 0; option < 4; ++option) {
      if (length == 1) {
        readings.push_back(meanings[rows[option]]);
        continue;
      }
      std::string reading;
      for (int i = 0; i < length; ++i) {
        const int other = i == 0 ? option & 1 : i == 1 ? option >> 1 : (option ^ option >> 1) & 1;
        reading += (i == 0 ? "" : " ") + meanings[rows[i + other * length]];
      }
      readings.push_back(reading);
    }
    set_choices(question, readings.front(), readings, draw);
    world.questions.push_back(std::move(question));
  }
  return world;
}

World make_tables(WordDraw& draw, const WorldSize& size) {
  constexpr int kRows = 4;
  World world;
  const std::vector<std::string> people = draw.people(kRows), animals = draw.plain(words::kAnimals, kRows),
                                 drinks = draw.plain(words::kDrinks, kRows),
                                 foods = draw.plain(words::kFoods, kRows),
                                 rooms = draw.plain(words::kRooms, kRows);
  for (int i = 0; i < kRows; ++i) {
    world.facts.push_back(fill("{a}: pet {b}, drink {c}.", people[i], animals[i], drinks[i]));
    world.facts.push_back(fill("{a}: food {b}, room {c}.", animals[i], foods[i], rooms[i]));
  }
  draw.shuffle(world.facts);
  for (int q = 0; q < size.questions; ++q) {
    const int row = draw.below(kRows);
    const bool first = draw.coin();
    WorldQuestion question;
    question.facts = draw.between(size.least_facts, std::min(size.most_facts, 2));
    const std::vector<std::string>& wanted =
        question.facts == 2 ? (first ? foods : rooms) : (first ? animals : drinks);
    if (question.facts == 1) {
      question.text = fill("what is the {b} of {a}?", people[row], first ? "pet" : "drink");
      question.steps = {fill(first ? "{a}: pet {b}." : "{a}: drink {b}.", people[row], wanted[row])};
    } else {
      question.text =
          fill(draw.coin() ? "what is the {b} of the pet of {a}?" : "{a} has a pet. what is its {b}?",
               people[row], first ? "food" : "room");
      question.steps = {fill("{a}: pet {b}.", people[row], animals[row]),
                        fill(first ? "{a}: food {b}." : "{a}: room {b}.", animals[row], wanted[row])};
    }
    set_choices(question, wanted[row], wanted, draw);
    world.questions.push_back(std::move(question));
  }
  return world;
}

}  // namespace refocus
