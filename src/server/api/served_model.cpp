#include "server/api/served_model.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/random.h"

namespace refocus::server {
namespace {

// "from=" where the grammar has a key.
bool names_file(const std::string& spec) {
  for (std::size_t at = spec.find("from"); at != std::string::npos; at = spec.find("from", at + 1)) {
    const std::size_t before = spec.find_last_not_of(" \t", at == 0 ? std::string::npos : at - 1);
    const std::size_t after = spec.find_first_not_of(" \t", at + 4);
    const bool key = at > 0 && before != std::string::npos &&
                     std::string_view(":,").find(spec[before]) != std::string_view::npos;
    if (key && after != std::string::npos && spec[after] == '=') return true;
  }
  return false;
}

}  // namespace

InterventionSpec ServedModel::intervention(const std::string& spec) const {
  const bool known =
      std::ranges::any_of(names.listed(), [&](const auto& listed) { return listed.spec == spec; });
  if (!known && names_file(spec)) {
    throw input_error(
        "intervene",
        "expected an intervention without files, got one with from=; start the server with --arm "
        "NAME=SPEC, and ask for that name");
  }
  InterventionSpec out = parse_intervention(spec, "intervene");
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
