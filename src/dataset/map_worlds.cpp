// Worlds in which each step has two keys: where one stands, and which way one goes. Relatives, places on a
// map, substances that react.
#include <fmt/format.h>

#include <algorithm>

#include "dataset/world.h"

namespace refocus {

namespace {

struct Edge {
  int from, way, to;
  std::string told;
};

struct Walk {
  int start = 0;
  std::vector<const Edge*> edges;
};

// Whether `steps` edges can follow each other from node `at` without coming to `start`.
bool leads_on(const std::vector<Edge>& edges, int start, int at, int steps) {
  return steps == 0 || std::ranges::any_of(edges, [&](const Edge& edge) {
           return edge.from == at && edge.to != start && leads_on(edges, start, edge.to, steps - 1);
         });
}

// A walk of one to three edges that never comes back to its start; there must be one of three.
Walk draw_walk(const std::vector<Edge>& edges, WordDraw& draw, const WorldSize& size) {
  const int steps = draw.between(size.least_facts, std::min(size.most_facts, kMostSteps));
  while (true) {
    Walk walk;
    walk.start = draw.pick(edges).from;
    int at = walk.start;
    for (int s = 0; s < steps; ++s) {
      std::vector<const Edge*> ways;
      for (const Edge& edge : edges) {
        if (edge.from == at && edge.to != walk.start) ways.push_back(&edge);
      }
      if (ways.empty()) break;
      walk.edges.push_back(draw.pick(ways));
      at = walk.edges.back()->to;
    }
    if (static_cast<int>(walk.edges.size()) == steps) return walk;
  }
}

WorldQuestion walk_question(const Walk& walk, const std::vector<std::string>& nodes, bool number,
                            WordDraw& draw) {
  WorldQuestion question;
  question.facts = static_cast<int>(walk.edges.size());
  for (int s = 0; s < question.facts; ++s) {
    question.steps.push_back(number ? fmt::format("{}: {}", s + 1, walk.edges[s]->told)
                                    : walk.edges[s]->told);
  }
  std::vector<std::string> others = nodes;
  others.erase(others.begin() + walk.start);
  set_choices(question, nodes[static_cast<std::size_t>(walk.edges.back()->to)], others, draw);
  return question;
}

void tell(World& world, const std::vector<Edge>& edges, WordDraw& draw) {
  for (const Edge& edge : edges) world.facts.push_back(edge.told);
  draw.shuffle(world.facts);
}

// Two ways from each of `count` nodes, to different ones, neither to itself.
std::vector<Edge> two_ways(int count, WordDraw& draw) {
  std::vector<Edge> edges;
  for (int from = 0; from < count; ++from) {
    std::vector<int> others;
    for (int to = 0; to < count; ++to) {
      if (to != from) others.push_back(to);
    }
    draw.shuffle(others);
    edges.push_back({from, 0, others[0], ""});
    edges.push_back({from, 1, others[1], ""});
  }
  return edges;
}

}  // namespace

World make_kinship(WordDraw& draw, const WorldSize& size) {
  constexpr std::array<std::string_view, 3> kFacts = {"the {c} of {a} is {b}.", "{a} has the {c} {b}.",
                                                      "as {c} {a} names {b}."};
  constexpr std::array<std::string_view, 4> kRelations = {"parent", "cousin", "partner", "heir"};
  World world;
  const std::vector<std::string> people = draw.people(5);
  const std::vector<std::string> relations = draw.plain(WordList(kRelations), 2);
  std::vector<Edge> edges = two_ways(5, draw);
  const std::string_view wording = draw.pick(kFacts);
  for (Edge& edge : edges) edge.told = fill(wording, people[edge.from], people[edge.to], relations[edge.way]);
  tell(world, edges, draw);
  for (int q = 0; q < size.questions; ++q) {
    const Walk walk = draw_walk(edges, draw, size);
    WorldQuestion question = walk_question(walk, people, true, draw);
    if (question.facts < 3 && draw.coin()) {
      for (const Edge* edge : walk.edges)
        question.text = "the " + relations[edge->way] + " of " + question.text;
      question.text = "who is " + question.text + people[walk.start] + "?";
    } else {
      question.text = "take " + people[walk.start];
      for (int s = 0; s < question.facts; ++s) {
        question.text += fmt::format(", {} the {}", s + 1, relations[walk.edges[s]->way]);
      }
      question.text += ". who is it?";
    }
    world.questions.push_back(std::move(question));
  }
  return world;
}

// Six places on a grid of 3 x 2; each of the seven neighbourhoods is told from one side.
World make_places(WordDraw& draw, const WorldSize& size) {
  constexpr std::array<std::string_view, 4> kWays = {"east", "west", "south", "north"};
  constexpr std::array<std::string_view, 2> kFacts = {"{c} of the {a} is the {b}.",
                                                      "{c} of the {a} lies the {b}."};
  constexpr int kColumns = 3, kRows = 2;
  World world;
  const std::vector<std::string> places = draw.described(words::kPlaces, kColumns * kRows);
  const std::string_view wording = draw.pick(kFacts);
  std::vector<Edge> edges;
  const auto add = [&](int first, int second, int way) {
    const bool turned = draw.coin();
    edges.push_back({turned ? second : first, way + turned, turned ? first : second, ""});
    Edge& edge = edges.back();
    edge.told = fill(wording, places[edge.from], places[edge.to], kWays[edge.way]);
  };
  const auto is_long_way = [&](const Edge& edge) {
    return leads_on(edges, edge.from, edge.from, kMostSteps);
  };
  do {
    edges.clear();
    for (int y = 0; y < kRows; ++y) {
      for (int x = 0; x + 1 < kColumns; ++x) add(y * kColumns + x, y * kColumns + x + 1, 0);
    }
    for (int x = 0; x < kColumns; ++x) add(x, kColumns + x, 2);
  } while (std::ranges::none_of(edges, is_long_way));
  tell(world, edges, draw);
  for (int q = 0; q < size.questions; ++q) {
    const Walk walk = draw_walk(edges, draw, size);
    WorldQuestion question = walk_question(walk, places, true, draw);
    const bool short_form = draw.coin();
    question.text = (short_form ? "from the " : "start at the ") + places[walk.start];
    for (int s = 0; s < question.facts; ++s) {
      question.text += fmt::format(", {}{} {}", short_form ? "" : "go ", s + 1, kWays[walk.edges[s]->way]);
    }
    question.text += short_form ? ". what is there?" : ". where are you?";
    world.questions.push_back(std::move(question));
  }
  return world;
}

World make_reactions(WordDraw& draw, const WorldSize& size) {
  constexpr std::array<std::string_view, 3> kFacts = {"{a} and {c} give {b}.", "{a} with {c} makes {b}.",
                                                      "{a} mixed with {c} turns to {b}."};
  constexpr int kBases = 5;
  World world;
  std::vector<std::string> bases;
  std::vector<std::array<std::string, 2>> reagents;  // of each base
  while (reagents.size() < kBases) {
    const std::vector<std::string> all =
        draw.plain(words::kSubstances, static_cast<int>(words::kSubstances.size()));
    bases.assign(all.begin(), all.begin() + kBases);
    reagents.clear();
    for (const std::string& base : bases) {
      std::vector<std::string> allowed(all.begin() + kBases, all.end());
      std::erase_if(allowed, [&](const std::string& other) { return !draw.allows(base, other); });
      draw.shuffle(allowed);
      if (allowed.size() >= 2) reagents.push_back({allowed[0], allowed[1]});
    }
  }
  std::vector<Edge> edges = two_ways(kBases, draw);
  const std::string_view wording = draw.pick(kFacts);
  for (Edge& edge : edges) {
    edge.told = fill(wording, bases[edge.from], bases[edge.to], reagents[edge.from][edge.way]);
  }
  tell(world, edges, draw);
  for (int q = 0; q < size.questions; ++q) {
    const Walk walk = draw_walk(edges, draw, size);
    WorldQuestion question = walk_question(walk, bases, true, draw);
    const bool short_form = draw.coin();
    question.text = (short_form ? "to " : "take ") + bases[walk.start];
    for (int s = 0; s < question.facts; ++s) {
      question.text += fmt::format(", {}{} {}", short_form ? "" : "add ", s + 1,
                                   reagents[walk.edges[s]->from][walk.edges[s]->way]);
    }
    question.text += short_form ? ". what comes out?" : ". what do you get?";
    world.questions.push_back(std::move(question));
  }
  return world;
}

}  // namespace refocus
