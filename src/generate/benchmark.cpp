#include "generate/benchmark.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "base/error.h"
#include "intervene/intervention.h"

namespace refocus {

namespace {

// Tokens spread over the vocabulary, the same in every run.
std::vector<std::int32_t> some_tokens(std::int64_t count, std::int64_t vocab_size) {
  std::vector<std::int32_t> out(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<std::int32_t>((3 + i * 7919) % static_cast<std::size_t>(vocab_size));
  }
  return out;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

class Bench {
 public:
  Bench(Transformer& model, const InterventionSpec& spec, const BenchmarkOptions& options)
      : model_(model),
        options_(options),
        spec_(spec),
        pool_(model.config(),
              kv_bytes(model.config(), options.prefill + options.decode) +
                  options.batch * kv_bytes(model.config(), options.batch_prompt + options.batch_decode)) {}

  void run_once(bool count) {
    std::vector<KvSequence> one;
    one.emplace_back(pool_);
    const double prefill = seconds([&] { call(one, options_.prefill); });
    const double decode = seconds([&] {
      for (std::int64_t i = 0; i < options_.decode; ++i) call(one, 1);
    });
    one.clear();
    std::vector<KvSequence> many;
    for (std::int64_t s = 0; s < options_.batch; ++s) many.emplace_back(pool_);
    for (KvSequence& sequence : many) {
      std::vector<KvSequence> single;
      single.push_back(std::move(sequence));
      call(single, options_.batch_prompt);
      sequence = std::move(single.front());
    }
    const double batch = seconds([&] {
      for (std::int64_t i = 0; i < options_.batch_decode; ++i) call(many, 1);
    });
    if (!count) return;
    prefill_.push_back(static_cast<double>(options_.prefill) / prefill);
    decode_.push_back(static_cast<double>(options_.decode) / decode);
    batch_.push_back(static_cast<double>(options_.batch * options_.batch_decode) / batch);
  }

  BenchmarkRates rates() const { return {median(prefill_), median(decode_), median(batch_)}; }

 private:
  // One forward pass with the next `rows` tokens of each sequence.
  void call(std::vector<KvSequence>& sequences, std::int64_t rows) {
    while (interventions_.size() < sequences.size()) {
      interventions_.emplace_back(spec_, model_.config().num_hidden_layers,
                                  model_.config().num_attention_heads, model_.max_rows());
    }
    const std::vector<std::int32_t> tokens = some_tokens(rows, model_.config().vocab_size);
    std::vector<SequenceInput> inputs;
    for (std::size_t s = 0; s < sequences.size(); ++s) {
      const std::int64_t end = sequences[s].length() + rows;
      REFOCUS_CHECK(sequences[s].reserve(end));
      inputs.push_back({&sequences[s], tokens, end, interventions_[s].hooks(), LogitRows::kLast});
    }
    model_.forward(inputs);
  }

  template <class Work>
  static double seconds(const Work& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

  Transformer& model_;
  BenchmarkOptions options_;
  InterventionSpec spec_;
  std::vector<Intervention> interventions_;  // one a sequence
  KvPool pool_;
  std::vector<double> prefill_, decode_, batch_;
};

}  // namespace

std::vector<BenchmarkRates> run_benchmark(Transformer& model,
                                          const std::vector<InterventionSpec>& interventions,
                                          const BenchmarkOptions& options) {
  std::vector<std::unique_ptr<Bench>> benches;
  for (const InterventionSpec& spec : interventions)
    benches.push_back(std::make_unique<Bench>(model, spec, options));
  for (int repeat = 0; repeat <= options.repeats; ++repeat) {
    // Every other round in the opposite order: A B, B A, ...
    for (std::size_t i = 0; i < benches.size(); ++i) {
      benches[repeat % 2 == 0 ? i : benches.size() - 1 - i]->run_once(repeat > 0);
    }
  }
  std::vector<BenchmarkRates> out;
  for (const auto& bench : benches) out.push_back(bench->rates());
  return out;
}

}  // namespace refocus
