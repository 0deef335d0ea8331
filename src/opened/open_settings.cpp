#include "opened/open_settings.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/error.h"

namespace refocus {
namespace {

constexpr std::pair<const char*, DType> kKvTypes[] = {
    {"f32", DType::kF32}, {"f16", DType::kF16}, {"q8_0", DType::kQ8_0}};

}  // namespace

std::vector<std::string> kv_names() {
  std::vector<std::string> out;
  for (const auto& [name, type] : kKvTypes) out.emplace_back(name);
  return out;
}

std::vector<std::string> activation_names() { return {"int8", "bf16", "f32", "f16"}; }

std::optional<int> device_number(std::string_view text) {
  if (text == "cuda") return 0;
  if (!text.starts_with("cuda:") || text.size() > 7) return std::nullopt;
  text.remove_prefix(5);
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

void check_shared(const OpenSettings& settings) {
  if (!settings.is_shared()) return;
  if (!settings.on_cpu()) {
    throw usage_error("--device", "expected cpu with --pipeline and --tensor, got {}; leave it out",
                      settings.device);
  }
  if (settings.tensor > 1 && !settings.adapter.empty()) {
    throw usage_error(
        "--tensor",
        "expected a model without an adapter, got --adapter; use --pipeline, or merge the adapter "
        "into the model (refocus merge)");
  }
}

std::shared_ptr<Device> open_device(const OpenSettings& settings) {
  const bool half = settings.activation_type() == Activations::kF16;
  if (settings.on_cpu()) {
    if (half) {
      throw usage_error(
          "--activations",
          "expected int8, bf16 or f32 on the processor, got f16; choose one of them, or --device cuda");
    }
    return nullptr;
  }
  if (const Activations type = settings.activation_type();
      type == Activations::kInt8 || type == Activations::kBf16) {
    throw usage_error("--activations", "expected f16 or f32 on a device, got {}; choose one of them",
                      name_of(type));
  }
  if (settings.kv() == DType::kQ8_0) {
    throw usage_error("--kv-type", "expected f32 or f16 on a device, got q8_0; choose one of them");
  }
  return make_cuda_device(*device_number(settings.device));
}

DType OpenSettings::kv() const {
  if (kv_type.empty()) return activation_type() == Activations::kF16 ? DType::kF16 : DType::kF32;
  for (const auto& [name, type] : kKvTypes) {
    if (kv_type == name) return type;
  }
  return DType::kF32;
}

std::string OpenSettings::kv_name() const {
  const auto* entry = std::ranges::find(kKvTypes, kv(), [](const auto& pair) { return pair.second; });
  return entry->first;
}

Activations OpenSettings::activation_type() const {
  if (activations.empty()) return on_cpu() ? Activations::kInt8 : Activations::kF16;
  if (activations == "f32") return Activations::kF32;
  if (activations == "bf16") return Activations::kBf16;
  return activations == "f16" ? Activations::kF16 : Activations::kInt8;
}

}  // namespace refocus
