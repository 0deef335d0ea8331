#include "dataset/world_data.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/json_reader.h"

namespace refocus {

namespace {

using nlohmann::json;

std::uint64_t stream_seed(std::uint64_t seed, WorldSplit split) {
  return SplitMix64(seed ^ static_cast<std::uint64_t>(split) << 56).next();
}

std::string line_of(const json& value) { return json_text(value) + "\n"; }

}  // namespace

WorldData::WorldData(WorldDataOptions options)
    : options_(std::move(options)),
      seeds_(stream_seed(options_.seed, options_.split)),
      choice_(seeds_.next(), Pairs::kSeen) {
  REFOCUS_CHECK(options_.split != WorldSplit::kTest && !options_.forms.empty());
  for (const std::string& name : options_.subjects) subjects_.push_back(&world_subject(name));
  if (subjects_.empty()) {
    for (const WorldSubject& subject : world_subjects()) subjects_.push_back(&subject);
  }
}

bool WorldData::next_is_direct(WorldForm form) {
  if (form != WorldForm::kMixed) return form == WorldForm::kDirect;
  return choice_.below(3) == 0;
}

// A world with at least one question of the split.
World WorldData::draw_world(std::string& told_facts) {
  while (true) {
    WordDraw draw(seeds_.next(), Pairs::kSeen);
    World world = choice_.pick(subjects_)->make(
        draw, {options_.questions_per_world, options_.least_facts, options_.most_facts});
    std::set<std::string> asked;
    std::erase_if(world.questions, [&](const WorldQuestion& q) {
      return split_of(told_question(world, q)) != options_.split || !asked.insert(q.text).second;
    });
    if (world.questions.empty()) continue;
    told_facts = fmt::format("{}", fmt::join(world.facts, " "));
    return world;
  }
}

WorldLine WorldData::one_question(const World& world, const std::string& told_facts, WorldForm form) {
  const WorldQuestion& q = world.questions.front();
  const bool direct = next_is_direct(form);
  const std::string prompt =
      told_facts + " " + q.text + listed_choices(q) + (direct ? "\nResponse:" : "\nAnalysis:");
  const std::string response = direct ? response_letter(q) : analysis(q);
  return {options_.count_prompt ? line_of({{"text", prompt + response}})
                                : line_of({{"prompt", prompt}, {"response", response}}),
          1, count_words(prompt) + count_words(response)};
}

WorldLine WorldData::many_questions(const World& world, const std::string& told_facts, WorldForm form,
                                    int most_questions) {
  std::string text = "several questions. " + told_facts;
  WorldLine line;
  for (const WorldQuestion& q : world.questions) {
    if (line.questions == most_questions) break;
    text += (line.questions == 0 ? " " : " next: ") + q.text + listed_choices(q);
    text += next_is_direct(form) ? "\nResponse:" + response_letter(q) : "\nAnalysis:" + analysis(q);
    ++line.questions;
  }
  line.words = count_words(text);
  line.json = line_of({{"text", text}});
  return line;
}

// What is counted can all be known from what stands before it: with unpredictable tokens in the loss, models
// take many times longer to learn to look back.
WorldLine WorldData::repetition(const std::string& first, const std::string& again) const {
  const std::string prompt = "repeat. " + first + " next:";
  const std::string response = " " + again;
  return {line_of({{"prompt", prompt}, {"response", response}}), 1,
          count_words(prompt) + count_words(response)};
}

// Words without any sense, two times more.
WorldLine WorldData::copy() {
  std::string sequence, last;
  for (const std::string& word : choice_.plain(words::kAll, choice_.between(4, 40))) {
    if (is_held_out(last, word)) continue;
    sequence += (sequence.empty() ? "" : " ") + word;
    last = word;
  }
  return repetition(sequence, sequence + " next: " + sequence);
}

// Pairs of words without sense, again and again in other orders: a pair's second word can only be found by
// looking for its first one, where a sequence that is repeated as it stands can be copied by its places.
WorldLine WorldData::pairs() {
  const std::vector<std::string> drawn = choice_.plain(words::kAll, 2 * choice_.between(2, 6));
  std::vector<std::string> all;
  for (std::size_t i = 0; i + 1 < drawn.size(); i += 2) {
    if (!is_held_out(drawn[i], drawn[i + 1])) all.push_back(drawn[i] + " " + drawn[i + 1] + ".");
  }
  if (all.empty()) return pairs();
  const auto wanted = static_cast<std::size_t>(choice_.between(20, 50));
  const std::string first = fmt::format("{}", fmt::join(all, " "));
  std::vector<std::string> again;
  while (again.size() < wanted) {
    choice_.shuffle(all);
    again.insert(again.end(), all.begin(), all.end());
  }
  return repetition(first, fmt::format("{}", fmt::join(again, " ")));
}

// A world's facts, and twice more in other orders.
WorldLine WorldData::drill(const World& world) {
  std::vector<std::string> again = world.facts;
  std::string text;
  for (const char* between : {"", " next: "}) {
    choice_.shuffle(again);
    text += between + fmt::format("{}", fmt::join(again, " "));
  }
  return repetition(fmt::format("{}", fmt::join(world.facts, " ")), text);
}

WorldLine WorldData::next(int most_questions) {
  const WorldForm form = choice_.pick(options_.forms);
  if (form == WorldForm::kCopy) return copy();
  if (form == WorldForm::kPairs) return pairs();
  std::string told_facts;
  const World world = draw_world(told_facts);
  if (form == WorldForm::kDrill) return drill(world);
  if (options_.questions_per_world == 1) return one_question(world, told_facts, form);
  return many_questions(world, told_facts, form, most_questions);
}

}  // namespace refocus
