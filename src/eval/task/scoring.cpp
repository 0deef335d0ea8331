#include "eval/task/scoring.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "base/utf8.h"
#include "eval/task/ending.h"
#include "eval/task/reasoning.h"
#include "eval/task/verdict.h"

namespace refocus {
namespace {

std::string normalised_category(std::string name) {
  for (char& c : name) {
    c = c == ' ' || c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return name == "social" ? "social_sciences" : name;
}

// Known categories in the order of reports; others after them, by name.
int category_rank(const std::string& name) {
  static const std::vector<std::string> kOrder = {"stem", "humanities", "social_sciences", "other"};
  return static_cast<int>(std::find(kOrder.begin(), kOrder.end(), name) - kOrder.begin());
}

// Of valid UTF-8: every byte that does not continue a sequence begins one.
std::int64_t code_point_count(const std::string& text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

Answer judged(const Item& item, Response response, const Extractor& extract) {
  Answer answer;
  answer.item = &item;
  prepare_response(response);
  answer.extraction = extract(item, response.text);
  if (item.label) answer.correct = answer.extraction.letter == item.label;
  answer.unfinished = is_unfinished(response, answer.extraction);
  answer.response = std::move(response);
  return answer;
}

std::optional<double> share(std::int64_t right, std::int64_t of) {
  if (of == 0) return std::nullopt;
  return static_cast<double>(right) / static_cast<double>(of);
}

std::optional<double> error_of_share(std::int64_t right, std::int64_t of) {
  if (of < 2) return std::nullopt;
  // For 0/1 scores the sample variance is n p (1 - p) / (n - 1).
  const auto n = static_cast<double>(of);
  const auto c = static_cast<double>(right);
  return std::sqrt(c * (n - c) / (n * n * (n - 1)));
}

using Groups = std::vector<GroupScore>;

void add_to_group(Groups& groups, GroupKind kind, const std::string& name, const SubjectScore& subject) {
  auto at = std::find_if(groups.begin(), groups.end(), [&](const GroupScore& g) { return g.name == name; });
  if (at == groups.end()) at = groups.insert(groups.end(), GroupScore{name, kind, {}, {}});
  at->subjects.push_back(subject.subject);
  at->tally.add(subject.tally);
}

bool is_unseen(const SubjectScore& subject) { return subject.subject.ends_with("_unseen"); }

Groups group_scores(const std::vector<SubjectScore>& subjects) {
  Groups groups, non_stem, novelty;
  for (const SubjectScore& subject : subjects) {
    if (subject.category.empty()) continue;
    add_to_group(groups, GroupKind::kCategory, subject.category, subject);
    if (subject.category != "stem") add_to_group(non_stem, GroupKind::kNonStem, "non_stem", subject);
  }
  std::sort(groups.begin(), groups.end(), [](const GroupScore& a, const GroupScore& b) {
    return std::pair(category_rank(a.name), a.name) < std::pair(category_rank(b.name), b.name);
  });
  if (std::any_of(subjects.begin(), subjects.end(), is_unseen)) {
    for (const bool unseen : {false, true}) {
      for (const SubjectScore& subject : subjects) {
        if (is_unseen(subject) != unseen) continue;
        add_to_group(novelty, GroupKind::kNovelty, unseen ? "unseen" : "seen", subject);
      }
    }
  }
  groups.insert(groups.end(), non_stem.begin(), non_stem.end());
  groups.insert(groups.end(), novelty.begin(), novelty.end());
  return groups;
}

}  // namespace

std::vector<TaskAnswers> judge(const std::vector<Task>& tasks, std::vector<Response> responses,
                               const Extractor& extract) {
  return judge(tasks, std::move(responses), Judge([&](const Task&, const Item& item, Response response) {
                 return judged(item, std::move(response), extract);
               }));
}

std::vector<TaskAnswers> judge(const std::vector<Task>& tasks, std::vector<Response> responses,
                               const Judge& judge_one) {
  std::map<std::pair<std::string, int>, Response*> by_key;
  for (Response& response : responses) {
    if (!by_key.emplace(std::pair(response.subject, response.index), &response).second) {
      throw input_error(
          "scoring",
          "expected one answer an item, got two for subject '{}', item {}; score one arm at a time",
          printable(response.subject), response.index);
    }
  }
  std::vector<TaskAnswers> result;
  for (const Task& task : tasks) {
    TaskAnswers answers{&task, {}};
    for (const Item& item : task.items) {
      const auto at = by_key.find({item.subject, item.index});
      if (at == by_key.end()) continue;
      answers.answers.push_back(judge_one(task, item, std::move(*at->second)));
      by_key.erase(at);
    }
    result.push_back(std::move(answers));
  }
  if (!by_key.empty()) {
    const auto& [subject, index] = by_key.begin()->first;
    throw input_error(
        "scoring",
        "expected answers to the items of the data, got one for subject '{}', item {}; give the "
        "data that the run used",
        printable(subject), index);
  }
  return result;
}

bool is_read_unfinished(const Answer& answer) {
  return answer.unfinished && answer.extraction.found() && answer.extraction.rule != kManualRule;
}

std::optional<std::string> shown_target(const Item& item) {
  if (item.label) return std::string(1, *item.label);
  if (item.answers.empty()) return std::nullopt;
  std::string out;
  for (const std::string& answer : item.answers) out += (out.empty() ? "" : " / ") + answer;
  return out;
}

std::optional<std::string> shown_answer(const Answer& answer) {
  if (answer.extraction.text) return answer.extraction.text;
  if (!answer.extraction.letter) return std::nullopt;
  return std::string(1, *answer.extraction.letter);
}

void Tally::add(const Answer& answer) {
  ++answered;
  if (answer.correct) {
    ++labelled;
    if (*answer.correct) ++correct;
  }
  if (answer.f1) {
    ++with_f1;
    f1 += *answer.f1;
    f1_squares += *answer.f1 * *answer.f1;
  }
  if (!answer.extraction.found() && !answer.open_ended) ++unparsed;
  if (answer.response.finish_reason == kFinishLength) ++truncated;
  if (answer.response.finish_reason == kFinishStop) ++stopped;
  if (answer.response.text.empty()) ++empty;
  if (!answer.response.reasoning.empty()) {
    ++reasoned;
    reasoning_characters += code_point_count(answer.response.reasoning);
  }
  if (answer.extraction.rule == kManualRule) ++manual;
  if (!answer.response.unmatched_keys.empty()) ++unmatched;
  if (is_read_unfinished(answer)) {
    ++read_unfinished;
    if (answer.correct.value_or(false)) ++read_unfinished_correct;
  }
  generated_tokens += answer.response.generated_tokens;
  if (!answer.likelihoods) {
    characters += code_point_count(answer.response.text);
    return;
  }
  ++scored;
  if (answer.likelihoods->correct_by_length) {
    ++normalised;
    if (*answer.likelihoods->correct_by_length) ++correct_by_length;
  }
}

void prepare_response(Response& response) {
  response.text = replace_invalid_utf8(response.text);
  response.prompt = replace_invalid_utf8(response.prompt);
  const ThoughtAndAnswer parts = split_reasoning(response.prompt, response.text);
  if (!parts.thinks) return;
  response.reasoning = parts.reasoning;
  response.text = std::string(parts.answer);
}

void Tally::add(const Tally& other) {
  items += other.items;
  answered += other.answered;
  labelled += other.labelled;
  correct += other.correct;
  unparsed += other.unparsed;
  truncated += other.truncated;
  stopped += other.stopped;
  read_unfinished += other.read_unfinished;
  read_unfinished_correct += other.read_unfinished_correct;
  empty += other.empty;
  reasoned += other.reasoned;
  reasoning_characters += other.reasoning_characters;
  manual += other.manual;
  unmatched += other.unmatched;
  generated_tokens += other.generated_tokens;
  characters += other.characters;
  scored += other.scored;
  normalised += other.normalised;
  correct_by_length += other.correct_by_length;
  with_f1 += other.with_f1;
  f1 += other.f1;
  f1_squares += other.f1_squares;
}

std::optional<double> Tally::rate(std::int64_t count) const { return share(count, answered); }

std::optional<double> Tally::accuracy() const { return share(correct, labelled); }

std::optional<double> Tally::standard_error() const { return error_of_share(correct, labelled); }

std::optional<double> Tally::accuracy_by_length() const { return share(correct_by_length, normalised); }

std::optional<double> Tally::standard_error_by_length() const {
  return error_of_share(correct_by_length, normalised);
}

std::optional<double> Tally::mean_f1() const {
  if (with_f1 == 0) return std::nullopt;
  return f1 / static_cast<double>(with_f1);
}

std::optional<double> Tally::standard_error_of_f1() const {
  if (with_f1 < 2) return std::nullopt;
  const auto n = static_cast<double>(with_f1);
  const double variance = std::max(0.0, (f1_squares - f1 * f1 / n) / (n - 1));
  return std::sqrt(variance / n);
}

std::optional<double> Tally::mean_generated_tokens() const {
  if (answered == 0) return std::nullopt;
  return static_cast<double>(generated_tokens) / static_cast<double>(answered);
}

std::optional<double> Tally::mean_reasoning_characters() const {
  if (reasoned == 0) return std::nullopt;
  return static_cast<double>(reasoning_characters) / static_cast<double>(reasoned);
}

std::optional<double> Tally::mean_characters() const {
  if (answered == 0) return std::nullopt;
  return static_cast<double>(characters) / static_cast<double>(answered);
}

TaskScores score(const TaskAnswers& answers) {
  TaskScores scores;
  const auto category_of = [&](const std::string& subject) {
    const auto found = answers.task->categories.find(subject);
    return found == answers.task->categories.end() ? std::string() : normalised_category(found->second);
  };
  scores.task = answers.task;
  std::unordered_map<std::string, std::size_t> place;
  const auto subject_at = [&](const std::string& subject) -> SubjectScore& {
    const auto [at, added] = place.emplace(subject, scores.subjects.size());
    if (added) scores.subjects.push_back({subject, category_of(subject), {}});
    return scores.subjects[at->second];
  };
  for (const std::string& subject : answers.task->subjects) subject_at(subject);
  for (const Item& item : answers.task->items) ++subject_at(item.subject).tally.items;
  for (const Answer& answer : answers.answers) subject_at(answer.item->subject).tally.add(answer);
  std::erase_if(scores.subjects, [](const SubjectScore& s) { return s.tally.items == 0; });
  for (const SubjectScore& subject : scores.subjects) scores.all.add(subject.tally);
  scores.groups = group_scores(scores.subjects);
  return scores;
}

bool is_group_name(std::string_view name) {
  static const std::set<std::string_view> kNames = {"stem",     "humanities", "social_sciences", "other",
                                                    "non_stem", "seen",       "unseen"};
  return kNames.contains(name);
}

}  // namespace refocus
