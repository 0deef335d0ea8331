#include "io/peft/peft_targets.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "io/peft/python_regex.h"

namespace refocus {

namespace {

// Lists of names at least as long are made shorter (MIN_TARGET_MODULES_FOR_OPTIMIZATION).
constexpr std::size_t kShortenedFrom = 20;

using Names = std::set<std::string, std::less<>>;

bool ends_behind_dot(std::string_view name, std::string_view end) {
  return name.size() > end.size() && name.ends_with(end) && name[name.size() - end.size() - 1] == '.';
}

bool names_one(std::string_view name, const std::string& entry) {
  return name == entry || ends_behind_dot(name, entry);
}

// "c", "b.c", "a.b.c" of "a.b.c".
std::vector<std::string> ends_of(const std::string& name) {
  std::vector<std::string> out;
  for (std::size_t i = name.size(); i-- > 0;) {
    if (name[i] == '.') out.push_back(name.substr(i + 1));
  }
  out.push_back(name);
  return out;
}

// The fewest ends that still tell the targets from the other modules, or the targets where those are as few.
Names shortened(const Names& targets, const std::vector<ModelModule>& modules) {
  Names of_others;
  for (const ModelModule& m : modules) {
    if (std::ranges::any_of(targets, [&](const std::string& t) { return names_one(m.name, t); })) continue;
    for (std::string& end : ends_of(m.name)) of_others.insert(std::move(end));
  }
  std::vector<std::vector<std::string>> candidates;
  for (const std::string& target : targets) candidates.push_back(ends_of(target));
  std::ranges::sort(candidates);
  Names out;
  for (const std::vector<std::string>& ends : candidates) {
    const auto covered = [&](const std::string& end) { return ends_behind_dot(ends.back(), end); };
    for (const std::string& end : ends) {
      if (out.contains(end) || of_others.contains(end) || std::ranges::any_of(out, covered)) continue;
      out.insert(end);
      break;
    }
  }
  return out.empty() || out.size() >= targets.size() ? targets : out;
}

bool is_all_linear(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text == "all-linear";
}

// The number of a module's layer as layers_to_transform means it.
class LayerNumber {
 public:
  explicit LayerNumber(const PeftSettings& s) {
    for (const std::string& pattern : s.layer_patterns) {
      patterns_.emplace_back(s.where, "layers_pattern",
                             fmt::format(R"((?:^|.*?\.){}\.(?P<idx>\d+)\.)", pattern), pattern);
    }
    if (patterns_.empty()) patterns_.emplace_back(s.where, "", R"(.*?\.[^.]*\.(?P<idx>\d+)\.)", "");
  }

  std::optional<std::int64_t> of(std::string_view module) const {
    for (const PythonRegex& pattern : patterns_) {
      if (const auto number = pattern.match_group(module, "idx")) return std::stoll(*number);
    }
    return std::nullopt;
  }

 private:
  std::vector<PythonRegex> patterns_;
};

class Targets {
 public:
  Targets(const PeftSettings& s, const AdapterBase& base) : settings_(s), numbers_(s) {
    const PeftNames targets = s.targets.value_or(PeftNames{std::nullopt, {"q_proj", "v_proj"}});
    if (!s.excluded.empty() && s.excluded.regex) {
      excluded_.emplace(s.where, "exclude_modules", *s.excluded.regex, *s.excluded.regex);
    }
    if (targets.regex && !is_all_linear(*targets.regex)) {
      regex_.emplace(s.where, "target_modules", *targets.regex, *targets.regex);
      return;
    }
    names_.insert(targets.names.begin(), targets.names.end());
    for (const ModelModule& m : base.modules) {
      const bool linear = m.kind == ModelModule::Kind::kLinear;
      if (targets.regex && linear && m.name != "lm_head") names_.insert(m.name);
    }
    if (names_.size() >= kShortenedFrom) names_ = shortened(names_, base.modules);
  }

  bool excludes(std::string_view module) const {
    if (excluded_) return excluded_->full_match(module);
    return std::ranges::any_of(settings_.excluded.names,
                               [&](const std::string& name) { return names_one(module, name); });
  }

  bool has(std::string_view module) const {
    if (!has_in_some_layer(module)) return false;
    if (regex_ || names_.contains(module) || !settings_.layers || settings_.layers->empty()) return true;
    const auto number = numbers_.of(module);
    return number && std::ranges::find(*settings_.layers, *number) != settings_.layers->end();
  }

  // Whatever layers_to_transform says.
  bool has_in_some_layer(std::string_view module) const {
    if (excludes(module)) return false;
    if (regex_) return regex_->full_match(module);
    return names_.contains(module) ||
           std::ranges::any_of(names_, [&](const auto& name) { return ends_behind_dot(module, name); });
  }

  std::optional<std::int64_t> layer(std::string_view module) const { return numbers_.of(module); }

 private:
  const PeftSettings& settings_;
  LayerNumber numbers_;
  std::optional<PythonRegex> excluded_, regex_;
  Names names_;
};

std::string listed(const std::vector<std::string>& entries) {
  constexpr std::size_t kShown = 3;
  std::string out;
  for (std::size_t i = 0; i < std::min(kShown, entries.size()); ++i) {
    out += fmt::format("{}'{}'", i > 0 ? ", " : "", printable(entries[i]));
  }
  if (entries.size() > kShown) out += fmt::format(" and {} more", entries.size() - kShown);
  return out;
}

void warn_of(PeftSettings& s, const char* key, const std::vector<std::string>& entries,
             std::string_view why) {
  if (entries.empty()) return;
  s.warnings.push_back(fmt::format("[{}] {} {}: {} no effect, in PEFT either; correct it, or remove it",
                                   s.where, key, listed(entries), why));
}

// The value of each module by the first entry whose key matches; entries that change nothing are warned of.
template <class Value, class Set>
void apply_patterns(PeftSettings& s, const char* key,
                    const std::vector<std::pair<std::string, Value>>& entries,
                    std::map<std::string, PeftChange>& changes, const Set& set) {
  std::vector<PythonRegex> patterns;
  for (const auto& [name, value] : entries) {
    patterns.emplace_back(s.where, key, fmt::format(R"((.*\.)?({})$)", name), name);
  }
  std::vector<bool> used(entries.size());
  std::map<std::string, std::size_t> first;  // that matches a module
  for (auto& [module, change] : changes) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (!patterns[i].match(module)) continue;
      set(change, entries[i].second);
      used[i] = true;
      first.emplace(module, i);
      break;
    }
  }
  std::vector<std::string> unmatched, late;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (used[i]) continue;
    bool matches = false, differs = false;
    for (const auto& [module, at] : first) {
      if (at >= i || !patterns[i].match(module)) continue;
      matches = true;
      differs = differs || entries[at].second != entries[i].second;
    }
    if (!matches) unmatched.push_back(entries[i].first);
    if (differs) late.push_back(entries[i].first);
  }
  warn_of(s, key, unmatched, "matches no matrix that the adapter changes, and has");
  warn_of(s, key, late,
          "stands behind entries that match the same matrices, of which the first counts, and has");
}

// Entries of the lists that no matrix needs.
void warn_of_names(PeftSettings& s, const AdapterBase& base, const Targets& targets,
                   const std::map<std::string, PeftChange>& changes) {
  std::vector<std::string> unused;
  for (const std::string& name : s.targets ? s.targets->names : std::vector<std::string>{}) {
    const auto changed = [&](const auto& change) { return names_one(change.first, name); };
    if (std::ranges::none_of(changes, changed)) unused.push_back(name);
  }
  warn_of(s, "target_modules", unused, "names no matrix that the adapter changes, and has");
  unused.clear();
  const auto excluded = [&](const ModelModule& m) { return targets.excludes(m.name); };
  if (s.excluded.regex && !s.excluded.empty() && std::ranges::none_of(base.modules, excluded)) {
    unused.push_back(*s.excluded.regex);
  }
  for (const std::string& name : s.excluded.names) {
    const auto named = [&](const ModelModule& m) { return names_one(m.name, name); };
    if (std::ranges::none_of(base.modules, named)) unused.push_back(name);
  }
  warn_of(s, "exclude_modules", unused, "names no part of the model, and has");
  unused.clear();
  for (const std::int64_t layer : s.layers.value_or(std::vector<std::int64_t>{})) {
    const auto in_layer = [&](const auto& change) { return targets.layer(change.first) == layer; };
    if (std::ranges::none_of(changes, in_layer)) unused.push_back(std::to_string(layer));
  }
  warn_of(s, "layers_to_transform", unused, "is no layer that the adapter changes, and has");
}

bool is_vocabulary(std::string_view module) { return module == "lm_head" || module == "model.embed_tokens"; }

// Whether what PEFT merges into one of the embedding table and the output matrix would be in both where the
// two are one: a change of one of them, but neither a trained copy (modules_to_save), which unties them, nor
// trained rows of the table, which PEFT ties itself.
bool changes_vocabulary(const PeftSettings& s, const std::vector<const ModelModule*>& meant) {
  if (std::ranges::any_of(meant, [](const ModelModule* m) { return is_vocabulary(m->name); })) return true;
  return std::ranges::any_of(s.unsupported, [](const PeftFeature& f) {
    const bool table = f.value.find("embed_tokens") != std::string::npos,
               head = f.value.find("lm_head") != std::string::npos;
    return (f.key == "target_parameters" && (table || head)) ||
           (f.key == "trainable_token_indices" && head && !table);
  });
}

bool has_biases(const AdapterBase& base) {
  if (base.weights == nullptr) return true;  // for all that is known
  return std::ranges::any_of(base.weights->entries(),
                             [](const auto& e) { return e.first.ends_with(".bias"); });
}

class Refusals {
 public:
  Refusals(PeftSettings& s, const AdapterBase& base, const std::vector<const ModelModule*>& meant)
      : s_(s), base_(base), meant_(meant), vocabulary_(changes_vocabulary(s, meant)) {}

  void check() {
    for (const PeftFeature& f : s_.unsupported) refuse(f);
    if (s_.tie_adapters) {
      if (base_.tied && vocabulary_) refuse({"ensure_weight_tying", "true"});
      warn("ensure_weight_tying true has no effect on what this adapter changes");
    }
    if (s_.trains_biases) {
      if (has_biases(base_)) refuse({"bias", "other than none"});
      warn("bias other than none has no effect on a model without biases");
    }
    for (const ModelModule* m : meant_) {
      if (m->kind == ModelModule::Kind::kEmbedding) refuse({"target_modules with", m->name});
      if (m->kind == ModelModule::Kind::kLinear) continue;
      throw input_error(s_.where,
                        "expected linear layers as target_modules, got {}, which PEFT does not adapt either; "
                        "correct the names",
                        m->name);
    }
  }

 private:
  [[noreturn]] void refuse(const PeftFeature& f) const {
    const std::string what = fmt::format("{} {} is not supported", printable(f.key), printable(f.value, 60));
    if (!f.mergeable || (f.key == "lora_bias" && !has_biases(base_))) {
      throw input_error(s_.where, "{}, and PEFT cannot merge it into the model either; use another adapter",
                        what);
    }
    if (base_.tied && vocabulary_) {
      throw input_error(
          s_.where,
          "{}, and PEFT's merging would go wrong, since the embedding table of {} is its output "
          "matrix too; train an adapter without embed_tokens and lm_head",
          what, printable(base_.name, 200));
    }
    throw input_error(s_.where, "{}; merge the adapter into its base model with PEFT and load that", what);
  }
  void warn(std::string_view what) {
    s_.warnings.push_back(
        fmt::format("[{}] {}, in PEFT either; give it its default to be rid of this line", s_.where, what));
  }

  PeftSettings& s_;
  const AdapterBase& base_;
  const std::vector<const ModelModule*>& meant_;
  bool vocabulary_;
};

}  // namespace

std::map<std::string, PeftChange> peft_changes(PeftSettings& s, const AdapterBase& base) {
  const Targets targets(s, base);
  std::vector<const ModelModule*> meant;
  for (const ModelModule& m : base.modules) {
    if (targets.has(m.name)) meant.push_back(&m);
  }
  Refusals(s, base, meant).check();
  std::map<std::string, PeftChange> changes;
  for (const ModelModule* m : meant) changes[m->name] = {s.rank, s.alpha};
  if (changes.empty()) {
    const auto named = [&](const ModelModule& m) { return targets.has_in_some_layer(m.name); };
    if (std::ranges::any_of(base.modules, named)) {
      std::vector<std::string> layers;
      for (const std::int64_t layer : *s.layers) layers.push_back(std::to_string(layer));
      throw input_error(
          s.where,
          "expected layers_to_transform with layers of {} that target_modules names matrices of, got "
          "[{}]{} that leaves none; the adapter is another model's, or its configuration is wrong",
          printable(base.name, 200), listed(layers), s.layer_patterns.empty() ? "" : " with layers_pattern");
    }
    throw input_error(
        s.where,
        "expected target_modules that name matrices of {}, got {} that leaves none; the adapter is "
        "another model's, or its configuration is wrong",
        printable(base.name, 200),
        s.targets && s.targets->regex ? "'" + printable(*s.targets->regex) + "'"
        : s.targets                   ? "[" + listed(s.targets->names) + "]"
                                      : "none");
  }
  apply_patterns(s, "rank_pattern", s.rank_pattern, changes,
                 [](PeftChange& change, std::int64_t rank) { change.rank = rank; });
  apply_patterns(s, "alpha_pattern", s.alpha_pattern, changes,
                 [](PeftChange& change, double alpha) { change.alpha = alpha; });
  warn_of_names(s, base, targets, changes);
  return changes;
}

}  // namespace refocus
