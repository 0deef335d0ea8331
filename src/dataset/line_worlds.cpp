// Worlds of lines along which one goes a number of steps: from a person to the boss, from an event to the
// next, from hand to hand. The steps of an answer are numbered, so that it is seen where to stop.
#include <fmt/format.h>

#include <algorithm>

#include "dataset/world.h"

namespace refocus {

namespace {

std::string numbered(int step, std::string_view fact) { return fmt::format("{}: {}", step, fact); }

struct Line {
  std::vector<std::string> members;
  std::vector<std::string> told;  // [members - 1]: the fact that leads from a member to the next
};

// A question that starts at a member of a line and goes on; `text` has {a} for the start and {b} for the
// number.
WorldQuestion along(const std::vector<Line>& lines, std::string_view text, WordDraw& draw,
                    const WorldSize& size) {
  const Line& line = draw.pick(lines);
  const int last = static_cast<int>(line.members.size()) - 1;
  const int steps = draw.between(size.least_facts, std::min({size.most_facts, kMostSteps, last}));
  const int start = draw.below(last - steps + 1);
  WorldQuestion question;
  question.text = fill(text, line.members[start], std::to_string(steps));
  for (int s = 0; s < steps; ++s) question.steps.push_back(numbered(s + 1, line.told[start + s]));
  question.facts = steps;
  std::vector<std::string> others;
  for (const Line& any : lines) {
    for (const std::string& member : any.members) {
      if (member != line.members[start]) others.push_back(member);
    }
  }
  set_choices(question, line.members[start + steps], others, draw);
  return question;
}

Line tell(std::vector<std::string> members, std::string_view wording, std::vector<std::string>& facts) {
  Line line{std::move(members), {}};
  for (std::size_t i = 0; i + 1 < line.members.size(); ++i) {
    line.told.push_back(fill(wording, line.members[i], line.members[i + 1]));
    facts.push_back(line.told.back());
  }
  return line;
}

}  // namespace

World make_jobs(WordDraw& draw, const WorldSize& size) {
  constexpr std::array<std::string_view, 3> kFacts = {"{a} works for {b}.", "{a} reports to {b}.",
                                                      "the boss of {a} is {b}."};
  constexpr std::array<std::string_view, 3> kQuestions = {"who is {b} above {a}?",
                                                          "go up {b} from {a}. who is there?",
                                                          "counting {b} up, who is the boss over {a}?"};
  World world;
  const std::string_view wording = draw.pick(kFacts);
  const std::vector<std::string> people = draw.people(8);
  const std::vector<Line> lines = {tell({people.begin(), people.begin() + 4}, wording, world.facts),
                                   tell({people.begin() + 4, people.end()}, wording, world.facts)};
  draw.shuffle(world.facts);
  for (int q = 0; q < size.questions; ++q) {
    world.questions.push_back(along(lines, draw.pick(kQuestions), draw, size));
  }
  return world;
}

World make_events(WordDraw& draw, const WorldSize& size) {
  constexpr std::array<std::string_view, 3> kFacts = {
      "the {a} led to the {b}.", "after the {a} came the {b}.", "the {a} was followed by the {b}."};
  constexpr std::array<std::string_view, 2> kQuestions = {"what came {b} after the {a}?",
                                                          "counting {b} from the {a}, what came?"};
  World world;
  const std::string_view fact = draw.pick(kFacts);  // first: arguments are drawn in no order
  const std::vector<Line> lines = {
      tell(draw.described(words::kEvents, draw.between(6, 8)), fact, world.facts)};
  draw.shuffle(world.facts);
  for (int q = 0; q < size.questions; ++q) {
    world.questions.push_back(along(lines, draw.pick(kQuestions), draw, size));
  }
  return world;
}

// Two things go from hand to hand; the facts stand in the order in which it happened.
World make_handovers(WordDraw& draw, const WorldSize& size) {
  constexpr std::array<std::string_view, 2> kFacts = {"{a} gives the {c} to {b}.",
                                                      "{a} hands the {c} to {b}."};
  constexpr std::array<std::string_view, 2> kQuestions = {"who has the {c} {b} after {a}?",
                                                          "the {c} leaves {a} and moves on {b}. who has it?"};
  World world;
  const std::string_view wording = draw.pick(kFacts);
  const std::vector<std::string> things = draw.described(words::kSmallThings, 2);
  std::vector<std::string> people = draw.people(5);
  std::vector<Line> lines;
  for (const std::string& thing : things) {
    draw.shuffle(people);
    Line line{{people.begin(), people.begin() + 4}, {}};
    for (int i = 0; i < 3; ++i)
      line.told.push_back(fill(wording, line.members[i], line.members[i + 1], thing));
    lines.push_back(line);
  }
  std::array<std::size_t, 2> next = {0, 0};
  while (next[0] < 3 || next[1] < 3) {
    const std::size_t which = next[0] == 3 ? 1 : next[1] == 3 ? 0 : static_cast<std::size_t>(draw.below(2));
    world.facts.push_back(lines[which].told[next[which]++]);
  }
  for (int q = 0; q < size.questions; ++q) {
    const std::size_t which = static_cast<std::size_t>(draw.below(2));
    const Line& line = lines[which];
    const int steps = draw.between(size.least_facts, std::min(size.most_facts, kMostSteps));
    const int start = draw.below(4 - steps);
    WorldQuestion question;
    question.text = fill(draw.pick(kQuestions), line.members[start], std::to_string(steps), things[which]);
    for (int s = 0; s < steps; ++s) question.steps.push_back(numbered(s + 1, line.told[start + s]));
    question.facts = steps;
    std::vector<std::string> others = people;
    std::erase(others, line.members[start]);
    set_choices(question, line.members[start + steps], others, draw);
    world.questions.push_back(std::move(question));
  }
  return world;
}

}  // namespace refocus
