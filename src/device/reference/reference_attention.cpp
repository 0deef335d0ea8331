#include "device/reference/reference_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "tensor/block_formats.h"

namespace refocus::reference {

namespace {

// Keys and values [first, end) of one sequence and one key/value head, as float32. Those whose block is not
// there stay 0.
struct HeadCache {
  std::int64_t first, head_dim;
  std::vector<float> keys, values;  // [end - first, head_dim]

  HeadCache(const DeviceAttention& a, std::int64_t sequence, std::int64_t kv_head, std::int64_t first,
            std::int64_t end)
      : first(first),
        head_dim(a.head_dim),
        keys(static_cast<std::size_t>((end - first) * head_dim)),
        values(keys.size()) {
    const std::size_t row_bytes = bytes_of(a.type, head_dim);
    const std::size_t head_bytes = bytes_of(a.type, kv_head_elements(head_dim));
    for (std::int64_t j = first; j < end; ++j) {
      REFOCUS_CHECK(j / kDeviceKeyBlock < a.blocks_stride);
      const std::byte* block = a.blocks[sequence * a.blocks_stride + j / kDeviceKeyBlock];
      if (block == nullptr) continue;
      const std::byte* head = block + a.offset + static_cast<std::size_t>(kv_head) * head_bytes;
      const std::byte* key = head + static_cast<std::size_t>(j % kDeviceKeyBlock) * row_bytes;
      dequantize_row(a.type, key, keys.data() + (j - first) * head_dim, head_dim);
      dequantize_row(a.type, key + kDeviceKeyBlock * row_bytes, values.data() + (j - first) * head_dim,
                     head_dim);
    }
  }
  const float* key(std::int64_t j) const { return keys.data() + (j - first) * head_dim; }
  const float* value(std::int64_t j) const { return values.data() + (j - first) * head_dim; }
};

// The first key that a query at a position sees.
std::int64_t first_key(const DeviceAttention& a, std::int64_t position) {
  return a.window > 0 && position >= a.window ? position - a.window + 1 : 0;
}

// scale * q . k, capped.
float one_score(const DeviceAttention& a, const float* q, const float* key) {
  double dot = 0;
  for (std::int64_t d = 0; d < a.head_dim; ++d) dot += static_cast<double>(q[d]) * key[d];
  const auto score = static_cast<float>(dot * a.scale);
  return a.softcap > 0 ? static_cast<float>(a.softcap * std::tanh(double{score} / a.softcap)) : score;
}

// out [head_dim] = sum_j weights[j - first] v_j.
void sum_values(const HeadCache& cache, std::int64_t first, const std::vector<double>& weights, float* out) {
  std::vector<double> sums(static_cast<std::size_t>(cache.head_dim));
  for (std::size_t j = 0; j < weights.size(); ++j) {
    const float* value = cache.value(first + static_cast<std::int64_t>(j));
    for (std::size_t d = 0; d < sums.size(); ++d) sums[d] += weights[j] * value[d];
  }
  std::ranges::transform(sums, out, [](double sum) { return static_cast<float>(sum); });
}

// One head of one row after softmax, before normalisation: of the keys from first_key to the row's own.
struct WeightRow {
  std::int64_t row, head, position, first;
  std::vector<double> weights;  // exp(score - the largest one)
  double sum = 0;               // of the weights and the sink
};

WeightRow softmax(const DeviceAttention& a, const HeadCache& cache, std::int64_t row, std::int64_t head) {
  const std::int64_t position = a.positions[row];
  WeightRow out{row, head, position, first_key(a, position), {}};
  const float* q = a.q + row * a.q_stride + head * a.head_dim;
  std::vector<float> scores;
  for (std::int64_t j = out.first; j <= position; ++j) scores.push_back(one_score(a, q, cache.key(j)));
  float max = *std::ranges::max_element(scores);
  if (a.sinks != nullptr) max = std::max(max, a.sinks[head]);
  out.weights.resize(scores.size());
  const bool numbers = std::ranges::none_of(scores, [](float s) { return s != s; });
  if (numbers && max == -std::numeric_limits<float>::infinity()) return out;  // it sees nothing
  for (std::size_t j = 0; j < scores.size(); ++j) {
    out.sum += out.weights[j] = std::exp(double{scores[j]} - max);
  }
  if (a.sinks != nullptr) out.sum += std::exp(double{a.sinks[head]} - max);
  return out;
}

std::uint32_t* mask_of(const DeviceAttention& a, const WeightRow& row) {
  REFOCUS_CHECK(a.mask != nullptr && row.position / 32 < a.mask_words);
  return a.mask + (row.row * a.heads + row.head) * a.mask_words;
}

// Writes M of the row, all words up to that of its own key.
void write_mask(const DeviceAttention& a, const WeightRow& row) {
  const float threshold = a.thresholds[a.sequence_of[row.row]];
  if (threshold < 0) return;
  std::uint32_t* mask = mask_of(a, row);
  std::fill_n(mask, row.position / 32 + 1, 0u);
  const auto sum = static_cast<float>(row.sum);
  for (std::int64_t j = row.first; j < row.position; ++j) {
    const auto weight = static_cast<float>(row.weights[static_cast<std::size_t>(j - row.first)]);
    if (weight / sum > threshold) mask[j / 32] |= 1u << (j % 32);
  }
}

// Multiplies weights as the row's sequence has it.
void rebalance(const DeviceAttention& a, WeightRow& row) {
  const DeviceRebalance& change = a.rebalance[a.sequence_of[row.row]];
  if (change.excess == 0 || a.row_acts[row.row] == 0) return;
  REFOCUS_CHECK(row.head < kDeviceHeads);
  if ((change.heads[row.head / 32] >> (row.head % 32) & 1) == 0) return;
  const float factor = 1 + change.excess;
  for (std::int64_t j = row.first; j <= row.position; ++j) {
    if (change.all == 0 && (mask_of(a, row)[j / 32] >> (j % 32) & 1) == 0) continue;
    row.weights[static_cast<std::size_t>(j - row.first)] *= factor;
  }
}

void one_row(const DeviceAttention& a, const HeadCache& cache, std::int64_t row, std::int64_t head) {
  WeightRow weights = softmax(a, cache, row, head);
  if (a.thresholds != nullptr) write_mask(a, weights);
  if (a.rebalance != nullptr) rebalance(a, weights);
  for (double& w : weights.weights) w = weights.sum == 0 ? 0 : w / weights.sum;
  sum_values(cache, weights.first, weights.weights, a.out + row * a.out_stride + head * a.head_dim);
}

// Rows of one sequence at consecutive positions. Each head's keys and values are read once.
void one_run(const DeviceAttention& a, std::int64_t first_row, std::int64_t rows) {
  const std::int64_t position = a.positions[first_row];
  REFOCUS_CHECK(position >= 0 && position + rows <= a.longest);
  for (std::int64_t kv_head = 0; kv_head < a.kv_heads; ++kv_head) {
    const HeadCache cache(a, a.sequence_of[first_row], kv_head, first_key(a, position), position + rows);
    const std::int64_t group = a.heads / a.kv_heads;
    for (std::int64_t row = first_row; row < first_row + rows; ++row) {
      for (std::int64_t h = kv_head * group; h < (kv_head + 1) * group; ++h) one_row(a, cache, row, h);
    }
  }
}

}  // namespace

void attend(const DeviceAttention& a) {
  REFOCUS_CHECK(a.heads % a.kv_heads == 0);
  std::vector<bool> done(static_cast<std::size_t>(a.rows));
  const auto take = [&](std::int64_t row) {
    REFOCUS_CHECK(row >= 0 && row < a.rows && !done[static_cast<std::size_t>(row)]);
    done[static_cast<std::size_t>(row)] = true;
  };
  for (std::int64_t t = 0; t < a.tile_count; ++t) {
    const DeviceTile& tile = a.tiles[t];
    REFOCUS_CHECK(tile.rows > 0 && tile.rows <= DeviceAttention::kTileRows);
    for (std::int32_t i = 0; i < tile.rows; ++i) {
      const std::int32_t row = tile.first_row + i;
      take(row);
      REFOCUS_CHECK(a.sequence_of[row] == tile.sequence && a.positions[row] == tile.first_position + i);
    }
    one_run(a, tile.first_row, tile.rows);
  }
  for (std::int64_t s = 0; s < a.single_count; ++s) {
    take(a.singles[s]);
    one_run(a, a.singles[s], 1);
  }
  REFOCUS_CHECK(std::ranges::all_of(done, [](bool row) { return row; }));
}

void scores(const DeviceAttention& a, std::int64_t first, std::int64_t count, float* scores,
            std::int64_t stride) {
  const std::int64_t group = a.heads / a.kv_heads;
  for (std::int64_t r = 0; r < count; ++r) {
    const std::int64_t row = first + r, position = a.positions[row];
    REFOCUS_CHECK(row < a.rows && position < stride);
    for (std::int64_t h = 0; h < a.heads; ++h) {
      const HeadCache cache(a, a.sequence_of[row], h / group, 0, position + 1);
      const float* q = a.q + row * a.q_stride + h * a.head_dim;
      for (std::int64_t j = 0; j <= position; ++j) {
        scores[(r * a.heads + h) * stride + j] = one_score(a, q, cache.key(j));
      }
    }
  }
}

void weigh(const DeviceAttention& a, std::int64_t first, std::int64_t count, const float* weights,
           std::int64_t stride, const float* inverse_sums) {
  const std::int64_t group = a.heads / a.kv_heads;
  for (std::int64_t r = 0; r < count; ++r) {
    const std::int64_t row = first + r, position = a.positions[row];
    REFOCUS_CHECK(row < a.rows && position < stride);
    for (std::int64_t h = 0; h < a.heads; ++h) {
      const HeadCache cache(a, a.sequence_of[row], h / group, 0, position + 1);
      const float* given = weights + (r * a.heads + h) * stride;
      std::vector<double> scaled(given, given + position + 1);
      for (double& w : scaled) w *= inverse_sums[r * a.heads + h];
      sum_values(cache, 0, scaled, a.out + row * a.out_stride + h * a.head_dim);
    }
  }
}

}  // namespace refocus::reference
