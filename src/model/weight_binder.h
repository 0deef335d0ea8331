// Takes tensors out of a WeightMap by name, checked, and remembers which were taken. For bind_weights alone.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "model/weights.h"

namespace refocus {

// Where the rows of a matrix are found in a stored tensor.
struct RowOrder {
  std::function<std::int64_t(std::int64_t row)> stored;  // null: in order
  bool transposed = false;                               // the tensor is [inputs, rows]
  std::int64_t paired_head_dim = 0, paired_rotary = 0;   // adjacent pairs, put in order last; see TensorView
  // Where ranks share the rows, each has a whole number of so many; 0: every rank has all rows.
  std::int64_t shared_by = 0;
};

class WeightBinder {
 public:
  WeightBinder(const ModelConfig& config, const WeightMap& map, const std::string& where,
               const WeightShare& share, ModelWeights& out)
      : config_(config), map_(map), where_(where), share_(share), out_(out) {}

  // Whether what follows is this process's: else it is checked as all is, but no byte of it is read, and what
  // is bound has no data.
  void set_own(bool own) { own_ = own; }

  bool has(const std::string& name) const { return map_.find(name) != nullptr; }
  bool gguf() const { return map_.layout == WeightMap::Layout::kGguf; }

  const TensorView& take(const std::string& name, const std::vector<std::int64_t>& shape);
  std::vector<float> vector(const std::string& name, std::int64_t size) {
    return numbers(take(name, {size}));
  }
  std::vector<float> numbers(const TensorView& view) const {
    return own_ ? to_f32(view) : std::vector<float>();
  }
  // NAME.weight, and NAME.bias where the file has one; norms of w - 1 get their 1.
  Norm norm(const std::string& name, const std::vector<std::int64_t>& shape);

  // NAME.weight and NAME.bias as [outputs, inputs], of a tensor of that shape.
  Linear linear(const std::string& name, std::int64_t outputs, std::int64_t inputs,
                std::optional<bool> biased, const RowOrder& order = {});
  // Rows [first, first + outputs) of a tensor of `all` rows; row r of the result is row order.stored(r) of
  // it.
  Linear rows(const std::string& name, std::int64_t all, std::int64_t first, std::int64_t outputs,
              std::int64_t inputs, std::optional<bool> biased, const RowOrder& order = {});
  // The same of a view that was taken already, and of its bias (empty: none). Of the rows, those that are
  // this process's share.
  Linear rows_of(const TensorView& view, const std::vector<float>& bias, std::int64_t first,
                 std::int64_t outputs, std::int64_t inputs, const RowOrder& order);
  // NAME.bias, or nothing, with a warning where the config says that there is one; InputError where it says
  // none.
  std::vector<float> bias(const std::string& name, std::int64_t size, std::optional<bool> biased);

  // InputError where the map has tensors that were not taken and that are no buffers.
  void refuse_others() const;

 private:
  bool one_file(const WeightMap::Entry& entry) const { return gguf() || entry.source == where_; }
  const char* settings(const WeightMap::Entry& entry) const {
    return one_file(entry) ? "its metadata" : "config.json";
  }
  std::int64_t layer_of(std::string_view name) const;
  [[noreturn]] void refuse_missing(const std::string& name, const std::vector<std::int64_t>& shape) const;

  const ModelConfig& config_;
  const WeightMap& map_;
  std::string where_;
  WeightShare share_;
  bool own_ = true;
  ModelWeights& out_;
  std::set<std::string, std::less<>> taken_;
};

}  // namespace refocus
