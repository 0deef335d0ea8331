// The mean over rows of what each head puts out, before the output projection: what `mean` of --intervene
// puts in its place (mean ablation: Wang et al. 2022, arXiv 2211.00593).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/attention.h"
#include "model/transformer.h"

namespace refocus {

// Sums are float64, row after row in the order of the texts, whatever the threads and calls.
class HeadMeans {
 public:
  explicit HeadMeans(Transformer& model);
  HeadMeans(const HeadMeans&) = delete;
  HeadMeans& operator=(const HeadMeans&) = delete;

  // Takes in all rows of a text, which is a prompt by itself, of at least one token.
  void add(std::span<const std::int32_t> tokens);
  std::int64_t rows() const { return rows_; }
  // [layers, heads, head_dim] of all rows so far, of which there must be one.
  std::vector<float> means() const;

 private:
  struct Layer {
    HeadMeans* owner;
    std::int64_t layer;
  };
  static void keep(void* context, const AttentionRow& at, std::span<float> out);
  void sum_call(std::int64_t rows);

  Transformer& model_;
  std::int64_t layers_, width_, call_rows_, rows_ = 0;  // width_: heads * head_dim
  std::vector<Layer> contexts_;
  std::vector<AttentionHooks> hooks_;
  AlignedBuffer<float> outputs_;  // of a call: [layers, call_rows, heads, head_dim]
  std::vector<double> sums_;      // [layers, heads, head_dim]
};

}  // namespace refocus
