#include "server/api/served_model.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text_hash.h"

namespace refocus::server {

InterventionSpec ServedModel::intervention(const std::string& spec) const {
  const bool known =
      std::ranges::any_of(names.listed(), [&](const auto& listed) { return listed.spec == spec; });
  InterventionSpec out =
      parse_intervention(spec, "intervene", known ? SpecFiles::kOpened : SpecFiles::kRefused);
  check_intervention(out, config);
  return out;
}

std::string ServedModel::canonical(const std::string& spec) const {
  return intervention(spec).canonical(config.num_hidden_layers);
}

std::string ServedModel::fingerprint(const std::string& canonical_intervention) const {
  return fmt::format("fp_{:016x}", text_hash(identity + '\n' + canonical_intervention));
}

}  // namespace refocus::server
