#include "io/peft/peft_tensors.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/error.h"
#include "io/weight_file.h"

namespace refocus {

namespace {

constexpr std::string_view kPrefix = "base_model.model.";

std::string shown(std::string_view name) { return printable(name, 160); }

// NAME.lora_A.weight or NAME.lora_A.ADAPTER.weight.
struct FactorName {
  std::string matrix;  // as in the file, in front of .lora_A
  char factor = 'A';
  std::string adapter;  // the adapter's own name, or empty
};

std::optional<FactorName> parse_factor(std::string_view name) {
  const std::size_t at = std::max(name.rfind(".lora_A.") + 1, name.rfind(".lora_B.") + 1);  // 0: neither
  constexpr std::string_view kMark = "lora_A.", kEnd = "weight";
  if (at == 0 || !name.ends_with(kEnd)) return std::nullopt;
  std::string_view adapter = name.substr(at + kMark.size());
  adapter.remove_suffix(kEnd.size());
  if (!adapter.empty() && (adapter.back() != '.' || adapter.size() < 2)) return std::nullopt;
  if (!adapter.empty()) adapter.remove_suffix(1);
  return FactorName{std::string(name.substr(0, at - 1)), name[at + 5], std::string(adapter)};
}

// Whether a tensor is named as kohya's scripts and older diffusers name those of LoRA, such as
// lora_unet_MATRIX.lora_down.weight with underscores in MATRIX, and MATRIX.alpha.
bool is_of_other_programs(std::string_view name) {
  const auto begins = [&](std::string_view text) { return name.starts_with(text); };
  const auto has = [&](std::string_view text) { return name.find(text) != std::string_view::npos; };
  return begins("lora_unet_") || begins("lora_te_") || begins("lora_te1_") || begins("lora_te2_") ||
         has("lora_down") || has("lora_up") || has("lora.down.") || has("lora.up.");
}

constexpr const char* kOfOtherPrograms =
    "is named as other programs than PEFT do it; convert the adapter to PEFT's names (lora_A for lora_down, "
    "lora_B "
    "for lora_up)";

struct Difference {
  std::vector<std::int64_t> at;
  float own = 0, base = 0;
};

// The first element that differs, as float32.
std::optional<Difference> first_difference(const TensorView& own, const TensorView& base) {
  const std::int64_t columns = own.shape.back(), rows = columns > 0 ? own.elements() / columns : 0;
  std::vector<float> a(static_cast<std::size_t>(columns)), b(a.size());
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto row = [&](const TensorView& v, std::vector<float>& out) {
      const auto stored = static_cast<std::size_t>(stored_row(r, v.paired_head_dim));
      const TensorView one{v.data + stored * bytes_of(v.dtype, columns), v.dtype, {columns}, 0};
      copy_as_f32(one, out.data());
    };
    row(own, a);
    row(base, b);
    const auto [x, y] = std::ranges::mismatch(a, b);
    if (x == a.end()) continue;
    Difference out{{x - a.begin()}, *x, *y};
    if (own.shape.size() > 1) out.at.insert(out.at.begin(), r);
    return out;
  }
  return std::nullopt;
}

class Sorter {
 public:
  Sorter(const std::string& where, const AdapterBase& base, const std::map<std::string, PeftChange>& changes)
      : where_(where), base_(base), changes_(changes) {
    for (const ModelModule& m : base.modules) modules_.insert(m.name);
  }

  void take(const std::string& name, const TensorView& view) {
    if (!name.starts_with(kPrefix)) {
      if (is_known_buffer(name)) return;
      refuse_prefix(name);
    }
    const std::string_view rest = std::string_view(name).substr(kPrefix.size());
    if (is_known_buffer(rest)) return;
    if (const auto factor = parse_factor(rest)) {
      take_factor(name, *factor, view);
    } else if (is_left_out_embedding(rest)) {
      left_out_.push_back(name);
    } else if (!is_base_copy(name, rest, view)) {
      refuse_other(name, rest);
    }
  }

  std::map<std::string, PeftFactors> finish(std::vector<std::string>& warnings) {
    for (const auto& [matrix, change] : changes_) {
      const PeftFactors& found = factors_[matrix];
      if (found.a != nullptr && found.b != nullptr) continue;
      throw input_error(
          where_,
          "expected tensor {}, since {} names {}, got none; the adapter is incomplete or another "
          "model's, save it anew",
          peft_tensor_name(matrix, found.a == nullptr ? 'A' : 'B'), kAdapterConfigName, matrix);
    }
    if (!left_out_.empty()) {
      warnings.push_back(
          fmt::format("[{}] tensor {}{} of what {} leaves out of target_modules, and not used, in PEFT "
                      "either; correct one of "
                      "the two",
                      where_, shown(left_out_.front()),
                      left_out_.size() > 1 ? fmt::format(" and {} more are", left_out_.size() - 1) : " is",
                      kAdapterConfigName));
    }
    return std::move(factors_);
  }

 private:
  void take_factor(const std::string& name, const FactorName& factor, const TensorView& view) {
    if (!factor.adapter.empty() && factor.adapter != "default") {
      throw input_error(
          where_,
          "tensor {} has the name of an adapter in it, {}, so that PEFT would leave it out; rename it "
          "to {}",
          shown(name), printable(factor.adapter), shown(peft_tensor_name(factor.matrix, factor.factor)));
    }
    if (!modules_.contains(factor.matrix)) refuse_matrix(name, factor, view);
    if (!changes_.contains(factor.matrix)) {
      left_out_.push_back(name);
      return;
    }
    if (view.shape.size() != 2 || is_block_type(view.dtype)) {
      throw input_error(where_, "expected a matrix as tensor {}, got {}; save the adapter anew", shown(name),
                        shape_text(view.shape));
    }
    PeftFactors& found = factors_[factor.matrix];
    const TensorView*& place = factor.factor == 'A' ? found.a : found.b;
    if (place != nullptr) {
      throw input_error(where_,
                        "expected one lora_{} of {}, got two, of which {} is one; remove the wrong one",
                        factor.factor, factor.matrix, shown(name));
    }
    place = &view;
    (factor.factor == 'A' ? found.a_name : found.b_name) = name;
  }

  bool is_left_out_embedding(std::string_view rest) const {
    const std::size_t at = rest.rfind(".lora_embedding_");
    return at != std::string_view::npos && std::ranges::any_of(base_.modules, [&](const ModelModule& m) {
             return m.kind == ModelModule::Kind::kEmbedding && m.name == rest.substr(0, at);
           });
  }

  // Copies are named as in the base model, or with .base_layer in front of .weight where a change is beside.
  bool is_base_copy(const std::string& name, std::string_view rest, const TensorView& view) const {
    const std::size_t dot = rest.rfind('.');
    if (base_.weights == nullptr || dot == std::string_view::npos) return false;
    std::string module(rest.substr(0, dot));
    constexpr std::string_view kWrapped = ".base_layer";
    if (module.ends_with(kWrapped)) module.resize(module.size() - kWrapped.size());
    if (!modules_.contains(module)) return false;
    const std::string own = module + std::string(rest.substr(dot));
    const WeightMap::Entry* entry = base_.weights->find(own);
    if (entry == nullptr && base_.tied && own == "lm_head.weight") {
      entry = base_.weights->find("model.embed_tokens.weight");
    }
    if (entry == nullptr) return false;
    const TensorView& stored = entry->view;
    if (view.shape != stored.shape || view.shape.empty()) {
      throw input_error(
          where_,
          "expected tensor {} to be a copy of the base model's {} {}, got {}; the adapter is another "
          "model's, or one whose vocabulary was changed",
          shown(name), own, shape_text(stored.shape), shape_text(view.shape));
    }
    const auto differs = first_difference(view, stored);
    if (!differs) return true;
    if (is_block_type(stored.dtype)) {
      throw input_error(where_,
                        "tensor {} is a copy of {} from before it was quantised; save the adapter anew with "
                        "save_embedding_layers=False",
                        shown(name), own);
    }
    throw input_error(
        where_,
        "expected tensor {} to be a copy of the base model's {}, got {} for {} at {}; the adapter was "
        "trained beside other weights, or changed these too, which is not supported",
        shown(name), own, differs->own, differs->base, shape_text(differs->at));
  }

  // The module of this model that a matrix by another prefix seems to be; empty where there is none.
  std::string meant_module(std::string_view matrix) const {
    for (std::size_t at = 0; at != std::string_view::npos; at = matrix.find('.', at)) {
      if (at > 0) ++at;
      const std::string end(matrix.substr(at));
      for (const std::string& module : {end, "model." + end}) {
        if (modules_.contains(module)) return module;
      }
    }
    return "";
  }

  [[noreturn]] void refuse_prefix(const std::string& name) const {
    if (is_of_other_programs(name)) throw input_error(where_, "tensor {} {}", shown(name), kOfOtherPrograms);
    const auto factor = parse_factor(name);
    const std::string module = factor ? meant_module(factor->matrix) : "";
    throw input_error(where_,
                      "expected tensors whose names begin with {}, got {}, which PEFT would leave out; {}",
                      kPrefix, shown(name),
                      module.empty() ? "save the adapter with PEFT's save_pretrained"
                                     : "rename it to " + peft_tensor_name(module, factor->factor));
  }

  [[noreturn]] void refuse_matrix(const std::string& name, const FactorName& factor,
                                  const TensorView& view) const {
    const std::string module = meant_module(factor.matrix);
    if (!module.empty()) {
      throw input_error(where_, "expected tensor {}, got {}, which PEFT would leave out; rename it",
                        peft_tensor_name(module, factor.factor), shown(name));
    }
    throw input_error(where_,
                      "tensor {} {} changes a matrix that {} does not have; the adapter is another model's",
                      shown(name), shape_text(view.shape), printable(base_.name, 200));
  }

  [[noreturn]] void refuse_other(const std::string& name, std::string_view rest) const {
    const auto has = [&](std::string_view text) { return rest.find(text) != std::string_view::npos; };
    const char* why =
        "is no lora_A or lora_B of a linear layer, which is all that is supported; use another adapter";
    if (has("lora_magnitude_vector")) {
      why =
          "is of DoRA, which is not supported, and the configuration does not have use_dora; use another "
          "adapter";
    } else if (rest.ends_with(".bias") && has(".lora_B.")) {
      why =
          "is a trained bias, which is not supported, and the configuration does not have lora_bias; use "
          "another "
          "adapter";
    } else if (has(".modules_to_save.") || has(".original_module.")) {
      why =
          "is of a module that was trained whole, which is not supported, and the configuration does not "
          "have "
          "modules_to_save; use another adapter";
    } else if (is_of_other_programs(rest)) {
      why = kOfOtherPrograms;
    }
    throw input_error(where_, "tensor {} {}", shown(name), why);
  }

  const std::string& where_;
  const AdapterBase& base_;
  const std::map<std::string, PeftChange>& changes_;
  std::set<std::string, std::less<>> modules_;
  std::map<std::string, PeftFactors> factors_;
  std::vector<std::string> left_out_;
};

}  // namespace

std::map<std::string, PeftFactors> sort_peft_tensors(const WeightMap& tensors, const std::string& where,
                                                     const AdapterBase& base,
                                                     const std::map<std::string, PeftChange>& changes,
                                                     std::vector<std::string>& warnings) {
  if (tensors.entries().empty()) {
    throw input_error(where, "expected an adapter's tensors, got none; save it anew");
  }
  Sorter sorter(where, base, changes);
  for (const auto& [name, entry] : tensors.entries()) sorter.take(name, entry.view);
  return sorter.finish(warnings);
}

std::string peft_tensor_name(std::string_view matrix, char factor) {
  return fmt::format("{}{}.lora_{}.weight", kPrefix, matrix, factor);
}

}  // namespace refocus
