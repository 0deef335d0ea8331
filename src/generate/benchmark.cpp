#include "generate/benchmark.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "base/error.h"
#include "intervene/intervention_pool.h"

namespace refocus {

namespace {

// Tokens from the first-th on of a text that is spread over the vocabulary, the same in every run.
std::vector<std::int32_t> some_tokens(std::int64_t first, std::int64_t count, std::int64_t vocab_size) {
  std::vector<std::int32_t> out(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    out[static_cast<std::size_t>(i)] = static_cast<std::int32_t>((3 + (first + i) * 7919) % vocab_size);
  }
  return out;
}

std::int64_t bytes_of_cache(const Transformer& model, std::int64_t tokens) {
  return kv_bytes(model.config(), tokens, model.kv_type());
}

// One intervention's sequences and its rates so far.
class Bench {
 public:
  Bench(Transformer& model, const InterventionSpec& spec, const BenchmarkOptions& options)
      : model_(model),
        options_(options),
        spec_(spec),
        pool_(kv_pool_of(
            model, bytes_of_cache(model, options.prefill + options.decode) +
                       options.batch * bytes_of_cache(model, options.batch_prompt + options.batch_decode))) {}

  double prefill() {
    one_.clear();
    one_.emplace_back(pool_);
    const std::int64_t most = model_.max_rows();
    return static_cast<double>(options_.prefill) / seconds([&] {
             for (std::int64_t done = 0; done < options_.prefill; done += most) {
               call(one_, std::min(most, options_.prefill - done), options_.prefill);
             }
           });
  }

  // After prefill().
  double decode() {
    const double time = seconds([&] {
      for (std::int64_t i = 0; i < options_.decode; ++i) call(one_, 1, options_.prefill);
    });
    return static_cast<double>(options_.decode) / time;
  }

  double decode_batch() {
    std::vector<KvSequence> many;
    for (std::int64_t s = 0; s < options_.batch; ++s) {
      std::vector<KvSequence> single;
      single.emplace_back(pool_);
      call(single, options_.batch_prompt, options_.batch_prompt);
      many.push_back(std::move(single.front()));
    }
    const double time = seconds([&] {
      for (std::int64_t i = 0; i < options_.batch_decode; ++i) call(many, 1, options_.batch_prompt);
    });
    return static_cast<double>(options_.batch * options_.batch_decode) / time;
  }

 private:
  // One forward pass with the next `rows` tokens of each sequence, whose prompt has so many.
  void call(std::vector<KvSequence>& sequences, std::int64_t rows, std::int64_t prompt) {
    while (interventions_.size() < sequences.size()) {
      interventions_.emplace_back(spec_, shape_of(model_));
      if (interventions_.size() == 1) continue;
      // Beside the first, and after the same prompt.
      interventions_.back().aim(target_);
      interventions_.back().go_on_from(interventions_.front());
    }
    const std::int64_t begin = sequences.front().length(), vocab_size = model_.config().vocab_size;
    const std::vector<std::int32_t> tokens = some_tokens(begin < prompt ? begin : 0, rows, vocab_size);
    std::vector<SequenceInput> inputs;
    for (std::size_t s = 0; s < sequences.size(); ++s) {
      const std::int64_t end = begin + rows;
      REFOCUS_CHECK(sequences[s].length() == begin && sequences[s].reserve(end));
      if (begin == 0) {
        target_ = aim(spec_, {some_tokens(0, prompt, vocab_size)});
        interventions_[s].aim(target_);
      }
      inputs.push_back(
          {&sequences[s], tokens, std::max(end, prompt), interventions_[s].hooks(), LogitRows::kLast});
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
  std::vector<Intervention> interventions_;           // one a sequence
  std::shared_ptr<const InterventionTarget> target_;  // of the last prompt
  KvPool pool_;
  std::vector<KvSequence> one_;
};

}  // namespace

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

std::vector<BenchmarkRates> run_benchmark(Transformer& model,
                                          const std::vector<InterventionSpec>& interventions,
                                          const BenchmarkOptions& options,
                                          const std::function<void()>& between) {
  std::vector<std::unique_ptr<Bench>> benches;
  for (const InterventionSpec& spec : interventions)
    benches.push_back(std::make_unique<Bench>(model, spec, options));
  const std::pair<double (Bench::*)(), std::vector<double> BenchmarkRates::*> cases[] = {
      {&Bench::prefill, &BenchmarkRates::prefill},
      {&Bench::decode, &BenchmarkRates::decode},
      {&Bench::decode_batch, &BenchmarkRates::decode_batch}};
  std::vector<BenchmarkRates> out(benches.size());
  for (int repeat = 0; repeat <= options.repeats; ++repeat) {
    for (const auto& [measure, rates] : cases) {
      // Every other round in the opposite order: A B, B A, ...
      for (std::size_t i = 0; i < benches.size(); ++i) {
        const std::size_t at = repeat % 2 == 0 ? i : benches.size() - 1 - i;
        const double rate = ((*benches[at]).*measure)();
        if (repeat > 0) (out[at].*rates).push_back(rate);
      }
    }
    if (repeat > 0) between();
  }
  return out;
}

}  // namespace refocus
