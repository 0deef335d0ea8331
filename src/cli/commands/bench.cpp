// refocus bench: tokens a second of a model on this machine, beside what the machine could do at most.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/memory_use.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/options/asking_options.h"
#include "cli/options/model_options.h"
#include "generate/benchmark.h"
#include "kernels/instruction_set.h"
#include "kernels/machine_limits.h"
#include "model/weights.h"

namespace refocus::cli {

namespace {

struct BenchOptions {
  ModelOptions model;
  int repeats = 5;
  std::optional<std::int64_t> prompt;
  bool json = false;
  std::string simd, intervene = "rebalance";

  // What rates with the intervention are called.
  std::string suffix() const { return intervene == "rebalance" ? "_rebalance" : "_intervened"; }
};

constexpr std::pair<const char*, std::vector<double> BenchmarkRates::*> kCases[] = {
    {"prefill_tps", &BenchmarkRates::prefill},
    {"decode_tps", &BenchmarkRates::decode},
    {"decode_batch16_tps", &BenchmarkRates::decode_batch}};

bool is_table(std::string_view name) {
  return name.ends_with("embed_tokens.weight") || name.ends_with("lm_head.weight");
}

// Bytes of weights that decoding reads for each token: all, as they lie in memory, but the embedding table,
// of which it reads a row, where the output has a matrix of its own.
double decoded_bytes(const RunningModel& model) {
  const WeightMap& weights = *model.files.weights;
  const auto* table = weights.find("model.embed_tokens.weight");
  const bool tied = has_tied_embeddings(model.files.config, weights);
  auto bytes = static_cast<double>(weights.total_bytes());
  if (!tied && table != nullptr) bytes -= static_cast<double>(table->view.bytes());
  if (model.device != nullptr) return bytes;
  for (const auto& [type, memory] : packed_memory(weights, tied)) {
    bytes += static_cast<double>(memory.packed) - static_cast<double>(memory.stored);
  }
  return bytes;
}

// Multiplications and additions of a prompt's token with the layers' matrices; none for experts, of which a
// token takes some.
std::optional<double> operations_of_a_token(const WeightMap& weights) {
  double out = 0;
  for (const auto& [name, entry] : weights.entries()) {
    if (entry.view.shape.size() > 2 || name.find("experts.") != std::string::npos) return std::nullopt;
    if (entry.view.shape.size() == 2 && !is_table(name))
      out += 2.0 * static_cast<double>(entry.view.elements());
  }
  return out;
}

// Of pairs that were measured one right after the other.
double median_ratio(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> out;
  for (std::size_t i = 0; i < a.size(); ++i) out.push_back(a[i] / b[i]);
  return median(std::move(out));
}

// Those that are asked for, or the usual ones where the model's context has room for them.
std::int64_t prompt_tokens(const BenchOptions& options, const ModelConfig& config,
                           const BenchmarkOptions& bench) {
  const std::int64_t most = config.context_length() - bench.decode;
  if (!options.prompt) return std::clamp<std::int64_t>(most, 1, bench.prefill);
  if (*options.prompt <= most) return *options.prompt;
  throw input_error("--prompt-tokens",
                    "expected at most {}, the model's context less {} new tokens, got {}; ask for fewer",
                    most, bench.decode, *options.prompt);
}

nlohmann::ordered_json measure(const BenchOptions& options) {
  if (!options.simd.empty()) limit_instruction_set(options.simd, "--simd");
  BenchmarkOptions bench;
  bench.repeats = options.repeats;
  const AskedInterventions asked = parse_interventions({options.intervene});
  const auto opened = open_running(
      options.model, asked.needs_whole_prompt() ? options.prompt.value_or(bench.prefill) : kRunningRows);
  RunningModel& model = *opened;
  bench.prefill = prompt_tokens(options, model.files.config, bench);
  const InterventionSpec intervention = asked.one_for_model(model.files);
  std::vector<double> reads, fmas;  // what the machine can do, in the same minutes
  std::int64_t memory = 0;          // before that is measured, which takes memory too
  const std::vector<BenchmarkRates> rates =
      run_benchmark(model.transformer, {InterventionSpec{}, intervention}, bench, [&] {
        if (memory == 0) memory = resident_bytes();
        if (model.device != nullptr) return;
        reads.push_back(measure_read_gb_s(model.pool));
        fmas.push_back(measure_fma_gflop_s(model.pool));
      });
  nlohmann::ordered_json out;
  out["model"] = model.files.name();
  out["threads"] = model.pool.size();
  out["pinned"] = options.model.pin;
  out["kv_type"] = options.model.kv_name();
  out["activations"] = name_of(options.model.activation_type());
  out["instruction_set"] = instruction_set();
  if (model.device != nullptr) out["device"] = model.device->facts().name;
  out["intervention"] = intervention.canonical(model.files.config.num_hidden_layers);
  out["repeats"] = options.repeats;
  out["prompt_tokens"] = bench.prefill;
  for (const auto& [key, of_repeats] : kCases) out[key] = median(rates[0].*of_repeats);
  for (const auto& [key, of_repeats] : kCases) {
    out[key + options.suffix()] = median(rates[1].*of_repeats);
  }
  for (const auto& [key, of_repeats] : kCases) {
    out[std::string(key) + "_ratio"] = median_ratio(rates[1].*of_repeats, rates[0].*of_repeats);
  }
  if (model.device == nullptr) {
    out["read_gb_s"] = median(reads);
    out["fma_gflop_s"] = median(fmas);
  }
  out["decode_gb_s"] = median(rates[0].decode) * decoded_bytes(model) / 1e9;
  if (const std::optional<double> operations = operations_of_a_token(*model.files.weights)) {
    out["prefill_gop_s"] = median(rates[0].prefill) * *operations / 1e9;
  }
  out["first_token_ms"] = 1000.0 * static_cast<double>(bench.prefill) / median(rates[0].prefill);
  out["memory_bytes"] = memory;
  return out;
}

void run(const BenchOptions& options) {
  const nlohmann::ordered_json out = measure(options);
  if (options.json) {
    fmt::print("{}\n", json_text(out));
    return;
  }
  const auto value = [&](const char* key) { return out.at(key).get<double>(); };
  const std::string where =
      options.model.on_cpu()
          ? fmt::format("{} threads{}, {}", out["threads"].get<int>(), options.model.pin ? " (pinned)" : "",
                        out["instruction_set"].get<std::string>())
          : out["device"].get<std::string>();
  fmt::print("{}, {}, median of {}\n\n", out["model"].get<std::string>(), where, options.repeats);
  const auto prompt = out["prompt_tokens"].get<std::int64_t>();
  fmt::print("tokens a second          none   {:>9}   ratio\n", options.suffix().substr(1));
  for (const auto& [label, key] : {std::pair{fmt::format("prefill, {} tokens", prompt), "prefill_tps"},
                                   std::pair{std::string("decode"), "decode_tps"},
                                   std::pair{std::string("decode, 16 sequences"), "decode_batch16_tps"}}) {
    fmt::print("{:<20}  {:>7.1f}     {:>7.1f}   {:>5.3f}\n", label, value(key),
               value((key + options.suffix()).c_str()), value((std::string(key) + "_ratio").c_str()));
  }
  if (!options.model.on_cpu()) {
    return fmt::print("\nDecoding one sequence reads {:.1f} GB/s of weights.\n", value("decode_gb_s"));
  }
  fmt::print(
      "\nThis machine reads {:.1f} GB/s; decoding one sequence reads {:.1f} GB/s of weights ({:.0f}%).\n"
      "It does {:.0f} float32 GFLOP/s",
      value("read_gb_s"), value("decode_gb_s"), 100 * value("decode_gb_s") / value("read_gb_s"),
      value("fma_gflop_s"));
  if (out.contains("prefill_gop_s")) {
    fmt::print("; prefill does {:.0f} GOP/s with the layers' matrices ({:.2f} times that)",
               value("prefill_gop_s"), value("prefill_gop_s") / value("fma_gflop_s"));
  }
  fmt::print(
      ".\nThe first token of a prompt of {} comes after {:.0f} ms; {:.0f} MB of memory with everything.\n",
      prompt, value("first_token_ms"), value("memory_bytes") / 1e6);
}

}  // namespace

Action add_bench(CLI::App& command) {
  auto options = std::make_shared<BenchOptions>();
  options->model.add_model(command);
  command.add_option("--repeats", options->repeats, "Counted runs; medians are printed")
      ->capture_default_str()
      ->check(whole_number(1, 1000));
  command
      .add_option("--prompt-tokens", options->prompt,
                  "Tokens of the prompt, after which one sequence decodes (default: 512, or what the context "
                  "has room for)")
      ->check(whole_number(1, 1'000'000));
  command.add_flag("--json", options->json, "Print one JSON object");
  add_intervention(command, options->intervene);
  options->model.add_threads(command);
  options->model.add_device(command);
  options->model.add_kv_type(command);
  options->model.add_activations(command);
  options->model.add_adapter(command);
  command.add_option("--simd", options->simd,
                     "Measure with this instruction set instead of the best that the processor has: " +
                         fmt::format("{}", fmt::join(instruction_sets(), ", ")));
  return [options] { run(*options); };
}

}  // namespace refocus::cli
