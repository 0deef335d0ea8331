// Which model and which intervention a request means.
//
// An intervention can be named in three places, since clients can be made to send different ones: in the name
// of the model ("small@reb", all that lm-evaluation-harness lets through), in the body (refocus.intervene)
// and in a header. SPECs are text here; who calls knows what they mean (intervene/spec.h).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace refocus::openai {

inline constexpr std::string_view kInterveneHeader = "X-Refocus-Intervene";

struct ServedModel {
  std::string id;                   // "small", "small@reb", "small@rebalance:alpha=0.2"
  std::optional<std::string> spec;  // that the name stands for
};

struct ModelAlias {
  std::string name;  // "reb" for "small@reb"
  std::string spec;
};

class ModelNames {
 public:
  // `free_specs`: whether NAME@SPEC is served too. InputError for an empty name, one longer than 256 bytes or
  // with control characters, an alias with '@' or named twice, and an empty SPEC.
  ModelNames(std::string served, std::vector<ModelAlias> aliases, bool free_specs);

  const std::string& served() const { return listed_.front().id; }
  // NAME, then NAME@ALIAS in the order given.
  const std::vector<ServedModel>& listed() const { return listed_; }
  // The model of a request; an empty name means NAME, as llama.cpp takes it. ApiError with status 404 and
  // code model_not_found for any other name, naming those there are.
  ServedModel find(std::string_view model) const;

 private:
  std::vector<ServedModel> listed_;
  bool free_specs_;
};

// What the three places of a request say; nothing where they say nothing.
struct SpecChannels {
  std::optional<std::string> model;   // ServedModel::spec
  std::optional<std::string> body;    // RefocusRequest::intervene
  std::optional<std::string> header;  // empty or blank: nothing
};

// The SPEC of a request; nothing where none of the three names one. `canonical` gives the one form of a SPEC
// that all texts of the same meaning have, or throws an InputError.
// ApiError with status 400 where two differ, naming both, and for what `canonical` throws, naming the place.
std::optional<std::string> intervention_of(const SpecChannels& channels,
                                           const std::function<std::string(const std::string&)>& canonical);

}  // namespace refocus::openai
