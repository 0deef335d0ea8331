// refocus rescore: reads the saved responses of a run or a file again by both rule sets, and shows where they
// disagree; writes a run's reports anew, and lets a person judge (docs/audit.md).
#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <pwd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/commands/manual_review.h"
#include "eval/audit/audit_file.h"
#include "eval/audit/audit_report.h"
#include "eval/journal/verdict_file.h"
#include "eval/report/comparison_files.h"
#include "eval/report/html_report.h"
#include "eval/score/arm_report.h"
#include "eval/task/profile.h"

namespace refocus::cli {

namespace fs = std::filesystem;

namespace {

struct RescoreOptions {
  std::string path, rules, profile, export_file, import_file;
  bool write = false, list = false, json = false, no_verdicts = false;
  bool manual = false;
  std::string only = "both";
  ReviewOptions review;
  ManualOptions shown;
};

std::string login_name() {
  const passwd* user = ::getpwuid(::getuid());
  return user != nullptr && *user->pw_name != 0 ? user->pw_name : fmt::format("user {}", ::getuid());
}

// The rules that were asked for: by name, or by a profile.
std::optional<ExtractionRules> named_rules(const RescoreOptions& options) {
  if (!options.rules.empty()) return parse_rules(options.rules);
  if (options.profile.empty()) return std::nullopt;
  const Profile profile = load_profile(options.profile);
  if (profile.extraction) return profile.extraction;
  throw input_error(
      options.profile,
      "expected \"extraction\": \"anchored\" or \"published\" in the profile, got none; add it, "
      "or name the rules with --rules");
}

std::vector<ArmScores> scores_by(const Audit& audit, ExtractionRules rules) {
  std::vector<ArmScores> scores;
  for (const AuditedArm& arm : audit.arms) {
    ArmScores& next = scores.emplace_back(ArmScores{arm.asked.name, {}, meaning_of(arm.asked)});
    for (const TaskAnswers& task : judged_by(arm, rules)) next.tasks.push_back(score(task));
  }
  return scores;
}

void write_reports(const RunDirectory& run, const Audit& audit, ExtractionRules rules, bool no_verdicts) {
  for (const AuditedArm& arm : audit.arms) {
    write_arm_report(run, {arm.asked, rules, 0, no_verdicts}, judged_by(arm, rules));
  }
  // Of an unfinished run the arms may have answered different items.
  if (!audit.finished()) return;
  std::optional<Comparison> comparison;
  if (audit.arms.size() > 1) comparison = write_comparison(run.path());
  write_run_report(run.path(), comparison ? &*comparison : nullptr);
}

void show(const RescoreOptions& options, const Audit& audit, std::optional<ExtractionRules> rules) {
  if (options.json) {
    const AuditJsonOptions what{options.list, options.write ? rules : std::nullopt};
    fmt::print("{}\n", json_text(audit_json(audit, what)));
    return;
  }
  if (!audit.finished()) {
    fmt::print("The run is not finished: {} of {} answers are there.\n\n", audit.answers(),
               audit.items * std::ssize(audit.arms));
  }
  if (audit.reported) {
    fmt::print("The run's reports {} by the {} rules.\n\n", options.write ? "were" : "are",
               rules_name(*audit.reported));
  }
  fmt::print("{}", audit_table(audit));
  if (rules)
    fmt::print("\nBy the {} rules\n\n{}", rules_name(*rules), summary_table(scores_by(audit, *rules)));
  if (options.list) fmt::print("{}", disagreement_list(audit));
  if (options.write) fmt::print("\nReports written by the {} rules: {}\n", rules_name(*rules), options.path);
}

// Brings reports that are there in step with the verdicts.
void renew_reports(const RunDirectory& run, const Journal& journal, Audit& audit) {
  if (!audit.reported) return;
  if (audit.reports_ignore_verdicts) {
    spdlog::info("the reports ignore verdicts; --write lets them count");
    return;
  }
  use_verdicts(audit, journal.verdicts());
  write_reports(run, audit, *audit.reported, false);
  spdlog::info("the run's reports are written anew, by the {} rules and the verdicts",
               rules_name(*audit.reported));
}

// What is done to a run beside showing it.
void change_run(const RescoreOptions& options, std::optional<ExtractionRules> rules) {
  const RunDirectory run = RunDirectory::reopen(options.path);
  Journal journal(run);
  if (!options.import_file.empty()) {
    const ImportedVerdicts imported = import_verdicts(options.import_file, journal);
    spdlog::info("{} verdicts taken over, {} were there already", imported.added, imported.known);
  }
  Audit audit = audit_run(run.path(), journal, {.verdicts = !options.no_verdicts});
  if (options.write) {
    rules = rules ? rules : audit.reported.value_or(ExtractionRules::kAnchored);
    write_reports(run, audit, *rules, options.no_verdicts);
  } else {
    renew_reports(run, journal, audit);
  }
  show(options, audit, rules);
}

void review_run(const RescoreOptions& options) {
  ReviewOptions which = options.review;
  which.only = parse_only(options.only);
  if (which.reviewer.empty()) which.reviewer = login_name();
  checked_reviewer(which.reviewer);
  const RunDirectory run = RunDirectory::reopen(options.path);
  Journal journal(run);
  Audit audit = audit_run(run.path(), journal);
  std::vector<ReviewedAnswer> answers = answers_to_review(audit, which);
  if (answers.empty()) {
    fmt::print(
        "Nothing to review: {} has no such responses without a verdict of {}; see --only and --again.\n",
        options.path, which.reviewer);
    return;
  }
  const std::size_t count = answers.size();
  Review review(audit, std::move(answers), which.reviewer, journal);
  review_by_hand(review, options.shown);
  fmt::print("{} of {} responses have a verdict of {}; all are kept in {}.\n", review.judged(), count,
             which.reviewer, (run.path() / Journal::kFileName).string());
  if (review.verdicts() > 0) renew_reports(run, journal, audit);
}

void run(const RescoreOptions& options) {
  const std::optional<ExtractionRules> rules = named_rules(options);
  if (!fs::is_directory(options.path)) {
    for (const auto& [flag, given] :
         {std::pair("--write", options.write), std::pair("--manual", options.manual),
          std::pair("--no-verdicts", options.no_verdicts),
          std::pair("--export-verdicts", !options.export_file.empty()),
          std::pair("--import-verdicts", !options.import_file.empty())}) {
      if (given)
        throw usage_error(flag, "expected a run directory beside it, got '{}'", printable(options.path));
    }
    return show(options, audit_file(options.path), rules);
  }
  if (options.manual) return review_run(options);
  if (!options.export_file.empty()) {
    export_verdicts(Journal::open_read_only(options.path), options.export_file);
    return;
  }
  if (options.write || !options.import_file.empty()) return change_run(options, rules);
  show(options, audit_run(options.path, {.verdicts = !options.no_verdicts}), rules);
}

void add_manual(CLI::App& command, RescoreOptions& options) {
  CLI::Option* manual = command.add_flag("--manual", options.manual,
                                         "Judge responses by hand; verdicts are kept in the run's journal");
  for (const char* other : {"--write", "--list", "--json", "--no-verdicts", "--rules", "--profile",
                            "--export-verdicts", "--import-verdicts"}) {
    manual->excludes(command.get_option(other));
  }
  const auto needs_manual = [&](CLI::Option* option) { option->needs(manual); };
  needs_manual(command
                   .add_option("--only", options.only,
                               "Which responses: unparsed by one of the rule sets, disagree, both, or all")
                   ->capture_default_str()
                   ->check(one_of({"unparsed", "disagree", "both", "all"})));
  needs_manual(command.add_option("--arm", options.review.arm, "Of this arm alone")
                   ->check(not_empty())
                   ->type_name("ARM"));
  needs_manual(command.add_option("--subject", options.review.subject, "Of this subject alone")
                   ->check(not_empty())
                   ->type_name("SUBJECT"));
  needs_manual(command.add_option("--reviewer", options.review.reviewer, "Your name (default: your login)")
                   ->check(not_empty())
                   ->type_name("NAME"));
  needs_manual(command.add_option("--seed", options.review.seed, "Seed of the order, in which arms mix")
                   ->capture_default_str()
                   ->check(whole_number<std::uint64_t>(0, std::numeric_limits<std::uint64_t>::max())));
  needs_manual(command.add_flag("--again", options.review.again, "With those that have a verdict of yours"));
  needs_manual(command.add_flag("--show-label", options.shown.show_label, "Show the right answer"));
  needs_manual(command.add_flag("--show-arm", options.shown.show_arm, "Show the arm"));
  needs_manual(command.add_flag("--hide-rules", options.shown.hide_rules,
                                "Neither mark nor name what the rules read, which may sway the verdict"));
}

}  // namespace

Action add_rescore(CLI::App& command) {
  auto options = std::make_shared<RescoreOptions>();
  command
      .add_option("run", options->path,
                  "A run; or saved responses: JSON lines as for extract, a samples file, or a subject's CSV")
      ->required()
      ->check(not_empty())
      ->type_name("RUN_DIR|FILE");
  command.add_option("--rules", options->rules, "Show the scores by these too")
      ->check(one_of({"anchored", "published"}));
  command.add_option("--profile", options->profile, "The same with the rules that a prompt profile asks for")
      ->check(not_empty())
      ->type_name("FILE");
  command.add_flag("--write", options->write,
                   "Write the run's reports anew, by --rules (default: by those they were written by)");
  command.add_flag("--list", options->list,
                   "List the answers that the rule sets read different letters from");
  command.add_flag("--no-verdicts", options->no_verdicts, "Let no person's verdict override the rules");
  CLI::Option* exported = command
                              .add_option("--export-verdicts", options->export_file,
                                          "Write the run's verdicts as JSON lines, and no more")
                              ->check(not_empty())
                              ->type_name("FILE");
  command
      .add_option("--import-verdicts", options->import_file,
                  "Take over verdicts that were exported elsewhere")
      ->excludes(exported)
      ->check(not_empty())
      ->type_name("FILE");
  command.add_flag("--json", options->json, "Print one JSON object instead");
  for (const char* other : {"--write", "--list", "--json", "--no-verdicts", "--rules", "--profile"}) {
    exported->excludes(command.get_option(other));
  }
  command.get_option("--import-verdicts")->excludes(command.get_option("--no-verdicts"));
  add_manual(command, *options);
  return [options] { run(*options); };
}

}  // namespace refocus::cli
