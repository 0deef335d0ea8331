// refocus heads: which attention heads matter for a task (docs/heads.md).
#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "cli/checks.h"
#include "cli/cluster_session.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/options/asking_options.h"
#include "cli/options/detect_options.h"
#include "cli/options/head_search_options.h"
#include "cli/options/intervention_file.h"
#include "cli/options/model_options.h"
#include "cli/options/task_arguments.h"
#include "cli/options/task_options.h"
#include "cli/session.h"
#include "detect/detection_report.h"
#include "eval/journal/fingerprint.h"
#include "eval/run/asking.h"
#include "eval/task/profile.h"
#include "eval/tasks/task_data.h"
#include "eval/text/sha256.h"
#include "heads/head_dry_run.h"
#include "heads/head_figures.h"
#include "heads/head_report.h"
#include "heads/patch_report.h"
#include "heads/search_figure.h"
#include "heads/shared_heads.h"
#include "heads/shuffled_labels.h"
#include "opened/bundled.h"

namespace refocus::cli {

namespace fs = std::filesystem;

namespace {

struct HeadsOptions {
  ModelOptions model;
  std::vector<std::string> tasks, subjects;
  std::string data, run_directory;
  std::int64_t batch = 32;
  HeadSearchOptions search;
  int limit = 0;
  std::optional<int> shots;
  bool json = false, dry_run = false;
  ChatOptions chat;
  DetectOptions detect;
  // Options of a search, and of a task, which are refused without one.
  std::vector<const CLI::Option*> of_search = {}, of_task = {};
};

EvalSettings settings_of(const HeadsOptions& options) {
  EvalSettings settings;
  settings.profile = profile_of("");
  settings.interventions.emplace_back();
  settings.batch = options.batch;
  settings.session = this_session();
  if (options.tasks.empty()) return settings;
  const std::vector<AskedTask> tasks =
      read_task_arguments(options.tasks, HarnessOptions{options.data, options.shots, options.limit});
  settings.harness = tasks.front().harness;
  settings.prompts = prompt_kinds(tasks, false, false, true);
  settings.tasks = load_tasks(tasks, options.data, options.subjects);
  for (Task& task : settings.tasks) {
    if (options.limit > 0) limit_items(task, options.limit);
    if (options.search.shuffle_labels) shuffle_labels(task, *options.search.shuffle_labels);
  }
  add_examples(settings, tasks, options.shots, options.data);
  return settings;
}

// Of a session; the model's path is not its identity.
nlohmann::ordered_json details_of(const EvalModel& model, const EvalSettings& settings) {
  nlohmann::ordered_json out = session_json(settings.session, model.in_bf16());
  out["model_path"] = model.path;
  out["threads"] = model.transformer.pool().size();
  return out;
}

// What decides answers; which heads are asked for is the journal's.
RunSettings run_of(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                   const HeadSearchSettings& search, std::int64_t layers) {
  RunSettings out = run_settings(model, settings, plan);
  out.identity["kind"] = "heads";
  out.identity["method"] = search.method.canonical(layers);
  out.details = details_of(model, settings);
  return out;
}

fs::path directory_of(const HeadsOptions& options, const EvalModel& model, const EvalSettings& settings,
                      const RunSettings& run) {
  if (!options.run_directory.empty()) return options.run_directory;
  std::vector<std::string> tasks = {"heads"};
  for (const Task& task : settings.tasks) tasks.push_back(task.name);
  return default_run_directory(tasks, model.name, run);
}

void write_all(const fs::path& directory, const HeadSearch& search, const HeadSearchSettings& settings,
               const std::string& about, const std::optional<Detection>& detection) {
  write_file_atomically(directory / kHeadResultsFile,
                        json_text(head_search_json(search, settings), 2) + "\n");
  write_file_atomically(directory / "tried.csv", tried_heads_csv(search));
  write_file_atomically(directory / "tested.csv", tested_sets_csv(search));
  write_file_atomically(directory / kBestHeadsFile, heads_json(search.best(settings.want).heads) + "\n");
  write_file_atomically(directory / "heatmap.svg", head_heatmap(search, settings));
  write_file_atomically(directory / "held_out.svg", held_out_figure(search));
  if (detection) write_detection(directory, *detection, &search);
  write_file_atomically(
      directory / "report.html",
      head_search_page(search, settings, about, detection ? detection_section(*detection, &search) : ""));
}

std::string about_text(const EvalModel& model, const EvalSettings& settings, const HeadSearchSettings& search,
                       std::int64_t layers) {
  std::string tasks;
  for (const Task& task : settings.tasks) tasks += (tasks.empty() ? "" : ", ") + task.name;
  if (search.pairs) {
    return fmt::format("{} on {}, {}", model.name, tasks, patch_in_words(search.pairs->patch()));
  }
  return fmt::format("{} on {}, each head under {}", model.name, tasks, search.method.canonical(layers));
}

void print_search(const HeadSearch& found, const HeadSearchSettings& search, const std::string& about,
                  const std::optional<Detection>& detection) {
  fmt::print("{}\n\n{}", about, head_search_table(found, search));
  if (found.computed > 0) {
    fmt::print("Computed {:.0f}% of what every item and set alone would have taken.\n",
               100.0 * static_cast<double>(found.computed) / static_cast<double>(found.one_by_one));
  }
  if (detection) fmt::print("\n{}\n", detection_table(*detection, &found));
}

// What is asked: of patching, both prompts of each pair, and the clean ones are the task's.
struct HeadsPlan {
  std::unique_ptr<PromptPairs> pairs;  // or null
  EvalSettings settings;
  Plan plan;
};

void make_heads_plan(const HeadSearchOptions& options, const EvalModel& asked, HeadsPlan& out) {
  if (options.patches()) {
    out.pairs = std::make_unique<PromptPairs>(asked, out.settings, options.patch.settings());
    check_memory(asked, out.settings, out.pairs->corrupted());
    out.settings = out.pairs->clean_settings();
  }
  out.plan = make_plan(asked, out.settings);
  check_memory(asked, out.settings, out.plan);
}

// As one of several processes, which does not lead.
void serve_search(ClusterSession& cluster, const EvalModel& asked, const EvalSettings& settings,
                  const Plan& plan, const HeadSearchSettings& search) {
  HeadScorers scorers(asked, settings, plan, search);
  cluster.serve([&](const std::string& phase) { return head_work(scorers, phase); });
}

void run_search(const HeadsOptions& options) {
  const InterventionSpec by = options.search.method();
  HeadsPlan planned;
  EvalSettings& settings = planned.settings;
  settings = settings_of(options);
  const auto opened = open_running(options.model);
  RunningModel& model = *opened;
  const ModelConfig& config = model.files.config;
  const InterventionSpec method =
      options.search.patches() ? by
                               : AskedInterventions({NamedIntervention{"", by}}).one_for_model(model.files);
  HeadSearchSettings search = options.search.settings(method, config);
  settings.context = options.model.context_for(config);
  settings.kv_bytes = kv_budget(options.model, model.transformer, options.batch, settings.context);
  add_chat(options.chat, true, model.files, settings);
  const EvalModel asked = eval_model(model, "download the model's tokenizer files",
                                     options.dry_run ? HashFiles::kNo : HashFiles::kYes);
  make_heads_plan(options.search, asked, planned);
  const Plan& plan = planned.plan;
  search.pairs = planned.pairs.get();
  if (options.dry_run) {
    const HeadDryRun dry = dry_run_heads(asked, settings, plan, search);
    return fmt::print("{}{}", head_dry_run_text(dry, memory_of(model)),
                      options.detect.detect ? "Not counted: what --detect takes\n" : "");
  }
  std::optional<DetectionPlan> detect;
  if (options.detect.detect) {
    DetectionSettings detection = options.detect.settings(options.search.seed, settings.context);
    detection.plan = &plan;
    detect = plan_detection(asked, settings, detection);
  }
  const RunSettings recorded = run_of(asked, settings, plan, search, config.num_hidden_layers);
  if (ClusterSession* cluster = ClusterSession::current()) {
    settings.share = cluster->begin(facts_of(recorded.identity, asked.in_bf16()), 1);
    if (!cluster->leads()) return serve_search(*cluster, asked, settings, plan, search);
  }
  const fs::path directory = directory_of(options, asked, settings, recorded);
  const RunDirectory kept = RunDirectory::open(directory, recorded);
  Journal journal(kept);
  tell_resumed(kept, journal.count());
  tell_how_to_resume();
  const HeadSearch found = search_heads(asked, settings, plan, search, journal);
  std::optional<Detection> detection;
  if (detect) detection = detect_heads(asked, *detect);
  expect_not_overwritten(asked.files);
  const std::string about = about_text(asked, settings, search, config.num_hidden_layers);
  write_all(kept.path(), found, search, about, detection);
  if (options.json) {
    nlohmann::ordered_json out = head_search_json(found, search);
    if (detection) out["detection"] = detection_json(*detection, &found);
    fmt::print("{}\n", json_text(out));
    return;
  }
  print_search(found, search, about, detection);
  fmt::print("Heads for heads=@FILE: {}\nReport: {}\n", (directory / "heads.json").string(),
             (directory / "report.html").string());
}

// What decides the scores of detectors alone.
RunSettings detectors_of(const EvalModel& model, const EvalSettings& settings,
                         const DetectionSettings& detection) {
  RunSettings out;
  if (detection.plan != nullptr) {
    out = run_settings(model, settings, *detection.plan);
  } else {
    out.identity[kModelFiles] = model.hashes;
  }
  out.identity["kind"] = "detectors";
  out.identity["detectors"] = detection_identity(detection);
  if (settings.chat && detection.plan == nullptr) {
    out.identity["chat"] = {{"template_sha256", sha256_hex(settings.chat->chat_template->source())},
                            {"system", settings.chat->system}};
  }
  out.details = details_of(model, settings);
  return out;
}

// No head is changed.
void run_detectors(const HeadsOptions& options) {
  if (ClusterSession::current() != nullptr) {
    throw usage_error("--detect",
                      "expected a search of heads, which several processes share, got detectors "
                      "alone; start this in one process");
  }
  EvalSettings settings = settings_of(options);
  const auto opened = open_running(options.model);
  RunningModel& model = *opened;
  const ModelConfig& config = model.files.config;
  settings.context = options.model.context_for(config);
  add_chat(options.chat, true, model.files, settings);
  const EvalModel asked = eval_model(model, "download the model's tokenizer files");
  DetectionSettings detect = options.detect.settings(options.search.seed, settings.context);
  std::optional<Plan> plan;
  if (!options.tasks.empty()) {
    plan = make_plan(asked, settings);
    detect.plan = &*plan;
  }
  const DetectionPlan planned = plan_detection(asked, settings, detect);
  const RunSettings recorded = detectors_of(asked, settings, detect);
  const fs::path directory = directory_of(options, asked, settings, recorded);
  const RunDirectory kept = RunDirectory::open(directory, recorded);
  const Detection found = detect_heads(asked, planned);
  expect_not_overwritten(asked.files);
  write_detection(kept.path(), found, nullptr);
  std::string about = "Heads of " + asked.name;
  for (const Task& task : settings.tasks)
    about += (&task == &settings.tasks.front() ? " on " : ", ") + task.name;
  write_file_atomically(kept.path() / "report.html", detection_page(found, about));
  if (options.json) {
    fmt::print("{}\n", json_text(detection_json(found, nullptr)));
    return;
  }
  fmt::print("{}\n\n{}\nScores: {}\nReport: {}\n", about, detection_table(found, nullptr),
             (directory / "detectors.csv").string(), (directory / "report.html").string());
}

void refuse(const std::vector<const CLI::Option*>& options, const char* without) {
  for (const CLI::Option* option : options) {
    if (option->count() == 0) continue;
    throw usage_error(option->get_name(), "expected {}, got none; leave {} out", without, option->get_name());
  }
}

void run(const HeadsOptions& options) {
  if (options.tasks.empty() && !options.detect.detect) {
    throw usage_error("heads", "expected a TASK, or --detect for what heads do without one, got neither");
  }
  if (options.tasks.empty()) refuse(options.of_task, "a TASK beside it");
  if (!options.tasks.empty() && !options.detect.no_search) return run_search(options);
  refuse(options.of_search, "a search of a TASK, which it belongs to");
  run_detectors(options);
}

}  // namespace

Action add_heads(CLI::App& command) {
  auto options = std::make_shared<HeadsOptions>();
  add_tasks(command, options->tasks,
            fmt::format("One or several of {}, or task files of your own or of lm-evaluation-harness, whose "
                        "options are scored by log-likelihood; may be left out with --detect",
                        task_names()));
  options->model.add_model(command);
  options->search.add(command);
  options->detect.add(command);
  add_data(command, options->data);
  add_subjects(command, options->subjects);
  add_limit(command, options->limit);
  command.add_option("--shots", options->shots, "Worked examples before each question, as for eval")
      ->check(whole_number(0, 1 << 20));
  options->chat.add(command, false);
  add_batch(command, options->batch);
  command
      .add_option(
          "-o,--output", options->run_directory,
          "The run's directory; a run that was interrupted goes on (default: a name of its own in runs/)")
      ->check(not_empty())
      ->type_name("RUN_DIR");
  CLI::Option* dry_run = add_dry_run(command, options->dry_run);
  command.add_flag("--json", options->json, "Print one JSON object instead of tables")->excludes(dry_run);
  options->model.add_running(command);
  for (const char* name :
       {"--by", "--want", "--rank", "--top", "--draws", "--random", "--layers-first", "--shuffle-labels",
        "--direction", "--positions", "--skip-unaligned", "--dry-run"}) {
    options->of_search.push_back(command.get_option(name));
  }
  for (const char* name : {"--data", "--subjects", "--limit", "--shots", "--no-search"}) {
    options->of_task.push_back(command.get_option(name));
  }
  return [options] { run(*options); };
}

}  // namespace refocus::cli
