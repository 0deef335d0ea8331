#include "heads/head_dry_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>

#include "eval/text/progress.h"
#include "eval/text/table_text.h"

namespace refocus {

namespace {

// So many of the first `count` numbers, from all over them.
std::vector<std::size_t> spread(std::size_t count, std::size_t wanted) {
  wanted = std::min(count, wanted);
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < wanted; ++i) out.push_back(i * count / wanted);
  return out;
}

// What the search asks, by what it is asked for.
std::vector<HeadTrials> trials_of(const HeadSearchSettings& search, const ModelConfig& config,
                                  std::int64_t selection, std::int64_t held_out) {
  const std::int64_t layers = config.num_hidden_layers, heads = config.num_attention_heads;
  std::vector<HeadTrials> out;
  out.push_back({"none, to select", search.pairs ? 2 : 1, selection});
  if (search.layers_first) {
    out.push_back({"layers, to select", layers, selection});
    out.push_back({"heads, to select", std::min(*search.layers_first, layers) * heads, selection});
  } else {
    out.push_back({"heads, to select", layers * heads, selection});
  }
  const std::int64_t sizes = std::ssize(search.sizes);
  out.push_back({"best sets, to select", sizes - std::ranges::count(search.sizes, 1), selection});
  out.push_back({"none and all, to test", search.pairs ? 3 : 2, held_out});
  out.push_back({"best sets, to test", sizes, held_out});
  out.push_back({"random sets, to test", sizes * search.draws, held_out});
  return out;
}

class Measurement {
 public:
  Measurement(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
              const HeadSearchSettings& search)
      : search_(search),
        settings_(search.pairs ? search.pairs->base_settings() : settings),
        plan_(search.pairs ? search.pairs->base() : plan),
        change_(head_change_of(model, settings_, plan_, search)),
        scorer_(model, settings_, plan_, *change_),
        layers_(model.transformer.config().num_hidden_layers),
        heads_(all_heads(layers_, model.transformer.config().num_attention_heads)) {}

  // Few heads on one item, and then as many, on as many, as the time lets.
  void run(const std::vector<std::size_t>& questions, HeadDryRun& out) {
    constexpr std::size_t kFirst = 4;
    const double first = seconds_of(kFirst, spread(questions, 1));
    const double each = std::max(first, 1e-6) / static_cast<double>(std::min(kFirst, heads_.size()));
    const auto answers = static_cast<std::size_t>(std::max(1.0, kMeasuredSeconds / each));
    const std::size_t sets = std::clamp<std::size_t>(answers, 1, heads_.size());
    const std::size_t items = std::clamp<std::size_t>(answers / sets, 1, questions.size());
    const double seconds = seconds_of(sets, spread(questions, items));
    out.measured_sets = static_cast<std::int64_t>(sets);
    out.measured_items = static_cast<std::int64_t>(items);
    out.answers_a_second = static_cast<double>(sets * items) / std::max(seconds, 1e-6);
  }

 private:
  static std::vector<std::size_t> spread(const std::vector<std::size_t>& questions, std::size_t wanted) {
    std::vector<std::size_t> out;
    for (const std::size_t place : refocus::spread(questions.size(), wanted)) out.push_back(questions[place]);
    return out;
  }

  double seconds_of(std::size_t sets, const std::vector<std::size_t>& questions) {
    std::vector<HeadArm> arms;
    for (const std::size_t place : refocus::spread(heads_.size(), sets))
      arms.push_back(head_arm(search_.method, {heads_[place]}, layers_));
    const auto begin = std::chrono::steady_clock::now();
    scorer_.run(
        arms, questions, [](const HeadArm&, const Question&) { return true; },
        [](const HeadArm&, const Question&, std::span<const OptionLikelihood>) {});
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

  const HeadSearchSettings& search_;
  const EvalSettings& settings_;
  const Plan& plan_;
  std::unique_ptr<HeadChange> change_;
  HeadScorer scorer_;
  std::int64_t layers_;
  HeadSet heads_;
};

}  // namespace

std::int64_t HeadDryRun::answers() const {
  std::int64_t out = 0;
  for (const HeadTrials& kind : trials) out += kind.sets * kind.items;
  return out;
}

HeadDryRun dry_run_heads(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                         const HeadSearchSettings& search) {
  HeadDryRun out;
  const auto halves = halves_of(search.pairs ? search.pairs->base() : plan);
  for (const Task& task : settings.tasks) out.tasks.push_back(task.name);
  out.items = std::ssize(plan.questions);
  out.trials = trials_of(search, model.transformer.config(), std::ssize(halves[0]), std::ssize(halves[1]));
  const auto add_prompt = [&](const char* of, const Plan& its) {
    DryRun::Prompt& prompt = out.prompts.emplace_back(first_prompt(model, its.questions.front()));
    prompt.arms = {of};
  };
  if (search.pairs) {
    out.left_out = search.pairs->left_out();
    add_prompt("clean", search.pairs->clean());
    add_prompt("corrupted", search.pairs->corrupted());
  } else {
    add_prompt("every set of heads", plan);
  }
  out.kv_bytes = cache_bytes_of(model, settings, plan);
  Measurement(model, settings, plan, search).run(halves[0], out);
  return out;
}

std::string head_dry_run_text(const HeadDryRun& run, const DryRunMemory& memory) {
  std::string out = fmt::format("Dry run of heads on {}: {} items{}, {} answers; nothing is kept\n\n",
                                fmt::join(run.tasks, ", "), with_thousands(run.items),
                                run.left_out > 0 ? fmt::format(" ({} left out)", run.left_out) : "",
                                with_thousands(run.answers()));
  for (const DryRun::Prompt& prompt : run.prompts) out += prompt_text(prompt) + "\n";
  TextLines table;
  constexpr int kColumn = 24;
  table.line(left("what is changed", kColumn) + right("sets", 9) + right("items", 9) + right("answers", 12));
  for (const HeadTrials& kind : run.trials) {
    table.line(left(kind.what, kColumn) + right(with_thousands(kind.sets), 9) +
               right(with_thousands(kind.items), 9) + right(with_thousands(kind.sets * kind.items), 12));
  }
  out += table.take() + "\n" + memory_line(memory, run.kv_bytes);
  const double seconds = static_cast<double>(run.answers()) / run.answers_a_second;
  return out + fmt::format("Time: about {}\n  {} heads on {} items measured, {:.1f} answers a second\n",
                           duration_text(seconds), run.measured_sets, run.measured_items,
                           run.answers_a_second);
}

}  // namespace refocus
