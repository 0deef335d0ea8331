#include "cli/options/head_search_options.h"

#include <algorithm>

#include "base/error.h"
#include "cli/checks.h"
#include "cli/options/intervention_file.h"

namespace refocus::cli {

namespace {

// Methods that take something away lower answers where a head matters; others are meant to raise them.
bool takes_away(const InterventionSpec& method) {
  return std::ranges::all_of(method.parts, [](const InterventionPart& part) {
    const MethodId id = part.method->id;
    return id == MethodId::kZero || id == MethodId::kUniform || id == MethodId::kKnockout ||
           id == MethodId::kNoSink || id == MethodId::kMean;
  });
}

// 1, 2, 4, ... up to a quarter of the heads that are tried, or what --top says.
std::vector<std::int64_t> sizes_of(const HeadSearchOptions& options, std::int64_t tried, std::int64_t heads) {
  std::vector<std::int64_t> sizes = options.top;
  if (sizes.empty()) {
    for (std::int64_t k = 1; k <= std::max<std::int64_t>(1, std::min<std::int64_t>(16, tried / 4)); k *= 2) {
      sizes.push_back(k);
    }
  }
  std::ranges::sort(sizes);
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
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

}  // namespace

InterventionSpec HeadSearchOptions::method() const {
  if (patches()) {
    if (!shuffle_labels) return patch_method_of(patch.settings());
    throw usage_error(
        "--shuffle-labels",
        "expected another method than patch, whose pairs know what is right after either prompt, "
        "got patch; leave it out");
  }
  patch.refuse_without_patch();
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

HeadSearchSettings HeadSearchOptions::settings(const InterventionSpec& method,
                                               const ModelConfig& config) const {
  HeadSearchSettings out;
  out.method = method;
  const bool worse = patches() ? patch.settings().noise() : takes_away(method);
  const bool drop = want.empty() ? worse : want == "drop";
  out.want = drop ? HeadSearchSettings::Want::kDrop : HeadSearchSettings::Want::kGain;
  out.rank = rank == "accuracy" ? HeadSearchSettings::Rank::kAccuracy : HeadSearchSettings::Rank::kLikelihood;
  const std::int64_t heads = config.num_hidden_layers * config.num_attention_heads;
  if (heads < 2) throw input_error("heads", "expected a model of several heads, got one of {}", heads);
  std::int64_t tried = heads;
  if (layers_first > 0) {
    out.layers_first = layers_first;
    if (layers_first > config.num_hidden_layers) {
      throw usage_error("--layers-first", "expected at most {}, as many as the model has layers, got {}",
                        config.num_hidden_layers, layers_first);
    }
    tried = layers_first * config.num_attention_heads;
  }
  out.sizes = sizes_of(*this, tried, heads);
  out.draws = draws;
  out.random = random == "layers" ? RandomHeads::kSameLayers : RandomHeads::kAny;
  out.seed = seed;
  return out;
}

void HeadSearchOptions::add(CLI::App& command) {
  command
      .add_option("--by", by,
                  "What is done to each head: ablate (its output is 0); a method of --intervene without "
                  "heads=, such as uniform or pasta:keys=field:question; or patch (what it puts out comes "
                  "from the run of the pair's other prompt)")
      ->capture_default_str()
      ->check(not_empty())
      ->type_name("METHOD");
  patch.add(command);
  command
      .add_option(
          "--want", want,
          "The heads to find: whose change makes answers worse (drop, the default of what takes away) or "
          "better (gain)")
      ->check(one_of({"drop", "gain"}));
  command
      .add_option("--rank", rank,
                  "By which change heads are ranked: of the right option's log-probability, or of accuracy")
      ->capture_default_str()
      ->check(one_of({"likelihood", "accuracy"}));
  command.add_option("--top", top, "Sizes of the sets to test (default: 1,2,4,... up to 16)")
      ->delimiter(',')
      ->check(whole_number(1, 1 << 20))
      ->type_name("K,K");
  command.add_option("--draws", draws, "Random sets of each size to compare with")
      ->capture_default_str()
      ->check(whole_number(1, 10000));
  command
      .add_option(
          "--random", random,
          "Where random sets are drawn: any of the other heads, or from each layer as many as the set "
          "that they are compared with has there (layers)")
      ->capture_default_str()
      ->check(one_of({"any", "layers"}));
  command.add_option("--seed", seed, "Of the random sets, and of the stimulus of --detect")
      ->capture_default_str()
      ->check(whole_number<std::uint64_t>(0, ~std::uint64_t{0}));
  command
      .add_option("--layers-first", layers_first,
                  "Try whole layers first, and then the heads of the N that matter most (default: all heads)")
      ->check(whole_number(1, 1 << 20))
      ->type_name("N");
  command
      .add_option(
          "--shuffle-labels", shuffle_labels,
          "Give the items each other's labels, in an order that SEED decides: a control, in which nothing "
          "should be found")
      ->type_name("SEED");
}

}  // namespace refocus::cli
