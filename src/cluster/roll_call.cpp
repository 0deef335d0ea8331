#include "cluster/roll_call.h"

#include <fmt/core.h>

#include "base/error.h"
#include "cluster/packed_text.h"

namespace refocus {

namespace {

std::string packed(const RollAnswer& answer) {
  Packer out;
  out.add(answer.host).add(answer.failure);
  for (const RollFact& fact : answer.facts) {
    out.add(fact.what).add(fact.value).add(fact.remedy).add(fact.tells);
  }
  return out.take();
}

RollAnswer unpacked(const std::string& text) {
  Unpacker in(text);
  RollAnswer out;
  out.host = in.text();
  out.failure = in.text();
  while (!in.at_end()) {
    RollFact& fact = out.facts.emplace_back();
    fact.what = in.text();
    fact.value = in.text();
    fact.remedy = in.text();
    fact.tells = in.number() != 0;
  }
  return out;
}

const RollFact* find_fact(const RollAnswer& answer, const std::string& what) {
  for (const RollFact& fact : answer.facts) {
    if (fact.what == what) return &fact;
  }
  return nullptr;
}

std::string shown(const RollFact& fact) { return fact.tells ? printable(fact.value) : "another"; }

// What keeps a process from the first one; empty where nothing does.
std::string difference_between(const RollAnswer& first, const RollAnswer& other) {
  for (const RollFact& fact : first.facts) {
    const RollFact* its = find_fact(other, fact.what);
    if (its != nullptr && its->value == fact.value) continue;
    return fmt::format("expected the {} of rank 0 ({}){}, got {}; {}", fact.what, first.host,
                       fact.tells ? ", " + shown(fact) : "", its == nullptr ? "none" : shown(*its),
                       fact.remedy);
  }
  for (const RollFact& fact : other.facts) {
    if (find_fact(first, fact.what) != nullptr) continue;
    return fmt::format("expected no {}, as rank 0 ({}), got {}; {}", fact.what, first.host,
                       fact.tells ? shown(fact) : "one", fact.remedy);
  }
  return "";
}

}  // namespace

RollDifference difference_in(const std::vector<RollAnswer>& answers) {
  const auto where = [&](std::size_t rank) { return fmt::format("rank {} ({})", rank, answers[rank].host); };
  for (std::size_t rank = 1; rank < answers.size(); ++rank) {
    if (!answers[rank].failure.empty()) return {where(rank), answers[rank].failure};
  }
  for (std::size_t rank = 1; rank < answers.size(); ++rank) {
    const std::string difference = difference_between(answers.front(), answers[rank]);
    if (!difference.empty()) return {where(rank), difference};
  }
  return {};
}

void call_roll(Communicator& comm, const RollAnswer& own) {
  std::vector<RollAnswer> answers;
  for (const std::string& text : gather_texts(comm, packed(own))) answers.push_back(unpacked(text));
  if (!own.failure.empty()) return;
  if (!answers.front().failure.empty()) throw RollRefused();
  const RollDifference difference = difference_in(answers);
  if (difference.message.empty()) return;
  if (comm.rank() != 0) throw RollRefused();
  throw InputError(difference.where, difference.message);
}

}  // namespace refocus
