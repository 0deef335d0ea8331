#include "architecture/rope_settings.h"

#include <algorithm>
#include <cmath>

#include "architecture/families.h"
#include "base/error.h"

namespace refocus {

namespace {

using Kind = RopeScaling::Kind;

constexpr std::string_view kKinds = "default, linear, dynamic, llama3, yarn or longrope";

struct KindName {
  std::string_view name;
  Kind kind;
};
constexpr KindName kNames[] = {{"default", Kind::kNone},    {"linear", Kind::kLinear},
                               {"dynamic", Kind::kDynamic}, {"llama3", Kind::kLlama3},
                               {"yarn", Kind::kYarn},       {"longrope", Kind::kLongrope},
                               {"su", Kind::kLongrope}};  // Phi-3's first name for longrope

// "rope_type", or "type" as older files say.
Kind kind_of(const ConfigFields& fields) {
  const char* key = fields.has("rope_type") ? "rope_type" : "type";
  const std::string name = fields.text_or({key}, "default");
  if (fields.has("rope_type") && fields.has("type") && fields.text_or({"type"}, "") != name) {
    fields.warn(fmt::format("{0}.rope_type is {1} and {0}.type is {2}; rope_type counts", fields.inside(),
                            name, fields.text_or({"type"}, "")));
  }
  for (const KindName& known : kNames) {
    if (name == known.name) return known.kind;
  }
  fields.refuse(key, kKinds, "use a model with one of these");
}

// The length that the model was trained at before it was stretched. The one at the config's top counts, as in
// transformers (Phi-3 has it there).
double original_length(const ConfigFields& top, const ConfigFields& fields) {
  constexpr const char* kKey = "original_max_position_embeddings";
  const auto outer = top.optional_positive({kKey}), inner = fields.optional_positive({kKey});
  if (outer && inner && *outer != *inner) {
    top.warn(fmt::format("{} is {} at the top and {} in {}; the one at the top counts", kKey, *outer, *inner,
                         fields.inside()));
  }
  if (outer) return *outer;
  if (inner) return *inner;
  const auto most = static_cast<double>(top.config().max_position_embeddings);
  top.fact(fields.inside() + "." + kKey, fmt::format("{}", most), "max_position_embeddings");
  return most;
}

void read_yarn(const ConfigFields& fields, RopeScaling& s) {
  s.beta_fast = fields.positive_or({"beta_fast"}, 32);
  s.beta_slow = fields.positive_or({"beta_slow"}, 1);
  s.truncate = fields.flag_or({"truncate"}, true);
  const auto given = fields.optional_positive({"attention_factor"});
  const auto mscale = fields.optional_positive({"mscale"}),
             all = fields.optional_positive({"mscale_all_dim"});
  if (given) {
    s.attention_factor = *given;
  } else if (mscale && all) {
    s.attention_factor = yarn_attention_factor(s.factor, *mscale) / yarn_attention_factor(s.factor, *all);
  } else {
    s.attention_factor = yarn_attention_factor(s.factor);
  }
}

void read_longrope(const ConfigFields& fields, RopeScaling& s) {
  const auto half = static_cast<std::size_t>(fields.config().rotary() / 2);
  const auto factors = [&](const char* key) {
    std::vector<double> list = fields.positive_list(key);
    if (list.size() != half) fields.refuse(key, fmt::format("{} numbers (half of what is turned)", half));
    return list;
  };
  s.short_factor = factors("short_factor");
  s.long_factor = factors("long_factor");
  s.attention_factor =
      s.factor <= 1 ? 1.0 : std::sqrt(1 + std::log(s.factor) / std::log(s.original_max_position_embeddings));
  s.attention_factor = fields.positive_or({"attention_factor"}, s.attention_factor);
}

RopeScaling scaling_of(const ConfigFields& top, const ConfigFields& fields) {
  RopeScaling s;
  s.kind = kind_of(fields);
  if (s.kind == Kind::kNone) {
    if (fields.has("factor")) {
      fields.refuse(fields.has("rope_type") || fields.has("type") ? "factor" : "rope_type",
                    fields.has("rope_type") || fields.has("type") ? "none beside the type default"
                                                                  : std::string(kKinds) + " beside a factor",
                    "say which scaling is meant, or remove the factor");
    }
    return s;
  }
  if (s.kind == Kind::kLlama3 || s.kind == Kind::kYarn || s.kind == Kind::kLongrope) {
    s.original_max_position_embeddings = original_length(top, fields);
  } else if (const auto original = fields.optional_positive({"original_max_position_embeddings"})) {
    s.original_max_position_embeddings = *original;
  } else if (const auto outer = top.optional_positive({"original_max_position_embeddings"})) {
    s.original_max_position_embeddings = *outer;
  } else {
    s.original_max_position_embeddings = static_cast<double>(top.config().max_position_embeddings);
  }
  const double stretched =
      static_cast<double>(top.config().max_position_embeddings) / s.original_max_position_embeddings;
  const bool may_lack = s.kind == Kind::kLongrope || s.kind == Kind::kYarn;
  s.factor = may_lack ? fields.positive_or({"factor"}, stretched) : fields.positive({"factor"});
  if (s.kind == Kind::kLlama3) {
    s.low_freq_factor = fields.positive({"low_freq_factor"});
    s.high_freq_factor = fields.positive({"high_freq_factor"});
    if (s.high_freq_factor <= s.low_freq_factor) {
      fields.refuse("high_freq_factor", fmt::format("more than {} (low_freq_factor)", s.low_freq_factor));
    }
  }
  if (s.kind == Kind::kYarn) read_yarn(fields, s);
  if (s.kind == Kind::kLongrope) read_longrope(fields, s);
  return s;
}

// A setting that may stand in the rope's object and at the top; the object's counts.
double inner_or_outer(const ConfigFields& top, const ConfigFields* inner, const char* key,
                      const char* outer_key, double fallback) {
  const auto outer = top.optional_positive({outer_key});
  const auto within = inner != nullptr ? inner->optional_positive({key}) : std::nullopt;
  if (within && outer && *within != *outer) {
    top.warn(fmt::format("{} is {} at the top and {} is {} in {}; the latter counts", outer_key, *outer, key,
                         *within, inner->inside()));
  }
  if (within) return *within;
  if (outer) return *outer;
  return top.positive_or({outer_key}, fallback);
}

bool is_empty(const ConfigFields& fields) { return fields.keys().empty(); }

// rope_scaling, or rope_parameters where that is absent or empty; nothing where both are.
std::optional<ConfigFields> rope_object(const ConfigFields& top) {
  std::optional<ConfigFields> scaling, parameters;
  if (top.has("rope_scaling")) scaling.emplace(top.object("rope_scaling"));
  if (top.has("rope_parameters")) parameters.emplace(top.object("rope_parameters"));
  if (scaling && is_empty(*scaling)) scaling.reset();
  if (parameters && is_empty(*parameters)) parameters.reset();
  if (scaling && parameters && top.shown("rope_scaling") != top.shown("rope_parameters")) {
    bool differ = false;
    for (const std::string& key : scaling->keys()) {
      differ |= scaling->has(key.c_str()) && scaling->shown(key.c_str()) != parameters->shown(key.c_str());
    }
    for (const std::string& key : parameters->keys()) {
      differ |= parameters->has(key.c_str()) &&
                parameters->shown(key.c_str()) != scaling->shown(key.c_str()) &&
                !(key == "rope_theta" && !scaling->has("rope_theta"));
    }
    if (differ) top.warn("rope_scaling and rope_parameters differ; rope_scaling counts");
  }
  if (scaling) return scaling;
  return parameters;
}

void check_known_keys(const ConfigFields& top, const ConfigFields& fields) {
  static constexpr std::string_view kKnown[] = {"rope_type",
                                                "type",
                                                "rope_theta",
                                                "factor",
                                                "partial_rotary_factor",
                                                "original_max_position_embeddings",
                                                "low_freq_factor",
                                                "high_freq_factor",
                                                "beta_fast",
                                                "beta_slow",
                                                "truncate",
                                                "attention_factor",
                                                "mscale",
                                                "mscale_all_dim",
                                                "short_factor",
                                                "long_factor",
                                                "short_mscale",
                                                "long_mscale",
                                                "finetuned",
                                                "scaling_factor"};
  for (const std::string& key : fields.keys()) {
    if (std::ranges::find(kKnown, key) != std::end(kKnown) || !fields.has(key.c_str())) continue;
    fields.refuse(key.c_str(), "no such setting of rotary embeddings",
                  key == "full_attention" || key == "sliding_attention"
                      ? fmt::format("{} has one kind of rotary embedding: move its settings up",
                                    top.config().model_type)
                      : "remove it, or correct its name");
  }
}

}  // namespace

double yarn_attention_factor(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1;
}

void read_rope(const ConfigFields& top) {
  ModelConfig& c = top.config();
  const RopeDefaults& defaults = find_family(c.model_type)->rope;
  const std::optional<ConfigFields> object = rope_object(top);
  const ConfigFields* inner = object ? &*object : nullptr;
  if (inner != nullptr) check_known_keys(top, *inner);
  c.rope.theta = inner_or_outer(top, inner, "rope_theta", defaults.theta_key, defaults.theta);
  const double fraction =
      inner_or_outer(top, inner, "partial_rotary_factor", defaults.fraction_key, defaults.rotary_fraction);
  const bool plain = inner == nullptr || kind_of(*inner) == Kind::kNone;
  if (fraction != 1 && !defaults.partial) {
    if (!plain) {
      top.refuse("partial_rotary_factor", "none, as the family turns whole heads", "remove it");
    }
    top.warn(fmt::format("partial_rotary_factor is {}, but {} turns whole heads: it is without effect",
                         fraction, c.model_type));
  }
  if (defaults.partial && fraction != 1) {
    if (fraction > 1) top.refuse(defaults.fraction_key, "at most 1");
    c.rotary_dim = static_cast<std::int64_t>(static_cast<double>(c.head_dim) * fraction);
    if (c.rotary_dim < 2 || c.rotary_dim % 2 != 0) {
      throw input_error(top.where(),
                        "expected an even part of head_dim {} for {} {}, got {}; use another model",
                        c.head_dim, defaults.fraction_key, fraction, c.rotary_dim);
    }
  }
  if (inner != nullptr) c.rope.scaling = scaling_of(top, *inner);
}

void read_rope_by_kind(const ConfigFields& top, double local_theta, const char* local_theta_key) {
  ModelConfig& c = top.config();
  const double theta = find_family(c.model_type)->rope.theta;
  std::optional<ConfigFields> parameters, full, local;
  if (top.has("rope_parameters")) parameters.emplace(top.object("rope_parameters"));
  if (parameters && parameters->has("full_attention")) full.emplace(parameters->object("full_attention"));
  if (parameters && parameters->has("sliding_attention"))
    local.emplace(parameters->object("sliding_attention"));
  if (parameters && !full && !local && !is_empty(*parameters)) full.emplace(*parameters);
  // Older files: rope_scaling is that of the layers without a window.
  std::optional<ConfigFields> scaling;
  if (top.has("rope_scaling")) scaling.emplace(top.object("rope_scaling"));
  const ConfigFields* inner = scaling ? &*scaling : full ? &*full : nullptr;
  if (scaling && full)
    top.warn("rope_scaling and rope_parameters are both given; rope_scaling counts where they meet");
  c.rope.theta = inner_or_outer(top, full ? &*full : nullptr, "rope_theta", "rope_theta", theta);
  if (inner != nullptr) {
    check_known_keys(top, *inner);
    c.rope.scaling = scaling_of(top, *inner);
  }
  c.local_rope.emplace();
  if (local_theta_key != nullptr) {
    c.local_rope->theta =
        inner_or_outer(top, local ? &*local : nullptr, "rope_theta", local_theta_key, local_theta);
  } else {
    c.local_rope->theta = local ? local->positive_or({"rope_theta"}, c.rope.theta) : c.rope.theta;
  }
  if (local) {
    check_known_keys(top, *local);
    c.local_rope->scaling = scaling_of(top, *local);
  }
}

}  // namespace refocus
