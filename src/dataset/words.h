// The words of the small worlds, and which combinations of them training never shows.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"

namespace refocus {

using WordList = std::span<const std::string_view>;

// Every word of a list stands in one list only, but for first and family names nowhere capitalised, and is
// one token of the bundled tokenizer. No name begins with A, B, C or D, which are the options' letters.
namespace words {
extern const WordList kFirstNames, kFamilyNames, kAdjectives;
extern const WordList kSmallThings, kBoxes, kBags, kRooms, kPlaces, kEvents, kGoods;
extern const WordList kTrades, kDrinks, kAnimals, kFoods, kSubstances, kCodes, kMeanings;
extern const WordList kSymptoms, kIllnesses, kHerbs, kFruits;
extern const WordList kAll;  // the words of all lists
}  // namespace words

// Whether the pair "first second" is one of the fifth that training never shows: a full name, an adjective
// with its noun, a code with its meaning, two substances. A function of the two words alone.
bool is_held_out(std::string_view first, std::string_view second);

// Which pairs a world is made of.
enum class Pairs { kSeen, kHeldOut };

// Random draws of words. What one call returns is distinct in every word.
class WordDraw {
 public:
  WordDraw(std::uint64_t seed, Pairs pairs) : random_(seed), pairs_(pairs) {}

  // In [0, bound).
  int below(int bound) { return static_cast<int>(random_.below(static_cast<std::uint64_t>(bound))); }
  bool coin() { return below(2) == 1; }
  // Of [least, most].
  int between(int least, int most) { return least + below(most - least + 1); }
  template <class Range>
  const auto& pick(const Range& from) {
    return from[static_cast<std::size_t>(below(static_cast<int>(std::size(from))))];
  }
  template <class T>
  void shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random_.below(i)]);
  }

  std::vector<std::string> plain(WordList from, int count);
  std::vector<std::string> people(int count);                     // "Emma Stone"
  std::vector<std::string> described(WordList nouns, int count);  // "red box"
  // Whether the pair may stand in a world of this draw.
  bool allows(std::string_view first, std::string_view second) const {
    return is_held_out(first, second) == (pairs_ == Pairs::kHeldOut);
  }

 private:
  std::vector<std::string> pairs(WordList firsts, WordList seconds, int count, bool first_repeats);

  SplitMix64 random_;
  Pairs pairs_;
};

// The template with its {a}, {b}, {c} replaced.
std::string fill(std::string_view text, std::string_view a, std::string_view b = "", std::string_view c = "");

}  // namespace refocus
