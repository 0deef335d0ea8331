#include "server/openai/model_names.h"

#include <algorithm>
#include <array>

#include "server/openai/api_error.h"
#include "server/openai/request.h"

namespace refocus::openai {
namespace {

constexpr std::size_t kLongestName = 256;
constexpr std::size_t kShownNames = 20;  // in a message

void check_name(std::string_view what, const std::string& name) {
  if (name.empty() || name.size() > kLongestName || printable(name, std::string::npos) != name) {
    throw input_error(what,
                      "expected a name of 1 to {} bytes without control characters, got '{}'; choose another",
                      kLongestName, printable(name, 60));
  }
}

std::string names_of(const std::vector<ServedModel>& models) {
  std::string out;
  for (std::size_t i = 0; i < std::min(models.size(), kShownNames); ++i) {
    out += (i == 0 ? "" : ", ") + models[i].id;
  }
  if (models.size() > kShownNames) out += fmt::format(" and {} more", models.size() - kShownNames);
  return out;
}

}  // namespace

ModelNames::ModelNames(std::string served, std::vector<ModelAlias> aliases, bool free_specs)
    : free_specs_(free_specs) {
  check_name("model name", served);
  listed_.push_back({served, std::nullopt});
  for (ModelAlias& alias : aliases) {
    const std::string where = fmt::format("arm {}", printable(alias.name, 60));
    check_name(where, alias.name);
    if (alias.name.find('@') != std::string::npos || alias.spec.empty()) {
      throw input_error(where, "expected NAME=SPEC with no '@' in the name, got '{}={}'; correct it",
                        printable(alias.name, 60), printable(alias.spec, 60));
    }
    std::string id = served + "@" + alias.name;
    if (std::ranges::find(listed_, id, &ServedModel::id) != listed_.end()) {
      throw input_error(where, "expected each name once, got '{}' twice; choose another", alias.name);
    }
    listed_.push_back({std::move(id), std::move(alias.spec)});
  }
}

ServedModel ModelNames::find(std::string_view model) const {
  if (model.empty()) return listed_.front();
  const auto known = std::ranges::find(listed_, model, &ServedModel::id);
  if (known != listed_.end()) return *known;
  const std::string before = served() + "@";
  if (free_specs_ && model.starts_with(before) && model.size() > before.size()) {
    return {std::string(model), std::string(model.substr(before.size()))};
  }
  throw ApiError(
      {.status = 404, .code = "model_not_found", .param = "model"},
      fmt::format("expected one of {}{} as 'model', got '{}'; GET /v1/models lists them", names_of(listed_),
                  free_specs_ ? " or " + before + "SPEC" : "", printable(model, 160)));
}

std::optional<std::string> intervention_of(const SpecChannels& channels,
                                           const std::function<std::string(const std::string&)>& canonical) {
  struct Spoken {
    std::string_view where, param;
    const std::string* spec;
  };
  std::vector<Spoken> spoken;
  const auto add = [&](std::string_view where, std::string_view param,
                       const std::optional<std::string>& spec) {
    if (!spec || spec->find_first_not_of(" \t") == std::string::npos) return;
    if (spec->size() > kLongestSpec) {
      throw bad_request(param, "expected a SPEC of at most {} bytes in {}, got {}; shorten it", kLongestSpec,
                        where, spec->size());
    }
    spoken.push_back({where, param, &*spec});
  };
  add("the model's name", "model", channels.model);
  add("refocus.intervene", "refocus.intervene", channels.body);
  add("the header X-Refocus-Intervene", kInterveneHeader, channels.header);
  if (spoken.empty()) return std::nullopt;
  std::string first;
  for (const Spoken& one : spoken) {
    std::string form;
    try {
      form = canonical(*one.spec);
    } catch (const InputError& e) {
      throw api_error(e, one.param);
    }
    if (&one == &spoken[0]) first = form;
    if (form == first) continue;
    throw bad_request(one.param,
                      "expected one intervention, got '{}' from {} and '{}' from {}; leave one of them out",
                      printable(*spoken[0].spec, 200), spoken[0].where, printable(*one.spec, 200), one.where);
  }
  return *spoken[0].spec;
}

}  // namespace refocus::openai
