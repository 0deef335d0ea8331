// One part of an intervention at work on one sequence: what it does to rows of attention weights, or to what
// a head makes of a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "intervene/target.h"
#include "kernels/attention.h"

namespace refocus {

struct InterventionShape {
  std::int64_t layers = 0, heads = 0;  // of the model: query heads
  std::int64_t max_rows = 0;           // of a call
  std::int64_t kv_heads = 0, head_dim = 0;
  int threads = 1;  // that may call hooks
  // Where ranks share the model (model/partition.h): the first of the key/value heads of this one, and
  // whether other ranks have other layers or heads.
  std::int64_t first_kv_head = 0;
  bool is_shared = false;
};

// A row on its way through the parts. The weight of key j is weights[j] / sum.
struct EditedRow {
  EditableRow& row;
  bool changed = false;

  std::span<float> weights() const { return row.weights; }
  std::int64_t keys() const { return row.at.position + 1; }
  double total() const;  // of the weights as they are now
  // Gives the row the mass back that it had when its weights summed to `total`: sum *= total() / total. A row
  // without weights stays so.
  void keep_mass(double total);
};

class RowStep {
 public:
  virtual ~RowStep() = default;

  // For the next sequence; `target` is null where the intervention needs none, and lives as long as its use.
  virtual void aim(const InterventionTarget* target) { static_cast<void>(target); }
  // Whether nothing changes, as it is aimed now.
  virtual bool is_idle() const { return false; }
  // Whether it changes rows of the layer.
  virtual bool changes(std::int64_t layer) const {
    static_cast<void>(layer);
    return true;
  }
  // Whether it can act on scores, before softmax; otherwise, and after a part that cannot, it acts on
  // weights.
  virtual bool acts_on_scores() const { return false; }
  // Changes scores of keys [first_key, first_key + scores.size()).
  virtual void change_scores(std::int64_t first_key, std::span<float> scores) const {
    static_cast<void>(first_key), static_cast<void>(scores);
  }
  virtual void change_weights(std::int64_t layer, EditedRow& row) {
    static_cast<void>(layer), static_cast<void>(row);
  }
  // Whether it takes several rows of a head at once, in change_block(), instead of what is above. Scores or
  // weights, as acts_on_scores() says, and no others: it must not come after a part that acts on weights
  // where it acts on scores.
  virtual bool takes_blocks() const { return false; }
  virtual void change_block(std::int64_t layer, const RowBlock& block) const {
    static_cast<void>(layer), static_cast<void>(block);
  }
  // A number that tells the next sequence from others, in this program.
  virtual void begin_sequence(std::uint64_t number) { static_cast<void>(number); }
  // Whether it changes the head's output, [head_dim], and not the weights. Such parts come after all that
  // change weights, in their own order.
  virtual bool changes_output() const { return false; }
  virtual void change_output(std::int64_t layer, const AttentionRow& at, std::span<float> out) const {
    static_cast<void>(layer), static_cast<void>(at), static_cast<void>(out);
  }
  // Whether it changes keys before rotation, [kv_heads, head_dim] of a position, and no row.
  virtual bool changes_keys() const { return false; }
  virtual void change_keys(std::int64_t layer, std::int64_t position, std::span<float> keys) const {
    static_cast<void>(layer), static_cast<void>(position), static_cast<void>(keys);
  }
  // Whether it looks at all rows of a call before it changes any: begin_survey(), survey() of each row of its
  // heads from several threads, end_survey(), and then change_weights() of each. begin_survey returns false
  // where it need not look at these rows; then neither of the others is called.
  virtual bool surveys() const { return false; }
  virtual bool begin_survey(std::int64_t layer, std::int64_t first_position, std::int64_t rows) {
    static_cast<void>(layer), static_cast<void>(first_position), static_cast<void>(rows);
    return false;
  }
  // `acts`: whether it is to change the row, too.
  virtual void survey(std::int64_t layer, const EditableRow& row, bool acts) {
    static_cast<void>(layer), static_cast<void>(row), static_cast<void>(acts);
  }
  virtual void end_survey(std::int64_t layer) { static_cast<void>(layer); }
  // Takes over what another one, of the same part and prompt, knows from the prompt.
  virtual void go_on_from(const RowStep& other) { static_cast<void>(other); }
  // Whether it looks at rows of the layer, whether or not it is to change them.
  virtual bool observes(std::int64_t layer) const {
    static_cast<void>(layer);
    return false;
  }
  virtual void observe(const EditableRow& row) { static_cast<void>(row); }
  // Whether it works where ranks have each a part of the layers or heads.
  virtual bool works_shared() const { return true; }
  // What later layers need of the call's first `rows` rows: written where layer 0 is, read where the later
  // layers are.
  virtual void save_rows(std::int64_t rows, std::vector<std::byte>& out) const {
    static_cast<void>(rows), static_cast<void>(out);
  }
  // Returns how many bytes were its own, from the beginning of `saved` on.
  virtual std::size_t load_rows(std::int64_t rows, std::span<const std::byte> saved) {
    static_cast<void>(rows), static_cast<void>(saved);
    return 0;
  }
  // Of a survey whose sums are over all heads: those of the rows so far.
  virtual HeadSums survey_sums() { return {}; }
};

// `index`: of the part in the specification.
std::unique_ptr<RowStep> make_step(const InterventionPart& part, std::size_t index,
                                   const InterventionShape& shape);

}  // namespace refocus
