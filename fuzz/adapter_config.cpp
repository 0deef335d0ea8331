// adapter_config.json of a LoRA adapter. The first part is the file; the second, where there is one, the
// weights.
#include "io/peft/peft_adapter.h"
#include "io/peft/peft_config.h"
#include "io/peft/peft_tensors.h"
#include "io/safetensors.h"
#include "target.h"

namespace {

// Weights that fit adapter_config.json as PEFT writes it for rank 2.
std::string small_weights() {
  using namespace refocus;
  static const float values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<NamedTensor> tensors;
  for (const char factor : {'A', 'B'}) {
    TensorView view;
    view.dtype = DType::kF32;
    view.shape = factor == 'A' ? std::vector<std::int64_t>{2, 4} : std::vector<std::int64_t>{4, 2};
    view.data = reinterpret_cast<const std::byte*>(values);
    tensors.push_back({peft_tensor_name("model.layers.0.self_attn.q_proj", factor), view});
  }
  const auto path = fuzz::scratch() / "small.safetensors";
  write_safetensors(path, tensors);
  return path.string();
}

}  // namespace

REFOCUS_FUZZ_TARGET(adapter_config) {
  using namespace refocus;
  static const std::string weights = small_weights();
  const auto parts = fuzz::parts(input);
  const auto folder = fuzz::write_scratch("adapter/adapter_config.json", parts[0]).parent_path();
  if (parts.size() > 1) {
    fuzz::write_scratch("adapter/adapter_model.safetensors", parts[1]);
  } else {
    std::filesystem::copy_file(weights, folder / "adapter_model.safetensors",
                               std::filesystem::copy_options::overwrite_existing);
  }
  AdapterBase base{"the model", {}};
  for (const char* module : {"q_proj", "v_proj"}) {
    base.modules.push_back({std::string("model.layers.0.self_attn.") + module, ModelModule::Kind::kLinear});
  }
  read_peft_adapter(folder, base);
}
