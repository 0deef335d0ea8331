#include "intervene/intervention.h"

#include <algorithm>

#include "base/error.h"
#include "intervene/grammar/head_draw.h"
#include "intervene/rebalance.h"

namespace refocus {

// The parts in each layer: first those that act on scores, then those that act on weights.
class Intervention::Program {
 public:
  Program(const InterventionSpec& spec, const InterventionShape& shape) : shape_(shape) {
    needs_target_ = spec.needs_target();
    for (std::size_t p = 0; p < spec.parts.size(); ++p) {
      const InterventionPart& part = spec.parts[p];
      Part made{make_step(part, p, shape), part.rows, {}, {}};
      if (shape.is_shared && !made.step->works_shared()) {
        throw usage_error("--intervene",
                          "expected an intervention that works with --pipeline and --tensor, got {}, which "
                          "looks at all layers in one place; leave it out, or use one process",
                          part.method->name);
      }
      made.layers.assign(static_cast<std::size_t>(shape.layers), true);
      if (part.layers) made.layers = chosen_layers(*part.layers, shape.layers);
      if (part.heads) {
        made.heads.assign(static_cast<std::size_t>(shape.layers * shape.heads), false);
        const HeadSelector chosen = heads_in_model(part, shape.layers, shape.heads);
        for (const auto& [layer, of_layer] : chosen.heads) {
          for (std::int64_t h = 0; h < shape.heads; ++h) {
            made.heads[static_cast<std::size_t>(layer * shape.heads + h)] = of_layer.contains(h);
          }
        }
      }
      parts_.push_back(std::move(made));
      if (part.own != nullptr && std::ranges::find(own_, part.own) == own_.end()) own_.push_back(part.own);
    }
    layers_.resize(static_cast<std::size_t>(shape.layers));
    hooks_.resize(static_cast<std::size_t>(shape.layers));
    if (needs_target_) return;
    begin_sequence();
    compile();
  }

  void aim(std::shared_ptr<const InterventionTarget> target) {
    if (needs_target_ && target == nullptr) refuse();
    begin_sequence();
    if (!needs_target_ && own_.empty()) return;
    REFOCUS_CHECK(target == nullptr || target->keys.size() == parts_.size());
    target_ = std::move(target);
    for (const Part& part : parts_) part.step->aim(target_.get());
    compile();
  }

  void go_on_from(const Program& other) {
    for (std::size_t p = 0; p < parts_.size(); ++p) parts_[p].step->go_on_from(*other.parts_[p].step);
  }

  const AttentionHooks* hooks() const {
    if (needs_target_ && target_ == nullptr) refuse();
    return any_ ? hooks_.data() : nullptr;
  }

  const Rebalance* rebalance() const {
    for (const Part& part : parts_) {
      if (const auto* out = dynamic_cast<const Rebalance*>(part.step.get())) return out;
    }
    return nullptr;
  }

 private:
  struct Part {
    std::unique_ptr<RowStep> step;
    RowSelector rows;
    std::vector<bool> layers;  // [layers]
    std::vector<bool> heads;   // [layers, heads]; empty: all
  };
  struct Layer {
    Program* owner;
    std::int64_t layer;
    std::vector<const Part*> on_scores, on_weights, on_output, on_keys;
    std::vector<const Part*> surveys = {};  // those of on_weights that look at all rows first
    int pass = 0;           // surveys[pass] looks at rows; after the last of them all are changed
    bool surveyed = false;  // surveys[pass] does so in this call
    RebalanceData rebalance = {};
  };

  [[noreturn]] static void refuse() {
    throw usage_error("--intervene",
                      "expected an intervention that is the same for every prompt, since there is none here "
                      "to choose keys or rows of; choose neither");
  }

  bool has_heads(const Part& part, std::int64_t layer) const {
    if (part.heads.empty()) return true;
    const auto first = part.heads.begin() + layer * shape_.heads;
    return std::any_of(first, first + shape_.heads, [](bool head) { return head; });
  }

  bool has_head(const Part& part, std::int64_t layer, std::int64_t head) const {
    return part.heads.empty() || part.heads[static_cast<std::size_t>(layer * shape_.heads + head)];
  }

  bool acts(const Part& part, std::int64_t layer, const AttentionRow& at) const {
    return has_head(part, layer, at.head) && has_row(part, at.position);
  }

  bool has_row(const Part& part, std::int64_t position) const {
    return part.rows.kind == RowSelector::Kind::kAll ||
           part.rows.contains(position, target_ ? target_->prompt : 0);
  }

  // Of functions of the program; that of the sequence before ends first.
  void begin_sequence() {
    if (own_.empty()) return;
    sequence_.reset();
    sequence_ = std::make_unique<OwnSequence>(own_);
    for (const Part& part : parts_) part.step->begin_sequence(sequence_->number());
  }

  static bool has_function(const std::vector<const Part*>& parts) {
    return std::ranges::any_of(parts, [](const Part* part) { return part->step->takes_blocks(); });
  }

  void compile() {
    any_ = false;
    for (std::int64_t l = 0; l < shape_.layers; ++l) {
      Layer& layer = layers_[static_cast<std::size_t>(l)];
      layer = {this, l, {}, {}, {}, {}};
      for (const Part& part : parts_) {
        if (part.step->is_idle()) continue;
        const bool changes =
            part.layers[static_cast<std::size_t>(l)] && has_heads(part, l) && part.step->changes(l);
        if (!changes && !part.step->observes(l)) continue;
        if (part.step->changes_output()) {
          layer.on_output.push_back(&part);
          continue;
        }
        if (part.step->changes_keys()) {
          layer.on_keys.push_back(&part);
          continue;
        }
        if (part.step->surveys()) layer.surveys.push_back(&part);
        const bool early = layer.on_weights.empty() && part.step->acts_on_scores();
        REFOCUS_CHECK(early || !part.step->takes_blocks() || !part.step->acts_on_scores());
        (early ? layer.on_scores : layer.on_weights).push_back(&part);
      }
      AttentionHooks& hooks = hooks_[static_cast<std::size_t>(l)];
      hooks = {};
      hooks.context = &layer;
      if (has_function(layer.on_scores)) {
        hooks.bias_rows = change_score_rows;
      } else if (!layer.on_scores.empty()) {
        hooks.bias = change_scores;
      }
      if (has_function(layer.on_weights)) {
        hooks.edit_rows = change_weight_rows;
      } else if (!layer.on_weights.empty()) {
        hooks.edit = change_weights;
      }
      if (!layer.on_output.empty()) hooks.output = change_output;
      if (!layer.on_keys.empty()) hooks.keys = change_keys;
      hooks.surveys = static_cast<int>(layer.surveys.size());
      if (hooks.surveys > 0) {
        hooks.begin_pass = begin_pass;
        hooks.survey_sums = survey_sums;
      }
      any_ = any_ || hooks.changes_anything();
    }
    hooks_.front().save_rows = save_rows;
    hooks_.front().load_rows = load_rows;
    describe_rebalance();
  }

  // Where one part, that re-balances, is all that acts: the same as data.
  void describe_rebalance() {
    const auto acts = [](const Part& part) { return !part.step->is_idle(); };
    if (std::ranges::count_if(parts_, acts) != 1) return;
    const Part& part = *std::ranges::find_if(parts_, acts);
    const auto* rebalance = dynamic_cast<const Rebalance*>(part.step.get());
    if (rebalance == nullptr || rebalance->random()) return;  // devices draw nothing
    for (Layer& layer : layers_) {
      if (layer.on_weights.empty()) continue;
      const bool acts_here = part.layers[static_cast<std::size_t>(layer.layer)];
      RebalanceData& data = layer.rebalance;
      data.context = &layer;
      data.all = rebalance->all();
      data.threshold = rebalance->threshold();
      data.excess = acts_here ? rebalance->excess(layer.layer) : 0;
      if (part.rows.kind != RowSelector::Kind::kAll) data.has_row = chooses_row;
      data.heads.assign(static_cast<std::size_t>((shape_.heads + 31) / 32), 0);
      for (std::int64_t h = 0; h < shape_.heads; ++h) {
        if (has_head(part, layer.layer, h)) data.heads[static_cast<std::size_t>(h / 32)] |= 1u << (h % 32);
      }
      hooks_[static_cast<std::size_t>(layer.layer)].rebalance = &layer.rebalance;
    }
  }

  static bool chooses_row(const void* context, std::int64_t position) {
    const Layer& layer = *static_cast<const Layer*>(context);
    return layer.owner->has_row(*layer.on_weights.front(), position);
  }

  // A pass over the layer's rows begins: the survey before it, if there was one, ends.
  static bool begin_pass(void* context, int pass, std::int64_t first_position, std::int64_t rows) {
    Layer& layer = *static_cast<Layer*>(context);
    // What needs the whole prompt gets it whole; check_whole_prompt has refused what is too long.
    const std::int64_t prompt = layer.owner->target_->prompt;
    REFOCUS_CHECK(first_position >= prompt || (first_position == 0 && rows >= prompt));
    if (layer.surveyed) layer.surveys[static_cast<std::size_t>(layer.pass)]->step->end_survey(layer.layer);
    layer.pass = pass;
    layer.surveyed =
        pass < std::ssize(layer.surveys) &&
        layer.surveys[static_cast<std::size_t>(pass)]->step->begin_survey(layer.layer, first_position, rows);
    return layer.surveyed;
  }

  static HeadSums survey_sums(void* context) {
    const Layer& layer = *static_cast<const Layer*>(context);
    return layer.surveyed ? layer.surveys[static_cast<std::size_t>(layer.pass)]->step->survey_sums()
                          : HeadSums();
  }

  static void save_rows(void* context, std::int64_t rows, std::vector<std::byte>& out) {
    const Layer& layer = *static_cast<const Layer*>(context);
    for (const Part& part : layer.owner->parts_) part.step->save_rows(rows, out);
  }

  static void load_rows(void* context, std::int64_t rows, std::span<const std::byte> saved) {
    const Layer& layer = *static_cast<const Layer*>(context);
    for (const Part& part : layer.owner->parts_) saved = saved.subspan(part.step->load_rows(rows, saved));
    REFOCUS_CHECK(saved.empty());
  }

  static void change_keys(void* context, std::int64_t position, std::span<float> keys) {
    const Layer& layer = *static_cast<const Layer*>(context);
    for (const Part* part : layer.on_keys) part->step->change_keys(layer.layer, position, keys);
  }

  static void change_scores(void* context, const AttentionRow& at, std::int64_t first_key,
                            std::span<float> scores) {
    const Layer& layer = *static_cast<const Layer*>(context);
    for (const Part* part : layer.on_scores) {
      if (layer.owner->acts(*part, layer.layer, at)) part->step->change_scores(first_key, scores);
    }
  }

  // The part of a layer that looks at rows in this pass, before any is changed by it; null in the last.
  static const Part* looking_part(const Layer& layer) {
    return layer.pass < std::ssize(layer.surveys) ? layer.surveys[static_cast<std::size_t>(layer.pass)]
                                                  : nullptr;
  }

  // What a part does to one row. False where it looks, and those after it do not act in this pass.
  static bool change_row(const Layer& layer, const Part& part, EditedRow& edited) {
    EditableRow& row = edited.row;
    if (&part == looking_part(layer)) {
      if (layer.owner->has_head(part, layer.layer, row.at.head)) {
        part.step->survey(layer.layer, row, layer.owner->acts(part, layer.layer, row.at));
      }
      return false;
    }
    if (part.step->observes(layer.layer)) part.step->observe(row);
    if (!part.layers[static_cast<std::size_t>(layer.layer)] || !part.step->changes(layer.layer)) return true;
    if (layer.owner->acts(part, layer.layer, row.at)) part.step->change_weights(layer.layer, edited);
    return true;
  }

  static bool change_weights(void* context, EditableRow& row) {
    const Layer& layer = *static_cast<const Layer*>(context);
    EditedRow edited{row};
    for (const Part* part : layer.on_weights) {
      if (!change_row(layer, *part, edited)) break;
    }
    return edited.changed;
  }

  // Calls body(rows) for the rows of a block that a part acts on, as many together as follow each other.
  template <class Body>
  static void for_rows(const Layer& layer, const Part& part, const RowBlock& block, const Body& body) {
    if (!layer.owner->has_head(part, layer.layer, block.first.head)) return;
    for (std::int64_t begin = 0, end = 0; begin < block.rows; begin = end + 1) {
      for (end = begin; end < block.rows && layer.owner->has_row(part, block.first.position + end);) ++end;
      if (end > begin) body(block.part(begin, end - begin));
    }
  }

  static void change_score_rows(void* context, const RowBlock& block) {
    const Layer& layer = *static_cast<const Layer*>(context);
    for (const Part* part : layer.on_scores) {
      for_rows(layer, *part, block, [&](const RowBlock& rows) {
        if (part->step->takes_blocks()) return part->step->change_block(layer.layer, rows);
        for (std::int64_t r = 0; r < rows.rows; ++r) {
          const std::int64_t position = rows.first.position + r, first = rows.shape->first_key(position);
          part->step->change_scores(
              first, {rows.values + r * rows.stride + first, static_cast<std::size_t>(position + 1 - first)});
        }
      });
    }
  }

  static bool change_weight_rows(void* context, const RowBlock& block) {
    const Layer& layer = *static_cast<const Layer*>(context);
    bool changed = false;
    for (const Part* part : layer.on_weights) {
      if (part->step->takes_blocks()) {
        for_rows(layer, *part, block, [&](const RowBlock& rows) {
          part->step->change_block(layer.layer, rows);
          changed = true;
        });
        continue;
      }
      bool goes_on = true;
      for (std::int64_t r = 0; r < block.rows; ++r) {
        EditableRow row = block.row(r);
        EditedRow edited{row};
        goes_on = change_row(layer, *part, edited);
        block.sums[r] = row.sum;
        changed |= edited.changed;
      }
      if (!goes_on) break;
    }
    return changed;
  }

  static void change_output(void* context, const AttentionRow& at, std::span<float> out) {
    const Layer& layer = *static_cast<const Layer*>(context);
    for (const Part* part : layer.on_output) {
      if (layer.owner->acts(*part, layer.layer, at)) part->step->change_output(layer.layer, at, out);
    }
  }

  InterventionShape shape_;
  bool needs_target_ = false, any_ = false;
  std::shared_ptr<const InterventionTarget> target_;
  std::vector<Part> parts_;
  std::vector<Layer> layers_;
  std::vector<AttentionHooks> hooks_;
  std::vector<std::shared_ptr<const OwnChange>> own_;  // each once
  std::unique_ptr<OwnSequence> sequence_;              // of these
};

std::int64_t first_changed_layer(const InterventionSpec& spec, InterventionShape shape) {
  shape.max_rows = shape.threads = 1;  // nothing is computed
  std::int64_t first = shape.layers;
  for (std::size_t p = 0; p < spec.parts.size(); ++p) {
    const InterventionPart& part = spec.parts[p];
    const MethodId id = part.method->id;
    if (id == MethodId::kOwn || id == MethodId::kPatch || id == MethodId::kTake) return 0;
    const std::unique_ptr<RowStep> step = make_step(part, p, shape);
    if (!spec.needs_target() && step->is_idle()) continue;
    std::vector<bool> layers(static_cast<std::size_t>(shape.layers), true);
    if (part.layers) layers = chosen_layers(*part.layers, shape.layers);
    HeadSelector heads;
    if (part.heads) heads = heads_in_model(part, shape.layers, shape.heads);
    const auto has_heads = [&](std::int64_t layer) {
      return !part.heads ||
             std::ranges::any_of(heads.heads, [&](const auto& its) { return its.first == layer; });
    };
    for (std::int64_t l = 0; l < first; ++l) {
      if (layers[static_cast<std::size_t>(l)] && has_heads(l) && step->changes(l)) first = l;
    }
  }
  return first;
}

Intervention::Intervention(const InterventionSpec& spec, const InterventionShape& shape) {
  if (!spec.is_none()) program_ = std::make_unique<Program>(spec, shape);
}

Intervention::~Intervention() = default;
Intervention::Intervention(Intervention&&) noexcept = default;
Intervention& Intervention::operator=(Intervention&&) noexcept = default;

void Intervention::aim(std::shared_ptr<const InterventionTarget> target) {
  if (program_) program_->aim(std::move(target));
}

void Intervention::go_on_from(const Intervention& other) {
  if (program_) program_->go_on_from(*other.program_);
}

const AttentionHooks* Intervention::hooks() const { return program_ ? program_->hooks() : nullptr; }

const std::vector<std::int32_t>& Intervention::rebalance_mask(std::int64_t row, std::int64_t head) const {
  const Rebalance* rebalance = program_ ? program_->rebalance() : nullptr;
  REFOCUS_CHECK(rebalance != nullptr);
  return rebalance->mask(row, head);
}

}  // namespace refocus
