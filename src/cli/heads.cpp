// refocus heads: which attention heads matter for a task (docs/heads.md).
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "cli/asking_options.h"
#include "cli/bundled.h"
#include "cli/chat_options.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/command_line.h"
#include "cli/interrupt.h"
#include "cli/intervention_file.h"
#include "cli/model_options.h"
#include "cli/patch_options.h"
#include "cli/task_arguments.h"
#include "eval/run/asking.h"
#include "eval/task/profile.h"
#include "eval/tasks/task_data.h"
#include "heads/head_figures.h"
#include "heads/head_report.h"
#include "heads/patch_report.h"
#include "heads/shuffled_labels.h"

namespace refocus::cli {

namespace fs = std::filesystem;

namespace {

struct HeadsOptions {
  ModelOptions model;
  std::vector<std::string> tasks, subjects;
  std::string by = "ablate", want, rank = "likelihood", data, run_directory;
  std::vector<std::int64_t> top;
  std::int64_t draws = 20, layers_first = 0, batch = 32;
  std::uint64_t seed = 0;
  std::optional<std::uint64_t> shuffle_labels;
  int limit = 0;
  std::optional<int> shots;
  bool json = false;
  ChatOptions chat;
  PatchOptions patch;

  bool patches() const { return is_patch(by); }
};

// Methods that take something away lower answers where a head matters; others are meant to raise them.
bool takes_away(const InterventionSpec& method) {
  return std::ranges::all_of(method.parts, [](const InterventionPart& part) {
    const MethodId id = part.method->id;
    return id == MethodId::kZero || id == MethodId::kUniform || id == MethodId::kKnockout ||
           id == MethodId::kNoSink || id == MethodId::kMean;
  });
}

InterventionSpec method_of(const HeadsOptions& options) {
  const std::string& by = options.by;
  if (options.patches()) {
    if (!options.shuffle_labels) return patch_method_of(options.patch.settings());
    throw usage_error(
        "--shuffle-labels",
        "expected another method than patch, whose pairs know what is right after either prompt, "
        "got patch; leave it out");
  }
  options.patch.refuse_without_patch();
  const std::string text = by == "ablate" ? "zero" : intervention_text(by);
  InterventionSpec method = parse_named_intervention(text, "--by").spec;
  if (method.is_none()) {
    throw usage_error("--by",
                      "expected what is done to a head, such as ablate or scale:factor=0.5,keys=sinks, "
                      "got none");
  }
  for (const InterventionPart& part : method.parts) {
    if (!part.method->takes_heads) {
      throw usage_error("--by", "expected a method that acts on heads, got {}; choose another",
                        part.method->name);
    }
    if (part.heads) {
      throw usage_error("--by",
                        "expected a method without heads=, since every head is tried in turn, got {}; leave "
                        "heads= out",
                        printable(by));
    }
  }
  return method;
}

// 1, 2, 4, ... up to a quarter of the heads that are tried, or what --top says.
std::vector<std::int64_t> sizes_of(const HeadsOptions& options, std::int64_t tried, std::int64_t heads) {
  std::vector<std::int64_t> sizes = options.top;
  if (sizes.empty()) {
    for (std::int64_t k = 1; k <= std::max<std::int64_t>(1, std::min<std::int64_t>(16, tried / 4)); k *= 2) {
      sizes.push_back(k);
    }
  }
  std::ranges::sort(sizes);
  sizes.erase(std::ranges::unique(sizes).begin(), sizes.end());
  const std::int64_t most = std::min(tried, heads / 2);
  if (sizes.back() > most) {
    throw usage_error(
        "--top",
        "expected sets of at most {} heads, of {} that are tried and with as many others to draw "
        "at random, got {}",
        most, tried, sizes.back());
  }
  return sizes;
}

HeadSearchSettings search_of(const HeadsOptions& options, const InterventionSpec& method,
                             const ModelConfig& config) {
  HeadSearchSettings out;
  out.method = method;
  const bool worse = options.patches() ? options.patch.settings().noise() : takes_away(method);
  const bool drop = options.want.empty() ? worse : options.want == "drop";
  out.want = drop ? HeadSearchSettings::Want::kDrop : HeadSearchSettings::Want::kGain;
  out.rank = options.rank == "accuracy" ? HeadSearchSettings::Rank::kAccuracy
                                        : HeadSearchSettings::Rank::kLikelihood;
  const std::int64_t heads = config.num_hidden_layers * config.num_attention_heads;
  if (heads < 2) throw input_error("heads", "expected a model of several heads, got one of {}", heads);
  std::int64_t tried = heads;
  if (options.layers_first > 0) {
    out.layers_first = options.layers_first;
    if (options.layers_first > config.num_hidden_layers) {
      throw usage_error("--layers-first", "expected at most {}, as many as the model has layers, got {}",
                        config.num_hidden_layers, options.layers_first);
    }
    tried = options.layers_first * config.num_attention_heads;
  }
  out.sizes = sizes_of(options, tried, heads);
  out.draws = options.draws;
  out.seed = options.seed;
  return out;
}

EvalSettings settings_of(const HeadsOptions& options) {
  EvalSettings settings;
  settings.profile = profile_of("");
  settings.interventions.emplace_back();
  const std::vector<AskedTask> tasks =
      read_task_arguments(options.tasks, HarnessOptions{options.data, options.shots, options.limit});
  settings.harness = tasks.front().harness;
  settings.prompts = prompt_kinds(tasks, false, false, true);
  settings.tasks = load_tasks(tasks, options.data, options.subjects);
  for (Task& task : settings.tasks) {
    if (options.limit > 0) limit_items(task, options.limit);
    if (options.shuffle_labels) shuffle_labels(task, *options.shuffle_labels);
  }
  add_examples(settings, options.shots, options.data);
  settings.batch = options.batch;
  settings.version = REFOCUS_VERSION;
  settings.command = command_line();
  return settings;
}

void add_chat(const HeadsOptions& options, const OpenModel& model, EvalSettings& settings) {
  if (settings.harness) return options.chat.refuse_with_harness();
  if (!options.chat.asked()) return;
  if (const auto chat_template = options.chat.find(model)) {
    settings.chat = ChatAsking{chat_template, options.chat.system, true, options.chat.settings(fixed_date())};
  }
}

// What decides answers; which heads are asked for is the journal's.
RunSettings run_of(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                   const HeadSearchSettings& search, std::int64_t layers) {
  RunSettings out;
  out.identity = run_identity(model, settings, plan);
  out.identity["kind"] = "heads";
  out.identity["method"] = search.method.canonical(layers);
  out.details = {{"version", settings.version}, {"model_path", model.path}, {"command", settings.command}};
  return out;
}

fs::path directory_of(const HeadsOptions& options, const EvalModel& model, const EvalSettings& settings,
                      const RunSettings& run) {
  if (!options.run_directory.empty()) return options.run_directory;
  std::vector<std::string> tasks = {"heads"};
  for (const Task& task : settings.tasks) tasks.push_back(task.name);
  return default_run_directory(tasks, model.name, run.identity);
}

void write_all(const fs::path& directory, const HeadSearch& search, const HeadSearchSettings& settings,
               const std::string& about) {
  write_file_atomically(directory / "results.json", json_text(head_search_json(search, settings), 2) + "\n");
  write_file_atomically(directory / "tried.csv", tried_heads_csv(search));
  write_file_atomically(directory / "tested.csv", tested_sets_csv(search));
  write_file_atomically(directory / "heads.json", heads_json(search.best(settings.want).heads) + "\n");
  write_file_atomically(directory / "heatmap.svg", head_heatmap(search, settings));
  write_file_atomically(directory / "held_out.svg", held_out_figure(search));
  write_file_atomically(directory / "report.html", head_search_page(search, settings, about));
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

// What is asked: of patching, both prompts of each pair, and the clean ones are the task's.
struct HeadsPlan {
  std::unique_ptr<PromptPairs> pairs;  // or null
  EvalSettings settings;
  Plan plan;
};

void make_heads_plan(const HeadsOptions& options, const EvalModel& asked, HeadsPlan& out) {
  if (options.patches()) {
    out.pairs = std::make_unique<PromptPairs>(asked, out.settings, options.patch.settings());
    check_memory(asked, out.settings, out.pairs->corrupted());
    out.settings = out.pairs->clean_settings();
  }
  out.plan = make_plan(asked, out.settings);
  check_memory(asked, out.settings, out.plan);
}

void run(const HeadsOptions& options) {
  const InterventionSpec by = method_of(options);
  HeadsPlan planned;
  EvalSettings& settings = planned.settings;
  settings = settings_of(options);
  RunningModel model(options.model);
  const ModelConfig& config = model.files.config;
  const InterventionSpec method =
      options.patches() ? by : AskedInterventions({NamedIntervention{"", by}}).one_for_model(model.files);
  HeadSearchSettings search = search_of(options, method, config);
  settings.context = options.model.context_for(config);
  settings.kv_bytes = kv_budget(options.model, config, options.batch, settings.context);
  add_chat(options, model.files, settings);
  const EvalModel asked = eval_model(model, "download the model's tokenizer files");
  make_heads_plan(options, asked, planned);
  const Plan& plan = planned.plan;
  search.pairs = planned.pairs.get();
  const RunSettings recorded = run_of(asked, settings, plan, search, config.num_hidden_layers);
  const fs::path directory = directory_of(options, asked, settings, recorded);
  const RunDirectory kept = RunDirectory::open(directory, recorded);
  Journal journal(kept);
  if (kept.resumed()) {
    fmt::print(stderr, "heads: going on with the run in {}, {} answers are there\n",
               printable(directory.string(), 400), journal.count());
  }
  tell_how_to_resume();
  const HeadSearch found = search_heads(asked, settings, plan, search, journal);
  expect_not_overwritten(asked.files);
  const std::string about = about_text(asked, settings, search, config.num_hidden_layers);
  write_all(kept.path(), found, search, about);
  if (options.json) {
    fmt::print("{}\n", json_text(head_search_json(found, search)));
    return;
  }
  fmt::print("{}\n\n{}", about, head_search_table(found, search));
  if (found.computed > 0) {
    fmt::print("Computed {:.0f}% of what every item and set alone would have taken.\n",
               100.0 * static_cast<double>(found.computed) / static_cast<double>(found.one_by_one));
  }
  fmt::print("Heads for heads=@FILE: {}\nReport: {}\n", (directory / "heads.json").string(),
             (directory / "report.html").string());
}

void add_search_options(CLI::App& command, HeadsOptions& options) {
  command
      .add_option(
          "--by", options.by,
          "What is done to each head: ablate (its output is 0); a method of --intervene without "
          "heads=, such as uniform or pasta:keys=field:question; or patch (what it puts out comes from "
          "the run of the pair's other prompt)")
      ->capture_default_str()
      ->check(not_empty())
      ->type_name("METHOD");
  options.patch.add(command);
  command
      .add_option(
          "--want", options.want,
          "The heads to find: whose change makes answers worse (drop, the default of what takes away) or "
          "better (gain)")
      ->check(CLI::IsMember({"drop", "gain"}));
  command
      .add_option("--rank", options.rank,
                  "By which change heads are ranked: of the right option's log-probability, or of accuracy")
      ->capture_default_str()
      ->check(CLI::IsMember({"likelihood", "accuracy"}));
  command.add_option("--top", options.top, "Sizes of the sets to test (default: 1,2,4,... up to 16)")
      ->delimiter(',')
      ->check(whole_number(1, 1 << 20))
      ->type_name("K,K");
  command.add_option("--draws", options.draws, "Random sets of each size to compare with")
      ->capture_default_str()
      ->check(whole_number(1, 10000));
  command.add_option("--seed", options.seed, "Of the random sets")
      ->capture_default_str()
      ->check(whole_number<std::uint64_t>(0, ~std::uint64_t{0}));
  command
      .add_option("--layers-first", options.layers_first,
                  "Try whole layers first, and then the heads of the N that matter most (default: all heads)")
      ->check(whole_number(1, 1 << 20))
      ->type_name("N");
  command
      .add_option(
          "--shuffle-labels", options.shuffle_labels,
          "Give the items each other's labels, in an order that SEED decides: a control, in which nothing "
          "should be found")
      ->type_name("SEED");
}

}  // namespace

Action add_heads(CLI::App& command) {
  auto options = std::make_shared<HeadsOptions>();
  command
      .add_option(
          "task", options->tasks,
          fmt::format("One or several of {}, or task files of your own or of lm-evaluation-harness, whose "
                      "options are scored by log-likelihood",
                      task_names()))
      ->required()
      ->type_name("TASK");
  options->model.add_model(command);
  add_search_options(command, *options);
  command.add_option("--data", options->data, "Directory that holds the tasks' folders, as for eval")
      ->check(not_empty())
      ->type_name("DIR");
  command.add_option("--subjects", options->subjects, "Subjects of the task (default: all)")
      ->delimiter(',')
      ->type_name("a,b");
  command.add_option("--limit", options->limit, "Only the first N items of each subject")
      ->check(whole_number(1, 1 << 30));
  command.add_option("--shots", options->shots, "Worked examples before each question, as for eval")
      ->check(whole_number(0, 1 << 20));
  options->chat.add(command, false);
  command.add_option("--batch", options->batch, "Sequences computed at once; does not change results")
      ->capture_default_str()
      ->check(whole_number(1, 4096));
  command
      .add_option(
          "-o,--output", options->run_directory,
          "The run's directory; a run that was interrupted goes on (default: a name of its own in runs/)")
      ->check(not_empty())
      ->type_name("RUN_DIR");
  command.add_flag("--json", options->json, "Print one JSON object instead of tables");
  options->model.add_running(command);
  return [options] { run(*options); };
}

}  // namespace refocus::cli
