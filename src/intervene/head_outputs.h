// What a model's heads put out for the last tokens of one prompt: taken from one run, to be put into another
// (activation patching: Vig et al. 2020, arXiv 2004.12265; Zhang and Nanda 2023, arXiv 2309.16042).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace refocus {

// Before the output projection. Tokens are counted from the prompt's end, so that prompts of different
// lengths have their last ones in common.
class HeadOutputs {
 public:
  HeadOutputs(std::int64_t layers, std::int64_t heads, std::int64_t head_dim, std::int64_t rows)
      : heads_(heads),
        head_dim_(head_dim),
        rows_(rows),
        values_(static_cast<std::size_t>(layers * heads * head_dim * rows)) {}

  std::int64_t rows() const { return rows_; }  // the last so many tokens of the prompt

  // Whether the token at `position` of a prompt of `prompt` tokens is among them.
  bool has(std::int64_t position, std::int64_t prompt) const {
    return position < prompt && position >= prompt - rows_;
  }
  // [head_dim], of a query head.
  std::span<float> at(std::int64_t layer, std::int64_t head, std::int64_t position, std::int64_t prompt) {
    return {values_.data() + place(layer, head, position, prompt), static_cast<std::size_t>(head_dim_)};
  }
  std::span<const float> at(std::int64_t layer, std::int64_t head, std::int64_t position,
                            std::int64_t prompt) const {
    return {values_.data() + place(layer, head, position, prompt), static_cast<std::size_t>(head_dim_)};
  }

 private:
  std::size_t place(std::int64_t layer, std::int64_t head, std::int64_t position, std::int64_t prompt) const {
    return static_cast<std::size_t>(((layer * heads_ + head) * rows_ + position - (prompt - rows_)) *
                                    head_dim_);
  }

  std::int64_t heads_, head_dim_, rows_;
  std::vector<float> values_;  // [layers, heads, rows, head_dim]
};

}  // namespace refocus
