#include "heads/shared_heads.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "cluster/packed_text.h"
#include "eval/journal/likelihood_answer.h"

namespace refocus {

namespace {

// A phase is: kind, and the arms, each its name, how many heads, and those:
//   kind arms (name heads (layer head)...)...
// A unit is questions, each with the places of the arms that it is open in:
//   (question arms arm...)...
// A result is the answers of a unit:
//   (arm question text)...
struct HeadPhase {
  HeadScorers::Kind kind;
  std::vector<HeadArm> arms;
};

std::string packed(const HeadPhase& phase) {
  Packer out;
  out.add(static_cast<std::int64_t>(phase.kind)).add(std::ssize(phase.arms));
  for (const HeadArm& arm : phase.arms) {
    out.add(arm.name).add(std::ssize(arm.heads));
    for (const Head& head : arm.heads) out.add(head.first).add(head.second);
  }
  return out.take();
}

HeadPhase unpacked(const std::string& text) {
  Unpacker in(text);
  HeadPhase out{static_cast<HeadScorers::Kind>(in.number()), {}};
  for (std::int64_t arms = in.number(); arms > 0; --arms) {
    HeadArm& arm = out.arms.emplace_back();
    arm.name = in.text();
    for (std::int64_t heads = in.number(); heads > 0; --heads) {
      const std::int64_t layer = in.number();
      arm.heads.emplace_back(layer, in.number());
    }
  }
  return out;
}

void score_here(HeadScorers& scorers, const HeadPhase& phase, std::span<const std::size_t> questions,
                const std::function<bool(std::size_t arm, std::size_t question)>& is_open,
                const OnHeadAnswer& on_answer) {
  const Plan& plan = scorers.plan_of(phase.kind);
  const auto arm_of = [&](const HeadArm& arm) { return static_cast<std::size_t>(&arm - phase.arms.data()); };
  const auto question_of = [&](const Question& question) {
    return static_cast<std::size_t>(&question - plan.questions.data());
  };
  scorers.scorer(phase.kind)
      .run(
          phase.arms, questions,
          [&](const HeadArm& arm, const Question& question) {
            return is_open(arm_of(arm), question_of(question));
          },
          [&](const HeadArm& arm, const Question& question, std::span<const OptionLikelihood> options) {
            on_answer(arm_of(arm), question_of(question), likelihoods_text(options));
          });
}

// Small enough for all to end at about the same time, and large enough for batches.
std::vector<WorkUnit> head_units(const HeadPhase& phase, std::span<const std::size_t> questions,
                                 const std::function<bool(std::size_t arm, std::size_t question)>& is_open,
                                 int processes) {
  constexpr std::int64_t kMost = 64;
  const auto together =
      static_cast<std::size_t>(std::clamp<std::int64_t>(std::ssize(questions) / (4 * processes), 1, kMost));
  std::vector<WorkUnit> out;
  for (std::size_t first = 0; first < questions.size(); first += together) {
    Packer unit;
    for (const std::size_t q : questions.subspan(first, std::min(together, questions.size() - first))) {
      std::vector<std::size_t> open;
      for (std::size_t a = 0; a < phase.arms.size(); ++a) {
        if (is_open(a, q)) open.push_back(a);
      }
      unit.add(static_cast<std::int64_t>(q)).add(std::ssize(open));
      for (const std::size_t a : open) unit.add(static_cast<std::int64_t>(a));
    }
    out.push_back({"", unit.take()});
  }
  return out;
}

}  // namespace

HeadScorers::HeadScorers(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                         const HeadSearchSettings& search)
    : search_(search),
      settings_(search.pairs ? search.pairs->base_settings() : settings),
      plan_(search.pairs ? search.pairs->base() : plan),
      change_(head_change_of(model, settings, plan, search)),
      base_(model, settings_, plan_, *change_),
      unchanged_(model, settings_, plan_, {}) {
  if (!search.pairs) return;
  source_.emplace(model, search.pairs->source_settings(), search.pairs->source(), unchanged_);
}

const Plan& HeadScorers::plan_of(Kind kind) const {
  return kind == Kind::kBase ? plan_ : search_.pairs->source();
}

DoWork head_work(HeadScorers& scorers, const std::string& phase_text) {
  return [&scorers, phase = unpacked(phase_text)](const NextUnit& next, const GiveResult& give) {
    while (const std::optional<std::string> unit = next()) {
      std::vector<std::size_t> questions;
      std::map<std::size_t, std::vector<std::size_t>> open;
      for (Unpacker in(*unit); !in.at_end();) {
        const auto q = static_cast<std::size_t>(in.number());
        REFOCUS_CHECK(q < scorers.plan_of(phase.kind).questions.size());
        questions.push_back(q);
        for (std::int64_t arms = in.number(); arms > 0; --arms) {
          open[q].push_back(static_cast<std::size_t>(in.number()));
        }
      }
      Packer result;
      score_here(
          scorers, phase, questions,
          [&](std::size_t arm, std::size_t q) { return std::ranges::binary_search(open[q], arm); },
          [&](std::size_t arm, std::size_t q, const std::string& text) {
            result.add(static_cast<std::int64_t>(arm)).add(static_cast<std::int64_t>(q)).add(text);
          });
      give(result.take());
    }
  };
}

void score_heads(HeadScorers& scorers, HeadScorers::Kind kind, const std::vector<HeadArm>& arms,
                 std::span<const std::size_t> questions,
                 const std::function<bool(std::size_t arm, std::size_t question)>& is_open, WorkShare* share,
                 const OnHeadAnswer& on_answer) {
  const HeadPhase phase{kind, arms};
  if (share == nullptr) return score_here(scorers, phase, questions, is_open, on_answer);
  const std::string text = packed(phase);
  share->run(text, head_units(phase, questions, is_open, share->size()), head_work(scorers, text),
             [&](const std::string& result) {
               for (Unpacker in(result); !in.at_end();) {
                 const auto arm = static_cast<std::size_t>(in.number());
                 const auto question = static_cast<std::size_t>(in.number());
                 on_answer(arm, question, in.text());
               }
             });
}

}  // namespace refocus
