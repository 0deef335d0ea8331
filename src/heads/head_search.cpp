#include "heads/head_search.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "base/error.h"
#include "eval/journal/likelihood_answer.h"
#include "eval/score/held_out.h"
#include "eval/text/progress.h"
#include "heads/head_scale.h"
#include "heads/patching.h"
#include "heads/shared_heads.h"
#include "stats/holm.h"

namespace refocus {

namespace {

using Want = HeadSearchSettings::Want;

double log_total(std::span<const OptionLikelihood> options, std::size_t left_out) {
  double most = -std::numeric_limits<double>::infinity(), sum = 0;
  for (std::size_t o = 0; o < options.size(); ++o) {
    if (o != left_out) most = std::max(most, options[o].loglikelihood);
  }
  for (std::size_t o = 0; o < options.size(); ++o) {
    if (o != left_out) sum += std::exp(options[o].loglikelihood - most);
  }
  return most + std::log(sum);
}

// ArmAnswers::likelihood.
double likelihood_of(const Item& item, std::span<const OptionLikelihood> options, bool patching) {
  if (options.size() == 1) return options.front().loglikelihood;
  const auto place = [](char label) { return static_cast<std::size_t>(label - 'A'); };
  const std::size_t right = place(*item.label);
  const double its = options[right].loglikelihood;
  if (!patching) return its - log_total(options, options.size());
  if (item.corrupted_label) return its - options[place(*item.corrupted_label)].loglikelihood;
  return its - log_total(options, right);
}

// The best come first.
void rank(std::vector<TriedHeads>& tried, const HeadSearchSettings& settings) {
  const double sign = settings.want == Want::kGain ? -1 : 1;
  const bool by_accuracy = settings.rank == HeadSearchSettings::Rank::kAccuracy;
  std::ranges::stable_sort(tried, [&](const TriedHeads& a, const TriedHeads& b) {
    const double accuracy = sign * (a.accuracy.difference - b.accuracy.difference);
    const double likelihood = sign * (a.likelihood - b.likelihood);
    const double first = by_accuracy ? accuracy : likelihood, second = by_accuracy ? likelihood : accuracy;
    return first != 0 ? first < 0 : second != 0 ? second < 0 : a.heads < b.heads;
  });
}

class Search {
 public:
  Search(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
         const HeadSearchSettings& search, Journal& journal)
      : search_(search),
        share_(settings.share),
        journal_(journal),
        scorers_(model, settings, plan, search),
        settings_(scorers_.settings()),
        plan_(scorers_.plan()) {
    if (search.pairs) {
      out_.patched.emplace(PatchedSearch{search.pairs->patch(), search.pairs->left_out(), {}, {}});
    }
    const ModelConfig& config = model.transformer.config();
    out_.layers = config.num_hidden_layers;
    out_.heads = config.num_attention_heads;
    half_ = halves_of(plan_);
  }

  HeadSearch run() {
    out_.selection_items = std::ssize(half_[kSelection]);
    out_.held_out_items = std::ssize(half_[kHeldOut]);
    ask_unchanged(kSelection);
    out_.selection_accuracy = answers(kSelection, HeadSet()).accuracy();
    select();
    ask_unchanged(kHeldOut);
    test();
    out_.computed = scorers_.computed();
    out_.one_by_one = scorers_.one_by_one();
    return std::move(out_);
  }

 private:
  static constexpr std::size_t kSelection = 0, kHeldOut = 1;

  HeadArm arm_of(const HeadSet& heads) const {
    HeadArm out = head_arm(search_.method, heads, out_.layers);
    if (heads.empty() && search_.pairs) out.name = search_.pairs->base_name();
    return out;
  }

  // Asks a half with no head changed, and knows from it what effects are measured in.
  void ask_unchanged(std::size_t half) {
    ask(half, {{}});
    const ArmAnswers& none = answers(half, HeadSet());
    if (!search_.pairs) {
      scales_[half] = std::make_unique<AccuracyScale>(none);
      return;
    }
    ask_arms(half, HeadScorers::Kind::kSource, {HeadArm{std::string(search_.pairs->source_name()), {}}});
    const ArmAnswers& source = answers(half, std::string(search_.pairs->source_name()));
    const bool noise = search_.pairs->patch().noise();
    const auto level = [](const ArmAnswers& its) {
      return PromptLevel{its.accuracy(), its.mean_likelihood()};
    };
    const PromptLevel clean = level(noise ? none : source), corrupted = level(noise ? source : none);
    if (!(clean.log_odds > corrupted.log_odds)) {
      throw input_error(
          "heads",
          "expected clean prompts to make the right option more likely than corrupted ones, got "
          "mean log-odds of {:.4f} and {:.4f} on {} items; choose pairs that the model tells apart",
          clean.log_odds, corrupted.log_odds, half_[half].size());
    }
    out_.patched->clean[half] = clean;
    out_.patched->corrupted[half] = corrupted;
    scales_[half] = std::make_unique<RecoveredScale>(none, source);
  }

  // Asks a half in arms, what is not answered yet.
  void ask(std::size_t half, const std::vector<HeadSet>& sets) {
    std::vector<HeadArm> arms;
    std::set<std::string> names;
    for (const HeadSet& heads : sets) {
      HeadArm arm = arm_of(heads);
      if (names.insert(arm.name).second) arms.push_back(std::move(arm));
    }
    ask_arms(half, HeadScorers::Kind::kBase, arms);
  }

  // Names of arms are all different.
  void ask_arms(std::size_t half, HeadScorers::Kind kind, const std::vector<HeadArm>& arms) {
    std::map<std::string, std::set<ItemKey>> done;
    std::int64_t open = 0;
    for (const HeadArm& arm : arms) {
      const std::set<ItemKey>& known = done.emplace(arm.name, journal_.done(arm.name)).first->second;
      for (const std::size_t q : half_[half]) open += !known.contains(key_of(q));
    }
    if (open == 0) return;
    const std::int64_t total = std::ssize(arms) * std::ssize(half_[half]);
    Progress progress(half == kSelection ? "heads: selecting" : "heads: testing", total, total - open);
    score_heads(
        scorers_, kind, arms, half_[half],
        [&](std::size_t arm, std::size_t q) { return !done.at(arms[arm].name).contains(key_of(q)); }, share_,
        [&](std::size_t arm, std::size_t q, std::string text) {
          const Question& question = scorers_.plan_of(kind).questions[q];
          Response response;
          response.arm = arms[arm].name;
          response.subject = question.item->subject;
          response.index = question.item->index;
          response.text = std::move(text);
          response.finish_reason = kLikelihoodRule;
          response.prompt_tokens = std::ssize(question.tokens);
          journal_.put(response);
          progress.advance(question.tokens_with_options());
        });
  }

  ItemKey key_of(std::size_t q) const {
    return {plan_.questions[q].item->subject, plan_.questions[q].item->index};
  }

  // Of a half that was asked.
  const ArmAnswers& answers(std::size_t half, const HeadSet& heads) {
    return answers(half, arm_of(heads).name);
  }

  const ArmAnswers& answers(std::size_t half, const std::string& name) {
    const auto [at, added] = answers_.try_emplace({half, name});
    if (!added) return at->second;
    std::vector<Response> responses;
    journal_.for_each(name, [&](Response response) {
      if (static_cast<std::size_t>(half_of_item(response.subject, response.index)) == half) {
        responses.push_back(std::move(response));
      }
    });
    for (const TaskAnswers& task : judge(settings_.tasks, std::move(responses), judge_likelihoods)) {
      for (const Answer& answer : task.answers) {
        at->second.correct.push_back(answer.correct.value_or(false) ? 1 : 0);
        at->second.likelihood.push_back(
            likelihood_of(*answer.item, answer.likelihoods->options, search_.pairs != nullptr));
      }
    }
    REFOCUS_CHECK(at->second.correct.size() == half_[half].size());
    return at->second;
  }

  std::vector<TriedHeads> try_all(const std::vector<HeadSet>& sets) {
    ask(kSelection, sets);
    const ArmAnswers none = answers(kSelection, HeadSet());
    std::vector<TriedHeads> out;
    std::vector<double> p;
    for (const HeadSet& heads : sets) {
      const ArmAnswers& its = answers(kSelection, heads);
      out.push_back({heads, paired_effect(none, its), its.mean_likelihood() - none.mean_likelihood()});
      if (search_.pairs) out.back().recovered = scales_[kSelection]->effect(none, its);
      p.push_back(out.back().tested().p);
    }
    const std::vector<double> adjusted = holm_adjusted(p);
    for (std::size_t i = 0; i < out.size(); ++i) out[i].tested().holm = adjusted[i];
    rank(out, search_);
    return out;
  }

  void select() {
    std::vector<HeadSet> singles;
    if (search_.layers_first) {
      std::vector<HeadSet> layers;
      for (std::int64_t l = 0; l < out_.layers; ++l) layers.push_back(heads_of_layer(l, out_.heads));
      out_.layers_tried = try_all(layers);
      for (std::int64_t i = 0; i < std::min(*search_.layers_first, out_.layers); ++i) {
        for (const Head& head : out_.layers_tried[static_cast<std::size_t>(i)].heads)
          singles.push_back({head});
      }
    } else {
      for (const Head& head : all_heads(out_.layers, out_.heads)) singles.push_back({head});
    }
    std::ranges::sort(singles);
    out_.heads_tried = try_all(singles);
  }

  HeadSet best_heads(std::int64_t size) const {
    HeadSet out;
    for (std::int64_t i = 0; i < size; ++i) {
      out.push_back(out_.heads_tried[static_cast<std::size_t>(i)].heads.front());
    }
    std::ranges::sort(out);
    return out;
  }

  void test() {
    std::vector<HeadSet> chosen, tested = {{}, all_heads(out_.layers, out_.heads)};
    std::vector<std::vector<HeadSet>> draws;
    for (const std::int64_t size : search_.sizes) {
      chosen.push_back(best_heads(size));
      draws.emplace_back();
      for (std::int64_t d = 0; d < search_.draws; ++d) {
        draws.back().push_back(random_heads(search_.random, chosen.back(), tested[1], search_.seed, d));
      }
      tested.push_back(chosen.back());
      tested.insert(tested.end(), draws.back().begin(), draws.back().end());
    }
    ask(kSelection, chosen);
    ask(kHeldOut, tested);
    const ArmAnswers none = answers(kHeldOut, HeadSet()), all = answers(kHeldOut, tested[1]);
    const HeadScale &selection = *scales_[kSelection], &held_out = *scales_[kHeldOut];
    out_.held_out_accuracy = none.accuracy();
    out_.all_accuracy = all.accuracy();
    out_.base_level = held_out.level(none);
    out_.all_level = held_out.level(all);
    for (std::size_t s = 0; s < chosen.size(); ++s) {
      const ArmAnswers set = answers(kHeldOut, chosen[s]);
      std::vector<const ArmAnswers*> random;
      for (const HeadSet& heads : draws[s]) random.push_back(&answers(kHeldOut, heads));
      out_.sets.push_back(
          {chosen[s], selection.effect(answers(kSelection, HeadSet()), answers(kSelection, chosen[s])),
           set.mean_likelihood() - none.mean_likelihood(), set.accuracy(), held_out.level(set),
           held_out.effect(none, set), held_out.against_random(set, random), held_out.effect(all, set)});
    }
    correct();
  }

  // Over every test on the half that was held out.
  void correct() {
    std::vector<PairedEffect*> tests;
    for (SelectedSet& set : out_.sets)
      tests.insert(tests.end(), {&set.held_out, &set.random.beyond, &set.all});
    std::vector<double> p;
    for (const PairedEffect* test : tests) p.push_back(test->p);
    const std::vector<double> adjusted = holm_adjusted(p);
    for (std::size_t i = 0; i < tests.size(); ++i) tests[i]->holm = adjusted[i];
  }

  const HeadSearchSettings& search_;
  WorkShare* share_;
  Journal& journal_;
  HeadScorers scorers_;
  const EvalSettings& settings_;
  const Plan& plan_;
  std::unique_ptr<HeadScale> scales_[2];
  std::array<std::vector<std::size_t>, 2> half_;
  std::map<std::pair<std::size_t, std::string>, ArmAnswers> answers_;
  HeadSearch out_;
};

}  // namespace

const SelectedSet& HeadSearch::best(Want want) const {
  REFOCUS_CHECK(!sets.empty());
  const bool lost = patched && patched->settings.noise();
  const double sign = (want == Want::kGain) != lost ? 1 : -1;
  return *std::ranges::max_element(sets, {},
                                   [&](const SelectedSet& set) { return sign * set.selection.difference; });
}

std::array<std::vector<std::size_t>, 2> halves_of(const Plan& plan) {
  std::array<std::vector<std::size_t>, 2> out;
  for (std::size_t q = 0; q < plan.questions.size(); ++q) {
    const Item& item = *plan.questions[q].item;
    if (!item.label) {
      throw input_error("heads",
                        "expected items whose right option is known, got {} item {} without; "
                        "choose a task with labels",
                        printable(item.subject), item.index);
    }
    out[static_cast<std::size_t>(half_of_item(item.subject, item.index))].push_back(q);
  }
  for (const auto& half : out) {
    if (half.empty()) {
      throw input_error("heads",
                        "expected at least two items, one to select on and one to test on, got {}; "
                        "raise --limit",
                        plan.questions.size());
    }
  }
  return out;
}

std::unique_ptr<HeadChange> head_change_of(const EvalModel& model, const EvalSettings& settings,
                                           const Plan& plan, const HeadSearchSettings& search) {
  if (search.pairs) return std::make_unique<Patching>(model, *search.pairs);
  return std::make_unique<AimedChange>(model, settings, plan, search.method);
}

HeadSearch search_heads(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                        const HeadSearchSettings& search, Journal& journal) {
  return Search(model, settings, plan, search, journal).run();
}

}  // namespace refocus
