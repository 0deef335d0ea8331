#include "eval/run/perplexity_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "eval/text/display_width.h"

namespace refocus {

namespace {

constexpr int kLabelWidth = 22, kColumnWidth = 24;

using Json = nlohmann::ordered_json;
using MeasuredArm = PerplexityReport::Arm;

std::string right(const std::string& text) {
  return std::string(static_cast<std::size_t>(std::max(1, kColumnWidth - display_width(text))), ' ') + text;
}

// "3.2104 ± 0.0210"; the error is left out where there is none.
std::string cell(const Estimate& x, int decimals, bool sign = false) {
  std::string out =
      sign ? fmt::format("{:+.{}f}", x.value, decimals) : fmt::format("{:.{}f}", x.value, decimals);
  if (x.standard_error) out += fmt::format(" ± {:.{}f}", *x.standard_error, decimals);
  return out;
}

std::string perplexity_cell(const Estimate& x) {
  if (x.value < 1e5) return cell(x, x.value < 1000 ? 3 : 1);
  return fmt::format("{:.3e}", x.value) +
         (x.standard_error ? fmt::format(" ± {:.0e}", *x.standard_error) : std::string());
}

std::string small_cell(const Estimate& x) {
  return fmt::format("{:.3e}", x.value) +
         (x.standard_error ? fmt::format(" ± {:.0e}", *x.standard_error) : std::string());
}

struct Row {
  const char* label;
  std::function<std::string(const MeasuredArm&)> cell;
};

std::vector<Row> rows_of(const PerplexityReport& report) {
  std::vector<Row> rows = {
      {"mean NLL, nats", [](const MeasuredArm& arm) { return cell(arm.perplexity.nll, 4); }},
      {"perplexity", [](const MeasuredArm& arm) { return perplexity_cell(arm.perplexity.perplexity); }},
      {"bits per byte", [&](const MeasuredArm& arm) {
         const std::optional<Estimate> bits = report.bits_per_byte(arm);
         return bits ? cell(*bits, 4) : "-";
       }}};
  if (report.arms.size() == 1) return rows;
  const auto add = [&](const char* label, std::function<std::string(const DivergenceSummary&)> text) {
    rows.push_back({label, [text = std::move(text)](const MeasuredArm& arm) {
                      return arm.divergence ? text(*arm.divergence) : std::string();
                    }});
  };
  using Summary = DivergenceSummary;
  add("difference of NLL", [](const Summary& s) { return cell(s.nll_difference, 6, true); });
  add("perplexity ratio", [](const Summary& s) { return cell(s.perplexity_ratio, 6); });
  add("KL, mean", [](const Summary& s) { return small_cell(s.kl); });
  add("KL, median", [](const Summary& s) { return fmt::format("{:.3e}", s.kl_median); });
  add("KL, 99th percentile", [](const Summary& s) { return fmt::format("{:.3e}", s.kl_p99); });
  add("KL, maximum", [](const Summary& s) { return fmt::format("{:.3e}", s.kl_max); });
  add("top-1 agreement", [](const Summary& s) { return fmt::format("{:.2f}%", 100 * s.top1_agreement); });
  return rows;
}

std::string counted(std::int64_t count, const char* noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string group_label(const PerplexityReport::Group& group) {
  return fmt::format("{} ({})", printable(group.name, 40), group.counted);
}

// A line for each group, under a heading of its own.
using Line = std::function<void(const std::string& label, const std::function<std::string(std::size_t)>&)>;
void add_groups(const PerplexityReport& report, const Line& line, std::string& out) {
  if (report.groups.empty()) return;
  out += "\nPerplexity by origin (of so many tokens)\n";
  for (const auto& group : report.groups) {
    line(group_label(group), [&](std::size_t i) { return perplexity_cell(group.arms[i].perplexity); });
  }
  if (report.arms.size() == 1) return;
  out += "\nDifference of NLL by origin\n";
  for (const auto& group : report.groups) {
    line(group_label(group), [&](std::size_t i) {
      return group.differences[i] ? cell(*group.differences[i], 6, true) : std::string();
    });
  }
}

Json with_error(Json out, const std::string& name, const Estimate& x) {
  out[name] = x.value;
  out[name + "_standard_error"] = x.standard_error ? Json(*x.standard_error) : Json();
  return out;
}

}  // namespace

std::optional<Estimate> PerplexityReport::bits_per_byte(const MeasuredArm& arm) const {
  if (bytes <= 0) return std::nullopt;
  Estimate out = arm.perplexity.bits;
  out.value /= static_cast<double>(bytes);
  if (out.standard_error) *out.standard_error /= static_cast<double>(bytes);
  return out;
}

PerplexityReport::Group summarize_group(std::string name, std::span<const TokenScores> arms,
                                        std::span<const std::size_t> places) {
  PerplexityReport::Group out{std::move(name), std::ssize(places), {}, {}};
  std::vector<TokenScores> chosen;
  for (const TokenScores& arm : arms) {
    TokenScores& own = chosen.emplace_back();
    for (const std::size_t place : places) {
      own.nll.push_back(arm.nll[place]);
      if (!arm.divergence.empty()) own.divergence.push_back(arm.divergence[place]);
    }
    out.arms.push_back(summarize_perplexity(own));
    out.differences.emplace_back();
    if (chosen.size() > 1) {
      out.differences.back() = summarize_divergence(chosen.front(), own).nll_difference;
    }
  }
  return out;
}

std::string perplexity_table(const PerplexityReport& report, int columns) {
  REFOCUS_CHECK(!report.arms.empty());
  const std::string texts =
      report.groups.empty() ? "" : fmt::format(" in {}", counted(report.texts, "conversation"));
  std::string out = fmt::format(
      "perplexity of {}: {} of {}{} scored in {}\nof at most {}, stride {}; ± one standard error\n\n",
      printable(report.file), report.counted, counted(report.tokens, "token"), texts,
      counted(report.windows, "window"), report.context, report.stride);
  for (std::size_t i = 0; i < report.arms.size(); ++i) {
    const MeasuredArm& arm = report.arms[i];
    out += fmt::format("  {}  {}, {}{}{}{}\n", i + 1, printable(arm.model),
                       arm.name.empty() ? "" : arm.name + ": ", arm.intervention,
                       arm.activations == "int8" ? "" : ", activations " + arm.activations,
                       i == 0 && report.arms.size() > 1 ? " (the reference)" : "");
  }
  int width = kLabelWidth;
  for (const auto& group : report.groups) width = std::max(width, display_width(group_label(group)));
  const auto fitting = static_cast<std::size_t>(std::max(1, (columns - width) / kColumnWidth));
  for (std::size_t begin = 0; begin < report.arms.size(); begin += fitting) {
    const std::size_t end = std::min(report.arms.size(), begin + fitting);
    const auto line = [&](const std::string& label, const auto& text_of) {
      std::string text = label + std::string(static_cast<std::size_t>(width - display_width(label)), ' ');
      for (std::size_t i = begin; i < end; ++i) text += right(text_of(i));
      out += text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
    };
    out += "\n";
    line("", [](std::size_t i) { return std::to_string(i + 1); });
    for (const Row& row : rows_of(report)) {
      line(row.label, [&](std::size_t i) { return row.cell(report.arms[i]); });
    }
    add_groups(report, line, out);
  }
  return out;
}

nlohmann::ordered_json perplexity_json(const PerplexityReport& report) {
  Json out;
  out["file"] = report.file;
  if (!report.groups.empty()) out["conversations"] = report.texts;
  out["tokens"] = report.tokens;
  out["counted_tokens"] = report.counted;
  out["counted_bytes"] = report.bytes;
  out["context"] = report.context;
  out["stride"] = report.stride;
  out["windows"] = report.windows;
  out["arms"] = Json::array();
  for (const MeasuredArm& arm : report.arms) {
    Json one;
    one["model"] = arm.model;
    if (!arm.name.empty()) one["name"] = arm.name;
    one["intervention"] = arm.intervention;
    one["activations"] = arm.activations;
    one = with_error(std::move(one), "mean_nll", arm.perplexity.nll);
    one = with_error(std::move(one), "perplexity", arm.perplexity.perplexity);
    const std::optional<Estimate> bits = report.bits_per_byte(arm);
    if (bits) {
      one = with_error(std::move(one), "bits_per_byte", *bits);
    } else {
      one["bits_per_byte"] = one["bits_per_byte_standard_error"] = Json();
    }
    if (arm.divergence) {
      const DivergenceSummary& s = *arm.divergence;
      one = with_error(std::move(one), "nll_difference", s.nll_difference);
      one = with_error(std::move(one), "perplexity_ratio", s.perplexity_ratio);
      Json kl = with_error(Json(), "mean", s.kl);
      kl["median"] = s.kl_median;
      kl["p99"] = s.kl_p99;
      kl["max"] = s.kl_max;
      one["kl_divergence"] = kl;
      one["top1_agreement"] = s.top1_agreement;
    }
    const auto place = out["arms"].size();
    for (const auto& group : report.groups) {
      Json by = {{"counted_tokens", group.counted}};
      by = with_error(std::move(by), "mean_nll", group.arms[place].nll);
      by = with_error(std::move(by), "perplexity", group.arms[place].perplexity);
      if (group.differences[place])
        by = with_error(std::move(by), "nll_difference", *group.differences[place]);
      one["by_origin"][group.name] = std::move(by);
    }
    out["arms"].push_back(std::move(one));
  }
  return out;
}

}  // namespace refocus
