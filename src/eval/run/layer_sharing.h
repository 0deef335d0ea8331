// Which arms of a question go on from the layers of another one. Internal to src/eval.
//
// What lies below the first layer that an intervention may change is bit for bit what it is without it. So of
// the arms of one question the one that begins to change things last (`none`, where it is asked) is computed
// whole, its residual streams are saved where the others begin, and each of those goes on from there.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "eval/run/answering.h"
#include "eval/run/likelihood_scorer.h"
#include "eval/run/plan.h"
#include "eval/run/runner.h"

namespace refocus {

class LayerSharing {
 public:
  // All must outlive it. Nothing is shared of texts, on a device, and where ranks have each a part of the
  // model.
  LayerSharing(const EvalModel& model, const EvalSettings& settings, const Plan& plan);

  // Whether any two arms of the plan have layers in common.
  bool is_on() const { return !layers_.empty(); }

  // Of arms that a question is open in, by their places in the plan: the layer that each goes on from, 0
  // where it is computed whole. arms[base] is computed whole and saved for the others.
  struct Starts {
    std::size_t base = 0;
    std::vector<std::int64_t> layers;  // [arms]
  };
  Starts starts(const Question& question, std::span<const std::size_t> arms) const;

  // Where all arms of the plan are asked: the one that is saved for the others, and of an arm's layers the
  // share that is computed.
  std::size_t base() const;
  double computed_share(std::size_t arm) const;

  // Questions whose arms are computed together: as many as fill calls of the model, of at most --batch, with
  // what is saved of them within bounds.
  class Tile {
   public:
    explicit Tile(const LayerSharing& sharing) : sharing_(&sharing) {}
    // Whether the question still fits; the first one always does.
    bool has_room(const Question& question) const;
    void add(const Question& question);
    void add_jobs(std::int64_t count) { jobs_ += count; }  // of the question that was added last
    std::int64_t bytes() const { return bytes_; }

   private:
    std::int64_t bytes_of(const Question& question) const;

    const LayerSharing* sharing_;
    std::int64_t questions_ = 0, jobs_ = 0, rows_ = 0, bytes_ = 0;
    std::span<const std::int32_t> prefix_;  // of the last question
  };

  // The most that is saved at a time, where all of the plan's questions are asked in all arms.
  std::int64_t saved_bytes() const;

 private:
  std::vector<std::int64_t> layers_of(const Question& question) const;
  Starts of_all_arms() const;

  const EvalModel& model_;
  const EvalSettings& settings_;
  const Plan& plan_;
  std::vector<std::int64_t> first_changed_;  // [arms of the plan]
  std::vector<std::int64_t> layers_;         // that arms may go on from, ascending
};

// A job's place in the order in which jobs are computed, so that layers can be shared.
struct StartedJob {
  const Job* job = nullptr;
  std::uint64_t number = 0;  // in the jobs' own order
  std::int64_t first_layer = 0;
  std::shared_ptr<ResidualRows> start = nullptr;
  std::vector<RecordedRows> records = {};
};

class StartedJobs {
 public:
  StartedJobs(const EvalModel& model, const EvalSettings& settings, const Plan& plan, const NextJob& next)
      : sharing_(model, settings, plan),
        plan_(plan),
        hidden_(model.transformer.config().hidden_size),
        next_(next) {}

  // Jobs with something to go on from come after those that record it.
  std::optional<StartedJob> next();

 private:
  struct OfQuestion {
    const Question* question;
    std::vector<StartedJob> jobs;
  };

  const Job* take();
  std::vector<OfQuestion> next_tile();
  void share_layers(OfQuestion& its);
  std::shared_ptr<ResidualRows> rows_of(const Question& question, std::int64_t layer);

  LayerSharing sharing_;
  const Plan& plan_;
  std::int64_t hidden_;
  const NextJob& next_;
  const Job* ahead_ = nullptr;  // taken already
  bool ended_ = false;
  std::uint64_t count_ = 0;
  std::vector<StartedJob> tile_;                       // in reverse
  std::map<std::int64_t, ResidualPrefixes> prefixes_;  // by layer
};

}  // namespace refocus
