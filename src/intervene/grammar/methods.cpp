#include "intervene/grammar/methods.h"

#include <algorithm>
#include <array>

namespace refocus {

namespace {

// Factors beyond it, or below its inverse, leave float32 no digits for what is not chosen.
constexpr double kMost = 1e6;

MethodKey number(std::string_view name, std::string_view initial, double least, double most) {
  return {.name = name, .initial = initial, .least = least, .most = most, .words = {}};
}

MethodKey positive(std::string_view name, std::string_view initial, double most) {
  return {.name = name, .initial = initial, .least = 0, .most = most, .above_least = true, .words = {}};
}

MethodKey word(std::string_view name, std::vector<std::string_view> words) {
  return {.name = name, .kind = MethodKey::Kind::kWord, .initial = words.front(), .words = words};
}

MethodKey file(std::string_view name) { return {.name = name, .kind = MethodKey::Kind::kFile, .words = {}}; }

const std::vector<Method>& methods() {
  static const std::vector<Method> kMethods = {
      {.id = MethodId::kRebalance,
       .name = "rebalance",
       .keys =
           {number("alpha", "0.2", -kMost, kMost),
            {.name = "threshold", .initial = "0.01", .least = 0, .most = 1, .below_most = true, .words = {}},
            {.name = "depth", .kind = MethodKey::Kind::kLayer, .initial = "LAST", .words = {}},
            word("mode", {"mask", "self", "random"}),
            {.name = "seed",
             .kind = MethodKey::Kind::kSeed,
             .initial = "0",
             .words = {},
             .with_key = "mode",
             .with_word = "random"}},
       .meaning = "later layers towards layer 0's pattern"},
      {.id = MethodId::kScale,
       .name = "scale",
       .keys = {number("factor", "", 0, kMost), word("renormalise", {"yes", "no"})},
       .chooses_keys = true,
       .meaning = "chosen weights times a factor"},
      {.id = MethodId::kPasta,
       .name = "pasta",
       .keys = {positive("alpha", "0.01", kMost), word("mode", {"exclude", "include"}),
                word("variant", {"once", "published"})},
       .chooses_keys = true,
       .meaning = "the rest of the prompt times alpha"},
      {.id = MethodId::kBoost,
       .name = "boost",
       .keys = {positive("factor", "3", kMost)},
       .chooses_keys = true,
       .meaning = "chosen weights times a factor, rows keep their sum"},
      {.id = MethodId::kGuide,
       .name = "guide",
       .keys = {number("delta", "2", -80, 80)},
       .chooses_keys = true,
       .meaning = "delta added to chosen scores"},
      {.id = MethodId::kKnockout,
       .name = "knockout",
       .keys = {},
       .chooses_keys = true,
       .initial_rows = "last",
       .meaning = "chosen keys are not seen"},
      {.id = MethodId::kNoSink,
       .name = "nosink",
       .keys = {},
       .chooses_keys = true,
       .initial_keys = "sinks:1",
       .meaning = "the first key is not seen"},
      {.id = MethodId::kSpotlight,
       .name = "spotlight",
       .keys = {{.name = "target",
                 .initial = "0.2",
                 .least = 0,
                 .most = 1,
                 .above_least = true,
                 .below_most = true,
                 .words = {}},
                word("scope", {"row", "layer"})},
       .chooses_keys = true,
       .meaning = "chosen keys get at least a share"},
      {.id = MethodId::kTemperature,
       .name = "temperature",
       .keys = {positive("tau", "", kMost)},
       .meaning = "scores divided by tau"},
      {.id = MethodId::kZero, .name = "zero", .keys = {}, .meaning = "heads add nothing"},
      {.id = MethodId::kUniform, .name = "uniform", .keys = {}, .meaning = "heads see all keys alike"},
      {.id = MethodId::kMean,
       .name = "mean",
       .keys = {file("from")},
       .meaning = "heads put out their means, of refocus calibrate mean"},
      {.id = MethodId::kAct,
       .name = "act",
       .keys = {number("beta", "0.4", 0, 1), number("theta", "0.1", 0, 1)},
       .initial_layers = "inner:2:1",
       .needs_prompt = true,
       .meaning = "sinks beyond the first times beta, the rest gets what is freed"},
      {.id = MethodId::kSeka,
       .name = "seka",
       .keys = {file("from"), number("gain", "0.8", -kMost, kMost), number("negative", "0.2", -kMost, kMost)},
       .chooses_keys = true,
       .initial_layers = "last:10",
       .takes_heads = false,
       .takes_rows = false,
       .meaning = "chosen keys are amplified along directions of refocus calibrate seka"},
  };
  return kMethods;
}

// Both act on rows of prompts, where a target says which rows there are.
Method internal(MethodId id, std::string_view name, std::vector<MethodKey> keys) {
  return {.id = id, .name = name, .keys = std::move(keys), .initial_rows = "prompt", .needs_prompt = true};
}

}  // namespace

std::span<const Method> all_methods() { return methods(); }

const Method* find_method(std::string_view name) {
  const auto found = std::ranges::find(methods(), name, &Method::name);
  return found == methods().end() ? nullptr : &*found;
}

const Method& own_method() {
  static const Method kOwn = {.id = MethodId::kOwn,
                              .name = "own",
                              .keys = {{.name = "function", .kind = MethodKey::Kind::kFunction, .words = {}}},
                              .chooses_keys = true,
                              .needs_keys = false,
                              .meaning = "a function of the program"};
  return kOwn;
}

const Method& patch_method() {
  static const Method kPatch = internal(MethodId::kPatch, "patch", {word("direction", {"denoise", "noise"})});
  return kPatch;
}

const Method& take_method() {
  static const Method kTake = internal(MethodId::kTake, "take", {});
  return kTake;
}

}  // namespace refocus
