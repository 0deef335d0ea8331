#include "study/study.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "analyze/attention_run.h"
#include "base/error.h"
#include "eval/extract/short_answer.h"
#include "eval/journal/run_directory.h"
#include "eval/run/asking.h"
#include "eval/text/progress.h"

namespace refocus {

namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

// A text that was asked for.
struct Asked {
  const Question* question = nullptr;
  std::size_t arm = 0;
  std::vector<std::int32_t> tokens;  // the prompt and what was generated, a stop token included
  std::int64_t prompt_tokens = 0;
  Response response;
  std::shared_ptr<const InterventionTarget> target;  // of its arm, in its prompt
};

// All texts, by arm, in the order of the items.
std::vector<Asked> ask_all(const EvalModel& model, const EvalSettings& settings, const Plan& plan) {
  std::vector<Asked> out;
  std::int64_t expected = 0;
  for (const Question& question : plan.questions) {
    expected +=
        std::ranges::count(plan.arms, question.kind, [](const PlannedArm& arm) { return arm.arm.prompt; });
  }
  Progress progress("study: asking", expected, 0);
  const auto keep = [&](const Question& question, const PlannedArm& arm, Response response,
                        std::span<const std::int32_t> generated) {
    Asked asked{&question,           static_cast<std::size_t>(&arm - plan.arms.data()),
                question.tokens,     std::ssize(question.tokens),
                std::move(response), target_of(model, settings, question, arm.intervention)};
    asked.tokens.insert(asked.tokens.end(), generated.begin(), generated.end());
    out.push_back(std::move(asked));
    progress.advance(std::ssize(generated));
  };
  ask_for_texts(model, settings, plan, keep);
  std::ranges::sort(out, {}, [](const Asked& asked) { return std::pair(asked.arm, asked.question); });
  return out;
}

std::vector<std::int64_t> rows_of(TextRows rows, const Asked& asked) {
  const auto count = std::ssize(asked.tokens);
  const std::int64_t first = rows == TextRows::kResponse ? asked.prompt_tokens - 1 : 0;
  const std::int64_t end = rows == TextRows::kAll      ? count
                           : rows == TextRows::kPrompt ? asked.prompt_tokens
                                                       : std::max(first + 1, count - 1);
  std::vector<std::int64_t> out;
  for (std::int64_t i = first; i < end; ++i) out.push_back(i);
  return out;
}

// Statistics of which the classes of keys are kept apart too.
bool is_by_class(const std::string& name) { return name == "received_ratio" || name == "outlier_keys"; }

std::string name_by_class(const std::string& statistic, std::size_t class_row) {
  return statistic + "." + std::string(class_row_name(class_row));
}

// Calls on_value(name, [layers, heads]) for everything that a study keeps.
template <class OnValue>
void for_each_value(const std::vector<StatisticGrid>& grids, const OnValue& on_value) {
  for (const StatisticGrid& grid : grids) {
    if (grid.name.starts_with("received_ratio_at_") || grid.name == kMassNegativeName) continue;
    if (!is_by_class(grid.name)) {
      on_value(grid.name, grid.values[kAllClasses]);
      continue;
    }
    for (std::size_t c = 0; c < kClassRows; ++c) on_value(name_by_class(grid.name, c), grid.values[c]);
  }
}

double mean_over_heads(std::span<const double> heads) {
  double sum = 0;
  int count = 0;
  for (const double value : heads) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count == 0 ? kNothing : sum / count;
}

// Measures texts with one model.
class Measurer {
 public:
  Measurer(Transformer& model, const Tokenizer& tokenizer, const StudySettings& settings)
      : model_(model), tokenizer_(tokenizer), rows_(settings.rows), threshold_(settings.threshold) {
    for (std::int64_t l = 0; l < model.config().num_hidden_layers; ++l) settings_.layers.push_back(l);
    for (std::int64_t h = 0; h < model.config().num_attention_heads; ++h) settings_.heads.push_back(h);
    settings_.window = settings.window;
  }

  TextValues measure(const PlannedArm& arm, const Asked& asked, std::vector<std::string>& statistics) const {
    AttentionText text;
    text.tokens = asked.tokens;
    text.prompt_tokens = asked.prompt_tokens;
    text.classes = classify_tokens(&tokenizer_, asked.tokens);
    text.queries = rows_of(rows_, asked);
    const InterventionSpec& spec = arm.intervention;
    text.aim_at = [&](const InterventionSpec&) { return asked.target; };
    const AttentionResult result =
        measure_text(model_, settings_, {arm.name, spec, threshold_of(spec, threshold_)}, text);
    std::vector<std::span<const double>> grids;
    const bool first = statistics.empty();
    for_each_value(result.grids, [&](const std::string& name, const std::vector<double>& values) {
      if (first) statistics.push_back(name);
      grids.emplace_back(values);
    });
    // Last, and 0 where nothing is negative: then it has no grid.
    const std::vector<double> none(result.negative_rows.size(), 0.0);
    const auto negative = std::ranges::find(result.grids, kMassNegativeName, &StatisticGrid::name);
    if (first) statistics.emplace_back(kMassNegativeName);
    grids.emplace_back(negative == result.grids.end() ? none : negative->values[kAllClasses]);
    const std::size_t heads = settings_.heads.size();
    TextValues out;
    for (std::size_t l = 0; l < settings_.layers.size(); ++l) {
      for (const std::span<const double> grid : grids) {
        out.values.push_back(mean_over_heads(grid.subspan(l * heads, heads)));
      }
    }
    return out;
  }

 private:
  Transformer& model_;
  const Tokenizer& tokenizer_;
  TextRows rows_;
  double threshold_;
  AttentionSettings settings_;
};

void check_before(const ModelConfig& after, const ModelConfig& before) {
  const auto expect = [](const char* what, std::int64_t wanted, std::int64_t got) {
    if (wanted == got) return;
    throw input_error("--against",
                      "expected a model of the same {} ({}), got {}; give the checkpoint that the model was "
                      "fine-tuned from",
                      what, wanted, got);
  };
  expect("number of layers", after.num_hidden_layers, before.num_hidden_layers);
  expect("vocabulary size", after.vocab_size, before.vocab_size);
}

// As an evaluation judges it.
void judge_answer(const EvalSettings& settings, const Asked& asked, StudiedText& out) {
  const auto task = std::ranges::find_if(settings.tasks, [&](const Task& t) {
    return std::ranges::find(t.subjects, asked.response.subject) != t.subjects.end();
  });
  const Answer answer = judge_text(*task, *asked.question->item, asked.response, settings.rules);
  if (answer.extraction.letter) {
    out.answer = std::string(1, *answer.extraction.letter);
  } else {
    out.answer = answer.extraction.text.value_or("");
  }
  out.correct = answer.correct;
}

// Leaves out the last statistic where it is 0 everywhere.
void drop_unused_negative(Study& study) {
  const std::size_t width = study.statistics.size();
  const auto each = [&](const auto& action) {
    for (StudiedArm& arm : study.arms) {
      for (StudiedText& text : arm.texts) {
        action(text.attention.values);
        if (text.before) action(text.before->values);
      }
    }
  };
  bool used = false;
  each([&](const std::vector<double>& values) {
    for (std::size_t i = width - 1; i < values.size(); i += width) used |= values[i] > 0;
  });
  if (used || width == 0) return;
  study.statistics.pop_back();
  each([&](std::vector<double>& values) {
    std::size_t place = 0;
    std::erase_if(values, [&](double) { return place++ % width == width - 1; });
  });
}

}  // namespace

std::size_t Study::place(std::string_view statistic) const {
  const auto at = std::ranges::find(statistics, statistic);
  REFOCUS_CHECK(at != statistics.end());
  return static_cast<std::size_t>(at - statistics.begin());
}

Study run_study(const EvalModel& model, const StudySettings& settings, Transformer* before) {
  if (before != nullptr) check_before(model.transformer.config(), before->config());
  const Plan plan = make_plan(model, settings.eval);
  const std::vector<Asked> work = ask_all(model, settings.eval, plan);

  Study study;
  study.layers = model.transformer.config().num_hidden_layers;
  study.has_before = before != nullptr;
  study.identity = run_settings(model, settings.eval, plan).identity;
  for (const PlannedArm& arm : plan.arms) {
    study.arms.push_back({arm.name, std::string(prompt_kind_name(arm.arm.prompt)), arm.arm.intervention, {}});
  }
  const Measurer now(model.transformer, model.tokenizer, settings);
  std::optional<Measurer> earlier;
  if (before != nullptr) earlier.emplace(*before, model.tokenizer, settings);
  Progress progress("study: looking", std::ssize(work), 0);
  for (const Asked& asked : work) {
    const PlannedArm& arm = plan.arms[asked.arm];
    StudiedText text;
    text.subject = asked.response.subject;
    text.index = asked.response.index;
    text.prompt_tokens = asked.prompt_tokens;
    text.generated_tokens = std::ssize(asked.tokens) - asked.prompt_tokens;
    judge_answer(settings.eval, asked, text);
    text.attention = now.measure(arm, asked, study.statistics);
    if (earlier) text.before = earlier->measure(arm, asked, study.statistics);
    study.arms[asked.arm].texts.push_back(std::move(text));
    progress.advance(std::ssize(asked.tokens));
  }
  drop_unused_negative(study);
  return study;
}

}  // namespace refocus
