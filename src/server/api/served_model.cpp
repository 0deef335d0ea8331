#include "server/api/served_model.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"

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
  // FNV-1a, 64 bits: it names, and protects nothing.
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : identity + '\n' + canonical_intervention) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return fmt::format("fp_{:016x}", hash);
}

}  // namespace refocus::server
