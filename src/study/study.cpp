#include "study/study.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "eval/extract/short_answer.h"
#include "eval/journal/run_directory.h"
#include "eval/run/asking.h"
#include "eval/run/shared_asking.h"
#include "eval/text/progress.h"
#include "study/shared_measures.h"
#include "study/text_measurer.h"

namespace refocus {

namespace {

// All texts of an arm that the journal has, in the order of the items.
std::vector<AskedText> texts_of(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                                std::size_t arm, const Journal& journal) {
  std::map<ItemKey, Response> responses;
  journal.for_each(plan.arms[arm].name, [&](Response response) {
    responses.emplace(ItemKey(response.subject, response.index), std::move(response));
  });
  std::vector<AskedText> out;
  for (const Question& question : plan.questions) {
    if (question.kind != plan.arms[arm].arm.prompt) continue;
    const auto found = responses.find({question.item->subject, question.item->index});
    REFOCUS_CHECK(found != responses.end());
    out.push_back(asked_text(model, settings, plan, arm, question, std::move(found->second)));
  }
  return out;
}

// What the numbers of the two models are kept by.
constexpr char kNow[] = "", kBefore[] = "before";

void keep_measures(Journal& journal, const std::string& arm, const Response& response,
                   const std::string& model, const TextValues& values,
                   const std::vector<std::string>& names) {
  journal.keep_measure_names(names);
  journal.put(Measures{arm, response.subject, response.index, model, values.values});
}

// What was measured of an arm's texts in one model: kept already, or else measured, and kept at once.
class KeptMeasures {
 public:
  KeptMeasures(Journal& journal, const TextMeasurer& measurer, const PlannedArm& arm, std::string model)
      : journal_(journal),
        measurer_(measurer),
        arm_(arm),
        model_(std::move(model)),
        kept_(journal.measures(arm.name, model_)) {
    const std::size_t values = journal.measure_names().size() * measurer.layers();
    for (const auto& [item, numbers] : kept_) {
      if (numbers.size() == values) continue;
      throw input_error("study",
                        "expected {} numbers of a text in the journal, got {}; restore a copy of the study",
                        values, numbers.size());
    }
  }

  // Whether it had to be measured.
  bool take(const AskedText& asked, TextValues& out) {
    const ItemKey key{asked.response.subject, asked.response.index};
    if (const auto found = kept_.find(key); found != kept_.end()) {
      out.values = std::move(found->second);
      return false;
    }
    std::vector<std::string> names;
    out = measurer_.measure(arm_, asked, names);
    keep_measures(journal_, arm_.name, asked.response, model_, out, names);
    return true;
  }

 private:
  Journal& journal_;
  const TextMeasurer& measurer_;
  const PlannedArm& arm_;
  std::string model_;
  std::map<ItemKey, std::vector<double>> kept_;
};

// Of every arm and item one.
std::int64_t text_count(const Plan& plan) {
  std::int64_t out = 0;
  for (const Question& question : plan.questions) {
    out += std::ranges::count(plan.arms, question.kind, [](const PlannedArm& arm) { return arm.arm.prompt; });
  }
  return out;
}

// Those whose numbers are all there.
std::int64_t measured_count(const Plan& plan, bool has_before, const Journal& journal) {
  std::int64_t out = 0;
  for (const PlannedArm& arm : plan.arms) {
    // The other model's are the last that are kept of a text.
    out += std::ssize(journal.measures(arm.name, has_before ? kBefore : kNow));
  }
  return out;
}

// What is not measured yet, by all processes together.
void measure_open(WorkShare& share, const EvalModel& model, const StudySettings& settings, const Plan& plan,
                  const TextMeasurer& now, const TextMeasurer* earlier, Journal& journal,
                  Progress& progress) {
  std::vector<ToMeasure> open;
  for (std::size_t a = 0; a < plan.arms.size(); ++a) {
    const auto of_now = journal.measures(plan.arms[a].name, kNow),
               of_earlier = journal.measures(plan.arms[a].name, kBefore);
    for (AskedText& text : texts_of(model, settings.eval, plan, a, journal)) {
      const ItemKey key{text.response.subject, text.response.index};
      if (earlier != nullptr && !of_earlier.contains(key)) open.push_back({text, true});
      if (!of_now.contains(key)) open.push_back({std::move(text), false});
    }
  }
  measure_together(share, measuring_work(model, settings.eval, plan, now, earlier), plan, open,
                   [&](std::size_t place, const TextValues& values, const std::vector<std::string>& names) {
                     const ToMeasure& one = open.at(place);
                     keep_measures(journal, plan.arms[one.text.arm].name, one.text.response,
                                   one.before ? kBefore : kNow, values, names);
                     if (one.before == (earlier != nullptr)) progress.advance(std::ssize(one.text.tokens));
                   });
}

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
void judge_answer(const EvalSettings& settings, const AskedText& asked, StudiedText& out) {
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

std::string_view name_of(TextRows rows) {
  return rows == TextRows::kAll ? "all" : rows == TextRows::kPrompt ? "prompt" : "response";
}

Plan plan_study(const EvalModel& model, const StudySettings& settings, const Transformer* before) {
  if (before != nullptr) check_before(model.transformer.config(), before->config());
  Plan plan = make_plan(model, settings.eval);
  check_memory(model, settings.eval, plan);
  return plan;
}

RunSettings study_settings(const EvalModel& model, const StudySettings& settings, const Plan& plan) {
  RunSettings out = run_settings(model, settings.eval, plan);
  out.identity["kind"] = "study";
  out.identity["extraction"] = rules_name(settings.eval.rules);
  out.identity["rows"] = name_of(settings.rows);
  out.identity["window"] = settings.window;
  out.identity["threshold"] = settings.threshold;
  if (!settings.before.empty()) out.identity["before_files"] = settings.before;
  out.details = session_json(settings.eval.session, model.in_bf16());
  out.details["model_path"] = model.path;
  out.details["threads"] = model.transformer.pool().size();
  out.details["batch"] = settings.eval.batch;
  return out;
}

DoWork study_work(const EvalModel& model, const StudySettings& settings, const Plan& plan,
                  Transformer* before, const std::string& phase) {
  if (phase == kAnsweringPhase) return answering_work(model, settings.eval, plan);
  REFOCUS_CHECK(phase == kMeasuringPhase);
  return [&model, &settings, &plan, before](const NextUnit& next, const GiveResult& give) {
    const TextMeasurer now(model.transformer, model.tokenizer, settings);
    std::optional<TextMeasurer> earlier;
    if (before != nullptr) earlier.emplace(*before, model.tokenizer, settings);
    measuring_work(model, settings.eval, plan, now, earlier ? &*earlier : nullptr)(next, give);
  };
}

Study run_study(const EvalModel& model, const StudySettings& settings, const Plan& plan, Transformer* before,
                RunDirectory& run) {
  Journal journal(run);
  const std::int64_t measured = measured_count(plan, before != nullptr, journal);
  run.note(kToAsk, text_count(plan) - measured);
  tell_resumed(run, journal.count());
  ask(model, settings.eval, plan, journal, {"study: asking", true});

  Study study;
  study.layers = model.transformer.config().num_hidden_layers;
  study.has_before = before != nullptr;
  study.identity = run.record().identity;
  const TextMeasurer now(model.transformer, model.tokenizer, settings);
  std::optional<TextMeasurer> earlier;
  if (before != nullptr) earlier.emplace(*before, model.tokenizer, settings);
  Progress progress("study: looking", text_count(plan), measured);
  if (settings.eval.share != nullptr) {
    measure_open(*settings.eval.share, model, settings, plan, now, earlier ? &*earlier : nullptr, journal,
                 progress);
    run.note(kRanks, ranks_json(*settings.eval.share));
  }
  for (std::size_t a = 0; a < plan.arms.size(); ++a) {
    const PlannedArm& arm = plan.arms[a];
    study.arms.push_back({arm.name, std::string(prompt_kind_name(arm.arm.prompt)), arm.arm.intervention, {}});
    KeptMeasures of_now(journal, now, arm, kNow), of_earlier(journal, earlier ? *earlier : now, arm, kBefore);
    for (const AskedText& asked : texts_of(model, settings.eval, plan, a, journal)) {
      StudiedText text;
      text.subject = asked.response.subject;
      text.index = asked.response.index;
      text.prompt_tokens = asked.prompt_tokens;
      text.generated_tokens = std::ssize(asked.tokens) - asked.prompt_tokens;
      judge_answer(settings.eval, asked, text);
      bool is_new = of_now.take(asked, text.attention);
      if (earlier) is_new |= of_earlier.take(asked, text.before.emplace());
      study.arms[a].texts.push_back(std::move(text));
      if (is_new) progress.advance(std::ssize(asked.tokens));
    }
  }
  study.statistics = journal.measure_names();
  drop_unused_negative(study);
  return study;
}

}  // namespace refocus
