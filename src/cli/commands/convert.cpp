// refocus convert: any checkpoint as a GGUF file.
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdio>

#include "base/error.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/options/model_options.h"
#include "convert/convert.h"
#include "io/checkpoint.h"
#include "opened/bundled.h"

namespace refocus::cli {

namespace {

struct ConvertCommandOptions {
  std::string model, output, type;
  int threads = 0;
};

// How far the writing is, at most once a second.
class WritingProgress {
 public:
  void operator()(std::uint64_t done, std::uint64_t total) {
    using Seconds = std::chrono::duration<double>;
    const double elapsed = Seconds(std::chrono::steady_clock::now() - start_).count();
    if (done < total && elapsed < next_) return;
    next_ = elapsed + 1;
    const double rate = static_cast<double>(done) / std::max(elapsed, 1e-9);
    spdlog::info("{:.1f} of {:.1f} MB, {:.0f} MB/s, {:.0f} s left", static_cast<double>(done) / 1e6,
                 static_cast<double>(total) / 1e6, rate / 1e6,
                 static_cast<double>(total - done) / std::max(rate, 1.0));
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double next_ = 1;
};

void run(const ConvertCommandOptions& options) {
  const std::filesystem::path model = resolve_model(options.model);
  const Checkpoint checkpoint = open_checkpoint(model);
  ThreadPool pool(options.threads > 0 ? options.threads : available_threads());
  ConvertOptions wanted;
  wanted.output = options.output;
  wanted.type = *parse_convert_type(options.type);
  wanted.name = name_of_model(model);
  wanted.notice = [](std::string_view line) { spdlog::info("{}", line); };
  wanted.progress = [progress = WritingProgress()](std::uint64_t done, std::uint64_t total) mutable {
    progress(done, total);
  };
  convert_to_gguf(checkpoint, wanted, pool);
}

}  // namespace

Action add_convert(CLI::App& command) {
  auto options = std::make_shared<ConvertCommandOptions>();
  add_model_option(command, options->model, WithoutModel::kRefused);
  command.add_option("-o,--output", options->output, "The GGUF file to write")
      ->check(not_empty())
      ->required()
      ->type_name("FILE");
  command.add_option("--type", options->type, "Type of the weights: f32, f16, bf16, q8_0, q4_0 or q4_k")
      ->required()
      ->check(one_of({"f32", "f16", "bf16", "q8_0", "q4_0", "q4_k"}));
  add_threads(command, options->threads);
  return [options] { run(*options); };
}

}  // namespace refocus::cli
