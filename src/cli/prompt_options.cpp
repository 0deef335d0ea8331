#include "cli/prompt_options.h"

#include <charconv>

#include <iostream>
#include <iterator>

#include <spdlog/spdlog.h>

#include "base/error.h"
#include "base/text_file.h"

namespace refocus::cli {

CLI::Option_group* PromptOptions::add_text(CLI::App& command) {
  auto* group = command.add_option_group("prompt", "The prompt, exactly one of");
  text_option =
      group
          ->add_option("-p,--prompt", text,
                       "Text, encoded with the model's BOS; special tokens such as <|im_end|> are read")
          ->type_name("TEXT");
  file_option = group->add_option("-f,--file", file, "The same from a file, or - for standard input")
                    ->type_name("FILE");
  group->require_option(1);
  command.add_flag("--no-special", plain, "Special tokens in the text are text");
  chat.add(command, /*has_default=*/false);
  return group;
}

CLI::Option_group* PromptOptions::add(CLI::App& command) {
  CLI::Option_group* group = add_text(command);
  ids_option =
      group->add_option("--tokens", ids, "Token ids, used as given, without a BOS")->type_name("1,2,3");
  return group;
}

Prompt PromptOptions::prompt(const OpenModel& model) const {
  std::string all = text;
  if (file_option->count() > 0) {
    all = file == "-" ? std::string(std::istreambuf_iterator<char>(std::cin), {}) : read_text_file(file);
  }
  return prompt_of(model, std::move(all));
}

Prompt PromptOptions::prompt_of(const OpenModel& model, std::string all) const {
  if (const auto chat_template = is_chat() ? chat.find(model) : nullptr) {
    return chat_template->apply(chat.messages(std::move(all)), chat.settings(today())).prompt;
  }
  return {plain ? data_piece(std::move(all)) : template_piece(std::move(all))};
}

EncodedPrompt PromptOptions::encoded(const OpenModel& model, const Prompt& prompt) const {
  return encode_prompt(*model.tokenizer, prompt, is_chat() ? PromptEnds::kBegin : PromptEnds::kModel);
}

std::shared_ptr<const InterventionTarget> ReadPrompt::aim(const InterventionSpec& spec,
                                                          std::int64_t count) const {
  const bool text = !pieces.empty();
  return refocus::aim(spec, {std::span(tokens).first(static_cast<std::size_t>(count)),
                             text ? &pieces : nullptr, text ? &encoded : nullptr, tokenizer});
}

TokenOrigins ReadPrompt::origins(std::int64_t generated) const {
  if (encoded.tokens.empty()) return {};
  return token_origins(pieces, encoded, std::ssize(tokens) + generated);
}

namespace {

void warn_of_unmatched(const ReadPrompt& prompt, std::span<const InterventionSpec> specs) {
  for (const InterventionSpec& spec : specs) {
    const auto target = prompt.aim(spec);
    if (!target) continue;
    for (const std::string& keys : target->unmatched) {
      spdlog::warn("keys={} chooses nothing of this prompt, so its part changes nothing", printable(keys));
    }
  }
}

}  // namespace

ReadPrompt PromptOptions::read(const OpenModel& model, std::span<const InterventionSpec> specs) const {
  ReadPrompt read;
  read.tokenizer = model.tokenizer.get();
  if (is_text()) {
    model.need_tokenizer("give token ids with --tokens");
    read.pieces = prompt(model);
    const bool marks =
        std::ranges::any_of(specs, [](const auto& spec) { return spec.has_keys(KeyTerm::Kind::kMarked); });
    if (marks) read.pieces = read_marks(read.pieces);
    read.encoded = encoded(model, read.pieces);
    read.tokens = read.encoded.tokens;
    warn_of_unmatched(read, specs);
    return read;
  }
  if (is_chat()) throw usage_error("--tokens", "expected a prompt as text with --chat, got token ids");
  std::vector<std::int32_t>& out = read.tokens;
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
    if (next == end) break;
    at = next + 1;
  }
  warn_of_unmatched(read, specs);
  return read;
}

}  // namespace refocus::cli
