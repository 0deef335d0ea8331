// The methods whose edit of a row depends on all rows of the prompt. Rows after it are each by themselves, so
// that a text that is generated does not depend on how it is cut into calls.
#pragma once

#include <vector>

#include "intervene/row_step.h"

namespace refocus {

// SpotLight as published: c is the share of chosen keys in the weights of all heads and rows of the prompt,
// or of all heads of one later row; where 0 < c < target, chosen weights times target / c, and rows keep
// their mass.
class SpotlightLayer : public RowStep {
 public:
  SpotlightLayer(std::size_t part, double target, const InterventionShape& shape);
  void aim(const InterventionTarget* target) override { target_ = target; }
  bool is_idle() const override { return target_->keys[part_].empty(); }
  bool surveys() const override { return true; }
  bool begin_survey(std::int64_t layer, std::int64_t first_position, std::int64_t rows) override;
  void survey(std::int64_t layer, const EditableRow& row, bool acts) override;
  void end_survey(std::int64_t layer) override;
  void change_weights(std::int64_t layer, EditedRow& row) override;
  HeadSums survey_sums() override { return {&sums_.front().chosen, rows_, heads_, 2}; }

 private:
  struct Sums {
    double chosen = 0, all = 0;
  };
  float factor_of(const Sums& sums) const;

  std::size_t part_;
  double share_;
  std::int64_t heads_, first_position_ = 0, rows_ = 0;
  std::vector<Sums> sums_;      // [max_rows, heads]
  std::vector<float> factors_;  // [max_rows]
  const InterventionTarget* target_ = nullptr;
};

// Attention calibration (ACT): of each head, the prompt's keys j with sum_i p_ij / (n - j) > theta are sinks,
// but for the first of them; in every row their weights times beta, and the others share in proportion what
// that frees. Rows after the prompt keep its sinks.
class AttentionCalibration : public RowStep {
 public:
  AttentionCalibration(double beta, double theta, const InterventionShape& shape);
  void aim(const InterventionTarget* target) override;
  bool is_idle() const override { return beta_ == 1; }
  bool surveys() const override { return true; }
  bool begin_survey(std::int64_t layer, std::int64_t first_position, std::int64_t rows) override;
  void survey(std::int64_t layer, const EditableRow& row, bool acts) override;
  void end_survey(std::int64_t layer) override;
  void change_weights(std::int64_t layer, EditedRow& row) override;
  void go_on_from(const RowStep& other) override;

 private:
  double beta_, theta_;
  InterventionShape shape_;
  std::int64_t prompt_ = 0;
  // Of each thread, summed exactly, so that their order does not matter: [threads, heads, padded(prompt)].
  std::vector<double> received_;
  std::vector<float> normalised_;                 // a row of each thread: [threads, padded(prompt)]
  std::vector<std::vector<std::int64_t>> sinks_;  // [layers, heads], ascending
};

}  // namespace refocus
