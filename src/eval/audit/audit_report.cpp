#include "eval/audit/audit_report.h"

#include <algorithm>

#include "base/error.h"
#include "eval/audit/response_text.h"
#include "eval/score/comparison.h"
#include "eval/text/json_values.h"
#include "eval/text/table_text.h"

namespace refocus {
namespace {

std::string share_text(std::int64_t count, std::int64_t of) {
  if (of == 0) return with_thousands(count);
  return fmt::format("{} ({:.1f}%)", with_thousands(count),
                     100 * static_cast<double>(count) / static_cast<double>(of));
}

std::string interval_text(const Tally& tally) {
  const auto interval = accuracy_interval(tally);
  if (!interval) return "-";
  return fmt::format("[{}, {}]", one_decimal(100 * interval->low), one_decimal(100 * interval->high));
}

class AuditTable : public TextLines {
 public:
  void arm(const AuditedArm& arm, bool is_run) {
    const ArmAgreement found = agreement_of(arm);
    const Agreement& rules = found.rules;
    const bool labelled = found.anchored.labelled > 0;
    line(fmt::format("{}{} response{}", is_run ? printable(arm.asked.name, 200) + ": " : "",
                     with_thousands(rules.responses), rules.responses == 1 ? "" : "s"));
    line("  " + left("rules", 11) + right("right", 9) + right("accuracy", 10) + right("95% interval", 16) +
         right("no letter", 11) + right("unfinished", 12) + (found.verdicts > 0 ? right("manual", 8) : ""));
    row("anchored", found.anchored, found.verdicts > 0);
    row("published", found.published, found.verdicts > 0);
    if (found.recorded.answered > 0) row("recorded", found.recorded, false);
    agreements(found, labelled);
    if (found.verdicts > 0) {
      line();
      line(fmt::format("  verdicts: {}; anchored reads as they do in {}, published in {}",
                       with_thousands(found.verdicts), share_text(found.anchored_confirmed, found.verdicts),
                       share_text(found.published_confirmed, found.verdicts)));
    }
  }

  void reviewers(const Audit& audit) {
    const auto counts = verdicts_by_reviewer(audit);
    if (counts.empty()) return;
    std::string names;
    for (const auto& [name, count] : counts) {
      names += fmt::format("{}{} {}", names.empty() ? "" : ", ", printable(name, 40), with_thousands(count));
    }
    line();
    line("verdicts that count: " + names);
    for (const ReviewerPair& pair : audit.verdicts->reviewer_pairs()) {
      line(fmt::format("{} and {}: {} of {} verdicts the same, Cohen's kappa {}", printable(pair.first, 40),
                       printable(pair.second, 40), with_thousands(pair.agree), with_thousands(pair.both),
                       pair.kappa ? fmt::format("{:.2f}", *pair.kappa) : "-"));
    }
  }

 private:
  void row(const char* name, const Tally& tally, bool manual) {
    line("  " + left(name, 11) + right(tally.labelled > 0 ? with_thousands(tally.correct) : "-", 9) +
         right(tally.labelled > 0 ? one_decimal(in_percent(tally.accuracy())) + "%" : "-", 10) +
         right(interval_text(tally), 16) + right(with_thousands(tally.unparsed), 11) +
         right(with_thousands(tally.read_unfinished), 12) +
         (manual ? right(with_thousands(tally.manual), 8) : ""));
  }
  // A row for every two readings: how their letters agree, and which letters are right.
  void agreements(const ArmAgreement& found, bool labelled) {
    std::vector<std::pair<std::string, const Agreement*>> pairs = {{"anchored, published", &found.rules}};
    if (found.recorded.answered > 0) {
      pairs.emplace_back("anchored, recorded", &found.anchored_recorded);
      pairs.emplace_back("published, recorded", &found.published_recorded);
    }
    line();
    cells("a letter from", {"both: same", "another", "1st only", "2nd only", "neither"});
    for (const auto& [names, a] : pairs) {
      cells(names, {share_text(a->same, a->responses), with_thousands(a->differ), with_thousands(a->only_a),
                    with_thousands(a->only_b), with_thousands(a->neither)});
    }
    if (!labelled) return;
    cells("the right one from", {"both", "", "1st only", "2nd only", "neither"});
    for (const auto& [names, a] : pairs) {
      cells(names, {share_text(a->both_right, a->responses), "", with_thousands(a->only_a_right),
                    with_thousands(a->only_b_right), with_thousands(a->both_wrong)});
    }
  }
  void cells(const std::string& label, const std::vector<std::string>& texts) {
    constexpr int kWidths[] = {18, 10, 11, 11, 10};
    std::string row = "  " + left(label, 22);
    for (std::size_t i = 0; i < texts.size(); ++i) row += right(texts[i], kWidths[i]);
    line(row);
  }
};

std::string letter_text(const std::optional<char>& letter) {
  return letter ? std::string(1, *letter) : std::string("-");
}

std::string reading_text(const char* rules, const Extraction& found) {
  if (!found.letter) return fmt::format("{} -", rules);
  return fmt::format("{} {} ({})", rules, *found.letter, found.rule);
}

template <class Visit>
void for_each_disagreement(const Audit& audit, const Visit& visit) {
  for (const AuditedArm& arm : audit.arms) {
    for (const AuditedTask& task : arm.tasks) {
      for (const AuditedAnswer& answer : task.answers) {
        if (answer.disagrees()) visit(arm, answer);
      }
    }
  }
}

nlohmann::ordered_json tally_json(const Tally& tally) {
  nlohmann::ordered_json e;
  e["labelled"] = tally.labelled;
  e["correct"] = tally.labelled > 0 ? nlohmann::ordered_json(tally.correct) : nlohmann::ordered_json();
  e["accuracy"] = or_null(tally.accuracy());
  e["accuracy_interval"] = or_null(accuracy_interval(tally));
  e["unparsed"] = tally.unparsed;
  e["read_unfinished"] = tally.read_unfinished;
  e["manual"] = tally.manual;
  return e;
}

nlohmann::ordered_json agreement_json(const Agreement& found, const std::string& a, const std::string& b) {
  return {{"same", found.same},
          {"different", found.differ},
          {"only_" + a, found.only_a},
          {"only_" + b, found.only_b},
          {"neither", found.neither},
          {"both_right", found.both_right},
          {"only_" + a + "_right", found.only_a_right},
          {"only_" + b + "_right", found.only_b_right},
          {"both_wrong", found.both_wrong}};
}

nlohmann::ordered_json reading_json(const Extraction& found) {
  return {
      {"letter", or_null(found.letter)}, {"rule", found.rule}, {"span", {found.span_begin, found.span_end}}};
}

nlohmann::ordered_json arm_json(const AuditedArm& arm, bool is_run) {
  const ArmAgreement found = agreement_of(arm);
  nlohmann::ordered_json e;
  if (is_run) e["arm"] = arm.asked.name;
  e["n"] = found.rules.responses;
  e["anchored"] = tally_json(found.anchored);
  e["published"] = tally_json(found.published);
  e["agreement"] = agreement_json(found.rules, "anchored", "published");
  if (found.recorded.answered > 0) {
    e["recorded"] = tally_json(found.recorded);
    e["anchored_recorded"] = agreement_json(found.anchored_recorded, "anchored", "recorded");
    e["published_recorded"] = agreement_json(found.published_recorded, "published", "recorded");
  }
  e["verdicts"] = {{"n", found.verdicts},
                   {"anchored_same", found.anchored_confirmed},
                   {"published_same", found.published_confirmed}};
  return e;
}

}  // namespace

std::string audit_table(const Audit& audit) {
  AuditTable table;
  for (std::size_t a = 0; a < audit.arms.size(); ++a) {
    if (a > 0) table.line();
    table.arm(audit.arms[a], audit.is_run);
  }
  table.reviewers(audit);
  return table.take();
}

std::string disagreement_list(const Audit& audit) {
  std::string out;
  for_each_disagreement(audit, [&](const AuditedArm& arm, const AuditedAnswer& answer) {
    out += fmt::format("\n{}{} {}: {}, {}{}{}{}\n", audit.is_run ? printable(arm.asked.name, 200) + ", " : "",
                       printable(answer.item->subject), answer.item->index,
                       reading_text("anchored", answer.anchored), reading_text("published", answer.published),
                       answer.item->label ? ", right " + letter_text(answer.item->label) : "",
                       answer.recorded ? ", recorded " + letter_text(answer.recorded->letter) : "",
                       answer.verdict != nullptr ? ", verdict " + letter_text(answer.verdict->letter) : "");
    for (const std::string& line : marked_lines(answer, 96)) out += "  | " + line + "\n";
  });
  return out;
}

nlohmann::ordered_json audit_json(const Audit& audit, const AuditJsonOptions& options) {
  nlohmann::ordered_json file;
  file[audit.is_run ? "run" : "file"] = audit.name;
  if (audit.is_run) {
    file["finished"] = audit.finished();
    file["reported"] =
        audit.reported ? nlohmann::ordered_json(rules_name(*audit.reported)) : nlohmann::ordered_json();
    file["written"] =
        options.written ? nlohmann::ordered_json(rules_name(*options.written)) : nlohmann::ordered_json();
  }
  file["confidence"] = kConfidence;
  file["arms"] = nlohmann::ordered_json::array();
  for (const AuditedArm& arm : audit.arms) file["arms"].push_back(arm_json(arm, audit.is_run));
  if (audit.is_run) {
    file["reviewers"] = nlohmann::ordered_json::object();
    for (const auto& [name, count] : verdicts_by_reviewer(audit)) file["reviewers"][name] = count;
    file["reviewer_pairs"] = nlohmann::ordered_json::array();
    for (const ReviewerPair& pair : audit.verdicts->reviewer_pairs()) {
      file["reviewer_pairs"].push_back({{"reviewers", {pair.first, pair.second}},
                                        {"n", pair.both},
                                        {"same", pair.agree},
                                        {"kappa", or_null(pair.kappa)}});
    }
  }
  if (!options.list) return file;
  file["disagreements"] = nlohmann::ordered_json::array();
  for_each_disagreement(audit, [&](const AuditedArm& arm, const AuditedAnswer& answer) {
    nlohmann::ordered_json e;
    if (audit.is_run) e["arm"] = arm.asked.name;
    e["subject"] = answer.item->subject;
    e["item"] = answer.item->index;
    e["label"] = or_null(answer.item->label);
    e["anchored"] = reading_json(answer.anchored);
    e["published"] = reading_json(answer.published);
    if (answer.recorded) e["recorded"] = or_null(answer.recorded->letter);
    if (answer.verdict != nullptr) e["verdict"] = or_null(answer.verdict->letter);
    e["response"] = answer.response.text;
    file["disagreements"].push_back(std::move(e));
  });
  return file;
}

}  // namespace refocus
