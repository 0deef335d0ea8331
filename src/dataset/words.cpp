#include "dataset/words.h"

#include <array>

#include "base/error.h"

namespace refocus {

namespace words {

namespace {

using std::string_view;

constexpr string_view kFirstNameWords[] = {
    "Emma", "Ella",  "Eric", "Felix", "Fiona", "Frank", "Grace", "Greta", "Hugo", "Helen", "Ivan",  "Irene",
    "Jack", "Julia", "Kate", "Karl",  "Laura", "Leon",  "Maria", "Max",   "Nina", "Oscar", "Peter", "Rosa"};
constexpr string_view kFamilyNameWords[] = {
    "East", "Field", "Fox",   "Ford",  "Gray",  "Grove", "Hall",   "Hill",  "Hunt", "Jones", "King", "Knight",
    "Lane", "Marsh", "Moore", "North", "Price", "Reed",  "Rivers", "Stone", "Swan", "West",  "Wolf", "Young"};
constexpr string_view kAdjectiveWords[] = {"red", "blue", "green", "white", "black",
                                           "old", "new",  "long",  "great", "small"};
constexpr string_view kSmallThingWords[] = {"key",   "ring", "coin",  "pen",    "watch",  "card",
                                            "stamp", "bell", "shell", "button", "needle", "pearl"};
constexpr string_view kBoxWords[] = {"box", "jar", "tin", "case", "cup", "purse", "drawer", "basket"};
constexpr string_view kBagWords[] = {"bag", "trunk", "crate", "sack", "barrel", "wagon", "chest", "cart"};
constexpr string_view kRoomWords[] = {"kitchen", "attic",  "cellar", "hall",   "library",
                                      "study",   "stable", "office", "studio", "pantry"};
constexpr string_view kPlaceWords[] = {"mill",   "lake", "bridge", "tower",  "farm",   "church",
                                       "inn",    "port", "castle", "market", "school", "garden",
                                       "forest", "cave", "well",   "barn"};
constexpr string_view kEventWords[] = {"war",    "feast",  "flood", "fire",  "vote", "strike",
                                       "plague", "treaty", "march", "trial", "fair", "siege"};
constexpr string_view kGoodWords[] = {"lamp", "drum", "hat",  "chair", "rug",   "clock",
                                      "boat", "kite", "coat", "flute", "table", "mirror"};
constexpr string_view kTradeWords[] = {"baker",    "singer", "dancer", "painter", "farmer", "sailor",
                                       "teacher",  "hunter", "writer", "miner",   "judge",  "weaver",
                                       "gardener", "doctor", "driver", "poet"};
constexpr string_view kDrinkWords[] = {"tea", "coffee", "milk", "juice", "wine", "water", "beer", "soup"};
constexpr string_view kAnimalWords[] = {"goat",  "horse", "cat", "dog",    "duck",
                                        "sheep", "mouse", "pig", "rabbit", "parrot"};
constexpr string_view kFoodWords[] = {"hay", "corn", "grass", "seeds", "fish", "bread", "meat", "cheese"};
constexpr string_view kSubstanceWords[] = {"salt",   "iron",   "ash", "gold", "clay",  "sand",
                                           "lead",   "silver", "wax", "oil",  "chalk", "sulfur",
                                           "copper", "resin",  "tar", "lime"};
constexpr string_view kCodeWords[] = {"ka", "mo", "ri", "tu", "le", "so", "vi", "ne",
                                      "pu", "da", "zo", "fi", "gu", "ha", "je", "lo"};
constexpr string_view kMeaningWords[] = {"sun",  "moon", "star", "tree", "river", "bird",  "cloud",  "snow",
                                         "rain", "wind", "leaf", "rock", "wave",  "night", "flower", "smoke"};
constexpr string_view kSymptomWords[] = {"cough", "rash", "fever", "chill",
                                         "cramp", "pain", "limp",  "twitch"};
constexpr string_view kIllnessWords[] = {"gout",    "flu",  "mumps", "scurvy",
                                         "measles", "ague", "croup", "shingles"};
constexpr string_view kHerbWords[] = {"mint",   "sage",   "thyme", "garlic",
                                      "ginger", "fennel", "basil", "nettle"};
constexpr string_view kFruitWords[] = {"plums", "pears", "figs", "nuts", "eggs", "grapes"};

std::vector<string_view> joined() {
  std::vector<string_view> all;
  for (const WordList list :
       {WordList(kFirstNameWords),  WordList(kFamilyNameWords), WordList(kAdjectiveWords),
        WordList(kSmallThingWords), WordList(kBoxWords),        WordList(kBagWords),
        WordList(kRoomWords),       WordList(kPlaceWords),      WordList(kEventWords),
        WordList(kGoodWords),       WordList(kTradeWords),      WordList(kDrinkWords),
        WordList(kAnimalWords),     WordList(kFoodWords),       WordList(kSubstanceWords),
        WordList(kCodeWords),       WordList(kMeaningWords),    WordList(kSymptomWords),
        WordList(kIllnessWords),    WordList(kHerbWords),       WordList(kFruitWords)}) {
    all.insert(all.end(), list.begin(), list.end());
  }
  return all;
}

const std::vector<string_view> kAllWords = joined();

}  // namespace

const WordList kAll = kAllWords;
const WordList kFirstNames = kFirstNameWords, kFamilyNames = kFamilyNameWords, kAdjectives = kAdjectiveWords,
               kSmallThings = kSmallThingWords, kBoxes = kBoxWords, kBags = kBagWords, kRooms = kRoomWords,
               kPlaces = kPlaceWords, kEvents = kEventWords, kGoods = kGoodWords, kTrades = kTradeWords,
               kDrinks = kDrinkWords, kAnimals = kAnimalWords, kFoods = kFoodWords,
               kSubstances = kSubstanceWords, kCodes = kCodeWords, kMeanings = kMeaningWords,
               kSymptoms = kSymptomWords, kIllnesses = kIllnessWords, kHerbs = kHerbWords,
               kFruits = kFruitWords;

}  // namespace words

bool is_held_out(std::string_view first, std::string_view second) {
  std::uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a
  const auto add = [&](char c) { hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u; };
  for (const char c : first) add(c);
  add(' ');
  for (const char c : second) add(c);
  return SplitMix64(hash).below(5) == 0;
}

std::vector<std::string> WordDraw::plain(WordList from, int count) {
  std::vector<std::string> all(from.begin(), from.end());
  REFOCUS_CHECK(count <= static_cast<int>(all.size()));
  shuffle(all);
  all.resize(static_cast<std::size_t>(count));
  return all;
}

// Each pair has a second word of its own. A shortage of allowed pairs is met by drawing afresh.
std::vector<std::string> WordDraw::pairs(WordList firsts, WordList seconds, int count, bool first_repeats) {
  while (true) {
    std::vector<std::string> out;
    std::vector<std::string> free = plain(firsts, static_cast<int>(firsts.size()));
    for (const std::string& second : plain(seconds, static_cast<int>(seconds.size()))) {
      std::vector<std::size_t> allowed;
      for (std::size_t i = 0; i < free.size(); ++i) {
        if (allows(free[i], second)) allowed.push_back(i);
      }
      if (allowed.empty()) continue;
      const std::size_t chosen = pick(allowed);
      out.push_back(free[chosen] + " " + second);
      if (!first_repeats) free.erase(free.begin() + static_cast<std::ptrdiff_t>(chosen));
      if (static_cast<int>(out.size()) == count) return out;
    }
  }
}

std::vector<std::string> WordDraw::people(int count) {
  return pairs(words::kFirstNames, words::kFamilyNames, count, false);
}

std::vector<std::string> WordDraw::described(WordList nouns, int count) {
  return pairs(words::kAdjectives, nouns, count, true);
}

std::string fill(std::string_view text, std::string_view a, std::string_view b, std::string_view c) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '{') {
      out += text[i];
      continue;
    }
    REFOCUS_CHECK(i + 2 < text.size() && text[i + 2] == '}');
    out += text[i + 1] == 'a' ? a : text[i + 1] == 'b' ? b : c;
    i += 2;
  }
  return out;
}

}  // namespace refocus
