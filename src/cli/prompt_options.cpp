#include "cli/prompt_options.h"

#include <charconv>

#include "base/error.h"

namespace refocus::cli {

CLI::Option_group* PromptOptions::add(CLI::App& command) {
  auto* group = command.add_option_group("prompt", "The prompt: exactly one of");
  text_option =
      group->add_option("-p,--prompt", text, "Text, encoded with the model's BOS")->type_name("TEXT");
  ids_option =
      group->add_option("--tokens", ids, "Token ids, used as given, without a BOS")->type_name("1,2,3");
  group->require_option(1);
  return group;
}

std::vector<std::int32_t> PromptOptions::tokens(const OpenModel& model) const {
  if (text_option->count() > 0)
    return model.need_tokenizer("give token ids with --tokens").encode_prompt(text);
  std::vector<std::int32_t> out;
  const char* at = ids.data();
  const char* end = at + ids.size();
  while (true) {
    std::int32_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (next != end && *next != ',')) {
      throw usage_error("--tokens", "expected ids separated by commas, such as 1,2,3, got '{}'",
                        printable(ids));
    }
    out.push_back(id);
    if (next == end) return out;
    at = next + 1;
  }
}

}  // namespace refocus::cli
