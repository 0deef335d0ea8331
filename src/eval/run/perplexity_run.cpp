#include "eval/run/perplexity_run.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "base/error.h"
#include "cluster/packed_text.h"
#include "intervene/intervention_pool.h"
#include "kernels/argmax.h"
#include "kernels/distribution.h"

namespace refocus {

namespace {

std::size_t count_of(std::int64_t count) { return static_cast<std::size_t>(count); }

// One arm on its way through a window.
class Runner {
 public:
  Runner(const PerplexityArm& arm, std::int64_t longest)
      : model_(*arm.model),
        spec_(arm.intervention),
        tokenizer_(arm.tokenizer),
        intervention_(arm.intervention, shape_of(model_)),
        pool_(kv_pool_of(model_, kv_bytes(model_.config(), longest, model_.kv_type(), model_.max_rows()))),
        sequence_(pool_) {}

  // All of the window is the prompt to an intervention.
  void begin(std::span<const std::int32_t> window, const WindowPieces& about) {
    sequence_.clear();
    length_ = std::ssize(window);
    REFOCUS_CHECK(sequence_.reserve(length_, model_.max_rows()));
    const bool known = about.pieces != nullptr;
    intervention_.aim(aim(spec_, {window, about.pieces, known ? &about.encoded : nullptr, tokenizer_}));
  }

  // The window's next tokens; their logits, [tokens, vocab], where wanted.
  std::span<const float> forward(std::span<const std::int32_t> tokens, LogitRows logits) {
    const SequenceInput input{&sequence_, tokens, length_, intervention_.hooks(), logits};
    return model_.forward({&input, 1});
  }

 private:
  Transformer& model_;
  InterventionSpec spec_;
  const Tokenizer* tokenizer_;
  Intervention intervention_;
  KvPool pool_;
  KvSequence sequence_;
  std::int64_t length_ = 0;
};

class Scorer {
 public:
  Scorer(std::span<const PerplexityArm> arms, std::span<const std::int32_t> tokens,
         std::span<const TextWindow> windows)
      : tokens_(tokens), vocab_(arms.front().model->config().vocab_size), pool_(arms.front().model->pool()) {
    std::int64_t longest = 0;
    for (const TextWindow& window : windows) longest = std::max(longest, window.end - window.begin);
    for (const PerplexityArm& arm : arms) {
      REFOCUS_CHECK(arm.model->config().vocab_size == vocab_);
      rows_ = std::min(rows_, arm.model->max_rows());
      runners_.push_back(std::make_unique<Runner>(arm, longest));
    }
    scores_.resize(arms.size());
    log_sums_.resize(count_of(rows_));
    tops_.resize(count_of(rows_));
    same_.resize(count_of(rows_));
  }

  void score(const TextWindow& window, const WindowPieces& about) {
    for (const auto& runner : runners_) {
      runner->begin(tokens_.subspan(count_of(window.begin), count_of(window.end - window.begin)), about);
    }
    // A row's logits are those of the next token: the window's last row is not needed, and rows before
    // `wanted` only for their keys and values.
    const std::int64_t wanted = window.first_counted - 1, end = window.end - 1;
    for (std::int64_t row = window.begin; row < end;) {
      const std::int64_t next = std::min(row + rows_, row < wanted ? wanted : end);
      const auto now = tokens_.subspan(count_of(row), count_of(next - row));
      const LogitRows logits = row < wanted ? LogitRows::kNone : LogitRows::kAll;
      for (std::size_t arm = 0; arm < runners_.size(); ++arm) {
        const std::span<const float> out = runners_[arm]->forward(now, logits);
        if (!out.empty()) score_rows(arm, out, tokens_.subspan(count_of(row + 1), now.size()));
      }
      row = next;
    }
  }

  // What was scored since the last call.
  std::vector<TokenScores> take() {
    return std::exchange(scores_, std::vector<TokenScores>(runners_.size()));
  }

 private:
  // logits [targets, vocab]
  void score_rows(std::size_t arm, std::span<const float> logits, std::span<const std::int32_t> targets) {
    TokenScores& out = scores_[arm];
    const std::size_t first = out.nll.size();
    out.nll.resize(first + targets.size());
    if (arm > 0) out.divergence.resize(first + targets.size());
    pool_.parallel_for(static_cast<std::int64_t>(targets.size()), [&](std::int64_t r, int) {
      const std::size_t row = count_of(r);
      const std::span<const float> x = logits.subspan(row * count_of(vocab_), count_of(vocab_));
      const double log_sum = log_sum_exp(x);
      const std::int64_t top = argmax(x.data(), vocab_);
      out.nll[first + row] = negative_log_likelihood(x, log_sum, targets[row]);
      if (arm == 0) {
        log_sums_[row] = log_sum;
        tops_[row] = top;
      } else {
        const std::span<const float> reference(reference_.data() + row * count_of(vocab_), count_of(vocab_));
        out.divergence[first + row] = kl_divergence(reference, log_sums_[row], x, log_sum);
        same_[row] = top == tops_[row];
      }
    });
    if (arm == 0 && runners_.size() > 1) reference_.assign(logits.begin(), logits.end());
    if (arm > 0) out.same_top += std::count(same_.begin(), same_.begin() + std::ssize(targets), char{1});
  }

  std::span<const std::int32_t> tokens_;
  std::int64_t vocab_, rows_ = kPerplexityRows;
  ThreadPool& pool_;
  std::vector<std::unique_ptr<Runner>> runners_;
  std::vector<TokenScores> scores_;
  // Of the rows at hand, in the reference arm:
  std::vector<float> reference_;    // logits, [rows, vocab]
  std::vector<double> log_sums_;    // [rows]
  std::vector<std::int64_t> tops_;  // [rows], the most likely next token
  std::vector<char> same_;          // [rows], whether the arm at hand has the same one
};

// A unit is a window's place; a result is it, and every arm's scores, doubles as their bytes:
//   place (nll divergence same_top)...
std::string_view bytes_of(const std::vector<double>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double)};
}

std::vector<double> doubles_of(const std::string& bytes) {
  std::vector<double> out(bytes.size() / sizeof(double));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(double));
  return out;
}

void append(std::vector<double>& to, const std::vector<double>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

}  // namespace

DoWork window_work(std::span<const PerplexityArm> arms, std::span<const std::int32_t> tokens,
                   std::span<const TextWindow> windows, const PiecesOf& pieces_of) {
  return [=](const NextUnit& next, const GiveResult& give) {
    Scorer scorer(arms, tokens, windows);
    while (const std::optional<std::string> unit = next()) {
      const std::int64_t place = Unpacker(*unit).number();
      REFOCUS_CHECK(place >= 0 && place < std::ssize(windows));
      const TextWindow& window = windows[count_of(place)];
      scorer.score(window, pieces_of ? pieces_of(window) : WindowPieces());
      Packer result;
      result.add(place);
      for (const TokenScores& scores : scorer.take()) {
        result.add(bytes_of(scores.nll)).add(bytes_of(scores.divergence)).add(scores.same_top);
      }
      give(result.take());
    }
  };
}

std::vector<TokenScores> score_tokens_together(WorkShare& share, std::span<const PerplexityArm> arms,
                                               std::span<const std::int32_t> tokens,
                                               std::span<const TextWindow> windows,
                                               const std::function<void(std::int64_t)>& on_window,
                                               const PiecesOf& pieces_of) {
  std::vector<WorkUnit> units;
  for (std::size_t w = 0; w < windows.size(); ++w)
    units.push_back({"", Packer().add(static_cast<std::int64_t>(w)).take()});
  std::vector<std::vector<TokenScores>> by_window(windows.size());
  share.run("windows", std::move(units), window_work(arms, tokens, windows, pieces_of),
            [&](const std::string& result) {
              Unpacker in(result);
              const auto place = count_of(in.number());
              for (std::size_t arm = 0; arm < arms.size(); ++arm) {
                TokenScores& scores = by_window.at(place).emplace_back();
                scores.nll = doubles_of(in.text());
                scores.divergence = doubles_of(in.text());
                scores.same_top = in.number();
              }
              if (on_window) on_window(windows[place].end - windows[place].first_counted);
            });
  std::vector<TokenScores> out(arms.size());
  for (const std::vector<TokenScores>& window : by_window) {
    for (std::size_t arm = 0; arm < arms.size(); ++arm) {
      append(out[arm].nll, window[arm].nll);
      append(out[arm].divergence, window[arm].divergence);
      out[arm].same_top += window[arm].same_top;
    }
  }
  return out;
}

std::vector<TokenScores> score_tokens(std::span<const PerplexityArm> arms,
                                      std::span<const std::int32_t> tokens,
                                      std::span<const TextWindow> windows,
                                      const std::function<void(std::int64_t)>& on_window,
                                      const PiecesOf& pieces_of) {
  REFOCUS_CHECK(!arms.empty());
  Scorer scorer(arms, tokens, windows);
  for (const TextWindow& window : windows) {
    scorer.score(window, pieces_of ? pieces_of(window) : WindowPieces());
    if (on_window) on_window(window.end - window.first_counted);
  }
  return scorer.take();
}

}  // namespace refocus
