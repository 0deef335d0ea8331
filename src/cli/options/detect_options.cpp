#include "cli/options/detect_options.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "cli/checks.h"
#include "detect/detection_report.h"
#include "detect/detector_figure.h"
#include "eval/text/sha256.h"

namespace refocus::cli {

namespace {

void add_needle_options(CLI::App& command, DetectOptions& options, CLI::Option* detect) {
  command
      .add_option("--haystack", options.haystack,
                  "Text that needles are hidden in (default: sentences that the program makes)")
      ->check(not_empty())
      ->needs(detect)
      ->type_name("FILE");
  command
      .add_option(
          "--needles", options.needles,
          "Needles, one {\"needle\", \"question\", \"answer\"} a line (default: three of the program's)")
      ->check(not_empty())
      ->needs(detect)
      ->type_name("FILE.jsonl");
  command
      .add_option("--needle-question", options.needle_question,
                  "What stands behind the haystack, with {question} (default: the published wording)")
      ->check(not_empty())
      ->needs(detect)
      ->type_name("TEXT");
  command
      .add_option("--needle-lengths", options.needle_lengths,
                  "Lengths of the prompts with needles, in tokens (default: 256,512, or what fits)")
      ->delimiter(',')
      ->check(whole_number(1, 1 << 30))
      ->needs(detect)
      ->type_name("N,N");
  command.add_option("--needle-depths", options.needle_depths, "How deep needles lie, in per cent")
      ->delimiter(',')
      ->capture_default_str()
      ->check(number(0, 100))
      ->needs(detect)
      ->type_name("P,P");
  command.add_flag("--no-needles", options.no_needles, "Leave retrieval scores out: they take the most time")
      ->needs(detect)
      ->excludes("--haystack")
      ->excludes("--needles")
      ->excludes("--needle-question")
      ->excludes("--needle-lengths")
      ->excludes("--needle-depths");
}

NeedleSettings needle_settings(const DetectOptions& options, std::int64_t context) {
  NeedleSettings out;
  out.haystack = options.haystack.empty() ? default_haystack() : read_text_file(options.haystack);
  out.needles = options.needles.empty() ? default_needles() : read_needles(options.needles);
  out.question = options.needle_question;
  out.depths = options.needle_depths;
  out.lengths = options.needle_lengths;
  if (out.lengths.empty()) {
    for (const std::int64_t length : {256, 512}) {
      if (length + out.max_new_tokens <= context) out.lengths.push_back(length);
    }
    if (out.lengths.empty()) out.lengths.push_back(std::max<std::int64_t>(1, context - out.max_new_tokens));
  }
  return out;
}

}  // namespace

void DetectOptions::add(CLI::App& command) {
  CLI::Option* asked = command.add_flag(
      "--detect", detect,
      "Score what every head does: induction, sinks, retrieval, ...; with a TASK lookback and direct logit "
      "attribution too");
  command.add_flag("--no-search", no_search, "With a TASK: detectors alone, no head is changed")
      ->needs(asked);
  command.add_option("--stimulus-length", stimulus_length, "Random tokens of a sequence, which it has twice")
      ->capture_default_str()
      ->check(whole_number(2, 1 << 20))
      ->needs(asked)
      ->type_name("N");
  command.add_option("--stimulus-sequences", stimulus_sequences, "How many such sequences")
      ->capture_default_str()
      ->check(whole_number(1, 100000))
      ->needs(asked)
      ->type_name("N");
  command.add_option("--sink-keys", sink_keys, "Keys at the beginning that are the sink")
      ->capture_default_str()
      ->check(whole_number(1, 64))
      ->needs(asked)
      ->type_name("N");
  add_needle_options(command, *this, asked);
}

DetectionSettings DetectOptions::settings(std::uint64_t seed, std::int64_t context) const {
  DetectionSettings out;
  out.stimulus = {stimulus_length, stimulus_sequences, seed};
  out.sink_keys = sink_keys;
  if (!no_needles) out.needles = needle_settings(*this, context);
  return out;
}

nlohmann::ordered_json detection_identity(const DetectionSettings& settings) {
  nlohmann::ordered_json out = {{"stimulus",
                                 {{"length", settings.stimulus.length},
                                  {"sequences", settings.stimulus.sequences},
                                  {"seed", settings.stimulus.seed}}},
                                {"sink_keys", settings.sink_keys}};
  if (!settings.needles) return out;
  const NeedleSettings& needles = *settings.needles;
  std::string texts;
  for (const Needle& one : needles.needles)
    texts += one.needle + '\0' + one.question + '\0' + one.answer + '\0';
  out["needles"] = {{"haystack_sha256", sha256_hex(needles.haystack)},
                    {"needles_sha256", sha256_hex(texts)},
                    {"question", needles.question},
                    {"lengths", needles.lengths},
                    {"depths", needles.depths}};
  return out;
}

void write_detection(const std::filesystem::path& directory, const Detection& detection,
                     const HeadSearch* search) {
  write_file_atomically(directory / "detectors.csv", detection_csv(detection, search));
  write_file_atomically(directory / kDetectorsFile, json_text(detection_json(detection, search), 2) + "\n");
  for (const Detector& one : detection.detectors) {
    write_file_atomically(directory / fmt::format("detector_{}.svg", one.name), detector_map(detection, one));
  }
}

}  // namespace refocus::cli
