// Worlds of four chains side by side: person -> symptom -> illness -> herb. A question names a link and asks
// for a later one; the options are what stands there in the four chains.
#include <initializer_list>

#include "base/error.h"
#include "dataset/world.h"

namespace refocus {

namespace {

constexpr int kChains = 4;

using Wordings = std::vector<std::string_view>;

struct ChainKind {
  std::vector<std::vector<std::string>> links;  // [level][chain]
  std::vector<Wordings> facts;                  // [level]: of {a} at the level and {b} at the next
  // [start level][target level]: questions about {a}; none where it is not asked.
  std::vector<std::vector<Wordings>> questions;
};

struct Span {
  int start, target;
};

World make_chains(const ChainKind& kind, WordDraw& draw, const WorldSize& size) {
  World world;
  const int levels = static_cast<int>(kind.links.size());
  std::vector<std::array<std::string, kChains>> told;  // [level][chain]
  for (int level = 0; level + 1 < levels; ++level) {
    const std::string_view wording = draw.pick(kind.facts[level]);
    auto& row = told.emplace_back();
    for (int c = 0; c < kChains; ++c) {
      row[c] = fill(wording, kind.links[level][c], kind.links[level + 1][c]);
      world.facts.push_back(row[c]);
    }
  }
  draw.shuffle(world.facts);
  std::vector<Span> spans;
  for (int start = 0; start < levels; ++start) {
    for (int target = start + size.least_facts; target < levels && target - start <= size.most_facts;
         ++target) {
      if (!kind.questions[start][target].empty()) spans.push_back({start, target});
    }
  }
  REFOCUS_CHECK(!spans.empty());
  for (int q = 0; q < size.questions; ++q) {
    const Span span = draw.pick(spans);
    const int chain = draw.below(kChains);
    WorldQuestion question;
    question.text = fill(draw.pick(kind.questions[span.start][span.target]), kind.links[span.start][chain]);
    for (int level = span.start; level < span.target; ++level) question.steps.push_back(told[level][chain]);
    question.facts = span.target - span.start;
    set_choices(question, kind.links[span.target][chain], kind.links[span.target], draw);
    world.questions.push_back(std::move(question));
  }
  return world;
}

}  // namespace

World make_syllogisms(WordDraw& draw, const WorldSize& size) {
  ChainKind kind;
  const bool longer = draw.coin();
  const std::vector<std::string> trades = draw.plain(words::kTrades, 2 * kChains);
  kind.links = {draw.people(kChains), {trades.begin(), trades.begin() + kChains}};
  if (longer) kind.links.emplace_back(trades.begin() + kChains, trades.end());
  kind.links.push_back(draw.plain(words::kDrinks, kChains));
  kind.facts = {{"{a} is a {b}.", "{a} became a {b}."}};
  if (longer) kind.facts.push_back({"every {a} is a {b}.", "a {a} is always a {b}."});
  kind.facts.push_back({"every {a} likes {b}.", "a {a} always likes {b}."});
  const std::size_t levels = kind.links.size();
  kind.questions.assign(levels, std::vector<Wordings>(levels));
  kind.questions[0][levels - 1] = {"what does {a} like?", "what must {a} like?"};
  kind.questions[1][levels - 1] = {"what does every {a} like?", "what must a {a} like?"};
  kind.questions[0][1] = {"what is the trade of {a}?"};
  if (longer) kind.questions[1][2] = {"what else is every {a}?", "what else must a {a} be?"};
  return make_chains(kind, draw, size);
}

World make_laws(WordDraw& draw, const WorldSize& size) {
  ChainKind kind;
  const bool longer = draw.coin();
  kind.links = {draw.people(kChains), draw.described(words::kGoods, kChains),
                draw.plain(words::kPlaces, kChains)};
  if (longer) kind.links.push_back(draw.plain(words::kAnimals, kChains));
  kind.facts = {{"{a} owns a {b}.", "{a} has a {b}."},
                {"whoever owns a {a} must go to the {b}.", "the owner of a {a} must serve at the {b}."}};
  if (longer) {
    kind.facts.push_back(
        {"whoever goes to the {a} must bring a {b}.", "the {a} takes a {b} from all who come."});
  }
  const std::size_t levels = kind.links.size();
  kind.questions.assign(levels, std::vector<Wordings>(levels));
  kind.questions[0][1] = {"what does {a} own?"};
  kind.questions[0][2] = {"where must {a} go?", "where does the law send {a}?"};
  kind.questions[1][2] = {"where must the owner of a {a} go?"};
  if (longer) {
    kind.questions[0][3] = {"what must {a} bring?", "what does the law take from {a}?"};
    kind.questions[1][3] = {"what must the owner of a {a} bring?"};
  }
  return make_chains(kind, draw, size);
}

World make_containers(WordDraw& draw, const WorldSize& size) {
  ChainKind kind;
  const bool longer = draw.coin();
  kind.links = {draw.described(words::kSmallThings, kChains), draw.described(words::kBoxes, kChains)};
  if (longer) kind.links.push_back(draw.described(words::kBags, kChains));
  kind.links.push_back(draw.plain(words::kRooms, kChains));
  const std::string_view inside = draw.coin() ? "the {a} is in the {b}." : "the {a} lies in the {b}.";
  kind.facts.assign(kind.links.size() - 1, {inside});
  const std::size_t levels = kind.links.size();
  kind.questions.assign(levels, std::vector<Wordings>(levels));
  for (std::size_t start = 0; start + 1 < levels; ++start) {
    kind.questions[start][levels - 1] = {"in which room is the {a}?",
                                         "which room must one search for the {a}?"};
  }
  return make_chains(kind, draw, size);
}

World make_remedies(WordDraw& draw, const WorldSize& size) {
  ChainKind kind;
  const bool longer = draw.below(3) == 0;
  kind.links = {draw.people(kChains), draw.plain(words::kSymptoms, kChains),
                draw.plain(words::kIllnesses, kChains), draw.plain(words::kHerbs, kChains)};
  if (longer) kind.links.push_back(draw.plain(words::kPlaces, kChains));
  kind.facts = {{"{a} has a {b}.", "{a} suffers from a {b}."},
                {"a {a} is a sign of {b}.", "a {a} comes from {b}."},
                {"{a} is healed by {b}.", "the remedy for {a} is {b}."}};
  if (longer) kind.facts.push_back({"{a} grows at the {b}.", "{a} is sold at the {b}."});
  const std::size_t levels = kind.links.size();
  kind.questions.assign(levels, std::vector<Wordings>(levels));
  kind.questions[0][2] = {"which illness does {a} have?"};
  kind.questions[1][2] = {"which illness does a {a} point to?"};
  kind.questions[0][3] = {"which herb heals {a}?", "which herb does {a} need?"};
  kind.questions[1][3] = {"which herb helps against a {a}?"};
  kind.questions[2][3] = {"which herb helps against {a}?"};
  if (longer)
    kind.questions[0][4] = {"where is the herb for {a}?", "to which place must {a} go for the herb?"};
  return make_chains(kind, draw, size);
}

}  // namespace refocus
