// The subcommands of `refocus`: each adds its options to the program and returns what to run when it was
// chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace refocus::cli {

// Runs a parsed subcommand; errors are exceptions.
using Action = std::function<void()>;

Action add_generate(CLI::App& command);
Action add_chat(CLI::App& command);
Action add_serve(CLI::App& command);
Action add_logits(CLI::App& command);
Action add_tokenize(CLI::App& command);
Action add_info(CLI::App& command);
Action add_extract(CLI::App& command);
Action add_bench(CLI::App& command);
Action add_attention(CLI::App& command);
Action add_calibrate(CLI::App& command);
Action add_eval(CLI::App& command);
Action add_perplexity(CLI::App& command);  // of eval
Action add_heads(CLI::App& command);
Action add_join(CLI::App& command);
Action add_compare(CLI::App& command);
Action add_power(CLI::App& command);
Action add_study(CLI::App& command);
Action add_rescore(CLI::App& command);
Action add_explore(CLI::App& command);
Action add_figure(CLI::App& command);
Action add_report(CLI::App& command);
Action add_convert(CLI::App& command);
Action add_merge(CLI::App& command);
Action add_completion(CLI::App& command);
Action add_complete(CLI::App& command);
Action add_manual(CLI::App& command);
Action add_train(CLI::App& command);
Action add_train_tokenizer(CLI::App& command);
Action add_dataset(CLI::App& command);

}  // namespace refocus::cli
