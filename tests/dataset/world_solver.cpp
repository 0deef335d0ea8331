#include "dataset/world_solver.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <regex>
#include <vector>

namespace refocus {

namespace {

const std::string kName = "([A-Z][a-z]+ [A-Z][a-z]+)", kWord = "([a-z]+)", kThing = "((?:[a-z]+ )?[a-z]+)";

struct Text {
  std::vector<std::smatch> facts;
  std::vector<std::string> sentences;  // which `facts` point into
  std::string question;                // the rest
};

// Sentences that one of the patterns covers are facts, and the others are the question.
void read(const std::string& told, const std::vector<std::string>& patterns, Text& out) {
  std::size_t at = 0;
  while (at < told.size()) {
    const std::size_t end = std::min(told.find_first_of(".?", at), told.size());
    out.sentences.push_back(told.substr(at, end - at));
    at = std::min(end + 2, told.size());
  }
  std::vector<std::regex> compiled;
  for (const std::string& pattern : patterns) compiled.emplace_back(pattern);
  for (const std::string& sentence : out.sentences) {
    std::smatch match;
    const auto covers = [&](const std::regex& r) { return std::regex_match(sentence, match, r); };
    if (std::ranges::any_of(compiled, covers)) {
      out.facts.push_back(match);
    } else {
      out.question += " " + sentence;
    }
  }
  out.question += " ";
}

bool mentions(const std::string& text, const std::string& phrase) {
  for (std::size_t at = text.find(phrase); at != std::string::npos; at = text.find(phrase, at + 1)) {
    const auto is_letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; };
    if (!is_letter(text[at - 1]) && !is_letter(text[at + phrase.size()])) return true;
  }
  return false;
}

// Follows single facts from whatever the question mentions until an option is reached.
std::string solve_chain(const std::string& told, const std::array<std::string, 4>& choices) {
  Text text;
  read(told,
       {kName + " (?:is|became) a " + kWord, "every " + kWord + " is a " + kWord,
        "a " + kWord + " is always a " + kWord, "every " + kWord + " likes " + kWord,
        "a " + kWord + " always likes " + kWord, kName + " (?:owns|has|suffers from) a " + kThing,
        "whoever owns a " + kThing + " must go to the " + kWord,
        "the owner of a " + kThing + " must serve at the " + kWord,
        "whoever goes to the " + kWord + " must bring a " + kWord,
        "the " + kWord + " takes a " + kWord + " from all who come",
        "the " + kThing + " (?:is|lies) in the " + kThing, "a " + kWord + " is a sign of " + kWord,
        "a " + kWord + " comes from " + kWord, kWord + " is healed by " + kWord,
        "the remedy for " + kWord + " is " + kWord, kWord + " (?:grows|is sold) at the " + kWord},
       text);
  std::map<std::string, std::string> next;
  for (const std::smatch& fact : text.facts) next[fact[1]] = fact[2];
  for (const auto& [start, second] : next) {
    if (!mentions(text.question, start)) continue;
    std::string at = second;
    while (std::ranges::find(choices, at) == choices.end()) {
      const auto found = next.find(at);
      if (found == next.end()) return "";
      at = found->second;
    }
    return at;
  }
  return "";
}

// Takes as many steps as the question says; of handovers, those of the thing it mentions.
std::string solve_line(const std::string& told) {
  Text text;
  read(told,
       {kName + " (?:works for|reports to) " + kName, "the boss of " + kName + " is " + kName,
        "the " + kThing + " (?:led to|was followed by) the " + kThing,
        "after the " + kThing + " came the " + kThing,
        kName + " (?:gives|hands) the " + kThing + " to " + kName},
       text);
  std::map<std::string, std::string> next;
  for (const std::smatch& fact : text.facts) {
    const bool handover = fact.size() > 3;
    if (!handover || mentions(text.question, fact[2])) next[fact[1]] = fact[handover ? 3 : 2];
  }
  std::smatch number;
  if (!std::regex_search(text.question, number, std::regex("[0-9]"))) return "";
  for (const auto& [start, second] : next) {
    if (!mentions(text.question, start)) continue;
    std::string at = start;
    for (int i = std::stoi(number.str()); i > 0; --i) at = next[at];
    return at;
  }
  return "";
}

// Takes the ways that the question lists by number, or nests.
std::string solve_map(const std::string& subject, const std::string& told) {
  Text text;
  const bool kinship = subject == "kinship", places = subject == "places";
  if (kinship) {
    read(told,
         {"the " + kWord + " of " + kName + " is " + kName, "as " + kWord + " " + kName + " names " + kName,
          kName + " has the " + kWord + " " + kName},
         text);
  } else if (places) {
    read(told, {kWord + " of the " + kThing + " (?:is|lies) the " + kThing}, text);
  } else {
    read(told, {kWord + " (?:and|with|mixed with) " + kWord + " (?:give|makes|turns to) " + kWord}, text);
  }
  std::map<std::pair<std::string, std::string>, std::string> next;  // (from, way)
  for (const std::smatch& fact : text.facts) {
    const bool way_first =
        places || (kinship && std::islower(static_cast<unsigned char>(fact.str(1)[0])) != 0);
    next[way_first ? std::pair(fact.str(2), fact.str(1)) : std::pair(fact.str(1), fact.str(2))] = fact[3];
  }
  std::vector<std::string> ways;
  const auto collect = [&](const char* pattern) {
    const std::regex way(pattern);
    for (std::sregex_iterator i(text.question.begin(), text.question.end(), way), end; i != end; ++i) {
      ways.push_back((*i)[1]);
    }
  };
  collect("[0-9] (?:the )?([a-z]+)");
  if (ways.empty()) {
    collect("the ([a-z]+) of ");
    std::ranges::reverse(ways);
  }
  std::string at;
  for (const auto& [key, to] : next) {
    for (const std::string& node : {key.first, to}) {
      const std::size_t found = text.question.find(node);
      const bool first = found != std::string::npos && mentions(text.question, node) &&
                         (at.empty() || found < text.question.find(at));
      if (first && std::ranges::find(ways, node) == ways.end()) at = node;
    }
  }
  for (const std::string& way : ways) at = next[{at, way}];
  return at;
}

std::string solve_prices(const std::string& told) {
  Text text;
  read(told,
       {"the " + kThing + " (?:costs|sells for) ([0-9]+) coins",
        "the price of the " + kThing + " is ([0-9]+) coins"},
       text);
  int sum = 0;
  for (const std::smatch& fact : text.facts) {
    if (mentions(text.question, fact[1])) sum += std::stoi(fact[2]);
  }
  return std::to_string(sum);
}

std::string solve_quantities(const std::string& told) {
  Text text;
  read(told,
       {kName + " (?:has|holds) ([0-9]+) " + kWord,
        kName + " (?:has|holds) ([0-9]+) (more|fewer) than " + kName},
       text);
  std::smatch who;
  if (!std::regex_search(text.question, who, std::regex(kName))) return "";
  std::string at = who[1];
  for (int sum = 0;;) {
    const auto fact = std::ranges::find_if(text.facts, [&](const std::smatch& f) { return f[1] == at; });
    if (fact == text.facts.end()) return "";
    const int number = std::stoi((*fact)[2]);
    if (fact->size() == 4) return std::to_string(sum + number);
    sum += (*fact)[3] == "more" ? number : -number;
    at = (*fact)[4];
  }
}

std::string solve_codes(const std::string& told) {
  Text text;
  read(told, {kWord + " (?:means|stands for|is the code for) " + kWord}, text);
  std::map<std::string, std::string> meaning;
  for (const std::smatch& fact : text.facts) meaning[fact[1]] = fact[2];
  std::string out;
  const std::regex word("[a-z]+");
  for (std::sregex_iterator i(text.question.begin(), text.question.end(), word), end; i != end; ++i) {
    if (meaning.contains(i->str())) out += (out.empty() ? "" : " ") + meaning[i->str()];
  }
  return out;
}

std::string solve_tables(const std::string& told) {
  Text text;
  read(told, {"([A-Z][a-z]+ [A-Z][a-z]+|[a-z]+): ([a-z]+) ([a-z]+), ([a-z]+) ([a-z]+)"}, text);
  std::map<std::pair<std::string, std::string>, std::string> cell;  // (row, column)
  for (const std::smatch& fact : text.facts) {
    cell[{fact[1], fact[2]}] = fact[3];
    cell[{fact[1], fact[4]}] = fact[5];
  }
  std::smatch who;
  if (!std::regex_search(text.question, who, std::regex(kName))) return "";
  for (const char* column : {"drink", "food", "room"}) {
    if (!mentions(text.question, column)) continue;
    return column == std::string("drink") ? cell[{who[1], column}] : cell[{cell[{who[1], "pet"}], column}];
  }
  return cell[{who[1], "pet"}];
}

}  // namespace

std::string solve_world(const std::string& subject, const std::string& told,
                        const std::array<std::string, 4>& choices) {
  if (subject == "jobs" || subject == "events" || subject == "handovers") return solve_line(told);
  if (subject == "kinship" || subject == "places" || subject == "reactions") return solve_map(subject, told);
  if (subject == "prices") return solve_prices(told);
  if (subject == "quantities") return solve_quantities(told);
  if (subject == "codes") return solve_codes(told);
  if (subject == "tables") return solve_tables(told);
  return solve_chain(told, choices);
}

}  // namespace refocus
