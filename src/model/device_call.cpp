#include "model/device_call.h"

#include <algorithm>

#include "base/error.h"

namespace refocus {

void DeviceArena::upload(Device& device) {
  if (bytes_.size() > memory_.bytes()) memory_.grow(device, std::max(bytes_.size(), 2 * memory_.bytes()));
  device.upload(memory_.data(), bytes_.data(), bytes_.size());
}

void DeviceCall::list_rows(std::span<const SequenceInput> sequences) {
  all_ = {};
  token_ids_.clear();
  longest_ = 0;
  for (const SequenceInput& in : sequences) {
    const auto count = static_cast<std::int64_t>(in.tokens.size());
    const std::int64_t past = in.cache->length();
    REFOCUS_CHECK(in.rope_length >= past + count);
    // Reserved it is; now windowed layers exchange what they leave behind for it.
    REFOCUS_CHECK(in.cache->reserve(past + count));
    all_.sequences.push_back({all_.count, count, past, 0});
    for (const std::int32_t token : in.tokens) {
      REFOCUS_CHECK(token >= 0 && token < config_.vocab_size);
      token_ids_.push_back(token);
    }
    all_.count += count;
    longest_ = std::max(longest_, past + count);
  }
  for (std::int64_t r = 0; r < all_.count; ++r) all_.of_call.push_back(static_cast<std::int32_t>(r));
  tokens_ = arena_.put<std::int32_t>(token_ids_);
  put_rows(all_);
}

// Of the last layer the rows whose logits are wanted, which are the last ones of each sequence, and all rows
// of sequences that somebody looks at.
void DeviceCall::list_kept(std::span<const SequenceInput> sequences) {
  kept_ = {};
  std::vector<std::int32_t> wanted;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const SequenceInput& in = sequences[s];
    DeviceRows::Sequence its = all_.sequences[s];
    const std::int64_t asked = in.wanted_rows();
    const std::int64_t kept = last_layer_needs_all_[s] ? its.rows : asked;
    its.left_out = its.rows - kept;
    for (std::int64_t r = its.left_out; r < its.rows; ++r) {
      kept_.of_call.push_back(static_cast<std::int32_t>(its.first_row + r));
    }
    its.first_row = kept_.count;
    its.position += its.left_out;
    its.rows = kept;
    for (std::int64_t r = kept - asked; r < kept; ++r) {
      wanted.push_back(static_cast<std::int32_t>(its.first_row + r));
    }
    kept_.sequences.push_back(its);
    kept_.count += kept;
  }
  wanted_count_ = std::ssize(wanted);
  wanted_ = arena_.put<std::int32_t>(wanted);
  put_rows(kept_);
}

void DeviceCall::put_rows(DeviceRows& rows) {
  std::vector<std::int32_t> positions, sequence_of, singles;
  std::vector<DeviceTile> tiles;
  for (std::size_t s = 0; s < rows.sequences.size(); ++s) {
    const DeviceRows::Sequence& its = rows.sequences[s];
    const auto sequence = static_cast<std::int32_t>(s), first = static_cast<std::int32_t>(its.first_row);
    for (std::int64_t r = 0; r < its.rows; ++r) {
      positions.push_back(static_cast<std::int32_t>(its.position + r));
      sequence_of.push_back(sequence);
    }
    if (its.rows == 1) singles.push_back(first);
    for (std::int64_t r = 0; its.rows > 1 && r < its.rows; r += DeviceAttention::kTileRows) {
      tiles.push_back({sequence, static_cast<std::int32_t>(first + r),
                       static_cast<std::int32_t>(std::min(DeviceAttention::kTileRows, its.rows - r)),
                       static_cast<std::int32_t>(its.position + r)});
    }
  }
  rows.positions = arena_.put<std::int32_t>(positions);
  rows.sequence_of = arena_.put<std::int32_t>(sequence_of);
  rows.ids = arena_.put<std::int32_t>(rows.of_call);
  rows.tiles = arena_.put<DeviceTile>(tiles);
  rows.singles = arena_.put<std::int32_t>(singles);
  rows.tile_count = std::ssize(tiles);
  rows.single_count = std::ssize(singles);
}

void DeviceCall::list_blocks(std::span<const SequenceInput> sequences) {
  blocks_stride_ = blocks_for(longest_);
  const std::size_t groups = sequences.front().cache->layout().groups();
  for (std::size_t g = 0; g < groups; ++g) {
    std::vector<std::byte*> table, of_rows;
    for (std::size_t s = 0; s < sequences.size(); ++s) {
      KvSequence& cache = *sequences[s].cache;
      const DeviceRows::Sequence& its = all_.sequences[s];
      const std::int64_t first = cache.first_block(g), end = blocks_for(its.position + its.rows);
      table.resize(s * static_cast<std::size_t>(blocks_stride_), nullptr);
      for (std::int64_t b = 0; b < end; ++b) table.push_back(b < first ? nullptr : cache.part(g, b));
      for (std::int64_t r = 0; r < its.rows; ++r)
        of_rows.push_back(cache.part(g, (its.position + r) / kKeyBlock));
    }
    blocks_[g] = arena_.put<std::byte*>(table);
    row_blocks_[g] = arena_.put<std::byte*>(of_rows);
  }
}

namespace {

// Whether all that the hooks do to weights is said as data.
bool is_data(const AttentionHooks& hooks) {
  return !hooks.changes_weights() || (hooks.rebalance != nullptr && hooks.bias == nullptr);
}

}  // namespace

void DeviceCall::list_rebalance(std::span<const SequenceInput> sequences, std::int64_t from_layer) {
  const std::int64_t layers = config_.num_hidden_layers, heads = config_.num_attention_heads;
  const std::size_t count = sequences.size();
  on_device_.assign(count, true);
  watched_.assign(count, false);
  last_layer_needs_all_.assign(count, false);
  rebalances_ = false;
  std::vector<DeviceRebalance> edits(static_cast<std::size_t>(layers) * count);
  std::vector<float> thresholds(count, -1);
  std::vector<std::uint8_t> acts(static_cast<std::size_t>(all_.count));
  bool last_layer_reads_masks = false;
  for (std::size_t s = 0; s < count; ++s) {
    const SequenceInput& in = sequences[s];
    last_layer_needs_all_[s] = in.tap != nullptr;
    if (in.hooks == nullptr) continue;
    const AttentionHooks& last = in.hooks[layers - 1];
    if (last.sees_all_rows()) last_layer_needs_all_[s] = true;
    // A mask comes from layer 0 of the same call.
    watched_[s] = std::any_of(in.hooks, in.hooks + layers,
                              [](const AttentionHooks& hooks) { return hooks.observe != nullptr; });
    const bool edits_weights = std::any_of(in.hooks, in.hooks + layers,
                                           [](const AttentionHooks& hooks) { return hooks.edit != nullptr; });
    on_device_[s] = std::all_of(in.hooks, in.hooks + layers, is_data) &&
                    (!edits_weights || (from_layer == 0 && heads <= kDeviceHeads));
    const RebalanceData* row_hooks = nullptr;  // the same rows in every layer
    for (std::int64_t l = 0; on_device_[s] && l < layers; ++l) {
      const RebalanceData* data = in.hooks[l].rebalance;
      if (data == nullptr) continue;
      rebalances_ = true;
      DeviceRebalance& edit = edits[static_cast<std::size_t>(l) * count + s];
      edit.excess = data->excess;
      edit.all = data->all ? 1 : 0;
      std::ranges::copy(data->heads, edit.heads);
      if (!data->all) thresholds[s] = data->threshold;
      if (l == layers - 1 && data->excess != 0) last_layer_reads_masks = true;
      row_hooks = data;
    }
    if (row_hooks == nullptr) continue;
    const DeviceRows::Sequence& its = all_.sequences[s];
    for (std::int64_t r = 0; r < its.rows; ++r) {
      acts[static_cast<std::size_t>(its.first_row + r)] =
          row_hooks->has_row == nullptr || row_hooks->has_row(row_hooks->context, its.position + r);
    }
  }
  // M lies by the call's rows, so that none may be left out.
  if (last_layer_reads_masks) last_layer_needs_all_.assign(count, true);
  rebalance_.clear();
  if (!rebalances_) return;
  for (std::int64_t l = 0; l < layers; ++l) {
    rebalance_.push_back(
        arena_.put<DeviceRebalance>(std::span(edits).subspan(static_cast<std::size_t>(l) * count, count)));
  }
  thresholds_ = arena_.put<float>(thresholds);
  row_acts_ = arena_.put<std::uint8_t>(acts);
}

void DeviceCall::describe(const DeviceRows& rows, const KvLayout::Place& place, std::int64_t layer,
                          DeviceAttention& out) const {
  out.rows = rows.count;
  out.longest = longest_;
  out.positions = arena_.at<std::int32_t>(rows.positions);
  out.sequence_of = arena_.at<std::int32_t>(rows.sequence_of);
  out.blocks = arena_.at<const std::byte*>(blocks_[place.group]);
  out.blocks_stride = blocks_stride_;
  out.offset = place.offset;
  out.tiles = arena_.at<DeviceTile>(rows.tiles);
  out.tile_count = rows.tile_count;
  out.singles = arena_.at<std::int32_t>(rows.singles);
  out.single_count = rows.single_count;
  // Where rows are left out of the last layer, none of them is changed there.
  if (!rebalances_ || (&rows == &kept_ && kept_.count != all_.count)) return;
  out.rebalance = arena_.at<DeviceRebalance>(rebalance_[static_cast<std::size_t>(layer)]);
  out.row_acts = arena_.at<std::uint8_t>(row_acts_);
  out.thresholds = layer == 0 ? arena_.at<float>(thresholds_) : nullptr;
}

}  // namespace refocus
