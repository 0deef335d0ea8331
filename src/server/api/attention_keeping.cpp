#include "server/api/attention_keeping.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "analyze/attention_run.h"
#include "server/openai/api_error.h"

namespace refocus::server {
namespace {

constexpr const char* kField = "refocus.attention";

void sort_unique(std::vector<std::int64_t>& numbers) {
  std::ranges::sort(numbers);
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
}

// All numbers below `count` where none are given; otherwise those, ascending, each once.
std::vector<std::int64_t> chosen(const std::vector<std::int32_t>& given, std::int64_t count,
                                 const char* what) {
  std::vector<std::int64_t> out(given.begin(), given.end());
  if (out.empty()) {
    out.resize(static_cast<std::size_t>(count));
    std::iota(out.begin(), out.end(), 0);
  }
  sort_unique(out);
  if (out.back() >= count) {
    throw openai::bad_request(fmt::format("{}.{}", kField, what),
                              "expected {} below {}, which the model has, as '{}.{}', got {}; correct the "
                              "request",
                              what, count, kField, what, out.back());
  }
  return out;
}

// Positions whose rows are computed: all tokens but the last one's.
std::vector<std::int64_t> queries_of(const openai::AttentionRequest& request, std::int64_t prompt,
                                     std::int64_t max_tokens) {
  using Queries = openai::AttentionRequest::Queries;
  const std::int64_t computed = prompt + std::max<std::int64_t>(1, max_tokens) - 1;
  std::vector<std::int64_t> out;
  if (request.queries == Queries::kListed) {
    for (const std::int64_t row : request.rows) {
      if (row < computed) out.push_back(row);
    }
    sort_unique(out);
  } else if (request.queries == Queries::kAll || max_tokens > 0) {
    for (std::int64_t i = request.queries == Queries::kAll ? 0 : prompt - 1; i < computed; ++i)
      out.push_back(i);
  }
  if (out.empty()) {
    throw openai::bad_request(
        fmt::format("{}.queries", kField),
        "expected rows that are computed, positions below {}, as '{}.queries', got none; ask for \"all\"",
        computed, kField);
  }
  return out;
}

std::string mebibytes(std::int64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / 1048576.0);
}

void check_bytes(std::int64_t bytes, std::int64_t most, const KeepSettings& of_one) {
  if (bytes <= most) return;
  throw openai::ApiError(
      {.code = "attention_too_large", .param = kField},
      fmt::format(
          "expected at most {} of attention for a request, got {} ({} rows of {} layers and {} heads "
          "in a prompt's answer, {} keys each); ask for fewer max_tokens, queries, layers or heads, a "
          "smaller top_k or reduce \"mean_heads\", or start the server with a larger "
          "--attention-bytes",
          mebibytes(most), mebibytes(bytes), of_one.queries.size(), of_one.layers.size(), of_one.heads.size(),
          of_one.kept()));
}

}  // namespace

std::int64_t json_bytes(const KeepSettings& settings, std::int64_t rows) {
  constexpr std::int64_t kEntry = 18, kRow = 40;  // a key, a weight of nine digits and their commas
  return rows * settings.maps() * (settings.before ? 2 : 1) * (settings.kept() * kEntry + kRow);
}

AttentionPlan plan_attention(const openai::AttentionRequest& request, const AttentionSubject& subject,
                             const KeeperModel& model, const AttentionLimits& limits) {
  AttentionPlan out;
  out.inline_rows = request.inline_rows;
  std::int64_t bytes = 0, as_json = 0;
  for (const std::int64_t prompt : subject.prompts) {
    KeepSettings of_prompt{chosen(request.layers, model.layers, "layers"),
                           chosen(request.heads, model.heads, "heads"),
                           queries_of(request, prompt, subject.max_tokens),
                           prompt + std::max<std::int64_t>(1, subject.max_tokens),
                           request.top_k,
                           request.mean_heads,
                           request.before,
                           threshold_of(subject.intervention, 0.01),
                           largest_factor_of(subject.intervention, model.layers)};
    const std::int64_t whole = subject.intervention.needs_whole_prompt() ? prompt : 0;
    check_bytes(keeper_bytes(of_prompt, model, whole), limits.bytes, of_prompt);
    bytes += most_bytes(of_prompt) * subject.n;
    check_bytes(bytes, limits.bytes, of_prompt);
    as_json += json_bytes(of_prompt, std::ssize(of_prompt.queries)) * subject.n;
    out.prompts.push_back(std::move(of_prompt));
    out.whole_prompts.push_back(whole);
  }
  if (out.inline_rows && as_json > kInlineBytes) {
    throw openai::ApiError(
        {.code = "attention_too_large", .param = fmt::format("{}.inline", kField)},
        fmt::format("expected at most {} of attention in the answer itself, got about {}; leave out 'inline' "
                    "and GET what the answer names, or ask for fewer rows, layers or heads",
                    mebibytes(kInlineBytes), mebibytes(as_json)));
  }
  return out;
}

openai::AttentionValues values_of(const KeptRows& rows, std::int64_t first, std::int64_t last) {
  const KeepSettings& what = rows.settings();
  openai::AttentionValues out;
  out.layers.assign(what.layers.begin(), what.layers.end());
  if (!what.mean_heads) out.heads.assign(what.heads.begin(), what.heads.end());
  out.rows.assign(what.queries.begin() + first, what.queries.begin() + last);
  const auto fill = [&](bool before, std::vector<openai::SparseRow>& to) {
    for (std::int64_t layer = 0; layer < std::ssize(what.layers); ++layer) {
      for (std::int64_t head = 0; head < what.head_places(); ++head) {
        for (std::int64_t row = first; row < last; ++row) {
          const KeptRow its = rows.row(before, layer, head, row);
          const auto count = std::ranges::find(its.keys, -1) - its.keys.begin();
          to.push_back({{its.keys.begin(), its.keys.begin() + count},
                        {its.weights.begin(), its.weights.begin() + count},
                        its.rest});
        }
      }
    }
  };
  fill(false, out.weights);
  if (what.before) fill(true, out.before);
  return out;
}

AttentionKeeping::AttentionKeeping(AttentionPlan plan, std::int64_t n, const KeeperModel& model,
                                   AttentionStore& store)
    : inline_rows_(plan.inline_rows), store_(store) {
  for (std::size_t prompt = 0; prompt < plan.prompts.size(); ++prompt) {
    const KeepSettings& what = plan.prompts[prompt];
    const std::int64_t whole = plan.whole_prompts[prompt];
    for (std::int64_t i = 0; i < n; ++i) {
      auto room = store_.reserve(most_bytes(what) + keeper_bytes(what, model, whole));
      if (!room) {
        throw openai::ApiError(
            {.status = 429, .type = "rate_limit_error", .code = "attention_full"}, "server",
            "expected room for attention, got as much of it on its way as may be kept; try "
            "again later, or start the server with a larger --attention-store");
      }
      rooms_.emplace_back(std::move(room));
      keepers_.push_back(std::make_shared<RowKeeper>(what, model, whole));
    }
  }
}

openai::AttentionReceipt AttentionKeeping::finish(std::size_t choice, KeptText text) {
  openai::AttentionReceipt out;
  auto rows = keepers_[choice]->finish(std::ssize(text.tokens));
  keepers_[choice].reset();
  out.index = static_cast<std::int64_t>(choice);
  out.bytes = rows->bytes();
  out.rows = rows->rows();
  if (inline_rows_) out.values = values_of(*rows, 0, rows->rows());
  out.id = store_.keep(std::move(*rooms_[choice]), {std::move(rows), std::move(text)});
  rooms_[choice].reset();
  return out;
}

}  // namespace refocus::server
