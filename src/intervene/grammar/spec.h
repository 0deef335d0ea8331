// What --intervene says: which interventions on attention, with which parameters, on what.
//
//   SPEC := none | PART ('+' PART)*        PART := NAME[:KEY=VALUE(,KEY=VALUE)*]
//
// Names and keys are those of intervene/methods.h; every part also takes layers=, heads= and rows=, and those
// that change chosen keys take keys= (intervene/selector.h). Unknown names and keys are errors that list the
// known ones and say the column.
//
// Parts act from left to right on each row of attention weights: each takes the row, of layer 0 too, as the
// part before it left it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "architecture/model_config.h"
#include "intervene/grammar/methods.h"
#include "intervene/grammar/own_change.h"
#include "intervene/grammar/selector.h"
#include "intervene/grammar/tensor_file.h"

namespace refocus {

// Re-balancing of later layers' attention towards layer 0's pattern (arXiv 2403.14932):
//
//   M(i, j) = A_0(i, j) > threshold  and  i != j                       per head; layer 0 itself is not
//   changed A_l(i, j) *= 1 + alpha (1 - l / depth)   where M(i, j), l >= 1     rows are not normalised again
//
// mode=self scales every weight, M or not. mode=random, the control of M: as many keys as M has in the row
// and head, drawn from all keys before the row's own that layer 0 sees, by seed, head and position alone.
// Where the factor is below 0 weights become negative: the layer takes away what it gave.
struct RebalanceSpec {
  enum class Mode { kMask, kSelf, kRandom };
  double alpha = 0.2;
  double threshold = 0.01;
  std::optional<std::int64_t> depth;  // the last layer's index where not given
  Mode mode = Mode::kMask;
  std::uint64_t seed = 0;  // of kRandom

  // The factor's excess over 1 at a layer of a model with `layers` layers: alpha (1 - layer / depth).
  double excess(std::int64_t layer, std::int64_t layers) const;
  // The factor as it is computed, in float32; 1 for layer 0.
  float factor(std::int64_t layer, std::int64_t layers) const;
  // The first layer whose factor is below 0, where there is one.
  std::optional<std::int64_t> first_negative_layer(std::int64_t layers) const;
  // The largest factor of any layer in size, at least 1.
  double largest_factor(std::int64_t layers) const;
};

// Far beyond it float32 has no number for the factor.
inline constexpr double kLargestAlpha = 1e6;
inline constexpr std::int64_t kLargestDepth = 1'000'000;

struct InterventionPart {
  const Method* method = nullptr;
  // Of the method's own keys, each of which has one; texts as canonical() writes them. Layers are "LAST"
  // where only a model tells which.
  std::map<std::string, std::string, std::less<>> values;
  std::optional<LayerSelector> layers;  // all where not given
  std::optional<HeadSelector> heads;
  RowSelector rows;
  KeySelector keys;  // of methods that change chosen keys
  // Of methods with from=, whose value is the file's identity; null where the text named no more than that.
  std::shared_ptr<const TensorFile> file;
  std::shared_ptr<const OwnChange> own;  // of a part called "own"

  // Whether it acts on chosen keys, and whether it is not said yet which.
  bool chooses_keys() const { return method->chooses_keys && (method->needs_keys || !keys.terms.empty()); }
  bool lacks_keys() const { return method->chooses_keys && method->needs_keys && keys.terms.empty(); }
  double number(std::string_view key) const;
  // Whether a key of its own means something with the values that the others have (MethodKey::with_key).
  bool uses(const MethodKey& key) const;
  const std::string& word(std::string_view key) const;
  // Of a part called "rebalance".
  RebalanceSpec rebalance() const;
  // For a model of so many layers; without one, layers stay as they were written.
  std::string canonical(std::optional<std::int64_t> layers) const;
};

struct InterventionSpec {
  std::vector<InterventionPart> parts;  // none where empty

  bool is_none() const { return parts.empty(); }
  // The first part that re-balances, if one does.
  std::optional<RebalanceSpec> rebalance() const;
  // Whether what it acts on depends on the prompt, so that it must be aimed (intervene/target.h).
  bool needs_target() const;
  // Whether a part looks at all rows of the prompt before it changes any, so that the prompt must go in one
  // call and nothing of it can be shared.
  bool needs_whole_prompt() const;
  // Whether any part chooses keys so.
  bool has_keys(KeyTerm::Kind kind) const;

  // Every parameter written out for a model of so many layers, in one form: equal texts mean equal
  // computations.
  std::string canonical(std::int64_t layers) const;
};

inline constexpr std::size_t kMostParts = 12;

// UsageError, in the name of the option `where`, for a text that is not of the grammar.
InterventionSpec parse_intervention(std::string_view text, std::string_view where = "--intervene",
                                    SpecFiles files = SpecFiles::kOpened);

// UsageError where the model lacks a layer or head that a part names, or where only the content of a file is
// named; InputError for a file that does not fit the model.
void check_intervention(const InterventionSpec& spec, const ModelConfig& model);

// InputError for a prompt of more tokens than a call's rows under an intervention that needs it whole.
void check_whole_prompt(const InterventionSpec& spec, std::int64_t prompt, std::int64_t max_rows);

}  // namespace refocus
