#include "cli/commands/train_dry_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/memory_use.h"
#include "eval/text/progress.h"
#include "eval/text/table_text.h"

namespace refocus::cli {

namespace {

constexpr double kMeasuredSeconds = 5;
constexpr int kMostSteps = 20;

std::int64_t counted(std::span<const std::uint8_t> counts) {
  return std::count_if(counts.begin(), counts.end(), [](std::uint8_t c) { return c != 0; });
}

std::string first_sequence(const TrainingSet& set, const Tokenizer& tokenizer) {
  const std::string line = repeated('-', 72);
  return fmt::format(
      "First sequence, {} tokens, of which {} are trained on, between the lines:\n{}\n{}\n{}\n",
      set.tokens(0).size(), counted(set.counts(0)), line,
      tokenizer.decode(set.tokens(0), {.skip_special = false}), line);
}

}  // namespace

std::string training_dry_run(Trainer& trainer, const TrainingSet& training, const TrainerOptions& options,
                             const Tokenizer& tokenizer) {
  const std::int64_t steps = options.optimizer.steps;
  std::int64_t wanted = 0;
  for (std::size_t i = 0; i < training.size(); ++i) wanted += counted(training.counts(i));
  std::string out = "Dry run: nothing is written\n\n" + first_sequence(training, tokenizer);
  out += fmt::format("\nData: {} sequences, {} tokens, of which {} are trained on\n",
                     with_thousands(static_cast<std::int64_t>(training.size())),
                     with_thousands(training.total_tokens()), with_thousands(wanted));
  out += fmt::format(
      "Parameters: {}{}\n", with_thousands(trainer.trained()),
      trainer.frozen() > 0 ? fmt::format(" beside {} that stay", with_thousands(trainer.frozen())) : "");

  trainer.try_step();  // the first one takes memory, which takes time
  const auto begin = std::chrono::steady_clock::now();
  double seconds = 0;
  int made = 0;
  TrainingProgress last;
  while (made == 0 || (made < kMostSteps && seconds < kMeasuredSeconds)) {
    last = trainer.try_step();
    ++made;
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  const double of_a_step = seconds / made;
  const double tokens = last.tokens_per_second * of_a_step;  // that a step takes, about
  out +=
      fmt::format("Steps: {}, about {:.0f} tokens each, {:.1f} times all data\n", with_thousands(steps),
                  tokens, tokens * static_cast<double>(steps) / static_cast<double>(training.total_tokens()));
  out += fmt::format("Memory: about {}\n", memory_text(peak_resident_bytes()));
  return out + fmt::format("Time: about {}, validations apart ({} steps measured, {:.0f} tokens a second)\n",
                           duration_text(of_a_step * static_cast<double>(steps)), made,
                           last.tokens_per_second);
}

}  // namespace refocus::cli
