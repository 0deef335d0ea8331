// What the tests of the command line share: small models to run, made from the golden checkpoints, and small
// tasks to ask.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/process.h"

namespace refocus::testing {

using Json = nlohmann::ordered_json;
using Arguments = std::vector<std::string>;

inline std::string golden_model(const std::string& name) { return (golden("engine") / name).string(); }

// A real trained model of 260k parameters with a SentencePiece tokenizer; context 128.
inline constexpr const char* kSmallModel = "models/aidreams-260k";
inline std::string small_model() { return shared(kSmallModel).string(); }

// The model in the checkout, with its SentencePiece tokenizer of 1536 pieces.
std::filesystem::path bundled_model();

// A copy of it, in a new folder, that has a chat template.
void copy_bundled_model(const std::filesystem::path& to, std::string_view chat_template);

// A writable copy of a golden checkpoint, to be damaged.
std::filesystem::path copy_model(const std::string& name, const std::filesystem::path& to);

// Replaces keys of a JSON object file.
void edit_json(const std::filesystem::path& path, const Json& replacements);

// Joined by commas, as --tokens wants them.
std::string comma_list(const std::vector<std::int32_t>& ids);

// One line of standard output as JSON; a test failure where it is anything else.
Json one_json_line(const ProcessResult& result);

// A folder with mmlu/test (two subjects, four questions each, one of them with a line break), piqa and siqa
// (three questions each), in the formats of their authors.
std::filesystem::path write_tasks(const std::filesystem::path& directory);

// The lines of a file, each as JSON.
std::vector<Json> json_lines(const std::filesystem::path& path);

// How many answers a run has, while it may just be beginning.
std::int64_t answers_of_run(const std::filesystem::path& run);

// Fails the test unless the files below `arms` of both runs are the same `count` ones, byte for byte, and
// comparison.json too.
void expect_same_reports(const std::filesystem::path& run, const std::filesystem::path& whole,
                         std::size_t count);

// a + b.
Arguments plus(Arguments a, const Arguments& b);

// `refocus eval` of the small model with a context that the default prompts fit into, on tasks of
// write_tasks; `more` is added.
Arguments eval_arguments(const std::filesystem::path& data, const std::filesystem::path& run,
                         const Arguments& more);

}  // namespace refocus::testing
