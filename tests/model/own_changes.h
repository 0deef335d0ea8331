// Functions of the program that tests register: methods of ours written anew, by what own_change.h hands out
// alone; and runs of golden checkpoints under them.
#pragma once

#include <cmath>
#include <functional>
#include <map>
#include <mutex>

#include "base/text_file.h"
#include "intervene/grammar/own_change.h"
#include "model/engine.h"

namespace refocus::testing {

class TestChange : public OwnChange {
 public:
  using Body = std::function<void(const OwnRows&)>;
  TestChange(std::string name, When when, Body body)
      : identity_(std::move(name) + "@0123456789abcdef"), when_(when), body_(std::move(body)) {}
  When when() const override { return when_; }
  const std::string& identity() const override { return identity_; }
  void change(const OwnRows& rows) const override { body_(rows); }

 private:
  std::string identity_;
  When when_;
  Body body_;
};

// Known as long as it lives.
class Registered {
 public:
  explicit Registered(std::shared_ptr<const OwnChange> change) : change_(std::move(change)) {
    register_own_change(change_);
  }
  Registered(std::string name, OwnChange::When when, TestChange::Body body)
      : Registered(std::make_shared<TestChange>(std::move(name), when, std::move(body))) {}
  ~Registered() { forget_own_change(change_->identity()); }
  Registered(const Registered&) = delete;
  Registered& operator=(const Registered&) = delete;

 private:
  std::shared_ptr<const OwnChange> change_;
};

// Calls body(value) for the chosen keys that row r sees; whether there is one.
template <class Body>
bool for_chosen(const OwnRows& rows, std::int64_t r, const Body& body) {
  bool any = false;
  rows.chosen->within(rows.first_key(r), rows.first_position + r + 1,
                      [&](std::int64_t begin, std::int64_t end) {
                        for (std::int64_t j = begin; j < end; ++j) body(rows.row(r)[j]);
                        any = true;
                      });
  return any;
}

inline void own_boost(const OwnRows& rows, float factor) {
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const double before = rows.total(r);
    if (for_chosen(rows, r, [&](float& weight) { weight *= factor; })) rows.keep_mass(r, before);
  }
}

inline void own_guide(const OwnRows& rows, double delta) {
  const auto added = static_cast<float>(std::log(std::exp(delta)));
  for (std::int64_t r = 0; r < rows.rows; ++r) for_chosen(rows, r, [&](float& score) { score += added; });
}

// scale:renormalise=no
inline void own_scale(const OwnRows& rows, float factor) {
  for (std::int64_t r = 0; r < rows.rows; ++r) for_chosen(rows, r, [&](float& weight) { weight *= factor; });
}

// Re-balancing by layer 0's mask, which is kept for each sequence.
class OwnRebalance : public OwnChange {
 public:
  OwnRebalance(double alpha, double threshold, std::int64_t layers)
      : alpha_(alpha), threshold_(static_cast<float>(threshold)), layers_(layers) {}
  When when() const override { return When::kWeights; }
  const std::string& identity() const override { return identity_; }
  void begin(std::uint64_t sequence) const override {
    const std::scoped_lock lock(mutex_);
    masks_[sequence];
    ++begun_;
  }
  void end(std::uint64_t sequence) const noexcept override {
    const std::scoped_lock lock(mutex_);
    masks_.erase(sequence);
  }
  void change(const OwnRows& rows) const override {
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      std::vector<std::int64_t>& mask = mask_of(rows, r);
      float* weights = rows.row(r);
      if (rows.layer == 0) {
        mask.clear();
        for (std::int64_t j = 0; j < rows.first_position + r; ++j) {
          if (weights[j] / rows.sums[r] > threshold_) mask.push_back(j);
        }
        continue;
      }
      const double excess =
          alpha_ * (1.0 - static_cast<double>(rows.layer) / static_cast<double>(layers_ - 1));
      for (const std::int64_t j : mask) weights[j] *= 1 + static_cast<float>(excess);
    }
  }
  std::size_t begun() const { return begun_; }
  std::size_t sequences() const {
    const std::scoped_lock lock(mutex_);
    return masks_.size();
  }

 private:
  using Masks = std::map<std::pair<std::int64_t, std::int64_t>, std::vector<std::int64_t>>;
  std::vector<std::int64_t>& mask_of(const OwnRows& rows, std::int64_t r) const {
    const std::scoped_lock lock(mutex_);
    return masks_.at(rows.sequence)[{rows.first_position + r, rows.head}];
  }

  std::string identity_ = "rebalance@0123456789abcdef";
  double alpha_;
  float threshold_;
  std::int64_t layers_;
  mutable std::mutex mutex_;
  mutable std::map<std::uint64_t, Masks> masks_;
  mutable std::size_t begun_ = 0;
};

inline constexpr std::size_t kPrompt = 60, kTokens = 75;

inline std::vector<std::int32_t> own_tokens(unsigned seed, std::size_t count = kTokens) {
  std::vector<std::int32_t> out = made_up_ids(count, seed);
  for (std::int32_t& id : out) id %= 48;  // the smallest vocabulary
  return out;
}

// Golden checkpoints: one head a group, three of several, three of one, windows, windows with sinks.
inline Engine own_engine(const std::string& model, int threads) {
  if (model.find('-') != std::string::npos) return {model, config_with(model, "{}"), threads, 4096};
  const std::filesystem::path directory = golden("families") / model;
  return {directory.string(), read_text_file(directory / "config.json"), threads, 4096};
}
// A sequence on its way through its tokens.
struct OwnRun {
  std::vector<std::int32_t> tokens;
  Intervention intervention;
  KvSequence cache;
  std::size_t done = 0;

  OwnRun(Engine& engine, const std::string& text, std::vector<std::int32_t> of, std::size_t prompt = kPrompt)
      : tokens(std::move(of)),
        intervention(parse_intervention(text), shape_of(*engine.model)),
        cache(*engine.cache) {
    intervention.aim(aim(parse_intervention(text), {std::span(tokens).first(prompt)}));
    EXPECT_TRUE(cache.reserve(std::ssize(tokens)));
  }
  SequenceInput next(std::size_t rows, LogitRows logits = LogitRows::kAll) {
    const auto now = std::span(tokens).subspan(done, std::min(rows, tokens.size() - done));
    done += now.size();
    return {&cache, now, std::ssize(tokens), intervention.hooks(), logits};
  }
};

// Logits of all rows: the prompt in calls of at most `chunk` rows, then `rest` tokens a call.
inline std::vector<float> own_logits(Engine& engine, const std::string& text, std::size_t chunk,
                                     std::size_t rest, unsigned seed = 1) {
  OwnRun run(engine, text, own_tokens(seed));
  std::vector<float> logits;
  while (run.done < run.tokens.size()) {
    const SequenceInput input = run.next(run.done < kPrompt ? std::min(chunk, kPrompt - run.done) : rest);
    const std::span<const float> rows = engine.model->forward({&input, 1});
    logits.insert(logits.end(), rows.begin(), rows.end());
  }
  return logits;
}

inline std::size_t own_vocab(const Engine& engine) {
  return static_cast<std::size_t>(engine.model->config().vocab_size);
}

}  // namespace refocus::testing
