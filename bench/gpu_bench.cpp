// Speed of a GPU on a LLaMA of the 7B geometry with random weights, with and without re-balancing, as JSON.
//
//   gpu_bench [--device cuda|reference] [--types F16,Q8_0,...] [--lengths FILE] [--repeats N] [--tiny]
//             [--activations f16|f32]
//
// The weights are standard normal numbers times 0.02, norms are 1. All matrices look into one stretch of
// numbers that repeats, so that no memory beside the GPU's is filled. bench/gpu_peer.py measures PyTorch the
// same way.
#include <fmt/core.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "base/thread_pool.h"
#include "device/device.h"
#include "generate/benchmark.h"
#include "generate/scheduler.h"
#include "model/transformer.h"
#include "tensor/block_formats.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

struct Geometry {
  std::int64_t hidden = 4096, inner = 11008, layers = 32, heads = 32, vocab = 32000, context = 4096;
};

struct Arguments {
  std::string device = "cuda", lengths, activations = "f16";
  std::vector<std::string> types = {"F16"};
  int repeats = 5;
  bool tiny = false;
};

ModelConfig config_of(const Geometry& g) {
  const ordered_json json = {{"model_type", "llama"},
                             {"hidden_size", g.hidden},
                             {"intermediate_size", g.inner},
                             {"num_hidden_layers", g.layers},
                             {"num_attention_heads", g.heads},
                             {"num_key_value_heads", g.heads},
                             {"vocab_size", g.vocab},
                             {"max_position_embeddings", g.context},
                             {"rms_norm_eps", 1e-5}};
  return parse_config(json.dump(), "gpu_bench");  // NOLINT
}

// Random weights of a type, of which matrices are stretches.
class Stretch {
 public:
  Stretch(DType type, std::int64_t elements) : type_(type) {
    constexpr std::int64_t kPeriod = (1 << 22) + 3 * 256;  // whole blocks of every type
    std::vector<float> values(kPeriod);
    SplitMix64 random(1);
    for (float& value : values) value = static_cast<float>(0.02 * random.normal());
    const std::size_t period = bytes_of(type, kPeriod);
    bytes_.resize(period * static_cast<std::size_t>(elements / kPeriod + 1));
    quantize_row(type, values.data(), bytes_.data(), kPeriod);
    for (std::size_t done = period; done < bytes_.size(); done += period) {
      std::copy_n(bytes_.data(), period, bytes_.data() + done);
    }
  }
  TensorView view(std::int64_t rows, std::int64_t columns) { return {bytes_.data(), type_, {rows, columns}}; }

 private:
  DType type_;
  std::vector<std::byte> bytes_;
};

std::shared_ptr<const WeightMap> random_weights(const Geometry& g, DType type) {
  auto map = std::make_shared<WeightMap>();
  const auto stretch = std::make_shared<Stretch>(type, g.vocab * g.hidden);
  const auto table = std::make_shared<Stretch>(DType::kF16, g.vocab * g.hidden);
  const auto ones = std::make_shared<std::vector<float>>(static_cast<std::size_t>(g.hidden), 1.0f);
  const auto norm = [&](const std::string& name) {
    map->insert(name + ".weight", {reinterpret_cast<const std::byte*>(ones->data()), DType::kF32, {g.hidden}},
                "random", ones);
  };
  const auto matrix = [&](const std::string& name, std::int64_t outputs, std::int64_t inputs) {
    map->insert(name + ".weight", stretch->view(outputs, inputs), "random", stretch);
  };
  map->insert("model.embed_tokens.weight", table->view(g.vocab, g.hidden), "random", table);
  for (std::int64_t l = 0; l < g.layers; ++l) {
    const std::string layer = fmt::format("model.layers.{}.", l);
    norm(layer + "input_layernorm");
    norm(layer + "post_attention_layernorm");
    for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"}) {
      matrix(layer + "self_attn." + name, g.hidden, g.hidden);
    }
    matrix(layer + "mlp.gate_proj", g.inner, g.hidden);
    matrix(layer + "mlp.up_proj", g.inner, g.hidden);
    matrix(layer + "mlp.down_proj", g.hidden, g.inner);
  }
  norm("model.norm");
  matrix("lm_head", g.vocab, g.hidden);
  return map;
}

std::int64_t matrix_parameters(const Geometry& g) {
  return g.layers * (4 * g.hidden * g.hidden + 3 * g.hidden * g.inner);
}

// Floating-point operations of a prompt, as bench/gpu_peer.py counts them: the head for the last token alone,
// attention over the causal pairs.
double operations(const Geometry& g, std::int64_t tokens) {
  const auto n = static_cast<double>(tokens);
  return 2 * static_cast<double>(matrix_parameters(g)) * n + 2 * static_cast<double>(g.vocab * g.hidden) +
         4 * static_cast<double>(g.layers * g.hidden) * n * (n + 1) / 2;
}

ordered_json rates_of(const std::vector<BenchmarkRates>& rates, std::vector<double> BenchmarkRates::*which) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < (rates[0].*which).size(); ++i) {
    ratios.push_back((rates[1].*which)[i] / (rates[0].*which)[i]);
  }
  return {{"none", median(rates[0].*which)},
          {"rebalance", median(rates[1].*which)},
          {"ratio", median(ratios)},
          {"all_none", rates[0].*which},
          {"all_rebalance", rates[1].*which}};
}

class Measures {
 public:
  Measures(Transformer& model, const Geometry& geometry, const Arguments& arguments, double bytes)
      : model_(model), geometry_(geometry), arguments_(arguments), bytes_(bytes) {}

  ordered_json all() {
    ordered_json out;
    BenchmarkOptions options;
    options.repeats = arguments_.repeats;
    options.prefill = 512;
    options.decode = arguments_.tiny ? 2 : 64;
    options.batch = arguments_.tiny ? 2 : 64;
    options.batch_prompt = 32;
    options.batch_decode = arguments_.tiny ? 1 : 16;
    const auto rates = run(options);
    out["prefill_512"] = with_flops(rates_of(rates, &BenchmarkRates::prefill), 512);
    out["decode"] = rates_of(rates, &BenchmarkRates::decode);
    out["decode"]["weights_gb_s"] = out["decode"]["none"].get<double>() * bytes_ / 1e9;
    out["decode_64"] = rates_of(rates, &BenchmarkRates::decode_batch);
    if (arguments_.tiny) return out;
    options.prefill = 2048;
    options.decode = options.batch = options.batch_decode = 1;
    out["prefill_2048"] = with_flops(rates_of(run(options), &BenchmarkRates::prefill), 2048);
    if (!arguments_.lengths.empty()) out["mmlu"] = mmlu();
    return out;
  }

 private:
  std::vector<BenchmarkRates> run(const BenchmarkOptions& options) {
    return run_benchmark(model_, {InterventionSpec{}, parse_intervention("rebalance")}, options, [] {});
  }

  ordered_json with_flops(ordered_json rates, std::int64_t tokens) const {
    for (const char* arm : {"none", "rebalance"}) {
      rates[std::string("tflop_s_") + arm] =
          rates[arm].get<double>() / static_cast<double>(tokens) * operations(geometry_, tokens) / 1e12;
    }
    return rates;
  }

  // Prompts of the file's lengths, each for its next token alone; prompts a second.
  ordered_json mmlu() {
    std::vector<std::int64_t> lengths;
    std::ifstream file(arguments_.lengths);
    for (std::int64_t length; file >> length;) lengths.push_back(length);
    if (lengths.empty()) throw input_error(arguments_.lengths, "expected lengths, got none");
    std::vector<double> rates[2];
    for (int repeat = 0; repeat <= 3; ++repeat) {
      for (int arm = 0; arm < 2; ++arm) {
        const double rate = prompts_per_second(lengths, arm == 0 ? "none" : "rebalance");
        if (repeat > 0) rates[arm].push_back(rate);
      }
    }
    return {{"prompts", lengths.size()}, {"none", median(rates[0])}, {"rebalance", median(rates[1])}};
  }

  double prompts_per_second(const std::vector<std::int64_t>& lengths, const char* intervention) {
    SchedulerOptions options;
    options.max_sequences = 64;
    options.context = geometry_.context;
    options.kv_bytes = std::int64_t{8} << 30;
    Scheduler scheduler(model_, options);
    SplitMix64 random(2);
    std::size_t next = 0;
    const auto source = [&]() -> std::optional<GenerationRequest> {
      if (next == lengths.size()) return std::nullopt;
      GenerationRequest request;
      request.id = next;
      request.max_new_tokens = 1;
      request.intervention = parse_intervention(intervention);
      for (std::int64_t t = 0; t < lengths[next]; ++t) {
        request.prompt.push_back(
            static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(geometry_.vocab))));
      }
      ++next;
      return request;
    };
    const auto begin = std::chrono::steady_clock::now();
    scheduler.run(source, [](GenerationResult&&) {});
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    return static_cast<double>(lengths.size()) / seconds.count();
  }

  Transformer& model_;
  const Geometry& geometry_;
  const Arguments& arguments_;
  double bytes_;
};

DType type_named(const std::string& name) {
  for (const DType type : kDTypes) {
    if (name_of(type) == name && is_written(type)) return type;
  }
  throw input_error("--types", "expected F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K or Q6_K, got {}", name);
}

ordered_json run(const Arguments& arguments) {
  const Geometry geometry = arguments.tiny ? Geometry{512, 768, 2, 4, 512, 1024} : Geometry();
  ThreadPool pool(available_threads());
  ordered_json out;
  for (const std::string& name : arguments.types) {
    const DType type = type_named(name);
    const std::shared_ptr<Device> device =
        arguments.device == "reference" ? make_reference_device() : make_cuda_device();
    const DeviceFacts facts = device->facts();
    out["device"] = facts.name;
    out["runtime"] = facts.runtime;
    const auto begin = std::chrono::steady_clock::now();
    const bool half = arguments.activations == "f16";
    Transformer model(config_of(geometry), random_weights(geometry, type), "random", pool, 2048,
                      half ? DType::kF16 : DType::kF32, half ? Activations::kF16 : Activations::kF32, device);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    const double bytes =
        static_cast<double>(bytes_of(type, matrix_parameters(geometry) + geometry.vocab * geometry.hidden));
    ordered_json& its = out[name];
    its["load_seconds"] = seconds.count();
    its["weights_gb"] = bytes / 1e9;
    its.update(Measures(model, geometry, arguments, bytes).all());
    fmt::print(stderr, "{}: done\n", name);
  }
  return out;
}

Arguments parse(int count, char** values) {
  Arguments out;
  for (int i = 1; i < count; ++i) {
    const std::string flag = values[i];
    if (flag == "--tiny") {
      out.tiny = true;
      continue;
    }
    if (i + 1 == count) throw usage_error(flag, "expected a value after it, got none");
    const std::string value = values[++i];
    if (flag == "--device") {
      out.device = value;
    } else if (flag == "--lengths") {
      out.lengths = value;
    } else if (flag == "--activations") {
      out.activations = value;
    } else if (flag == "--repeats") {
      out.repeats = std::stoi(value);
    } else if (flag == "--types") {
      out.types.clear();
      for (std::size_t begin = 0; begin <= value.size();) {
        const std::size_t end = std::min(value.find(',', begin), value.size());
        out.types.push_back(value.substr(begin, end - begin));
        begin = end + 1;
      }
    } else {
      throw usage_error(flag, "expected --device, --types, --lengths, --repeats, --activations or --tiny");
    }
  }
  return out;
}

}  // namespace
}  // namespace refocus

int main(int count, char** values) {
  try {
    fmt::print("{}\n", refocus::run(refocus::parse(count, values)).dump(1));
  } catch (const std::exception& error) {
    fmt::print(stderr, "gpu_bench: {}\n", error.what());
    return 1;
  }
}
