#include "cli/commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/commit.h"
#include "cli/help_formatter.h"
#include "kernels/instruction_set.h"

namespace refocus::cli {

namespace {

constexpr const char* kRun = "Run a model";
constexpr const char* kEvaluate = "Evaluate, and compare arms";
constexpr const char* kInside = "Look inside";
constexpr const char* kMake = "Make models, data and files";
constexpr const char* kProgram = "The program itself";
constexpr const char* kHidden = "";  // called by other programs

constexpr CommandEntry kEntries[] = {
    {"generate", kRun, "Continue a prompt, with or without an intervention",
     R"(generate -p "Analysis: the blue crate lies in the" -n 8 --intervene rebalance:alpha=0.2
generate -m model.gguf --chat -p "Name three rivers." --temperature 0.7 --seed 1
generate -m model.gguf --batch prompts.jsonl -o answers.jsonl)",
     add_generate},
    {"chat", kRun, "Talk to a model, with or without an intervention",
     R"(chat -m model.gguf
chat -m model.gguf --system "Answer briefly." --intervene boost:factor=5,keys=role:system)",
     add_chat},
    {"serve", kRun,
     "Serve a model to programs that speak the API of OpenAI, each request with its intervention",
     R"(serve -m model.gguf
serve -m model.gguf --arm reb=rebalance:alpha=0.2 --arm system=boost:factor=5,keys=role:system
serve -m model.gguf --host 0.0.0.0 --api-key-file keys.txt --allow-host models.example.org)",
     add_serve},
    {"tokenize", kRun, "Show the token ids of a text",
     R"(tokenize -p "The blue crate"
tokenize -m model.gguf --chat -p "Where is it?" --pieces --intervene boost:factor=3,keys=role:user)",
     add_tokenize},
    {"info", kRun, "Describe a model", "info\ninfo -m model.gguf --json", add_info},
    {"logits", kRun, "Write a prompt's logits, [tokens, vocab], to a .npy file",
     "logits -p \"The blue crate\" -o logits.npy", add_logits},
    {"bench", kRun, "Measure a model's speed, with and without re-balancing",
     "bench\nbench -m model.gguf --intervene boost:factor=3,keys=sinks --repeats 3", add_bench},
    {"eval", kEvaluate,
     "Ask a model the questions of a task, or measure its perplexity, in one or several arms",
     R"(eval --cot --direct --intervene none --intervene rebalance
eval mmlu -m model.gguf --data data --limit 5 --intervene none --intervene strong=rebalance:alpha=0.5 -o runs/first
eval piqa -m model.gguf --data data --loglikelihood --sweep alpha=0:1:0.25
eval mmlu -m model.gguf --data data --dry-run
eval mmlu -m model.gguf --data data --shard 1/4 -o runs/part1
eval perplexity text.txt -m model.gguf --intervene none --intervene rebalance)",
     add_eval, true, true},
    {"join", kEvaluate, "Make one run of several that asked parts of the same questions",
     "join runs/part1 runs/part2 runs/part3 runs/part4 -o runs/whole", add_join},
    {"compare", kEvaluate, "Compare the arms of one run or of two, item by item",
     R"(compare runs/first --flips
compare runs/first runs/second --csv differences.csv
compare runs/first --format latex > table.tex)",
     add_compare},
    {"power", kEvaluate, "Say which differences so many items could show, before they are asked or after",
     R"(power --items 1000 --changed 0.05
power --items 500,1000,14042 --changed 0.02,0.05,0.2 --tests 20
power --difference 1,2 --changed 0.05
power runs/first)",
     add_power},
    {"figure", kEvaluate, "Draw one picture for a paper, as SVG, PDF or PNG, and say its caption",
     R"(figure runs/first forest -o differences.pdf
figure runs/first accuracy --width 174mm -o accuracy.svg --caption accuracy.txt
figure runs/alpha sweep -o sweep.png --dpi 600
figure seen attention --head 3.0 -o head.pdf)",
     add_figure},
    {"report", kEvaluate, "Write a run, or two beside each other, as one HTML file",
     "report runs/first\nreport runs/first runs/second -o both.html", add_report},
    {"rescore", kEvaluate,
     "Read saved responses again by other rules, show where rules disagree, or judge by hand",
     "rescore runs/first --rules published --list\nrescore runs/first --manual", add_rescore},
    {"extract", kEvaluate, "Read the chosen letters from responses in a JSONL file",
     "extract --task mmlu responses.jsonl", add_extract},
    {"attention", kInside,
     "Keep a prompt's attention weights, and statistics of a prompt's or a task's attention",
     R"(attention -p "Analysis: the blue crate lies in the" -o seen --intervene rebalance
attention --task worlds --limit 4 -o seen-worlds)",
     add_attention, true},
    {"explore", kInside, "Write the explorer of captured attention anew: DIR/attention.html", "explore seen",
     add_explore},
    {"heads", kInside, "Find which attention heads matter for a task, and test them on items held out",
     R"(heads examples/facts.yaml
heads piqa -m model.gguf --data data --limit 400 --layers-first 2
heads examples/pairs.yaml --by patch
heads --detect -m model.gguf)",
     add_heads, true, true},
    {"study", kInside,
     "Compare the attention of right and wrong answers, of arms, and of models before and after training",
     "study --limit 20 --direct --intervene none --intervene rebalance -o studied", add_study, true, true},
    {"calibrate", kMake, "Make the files that interventions work with: means of heads, directions of keys",
     "calibrate mean worlds --limit 20 -o means.safetensors", add_calibrate},
    {"convert", kMake, "Write a model as a GGUF file, quantised or not",
     "convert -m MODEL_DIR --type q8_0 -o model.gguf", add_convert, true},
    {"train", kMake, "Train a model, or an adapter of one, on texts or on prompts and responses",
     "train -m MODEL_DIR --data pairs.jsonl --steps 200 -o tuned\n"
     "train -m MODEL_DIR --data pairs.jsonl --lora-rank 8 --steps 200 -o adapter",
     add_train, true},
    {"train-tokenizer", kMake, "Make a tokenizer from texts",
     "train-tokenizer --data texts.jsonl --vocab-size 1024 -o tokenizer", add_train_tokenizer},
    {"dataset", kMake, "Make training data and a benchmark of small worlds",
     "dataset worlds --questions 1000 -o worlds.jsonl", add_dataset},
    {"merge", kMake, "Write a model with a LoRA adapter folded in, as a Hugging Face directory",
     "merge -m MODEL_DIR --adapter adapter -o merged", add_merge, true},
    {"completion", kProgram, "Print a script that completes commands, options and values in a shell",
     "completion bash > refocus.bash", add_completion},
    {"complete", kHidden, "What a script of completion asks", "", add_complete},
    {"manual", kHidden, "Write the manual pages", "", add_manual},
};

// Options that had another name: what stands in scripts goes on working.
struct FormerName {
  std::string_view command, before, now;
};
constexpr FormerName kFormerNames[] = {
    {"train", "--from", "--model"}, {"study", "--before", "--against"}, {"attention", "--dataset", "--task"}};

}  // namespace

std::vector<std::string>::const_iterator first_word(const std::vector<std::string>& arguments) {
  return std::ranges::find_if(arguments, [](const std::string& argument) {
    return argument != "-q" && argument != "--quiet" && argument != "--no-color";
  });
}

std::vector<std::string> with_current_names(std::vector<std::string> arguments) {
  const auto first = first_word(arguments);
  if (first == arguments.end()) return arguments;
  const std::string command = *first;
  if (command == "help") {
    arguments.erase(first);
    arguments.push_back("--help");
  }
  for (const FormerName& name : kFormerNames) {
    if (command != name.command) continue;
    for (std::string& argument : arguments) {
      const std::string_view option = std::string_view(argument).substr(0, argument.find('='));
      if (option == name.before) argument.replace(0, option.size(), name.now);
    }
  }
  return arguments;
}

std::map<const CLI::App*, Action> add_commands(CLI::App& app, CommonOptions& common) {
  app.name("refocus");
  app.description("Runs language models with interventions on their attention, and measures what that does.");
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_version_flag("--version", version_text());
  app.get_option("--version")
      ->description("Print the version, the commit that it was built from, and instruction sets");
  app.footer(general_footer());
  app.require_subcommand(1);
  std::map<const CLI::App*, Action> actions;
  for (const CommandEntry& entry : kEntries) {
    CLI::App* command = app.add_subcommand(entry.name, entry.description)->group(entry.group);
    command->footer("");
    actions[command] = entry.add(*command);
    const std::string own = command->get_footer(), examples = examples_text(entry);
    command->footer(examples + (own.empty() || examples.empty() ? "" : "\n\n") + own);
  }
  common.add(app);
  return actions;
}

const CommandEntry* find_command(std::string_view name) {
  const auto* found = std::ranges::find(kEntries, name, &CommandEntry::name);
  return found == std::end(kEntries) ? nullptr : found;
}

std::vector<std::string_view> command_names() {
  std::vector<std::string_view> out;
  for (const CommandEntry& entry : kEntries) {
    if (*entry.group != '\0') out.push_back(entry.name);
  }
  return out;
}

std::string examples_text(const CommandEntry& entry) {
  if (*entry.examples == '\0') return "";
  std::string out = "Examples:";
  const std::string_view all = entry.examples;
  for (std::size_t begin = 0; begin <= all.size();) {
    const std::size_t end = std::min(all.find('\n', begin), all.size());
    out += fmt::format("\n  refocus {}", all.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

std::string general_footer() {
  return R"(Examples:
  refocus eval --cot --direct --intervene none --intervene rebalance
  refocus generate -m model.gguf -p "The capital of France is" --intervene rebalance:alpha=0.2
  refocus eval mmlu -m model.gguf --data data --intervene none --intervene rebalance -o runs/first

Without -m and a task these are the bundled model and benchmark. Messages and progress go to standard
error. `refocus help COMMAND` explains a command.)";
}

std::string version_text() {
  std::vector<std::string> sets = instruction_sets();
  const std::string commit = REFOCUS_COMMIT;
  return fmt::format("refocus {}{}\ninstruction set: {} (this processor can run {})", REFOCUS_VERSION,
                     commit.empty() ? "" : " (commit " + commit + ")", instruction_set(),
                     fmt::join(sets, ", "));
}

std::string commit_date() { return REFOCUS_COMMIT_DATE; }

}  // namespace refocus::cli
