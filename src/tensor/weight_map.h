// The tensors of one checkpoint by name, independent of the file format they came from.
//
// Names and layouts are Hugging Face's ("model.layers.0.self_attn.q_proj.weight", [out, in]); a reader of
// another format translates while loading. The map keeps the mapped files or buffers behind its views alive.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor_view.h"

namespace refocus {

class WeightMap {
 public:
  // Whose conventions the tensors follow where a family has several; GGUF's converters undo some of Hugging
  // Face's (model/weights.cpp knows which).
  enum class Layout { kHuggingFace, kGguf };
  Layout layout = Layout::kHuggingFace;

  struct Entry {
    TensorView view;
    std::string source;  // the file it came from, for messages
  };

  // Adds a tensor whose bytes `owner` keeps alive. InputError where the name is already there.
  void insert(std::string name, TensorView view, std::string source, std::shared_ptr<const void> owner);

  // Null where there is no such tensor.
  const Entry* find(std::string_view name) const;
  const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }
  std::int64_t total_bytes() const;

 private:
  std::map<std::string, Entry, std::less<>> entries_;
  std::vector<std::shared_ptr<const void>> owners_;
};

}  // namespace refocus
