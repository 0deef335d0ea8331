#include "intervene/grammar/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "base/error.h"
#include "base/random.h"
#include "intervene/grammar/spec_keys.h"
#include "intervene/grammar/spec_text.h"
#include "intervene/grammar/sweep_axis.h"

namespace refocus {

namespace {

// Of grids before a budget: far more than anybody asks, and few enough to be shuffled.
constexpr std::size_t kLargestGrid = 1'000'000;

// The axes in the order in which their keys vary, the fastest first.
std::vector<const SweepAxis*> varying_order(const SweepFamily& family) {
  std::vector<const SweepAxis*> out;
  for (const std::string_view key : keys_of(*family.method)) {
    const auto axis = std::ranges::find(family.axes, key, &SweepAxis::key);
    if (axis != family.axes.end()) out.push_back(&*axis);
  }
  return out;
}

// An --intervene that has a family's method.
struct Base {
  WrittenIntervention written;
  std::size_t part = 0;  // the method's
};

bool has_method(const InterventionSpec& spec, const Method& method) {
  return std::ranges::find(spec.parts, &method, &InterventionPart::method) != spec.parts.end();
}

// Keys that another method's sweep sets are missing in this method's points.
void expect_complete(const Base& base, const std::string& text, const SweepFamily& family) {
  for (std::size_t p = 0; p < base.written.spec.parts.size(); ++p) {
    const InterventionPart& part = base.written.spec.parts[p];
    if (p == base.part) continue;
    std::string missing = part.lacks_keys() ? "keys" : "";
    for (const MethodKey& key : part.method->keys) {
      if (!part.values.contains(key.name)) missing = key.name;
    }
    if (missing.empty()) continue;
    throw usage_error(
        kSweepOption,
        "expected {0}:{1}= in '{2}', where {3} is swept beside it, got none; sweep {0} in a run "
        "of its own",
        part.method->name, missing, printable(text), family.method->name);
  }
}

Base base_of(const WrittenIntervention& written, const std::string& text, const SweepFamily& family) {
  Base out{written, 0};
  int found = 0;
  for (std::size_t p = 0; p < written.spec.parts.size(); ++p) {
    if (written.spec.parts[p].method != family.method) continue;
    out.part = p;
    ++found;
  }
  if (found != 1) {
    throw usage_error(kSweepOption,
                      "expected {0} once in an intervention, so that it is known which is swept, got it {1} "
                      "times in '{2}'; give each value as an --intervene",
                      family.method->name, found, printable(text));
  }
  expect_complete(out, text, family);
  for (const SweepAxis& axis : family.axes) {
    if (!written.given[out.part].contains(axis.key)) continue;
    throw usage_error(kSweepOption, "expected {} either swept or set by --intervene, got both ('{}')",
                      axis.name(), printable(text));
  }
  return out;
}

// The method with its defaults, where no --intervene has it. Says what it needs beside the swept keys.
Base default_base(const SweepFamily& family) {
  Base out;
  InterventionPart part = default_part(*family.method);
  const auto swept = [&](std::string_view key) {
    return std::ranges::find(family.axes, key, &SweepAxis::key) != family.axes.end();
  };
  const auto need = [&](std::string_view key, const char* example) {
    throw usage_error(kSweepOption,
                      "expected an --intervene with {0}:{1}= beside {2}, since {1} has no default, got none; "
                      "add --intervene {0}:{1}={3}",
                      family.method->name, key, family.axes.front().name(), example);
  };
  for (const MethodKey& key : family.method->keys) {
    if (part.values.contains(key.name) || swept(key.name)) continue;
    need(key.name, key.kind == MethodKey::Kind::kFile ? "FILE" : "VALUE");
  }
  if (part.lacks_keys() && !swept("keys")) need("keys", "field:question");
  out.written.spec.parts.push_back(std::move(part));
  return out;
}

// Places kept of `count`, ascending: see expand_sweep.
std::vector<std::size_t> kept_places(std::size_t count, std::optional<std::size_t> budget, bool one_axis) {
  std::vector<std::size_t> out;
  if (!budget || count <= *budget) {
    for (std::size_t i = 0; i < count; ++i) out.push_back(i);
  } else if (!one_axis) {
    const std::vector<std::uint32_t> order = shuffled(count, 0, 0);
    out.assign(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(*budget));
    std::ranges::sort(out);
  } else if (*budget == 1) {
    out.push_back((count - 1) / 2);
  } else {
    const std::size_t steps = *budget - 1;
    for (std::size_t i = 0; i <= steps; ++i) out.push_back((2 * i * (count - 1) + steps) / (2 * steps));
  }
  return out;
}

// Points that differ by a key which means nothing in them are the same computation.
void expect_used(const InterventionPart& part, const std::vector<const SweepAxis*>& axes) {
  for (const SweepAxis* axis : axes) {
    const auto own = std::ranges::find(part.method->keys, axis->key, &MethodKey::name);
    if (own == part.method->keys.end() || part.uses(*own)) continue;
    throw usage_error(kSweepOption,
                      "expected {0} to be swept with {1}={2} alone, got {1}={3}; write {1}={2} "
                      "in --intervene",
                      axis->name(), own->with_key, own->with_word, part.word(own->with_key));
  }
}

SweptPoint point_at(const Base& base, const std::vector<const SweepAxis*>& axes, std::size_t place,
                    std::size_t family, const SweepAxis& main) {
  SweptPoint out{{"", base.written.spec}, family, base.part, 0, base.written.name};
  InterventionPart& part = out.intervention.spec.parts[base.part];
  std::string values;
  for (const SweepAxis* axis : axes) {
    const std::size_t at = place % axis->values.size();
    const std::string& value = axis->values[at];
    if (axis == &main) out.main_place = at;
    place /= axis->values.size();
    set_key(part, axis->key, value, {kSweepOption, 1});
    values += fmt::format("{}{}={}", values.empty() ? "" : ",", axis->key, key_text(part, axis->key));
  }
  expect_used(part, axes);
  if (!base.written.name.empty()) {
    out.intervention.name = fmt::format("{}:{}", base.written.name, values);
  }
  return out;
}

void append_family(const Sweep& sweep, std::size_t family, const std::vector<Base>& bases,
                   ExpandedSweep& out) {
  const std::vector<const SweepAxis*> axes = varying_order(sweep.families[family]);
  std::size_t of_base = 1;
  for (const SweepAxis* axis : axes) {
    of_base *= axis->values.size();
    if (of_base * bases.size() > kLargestGrid) {
      throw usage_error(kSweepOption, "expected at most {} interventions, got more; sweep fewer values",
                        kMostSweptInterventions);
    }
  }
  const std::size_t count = of_base * bases.size();
  out.grids.push_back(count);
  for (const std::size_t place : kept_places(count, sweep.budget, axes.size() == 1 && bases.size() == 1)) {
    if (out.points.size() == kMostSweptInterventions) {
      throw usage_error(kSweepOption, "expected at most {} interventions, got more; sweep fewer values{}",
                        kMostSweptInterventions, sweep.budget ? "" : ", or try fewer with --budget N");
    }
    out.points.push_back(
        point_at(bases[place / of_base], axes, place % of_base, family, sweep.families[family].axes.front()));
  }
}

// The key that accuracies are drawn over comes first.
void rotate_main_axis(SweepFamily& family) {
  auto main = std::ranges::find(family.axes, "alpha", &SweepAxis::key);
  if (family.method->id != MethodId::kRebalance || main == family.axes.end()) {
    main = std::ranges::find(family.axes, true, &SweepAxis::numeric);
  }
  if (main != family.axes.end()) std::rotate(family.axes.begin(), main, main + 1);
}

std::string methods_text(const Sweep& sweep) {
  std::string out;
  for (const SweepFamily& family : sweep.families) {
    out += fmt::format("{}{}", out.empty() ? "" : " or ", family.method->name);
  }
  return out;
}

}  // namespace

Sweep parse_sweep(const std::vector<std::string>& texts, std::optional<std::size_t> budget) {
  Sweep sweep{{}, budget};
  for (const std::string& text : texts) {
    SweepAxis axis = parse_sweep_axis(text);
    auto family = std::ranges::find(sweep.families, axis.method, &SweepFamily::method);
    if (family == sweep.families.end()) {
      sweep.families.push_back({axis.method, {}});
      family = sweep.families.end() - 1;
    }
    if (std::ranges::find(family->axes, axis.key, &SweepAxis::key) != family->axes.end()) {
      throw usage_error(kSweepOption,
                        "expected {} in one --sweep, got it in two; join their values with a comma",
                        axis.name());
    }
    family->axes.push_back(std::move(axis));
  }
  std::ranges::sort(sweep.families, {}, [](const SweepFamily& family) { return family.method->id; });
  for (SweepFamily& family : sweep.families) rotate_main_axis(family);
  return sweep;
}

ExpandedSweep expand_sweep(const Sweep& sweep, const std::vector<std::string>& interventions) {
  std::vector<SuppliedKey> supplied;
  for (const SweepFamily& family : sweep.families) {
    for (const SweepAxis& axis : family.axes) supplied.push_back({family.method->name, axis.key});
  }
  const std::vector<WrittenIntervention> written =
      parse_named_interventions(interventions, "--intervene", supplied);
  ExpandedSweep out{sweep, {}, {}, {}, interventions};
  std::vector<std::vector<Base>> bases(sweep.families.size());
  std::size_t swept = 0;
  for (std::size_t i = 0; i < written.size(); ++i) {
    if (written[i].spec.is_none()) {
      out.baseline = written[i];
      continue;
    }
    bool any = false;
    for (std::size_t f = 0; f < sweep.families.size(); ++f) {
      if (!has_method(written[i].spec, *sweep.families[f].method)) continue;
      bases[f].push_back(base_of(written[i], interventions[i], sweep.families[f]));
      any = true;
      ++swept;
    }
    if (!any) {
      throw usage_error(kSweepOption,
                        "expected {} to sweep in each intervention, got --intervene '{}'; compare with it "
                        "in a run of its own, or give each value as an --intervene",
                        methods_text(sweep), printable(interventions[i]));
    }
  }
  if (swept == 0 && !interventions.empty()) {
    throw usage_error(kSweepOption,
                      "expected an intervention to sweep, got --intervene none alone; leave it out, since "
                      "none is always an arm of a sweep");
  }
  for (std::size_t f = 0; f < sweep.families.size(); ++f) {
    if (bases[f].empty()) bases[f].push_back(default_base(sweep.families[f]));
    append_family(sweep, f, bases[f], out);
  }
  return out;
}

std::vector<NamedIntervention> ExpandedSweep::interventions() const {
  std::vector<NamedIntervention> out = {baseline};
  for (const SweptPoint& point : points) out.push_back(point.intervention);
  return out;
}

std::size_t ExpandedSweep::points_of(std::size_t family) const {
  return static_cast<std::size_t>(std::ranges::count(points, family, &SweptPoint::family));
}

}  // namespace refocus
