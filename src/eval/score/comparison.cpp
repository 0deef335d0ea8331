#include "eval/score/comparison.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/thread_pool.h"
#include "eval/score/test_family.h"
#include "stats/bootstrap.h"
#include "stats/mcnemar.h"
#include "stats/tango.h"
#include "stats/wilson.h"

namespace refocus {
namespace {

using Arms = std::vector<ComparedArm>;

std::string shown(const ComparedArm& arm) {
  return fmt::format("{}{}", printable(arm.arm.name, 200), arm.run == 0 ? "" : " of the second run");
}

// The first arm that satisfies `wanted`, or arms.size().
template <class Wanted>
std::size_t first_arm(const Arms& arms, const Wanted& wanted) {
  return static_cast<std::size_t>(std::find_if(arms.begin(), arms.end(), wanted) - arms.begin());
}

std::vector<ArmPair> pairs_with(const Arms& arms, const std::string& baseline, bool two_runs) {
  const std::size_t base =
      first_arm(arms, [&](const ComparedArm& a) { return a.run == 0 && a.arm.name == baseline; });
  if (base == arms.size()) {
    std::string names;
    for (const ComparedArm& a : arms) {
      if (a.run == 0) names += (names.empty() ? "" : ", ") + a.arm.name;
    }
    throw usage_error("--baseline", "expected an arm of the first run ({}), got '{}'", printable(names, 1000),
                      printable(baseline, 200));
  }
  std::vector<ArmPair> pairs;
  for (std::size_t a = 0; a < arms.size(); ++a) {
    if (a != base && arms[a].run == (two_runs ? 1 : 0)) pairs.push_back({base, a});
  }
  return pairs;
}

std::vector<ArmPair> pairs_within(const Arms& arms) {
  std::vector<ArmPair> pairs;
  for (std::size_t a = 0; a < arms.size(); ++a) {
    const std::size_t base =
        first_arm(arms, [&](const ComparedArm& b) { return b.arm.prompt == arms[a].arm.prompt; });
    if (base != a) pairs.push_back({base, a});
  }
  for (std::size_t a = 0; a < arms.size(); ++a) {
    if (arms[a].arm.prompt != "cot") continue;
    const std::size_t direct = first_arm(arms, [&](const ComparedArm& b) {
      return b.arm.prompt == "direct" && b.arm.intervention == arms[a].arm.intervention;
    });
    if (direct != arms.size()) pairs.push_back({direct, a});
  }
  return pairs;
}

std::vector<ArmPair> pairs_across(const Arms& arms) {
  std::vector<ArmPair> pairs;
  for (std::size_t a = 0; a < arms.size(); ++a) {
    if (arms[a].run == 0) continue;
    std::size_t base =
        first_arm(arms, [&](const ComparedArm& b) { return b.run == 0 && b.arm.name == arms[a].arm.name; });
    if (base == arms.size()) {
      base = first_arm(
          arms, [&](const ComparedArm& b) { return b.run == 0 && b.arm.prompt == arms[a].arm.prompt; });
    }
    pairs.push_back({base == arms.size() ? 0 : base, a});
  }
  return pairs;
}

// Refuses arms that did not answer the same items in the same sense.
void check_comparable(const ComparedArm& first, const ComparedArm& other) {
  const auto by_likelihood = [](const ComparedArm& arm) {
    return arm.arm.prompt == prompt_kind_name(PromptKind::kLoglikelihood);
  };
  if (by_likelihood(first) != by_likelihood(other)) {
    throw input_error("compare",
                      "expected arms that all generate text or all compare log-likelihoods, got {} and {}; "
                      "repeat the eval command of one run with or without --loglikelihood",
                      shown(first), shown(other));
  }
  if (first.arm.rules != other.arm.rules) {
    throw input_error("compare",
                      "expected letters read by the same rules in all arms, got '{}' in {} and '{}' in {}; "
                      "repeat the eval command of one run with the --rules of the other",
                      first.arm.rules, shown(first), other.arm.rules, shown(other));
  }
  const auto tasks = [](const ComparedArm& arm) {
    std::string names;
    for (const FinishedTask& task : arm.arm.tasks) names += (names.empty() ? "" : ", ") + task.task->name;
    return names;
  };
  if (tasks(first) != tasks(other)) {
    throw input_error("compare",
                      "expected the same tasks in the same order, got {} in {} and {} in {}; give runs over "
                      "the same items",
                      tasks(first), shown(first), tasks(other), shown(other));
  }
  for (std::size_t t = 0; t < first.arm.tasks.size(); ++t) {
    const FinishedTask &a = first.arm.tasks[t], &b = other.arm.tasks[t];
    const std::size_t common = std::min(a.hashes.size(), b.hashes.size());
    for (std::size_t i = 0; i < common; ++i) {
      const Item &x = a.task->items[i], &y = b.task->items[i];
      if (x.subject == y.subject && x.index == y.index && x.label == y.label && x.answers == y.answers &&
          a.hashes[i] == b.hashes[i]) {
        continue;
      }
      const bool same_place = x.subject == y.subject && x.index == y.index;
      throw input_error(
          "compare",
          "expected the same items in all arms, got {} item {} in {} and {}{} item {} in {}; give runs over "
          "the same data, --subjects and --limit",
          printable(x.subject), x.index, shown(first), same_place ? "another question as " : "",
          printable(y.subject), y.index, shown(other));
    }
    if (a.hashes.size() != b.hashes.size()) {
      throw input_error(
          "compare",
          "expected the same items in all arms, got {} of {} in {} and {} in {}; give runs over "
          "the same data, --subjects and --limit",
          a.hashes.size(), a.task->name, shown(first), b.hashes.size(), shown(other));
    }
  }
}

// Sets of one task with the items that belong to them.
struct Grouping {
  std::vector<ItemSet> sets;
  std::vector<std::vector<std::size_t>> members;  // [sets] places of items, ascending
};

Grouping group_items(const TaskScores& scores) {
  Grouping out;
  std::unordered_map<std::string, std::vector<std::size_t>> sets_of;  // by subject
  const auto add = [&](ItemSet set, const std::vector<std::string>& subjects) {
    for (const std::string& subject : subjects) sets_of[subject].push_back(out.sets.size());
    out.sets.push_back(std::move(set));
  };
  std::vector<std::string> all;
  for (const SubjectScore& s : scores.subjects) {
    add({s.subject, ItemSet::Kind::kSubject, s.category}, {s.subject});
    all.push_back(s.subject);
  }
  for (const GroupScore& group : scores.groups) {
    const bool novelty = group.kind == GroupKind::kNovelty;
    add({group.name, novelty ? ItemSet::Kind::kNovelty : ItemSet::Kind::kCategory, ""}, group.subjects);
  }
  add({"all", ItemSet::Kind::kAll, ""}, all);
  out.members.resize(out.sets.size());
  const std::vector<Item>& items = scores.task->items;
  for (std::size_t i = 0; i < items.size(); ++i) {
    for (const std::size_t set : sets_of.at(items[i].subject)) out.members[set].push_back(i);
  }
  return out;
}

// The sets' tallies of one arm. Groups are those of the first arm: another run may have other categories.
std::vector<Tally> tallies_of(const TaskScores& scores, const std::vector<GroupScore>& groups) {
  std::vector<Tally> tallies;
  std::unordered_map<std::string, const Tally*> of_subject;
  for (const SubjectScore& subject : scores.subjects) {
    tallies.push_back(subject.tally);
    of_subject[subject.subject] = &subject.tally;
  }
  for (const GroupScore& group : groups) {
    Tally sum;
    for (const std::string& subject : group.subjects) sum.add(*of_subject.at(subject));
    tallies.push_back(sum);
  }
  tallies.push_back(scores.all);
  return tallies;
}

// The changes of the members whose right letter is known.
std::vector<std::int8_t> differences(const std::vector<Answer>& before, const std::vector<Answer>& after,
                                     const std::vector<std::size_t>& members) {
  std::vector<std::int8_t> out;
  for (const std::size_t i : members) {
    if (!before[i].correct) continue;
    out.push_back(change(before[i], after[i]));
  }
  return out;
}

// The difference of the mean F1 of the members that have one, with its interval; nothing where none has.
void add_f1(const std::vector<Answer>& before, const std::vector<Answer>& after,
            const std::vector<std::size_t>& members, const ComparisonOptions& options, PairedNumbers& out) {
  std::vector<double> changes;
  double sum = 0;
  for (const std::size_t i : members) {
    if (!before[i].f1 || !after[i].f1) continue;
    changes.push_back(*after[i].f1 - *before[i].f1);
    sum += changes.back();
  }
  if (changes.empty()) return;
  out.f1_difference = sum / static_cast<double>(changes.size());
  out.f1_interval = paired_bootstrap_interval(changes, options.resamples, options.seed);
}

// How many of a transcript's turns have other words in the arm; nothing for a task that is scored.
std::optional<std::int64_t> differing_turns(const std::vector<Answer>& before,
                                            const std::vector<Answer>& after,
                                            const std::vector<std::size_t>& members) {
  if (before.empty() || !before.front().open_ended) return std::nullopt;
  return std::count_if(members.begin(), members.end(),
                       [&](std::size_t i) { return before[i].response.text != after[i].response.text; });
}

void correct_for_subjects(const std::vector<ItemSet>& sets, std::vector<PairedNumbers>& numbers) {
  std::vector<PairedNumbers*> family;
  for (std::size_t s = 0; s < sets.size(); ++s) {
    if (sets[s].kind == ItemSet::Kind::kSubject) family.push_back(&numbers[s]);
  }
  correct_family(family);
}

TaskComparison compare_task(const Arms& arms, const std::vector<ArmPair>& pairs, std::size_t task,
                            const ComparisonOptions& options, ThreadPool& pool) {
  TaskComparison out;
  out.task = arms.front().arm.tasks[task].task->name;
  const TaskScores first = score(arms.front().arm.tasks[task].answers);
  const Grouping grouping = group_items(first);
  for (const ComparedArm& arm : arms) {
    out.tallies.push_back(tallies_of(score(arm.arm.tasks[task].answers), first.groups));
  }
  out.sets = grouping.sets;
  for (const ArmPair& pair : pairs) {
    out.pairs.push_back({pair, std::vector<PairedNumbers>(out.sets.size()), {}});
  }
  const auto answers = [&](std::size_t arm) -> const std::vector<Answer>& {
    return arms[arm].arm.tasks[task].answers.answers;
  };
  const std::size_t sets = out.sets.size();
  pool.parallel_for(static_cast<std::int64_t>(pairs.size() * sets), [&](std::int64_t job, int) {
    const std::size_t p = static_cast<std::size_t>(job) / sets;
    const std::size_t s = sets - 1 - static_cast<std::size_t>(job) % sets;  // the largest sets first
    const std::vector<Answer>&before = answers(pairs[p].baseline), &after = answers(pairs[p].arm);
    out.pairs[p].numbers[s] = paired_numbers(differences(before, after, grouping.members[s]));
    add_f1(before, after, grouping.members[s], options, out.pairs[p].numbers[s]);
    out.pairs[p].numbers[s].differing = differing_turns(before, after, grouping.members[s]);
  });
  for (PairComparison& pair : out.pairs) {
    correct_for_subjects(out.sets, pair.numbers);
    const std::vector<Answer>&before = answers(pair.pair.baseline), &after = answers(pair.pair.arm);
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (before[i].correct != after[i].correct) pair.flips.push_back({&before[i], &after[i]});
    }
  }
  return out;
}

}  // namespace

std::vector<ArmPair> plan_pairs(const Arms& arms, const std::string& baseline) {
  const bool two_runs =
      std::any_of(arms.begin(), arms.end(), [](const ComparedArm& a) { return a.run == 1; });
  std::vector<ArmPair> pairs = !baseline.empty() ? pairs_with(arms, baseline, two_runs)
                               : two_runs        ? pairs_across(arms)
                                                 : pairs_within(arms);
  if (pairs.empty()) {
    throw input_error("compare",
                      "expected arms that can be compared with each other, got {}; give --baseline ARM, or a "
                      "second run over the same items",
                      arms.size() == 1 ? "one (" + shown(arms.front()) + ")" : "none");
  }
  return pairs;
}

Comparison compare_runs(std::vector<FinishedArm> first, std::vector<FinishedArm> second,
                        const ComparisonOptions& options) {
  Comparison out;
  for (FinishedArm& arm : first) out.arms.push_back({0, std::move(arm)});
  for (FinishedArm& arm : second) out.arms.push_back({1, std::move(arm)});
  out.resamples = options.resamples;
  out.seed = options.seed;
  const bool alone = out.arms.size() == 1 && !options.pairs_needed;
  const std::vector<ArmPair> pairs = alone ? std::vector<ArmPair>() : plan_pairs(out.arms, options.baseline);
  for (const ComparedArm& arm : out.arms) check_comparable(out.arms.front(), arm);
  ThreadPool pool(available_threads());
  for (std::size_t task = 0; task < out.arms.front().arm.tasks.size(); ++task) {
    out.tasks.push_back(compare_task(out.arms, pairs, task, options, pool));
  }
  return out;
}

std::int8_t change(const Answer& before, const Answer& after) {
  return static_cast<std::int8_t>(int{*after.correct} - int{*before.correct});
}

PairedNumbers paired_numbers(const std::vector<std::int8_t>& changes) {
  PairedNumbers out;
  out.items = static_cast<std::int64_t>(changes.size());
  if (changes.empty()) return out;
  out.fixed = std::count(changes.begin(), changes.end(), 1);
  out.broken = std::count(changes.begin(), changes.end(), -1);
  out.difference = static_cast<double>(out.fixed - out.broken) / static_cast<double>(out.items);
  out.p = mcnemar_exact_p(out.fixed, out.broken);
  out.interval = tango_interval(out.fixed, out.broken, out.items);
  return out;
}

std::optional<Interval> accuracy_interval(const Tally& tally) {
  if (tally.labelled == 0) return std::nullopt;
  return wilson_interval(tally.correct, tally.labelled);
}

}  // namespace refocus
