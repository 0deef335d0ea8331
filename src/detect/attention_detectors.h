// What heads look at, as scores of each (layer, head): the patterns of TransformerLens' head detector, sinks,
// entropy, received attention, the lookback ratio. Formulas and sources are in docs/heads.md.
//
// Weights p(i, j) are those that multiply the values: with a learned sink in softmax a row's sum is below 1.
// No map is kept, only sums over rows, which are added in the order of the rows whatever the threads, and of
// each key, which are exact in any order.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "detect/watched_run.h"
#include "kernels/attention.h"
#include "kernels/weight_row.h"

namespace refocus {

// Where a score is a mean over rows, of each row that has it.
enum AttentionScore : std::size_t {
  kPreviousToken,   // p(i, i - 1), i >= 1
  kDuplicateToken,  // sum of p(i, j) over j < i with the same token; rows that have one
  kInduction,       // sum of p(i, j) over 1 <= j <= i whose token before is i's; rows that have one
  kSinkMass,        // sum of p(i, j) over the first keys; rows after them
  kRowEntropy,      // of p(i, .) / its sum, in nats; rows after the first
  kLookback,        // mean weight on the prompt / (that + mean weight on what follows it); rows after it
  kReceivedMean,    // mean over a prompt's keys of m(j) = mean of p(i, j) over its rows i >= j
  kReceivedMax,     // largest m(j) of the keys but the first that at least 8 rows see
  // sum p D / sum p over all rows, D the pattern: TransformerLens' error_measure="mul".
  kPreviousTokenMul,
  kDuplicateTokenMul,
  kInductionMul,
  kAttentionScores,  // how many
};

struct DetectorSettings {
  std::int64_t sink_keys = 1;
  bool patterns = true;  // whether texts are looked through for repeated tokens
};

class AttentionDetectors {
 public:
  static constexpr std::int64_t kLeastRows = 8;  // that see a key, for kReceivedMax

  // For texts of at most `max_keys` tokens, in calls of at most `call_rows` rows.
  AttentionDetectors(const Transformer& model, std::int64_t call_rows, std::int64_t max_keys,
                     const DetectorSettings& settings);
  AttentionDetectors(const AttentionDetectors&) = delete;
  AttentionDetectors& operator=(const AttentionDetectors&) = delete;

  // Puts its observer into hooks, [layers].
  void watch_with(std::span<AttentionHooks> hooks);

  // The next text; `prompt_tokens` of it are the prompt, at least one.
  void begin_text(std::span<const std::int32_t> tokens, std::int64_t prompt_tokens);
  void end_call(ThreadPool& pool, std::int64_t first_position, std::int64_t rows);
  void end_text();

  // [layers, heads] over all texts; NaN where no row has it.
  std::vector<double> scores(AttentionScore score) const;

  // Takes a row: public for tests of maps made by hand. `weights` / `sum` are p.
  void take(std::int64_t layer, const AttentionRow& at, std::span<const float> weights, float sum);

 private:
  static constexpr std::size_t kRowScores = kReceivedMean;  // the first ones are of rows
  struct RowValues {
    std::array<double, kRowScores> score;  // NaN where the row has none
    double sum = 0;                        // of p
  };
  struct Cell {
    std::array<double, kRowScores> sums = {};
    std::array<std::int64_t, kRowScores> rows = {};
    double weight = 0;  // sum of p over all rows
    double received_mean = 0, received_max = 0;
  };
  struct Layer {
    AttentionDetectors* owner;
    std::int64_t layer;
  };

  static void observe(void* observer, const SoftmaxRow& before, const SoftmaxRow& after);
  void measure_patterns(const float* p, std::int64_t position, RowValues& out) const;

  std::int64_t layers_, heads_, call_rows_, stride_;
  DetectorSettings settings_;
  std::vector<Layer> contexts_;
  std::vector<Cell> cells_;                // [layers, heads]
  std::vector<RowValues> rows_;            // [layers, heads, call_rows]
  AlignedBuffer<double> received_;         // [layers, heads, stride]: sums over the prompt's rows
  AlignedBuffer<float> scratch_;           // [threads, stride]
  std::unique_ptr<std::mutex[]> locks_;    // [layers, heads]
  std::vector<std::int32_t> key_classes_;  // [stride]: 0 the prompt, 1 what follows it
  KeyClasses classes_;
  std::vector<std::vector<std::int32_t>> earlier_;  // of each position, those before it with its token
  std::int64_t keys_ = 0, prompt_tokens_ = 0;
  std::int64_t texts_ = 0, long_texts_ = 0;  // those that have a kReceivedMax
};

}  // namespace refocus
