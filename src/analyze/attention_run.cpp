#include "analyze/attention_run.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "generate/scheduler.h"
#include "intervene/intervention_pool.h"
#include "kernels/matmul.h"

namespace refocus {

namespace {

// Rows of a call whose captured values are to fit into kCallBytes.
constexpr std::int64_t kCallBytes = std::int64_t{256} << 20;

std::int64_t rows_of_a_call(const Transformer& model, const AttentionSettings& settings,
                            const InterventionSpec& intervention, std::int64_t prompt, std::int64_t keys,
                            std::int64_t origin_groups, bool with_maps) {
  check_whole_prompt(intervention, prompt, model.max_rows());
  const auto maps = std::ssize(settings.layers) * std::ssize(settings.heads);
  const std::int64_t of_origins = origin_groups * static_cast<std::int64_t>(sizeof(double));
  std::int64_t bytes = maps * (static_cast<std::int64_t>(sizeof(RowValues)) + of_origins) +
                       std::ssize(settings.heads) * padded(keys) * static_cast<std::int64_t>(sizeof(float));
  if (with_maps && !settings.maps.dense) {
    bytes += maps * (settings.maps.before ? 2 : 1) * (8 * std::min(settings.maps.top_k, keys) + 4);
  }
  const std::int64_t least = intervention.needs_whole_prompt() ? prompt : 1;
  return std::clamp<std::int64_t>(std::min(kCallBytes / bytes, keys), least, model.max_rows());
}

// What goes on around the calls of one text.
struct Listener {
  std::function<const ResidualTap*(std::int64_t first, std::int64_t rows)> before_call;
  std::function<void(std::int64_t first, std::int64_t rows)> after_call;
};

// Puts a text through the model in calls of at most `max_rows` rows: its prompt, and then the generated
// tokens, which were calls of their own where that matters.
void run_calls(Transformer& model, const AttentionText& text, std::int64_t max_rows,
               const AttentionHooks* hooks, const Listener& listener) {
  const auto count = std::ssize(text.tokens);
  KvPool pool = kv_pool_of(model, kv_bytes(model.config(), count, model.kv_type(), max_rows));
  KvSequence sequence(pool);
  if (!sequence.reserve(count, max_rows))
    throw input_error("cache", "expected memory for {} tokens, got too little; use a shorter prompt", count);
  for (std::int64_t first = 0; first < count;) {
    std::int64_t rows = std::min(max_rows, count - first);
    if (first < text.prompt_tokens) {
      rows = std::min(rows, text.prompt_tokens - first);
    } else if (model.keys_depend_on_length(first + rows)) {
      rows = 1;
    }
    SequenceInput input;
    input.cache = &sequence;
    input.tokens =
        std::span(text.tokens).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(rows));
    input.rope_length = std::max(first + rows, text.prompt_tokens);
    input.hooks = hooks;
    // The last row's logits are computed to see that they are finite.
    input.logits = first + rows == count ? LogitRows::kLast : LogitRows::kNone;
    input.tap = listener.before_call(first, rows);
    model.forward({&input, 1});
    listener.after_call(first, rows);
    first += rows;
  }
}

// The kept queries among positions first .. first + rows - 1: the place of the first one, and how many.
std::pair<std::int64_t, std::int64_t> kept_rows(const std::vector<std::int64_t>& queries, std::int64_t first,
                                                std::int64_t rows) {
  const auto begin = std::lower_bound(queries.begin(), queries.end(), first);
  const auto end = std::lower_bound(begin, queries.end(), first + rows);
  return {begin - queries.begin(), end - begin};
}

void take_statistics(const AttentionStatistics& statistics, AttentionResult& result) {
  result.grids = statistics.grids();
  result.queries = statistics.queries();
  result.keys = statistics.keys();
  result.negative_rows = statistics.negative_rows();
  result.zero_rows = statistics.zero_rows();
}

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

CaptureSize size_of(Transformer& model, std::int64_t max_rows, std::int64_t keys) {
  return {model.config().num_hidden_layers, model.config().num_attention_heads, max_rows, keys,
          model.pool().size()};
}

RowSettings row_settings(const Transformer& model, const AttentionSettings& settings,
                         const AttentionArm& arm) {
  return {settings.window, static_cast<float>(arm.threshold),
          largest_factor_of(arm.intervention, model.config().num_hidden_layers)};
}

std::shared_ptr<const InterventionTarget> target_of(const InterventionSpec& spec, const AimAt& aim_at) {
  return aim_at ? aim_at(spec) : nullptr;
}

// At work on a text.
Intervention intervention_of(const Transformer& model, const AttentionArm& arm, const AimAt& aim_at) {
  Intervention out(arm.intervention, shape_of(model));
  out.aim(target_of(arm.intervention, aim_at));
  return out;
}

Listener statistics_only(Transformer& model, AttentionStatistics& statistics, OriginShares* origins) {
  return {[](std::int64_t, std::int64_t) { return static_cast<const ResidualTap*>(nullptr); },
          [&model, &statistics, origins](std::int64_t first, std::int64_t rows) {
            statistics.end_call(model.pool(), first, rows);
            if (origins != nullptr) origins->end_call(model.pool(), first, rows);
          }};
}

// The runs of texts whose origins are known.
using OriginTexts = std::vector<const std::vector<OriginRun>*>;

OriginTexts origins_of(const std::vector<OriginRun>& runs) {
  return runs.empty() ? OriginTexts() : OriginTexts{&runs};
}

std::optional<OriginShares> shares_of(const AttentionSettings& settings, std::int64_t max_rows,
                                      const OriginTexts& texts) {
  if (texts.empty()) return std::nullopt;
  return std::optional<OriginShares>(std::in_place, std::ssize(settings.layers), std::ssize(settings.heads),
                                     max_rows, texts);
}

}  // namespace

std::vector<std::int32_t> continue_prompt(Transformer& model, std::span<const std::int32_t> prompt,
                                          const InterventionSpec& intervention, const AimAt& aim_at,
                                          const Continuation& how) {
  const auto length = std::min(how.context, std::ssize(prompt) + how.max_new_tokens);
  const std::int64_t bytes = kv_bytes(model.config(), length, model.kv_type(), model.max_rows());
  Scheduler scheduler(model, {1, how.context, bytes});
  GenerationRequest request;
  request.prompt.assign(prompt.begin(), prompt.end());
  request.max_new_tokens = how.max_new_tokens;
  request.intervention = intervention;
  request.target = target_of(intervention, aim_at);
  request.stop_tokens = how.stop_tokens;
  std::vector<std::int32_t> tokens;
  bool given = false;
  scheduler.run([&]() { return std::exchange(given, true) ? std::nullopt : std::optional(request); },
                [&](GenerationResult&& result) { tokens = std::move(result.tokens); });
  return tokens;
}

AttentionResult capture_text(Transformer& model, const AttentionSettings& settings, const AttentionArm& arm,
                             const AttentionText& text, const std::filesystem::path& folder) {
  const auto keys = std::ssize(text.tokens);
  const OriginTexts origin_texts = origins_of(text.origins.runs);
  const std::int64_t max_rows = rows_of_a_call(model, settings, arm.intervention, text.prompt_tokens, keys,
                                               OriginShares::count_groups(origin_texts), true);
  const Intervention intervention = intervention_of(model, arm, text.aim_at);
  const auto layers = std::ssize(settings.layers), heads = std::ssize(settings.heads);
  AttentionStatistics statistics(layers, heads, max_rows, keys, row_settings(model, settings, arm));
  MapFiles files(folder, settings.maps,
                 {layers, heads, std::ssize(text.queries), keys, max_rows, model.pool().size()});
  std::optional<OriginShares> origins = shares_of(settings, max_rows, origin_texts);
  std::vector<CaptureSink*> sinks = {&statistics, &files};
  if (origins) sinks.push_back(&*origins);
  Capture capture(intervention.hooks(), size_of(model, max_rows, keys),
                  {settings.layers, settings.heads, text.queries}, static_cast<float>(arm.threshold), sinks);
  LogitLens lens(model.config(), text.lens);

  statistics.begin_text(text.classes, text.queries);
  if (origins) origins->begin_text(text.origins.runs, text.queries, text.prompt_tokens - 1);
  const auto before_call = [&](std::int64_t first, std::int64_t rows) {
    files.begin_call(kept_rows(text.queries, first, rows).first);
    return lens.begin_call(first, rows);
  };
  const auto after_call = [&](std::int64_t first, std::int64_t rows) {
    statistics.end_call(model.pool(), first, rows);
    if (origins) origins->end_call(model.pool(), first, rows);
    files.end_call(model.pool(), capture, kept_rows(text.queries, first, rows).second);
  };
  AttentionResult result;
  const auto start = Clock::now();
  run_calls(model, text, max_rows, capture.hooks(), {before_call, after_call});
  result.seconds = seconds_since(start);
  statistics.end_text(model.pool());
  files.finish(statistics.received());
  take_statistics(statistics, result);
  if (origins) result.origins = origins->table();
  result.outliers = statistics.outliers();
  result.lens = lens.predictions(model);
  result.files = files.names();
  result.tokens = keys;
  return result;
}

AttentionResult measure_text(Transformer& model, const AttentionSettings& settings, const AttentionArm& arm,
                             const AttentionText& text) {
  const auto keys = std::ssize(text.tokens);
  const std::int64_t max_rows =
      rows_of_a_call(model, settings, arm.intervention, text.prompt_tokens, keys, 0, false);
  const Intervention intervention = intervention_of(model, arm, text.aim_at);
  AttentionStatistics statistics(std::ssize(settings.layers), std::ssize(settings.heads), max_rows, keys,
                                 row_settings(model, settings, arm));
  Capture capture(intervention.hooks(), size_of(model, max_rows, keys),
                  {settings.layers, settings.heads, text.queries}, static_cast<float>(arm.threshold),
                  {&statistics});
  statistics.begin_text(text.classes, text.queries);
  run_calls(model, text, max_rows, capture.hooks(), statistics_only(model, statistics, nullptr));
  statistics.end_text(model.pool());
  AttentionResult result;
  take_statistics(statistics, result);
  result.outliers = statistics.outliers();
  result.tokens = keys;
  return result;
}

AttentionResult measure_prompts(Transformer& model, const AttentionSettings& settings,
                                const AttentionArm& arm, const Tokenizer* tokenizer,
                                std::span<const AttentionPrompt> prompts, const OnText& on_text) {
  std::int64_t keys = 1;
  for (const auto& prompt : prompts) keys = std::max<std::int64_t>(keys, std::ssize(prompt.tokens));
  OriginTexts origin_texts;
  for (const auto& prompt : prompts) {
    if (!prompt.origins.empty()) origin_texts.push_back(&prompt.origins);
  }
  const std::int64_t max_rows = rows_of_a_call(model, settings, arm.intervention, keys, keys,
                                               OriginShares::count_groups(origin_texts), false);
  Intervention intervention = intervention_of(model, arm, prompts.empty() ? AimAt() : prompts[0].aim_at);
  AttentionStatistics statistics(std::ssize(settings.layers), std::ssize(settings.heads), max_rows, keys,
                                 row_settings(model, settings, arm));
  std::vector<std::int64_t> queries;  // of the longest text: all its positions
  for (std::int64_t i = 0; i < keys; ++i) queries.push_back(i);
  std::optional<OriginShares> origins = shares_of(settings, max_rows, origin_texts);
  std::vector<CaptureSink*> sinks = {&statistics};
  if (origins) sinks.push_back(&*origins);
  Capture capture(intervention.hooks(), size_of(model, max_rows, keys),
                  {settings.layers, settings.heads, queries}, static_cast<float>(arm.threshold), sinks);
  const Listener listener = statistics_only(model, statistics, origins ? &*origins : nullptr);
  AttentionResult result;
  const auto start = Clock::now();
  for (const auto& [prompt, aim_at, runs] : prompts) {
    if (arm.intervention.needs_target()) {
      intervention.aim(target_of(arm.intervention, aim_at));
      capture.watch(intervention.hooks());
    }
    AttentionText text;
    text.tokens = prompt;
    text.prompt_tokens = std::ssize(prompt);
    const auto kept = std::span(queries).first(prompt.size());
    statistics.begin_text(classify_tokens(tokenizer, prompt), kept);
    if (origins) origins->begin_text(runs, kept, text.prompt_tokens - 1);
    run_calls(model, text, max_rows, capture.hooks(), listener);
    statistics.end_text(model.pool());
    result.tokens += std::ssize(prompt);
    if (on_text) on_text(std::ssize(prompt));
  }
  result.seconds = seconds_since(start);
  take_statistics(statistics, result);
  if (origins) result.origins = origins->table();
  return result;
}

}  // namespace refocus
