#include "study/shared_measures.h"

#include <cstring>

#include "base/error.h"
#include "cluster/packed_text.h"
#include "study/study.h"

namespace refocus {

namespace {

// A unit is a text, by its places in the list (the leader's) and in the plan:
//   place before question arm tokens token...
// A result is its values, as their bytes, and what they are called:
//   place values names name...

std::string unit_of(const Plan& plan, const ToMeasure& one, std::size_t place) {
  Packer out;
  out.add(static_cast<std::int64_t>(place))
      .add(one.before)
      .add(one.text.question - plan.questions.data())
      .add(static_cast<std::int64_t>(one.text.arm));
  out.add(std::ssize(one.text.response.tokens));
  for (const std::int32_t token : one.text.response.tokens) out.add(token);
  return out.take();
}

}  // namespace

DoWork measuring_work(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                      const TextMeasurer& now, const TextMeasurer* before) {
  return [&, before](const NextUnit& next, const GiveResult& give) {
    while (const std::optional<std::string> unit = next()) {
      Unpacker in(*unit);
      const std::int64_t place = in.number();
      const bool earlier = in.number() != 0;
      const auto question = static_cast<std::size_t>(in.number()),
                 arm = static_cast<std::size_t>(in.number());
      REFOCUS_CHECK(question < plan.questions.size() && arm < plan.arms.size() &&
                    !(earlier && before == nullptr));
      Response response;
      for (std::int64_t left = in.number(); left > 0; --left) {
        response.tokens.push_back(static_cast<std::int32_t>(in.number()));
      }
      const AskedText text =
          asked_text(model, settings, plan, arm, plan.questions[question], std::move(response));
      std::vector<std::string> names;
      const TextValues values = (earlier ? *before : now).measure(plan.arms[arm], text, names);
      Packer result;
      result.add(place).add(std::string_view(reinterpret_cast<const char*>(values.values.data()),
                                             values.values.size() * sizeof(double)));
      for (const std::string& name : names) result.add(name);
      give(result.take());
    }
  };
}

void measure_together(WorkShare& share, const DoWork& work, const Plan& plan,
                      const std::vector<ToMeasure>& texts, const OnMeasured& on_values) {
  std::vector<WorkUnit> units;
  for (std::size_t place = 0; place < texts.size(); ++place) {
    units.push_back({"", unit_of(plan, texts[place], place)});
  }
  share.run(kMeasuringPhase, std::move(units), work, [&](const std::string& result) {
    Unpacker in(result);
    const auto place = static_cast<std::size_t>(in.number());
    const std::string bytes = in.text();
    TextValues values;
    values.values.resize(bytes.size() / sizeof(double));
    std::memcpy(values.values.data(), bytes.data(), bytes.size());
    std::vector<std::string> names;
    while (!in.at_end()) names.push_back(in.text());
    on_values(place, std::move(values), names);
  });
}

}  // namespace refocus
