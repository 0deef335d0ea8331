#include "cli/options/attention_options.h"

#include <algorithm>

#include "base/error.h"
#include "cli/checks.h"
#include "cli/options/asking_options.h"
#include "cli/options/number_list.h"
#include "cli/options/task_options.h"
#include "eval/task/task_kind.h"

namespace refocus::cli {

namespace {

// AttentionOptions of one prompt, and those of a task, which exclude each other.
void add_sources(CLI::App& command, AttentionOptions& options) {
  CLI::Option_group* group = options.prompt.add(command);
  CLI::Option* task = group
                          ->add_option("--task", options.task,
                                       fmt::format("A task's prompts, as eval asks them: {}", task_names()))
                          ->check(not_empty())
                          ->type_name("TASK");
  add_data(command, options.data)->needs(task);
  add_subjects(command, options.subjects)->needs(task);
  add_limit(command, options.limit)->needs(task);
  add_profile(command, options.profile)->needs(task);
  CLI::Option* cot =
      command.add_flag("--cot", options.cot, "The task's prompts ask for an analysis first (default)")
          ->needs(task);
  command.add_flag("--direct", options.direct, "The task's prompts ask for the answer at once")
      ->needs(task)
      ->excludes(cot);
  command.add_option("--item", options.item, "One item of the task alone, from 0, with maps as of a prompt")
      ->needs(task)
      ->check(whole_number(0, 1 << 30));
  const auto of_prompt = [&](CLI::Option* option) {
    options.of_one_prompt.push_back(option);
    return option;
  };
  of_prompt(command.add_option("--queries", options.queries, "Positions of the rows to keep (default: all)"))
      ->type_name("0,10-40");
  of_prompt(command.add_option("--top-k", options.top_k, "Keep the largest K weights of each row"))
      ->capture_default_str()
      ->check(whole_number(1, 1 << 20));
  of_prompt(command.add_flag("--dense", options.dense, "Keep every weight"))
      ->excludes(command.get_option("--top-k"));
  of_prompt(command.add_flag("--before", options.before, "Keep the weights before the intervention too"));
  of_prompt(
      command.add_option("--picture", options.picture,
                         "Draw this row, before and after, as row.svg (default row: the prompt's last)"))
      ->check(not_empty())
      ->type_name("LAYER.HEAD[.ROW]");
  of_prompt(command.add_option("--lens", options.lens,
                               "Positions of the logit lens (default: the prompt's last and later ones)"))
      ->type_name("3,10-12");
  CLI::Option* more = of_prompt(command.add_option("-n,--max-new-tokens", options.max_new_tokens,
                                                   "Continue the prompt and keep these rows too"))
                          ->capture_default_str()
                          ->check(whole_number(0, 1 << 24));
  of_prompt(command.add_flag("--free", options.free, "Each arm continues in its own way, not as the first"))
      ->needs(more);
}

}  // namespace

void AttentionOptions::add(CLI::App& command) {
  model.add_model(command);
  add_sources(command, *this);
  add_interventions(command, interventions);
  command.add_option("--layers", layers, "Layers to keep (default: all)")
      ->check(not_empty())
      ->type_name("0,4-7");
  command.add_option("--heads", heads, "Heads to keep (default: all)")->check(not_empty())->type_name("0-3");
  command
      .add_option("--threshold", threshold,
                  "Weights of layer 0 above it make the mask M where the intervention does not say it")
      ->capture_default_str()
      ->check(number(0, 1));
  command.add_option("--window", window, "Keys within the window: the query's own and those before it")
      ->capture_default_str()
      ->check(whole_number(1, 1 << 24));
  command.add_option("-o,--output", output, "The directory to write, which must not exist")
      ->required()
      ->check(not_empty())
      ->type_name("OUT_DIR");
  command.add_flag("--force", force, "Replace the directory, if it is one of this command");
  command.add_flag("--no-page", no_page, "Leave out the explorer, attention.html");
  command.add_flag("--json", json, "Print one JSON object instead of tables");
  model.add_running(command);
}

void AttentionOptions::check() const {
  if (task.empty() || item >= 0) return;
  for (const CLI::Option* option : of_one_prompt) {
    if (option->count() == 0) continue;
    throw usage_error("--task", "expected --item with {}, which is for one prompt, got a whole task",
                      option->get_name());
  }
}

AttentionSettings AttentionOptions::settings(const ModelConfig& config) const {
  const auto chosen = [](const char* option, const std::string& text, std::int64_t count,
                         const char* things) {
    return text.empty() ? all_numbers(count) : parse_number_list(option, text, count, things);
  };
  AttentionSettings out;
  out.layers = chosen("--layers", layers, config.num_hidden_layers, "layers");
  out.heads = chosen("--heads", heads, config.num_attention_heads, "heads");
  out.window = window;
  out.maps = {dense, top_k, before || !picture.empty()};
  return out;
}

std::optional<RowChoice> AttentionOptions::row_choice(const ModelConfig& config, std::int64_t prompt_tokens,
                                                      std::int64_t most) const {
  if (picture.empty()) return std::nullopt;
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= picture.size();) {
    const std::size_t end = std::min(picture.find('.', begin), picture.size());
    parts.push_back(picture.substr(begin, end - begin));
    begin = end + 1;
  }
  if (parts.size() != 2 && parts.size() != 3) {
    throw usage_error("--picture", "expected LAYER.HEAD or LAYER.HEAD.ROW, got {}", printable(picture));
  }
  // One number of those that are kept, which `option` says; all of them where it says nothing.
  const auto one = [](const std::string& part, std::int64_t count, const char* things, const char* option,
                      const std::string& kept) {
    const std::vector<std::int64_t> numbers = parse_number_list("--picture", part, count, things);
    if (numbers.size() != 1) {
      throw usage_error("--picture", "expected one of the {}, got {}", things, printable(part));
    }
    if (!kept.empty() &&
        std::ranges::count(parse_number_list(option, kept, count, things), numbers[0]) == 0) {
      throw usage_error("--picture", "expected one of the {} that {} keeps, got {}", things, option,
                        numbers[0]);
    }
    return numbers[0];
  };
  const std::string row = parts.size() == 3 ? parts[2] : std::to_string(prompt_tokens - 1);
  return RowChoice{one(parts[0], config.num_hidden_layers, "layers", "--layers", layers),
                   one(parts[1], config.num_attention_heads, "heads", "--heads", heads),
                   one(row, most, "positions", "--queries", queries)};
}

}  // namespace refocus::cli
