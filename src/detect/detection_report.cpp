#include "detect/detection_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "eval/text/html_text.h"
#include "eval/text/table_text.h"
#include "heads/head_figures.h"
#include "heads/report_text.h"
#include "stats/holm.h"
#include "web/page.h"

namespace refocus {

namespace {

using nlohmann::ordered_json;

constexpr std::size_t kTopHeads = 5, kSearchHeads = 10;

std::size_t place_of(const Detection& detection, const Head& head) {
  return static_cast<std::size_t>(head.first * detection.heads + head.second);
}

std::string head_name(const Head& head) { return fmt::format("{}.{}", head.first, head.second); }

// Places by falling score; those without one are left out.
std::vector<std::size_t> by_score(const Detector& detector) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < detector.scores.size(); ++i) {
    if (!std::isnan(detector.scores[i])) out.push_back(i);
  }
  std::ranges::stable_sort(out, std::greater(), [&](std::size_t i) { return detector.scores[i]; });
  return out;
}

HeadSet top_heads(const Detection& detection, const Detector& detector) {
  HeadSet out;
  for (const std::size_t i : by_score(detector)) {
    if (out.size() == kTopHeads || (!detector.with_sign && detector.scores[i] == 0)) break;
    const auto place = static_cast<std::int64_t>(i);
    out.emplace_back(place / detection.heads, place % detection.heads);
  }
  return out;
}

std::string score_text(const Detector& detector, std::size_t place) {
  const double score = detector.scores[place];
  if (std::isnan(score)) return "-";
  return fmt::format(fmt::runtime(detector.with_sign ? "{:+.3f}" : "{:.3f}"), score);
}

// A pattern's second score, whose picture is nearly the first one's.
bool is_of_all_weight(const Detector& detector) { return detector.name.ends_with("_mul"); }

const DetectorEffect* effect_of(const std::vector<DetectorEffect>& effects, const Detector& detector) {
  const auto at = std::ranges::find(effects, detector.name, &DetectorEffect::detector);
  return at == effects.end() ? nullptr : &*at;
}

std::int64_t replies_that_count(const Detection& detection) {
  return std::ranges::count_if(detection.needles,
                               [](const NeedleOutcome& one) { return one.reply.counts(); });
}

// What was measured, a line each.
std::vector<std::string> measured_lines(const Detection& detection) {
  const StimulusSettings& stimulus = detection.stimulus;
  std::vector<std::string> out = {fmt::format(
      "stimulus: {} sequence{} of {} random tokens, each twice{} (seed {})", stimulus.sequences,
      stimulus.sequences == 1 ? "" : "s", stimulus.length,
      detection.prefix_tokens > 0 ? ", after what the tokenizer begins a prompt with" : "", stimulus.seed)};
  if (detection.items > 0) {
    out.push_back(fmt::format("task: {} items, each with its right option behind it", detection.items));
  }
  if (const auto& parts = detection.attribution; parts && parts->items > 0) {
    double heads = 0, mlps = 0, attention = 0;
    for (const double one : parts->mean.heads) heads += one;
    for (const double one : parts->mean.mlps) mlps += one;
    for (const double one : parts->mean.attention_bias) attention += one;
    out.push_back(fmt::format(
        "logit difference, right option minus the others' mean, over {} items: {:+.3f} = heads {:+.3f} + "
        "MLPs {:+.3f} + embedding {:+.3f} + biases {:+.3f}; off by {:.1g} at most",
        parts->items, parts->mean.total, heads, mlps, parts->mean.embedding, attention + parts->mean.bias,
        parts->largest_error));
    if (parts->left_out > 0) {
      out.push_back(
          fmt::format("{} items have no option that begins otherwise than the right one", parts->left_out));
    }
  }
  if (!detection.needles.empty()) {
    const std::int64_t counts = replies_that_count(detection);
    out.push_back(fmt::format("needles: {} of {} replies have more than half of the needle's words{}", counts,
                              detection.needles.size(), counts == 0 ? "; no retrieval scores without" : ""));
  }
  return out;
}

// A column of a table beside ten others.
std::string short_title(const Detector& detector) {
  const std::string& name = detector.name;
  if (name == "logit_attribution") return "DLA";
  if (name.starts_with("received_")) return "recv " + name.substr(sizeof("received_") - 1);
  return name.substr(0, name.find('_'));  // previous, duplicate, sink, ...
}

// What a search found of one head: of patching what it recovers, else the change of log P(right option).
double effect_found(const TriedHeads& tried) {
  return tried.recovered ? tried.recovered->difference : tried.likelihood;
}

std::string_view effect_words(const HeadSearch& search) {
  return search.patched ? "share of the difference that patching it recovers"
                        : "change of log P(right option)";
}

std::string searched_heads_text(const Detection& detection, const HeadSearch& search) {
  TextLines out;
  out.line("Detector scores of the search's best heads");
  constexpr int kWidth = 11;
  std::string head = left("", 10) + right(search.patched ? "recovered" : "log P", 10);
  for (const Detector& one : detection.detectors) {
    if (is_of_all_weight(one)) continue;
    head += right(short_title(one), kWidth);
  }
  out.line(head);
  for (std::size_t i = 0; i < std::min(kSearchHeads, search.heads_tried.size()); ++i) {
    const TriedHeads& tried = search.heads_tried[i];
    std::string line =
        left(head_name(tried.heads.front()), 10) + right(fmt::format("{:+.4f}", effect_found(tried)), 10);
    for (const Detector& one : detection.detectors) {
      if (is_of_all_weight(one)) continue;
      line += right(score_text(one, place_of(detection, tried.heads.front())), kWidth);
    }
    out.line(line);
  }
  return out.take();
}

ordered_json attribution_json(const AttributionMeans& means) {
  return {{"items", means.items},
          {"left_out", means.left_out},
          {"difference", means.mean.total},
          {"heads", means.mean.heads},
          {"mlps", means.mean.mlps},
          {"embedding", means.mean.embedding},
          {"attention_biases", means.mean.attention_bias},
          {"last_biases", means.mean.bias},
          {"largest_error", means.largest_error}};
}

ordered_json needles_json(const Detection& detection) {
  ordered_json prompts = ordered_json::array(), needles = ordered_json::array();
  for (const Needle& one : detection.asked->needles) {
    needles.push_back({{"needle", one.needle}, {"question", one.question}, {"answer", one.answer}});
  }
  for (const NeedleOutcome& one : detection.needles) {
    prompts.push_back({{"needle", one.needle},
                       {"length", one.length},
                       {"depth", one.depth},
                       {"tokens", one.tokens},
                       {"reply", one.reply.text},
                       {"rouge1_recall", one.reply.recall},
                       {"counts", one.reply.counts()}});
  }
  return {{"needles", needles}, {"question", detection.asked->question}, {"prompts", prompts}};
}

// A detector's scores as rows of a layer each; null where there is none.
ordered_json grid_json(const Detection& detection, const Detector& detector) {
  ordered_json out = ordered_json::array();
  for (std::int64_t l = 0; l < detection.layers; ++l) {
    ordered_json row = ordered_json::array();
    for (std::int64_t h = 0; h < detection.heads; ++h) {
      const double score = detector.scores[place_of(detection, {l, h})];
      row.push_back(std::isnan(score) ? ordered_json() : ordered_json(score));
    }
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace

std::vector<DetectorEffect> detector_effects(const Detection& detection, const HeadSearch& search) {
  std::vector<DetectorEffect> out;
  for (const Detector& detector : detection.detectors) {
    std::vector<double> scores, changes;
    for (const TriedHeads& tried : search.heads_tried) {
      const double score = detector.scores[place_of(detection, tried.heads.front())];
      if (std::isnan(score)) continue;
      scores.push_back(score);
      changes.push_back(effect_found(tried));
    }
    if (const auto found = spearman(scores, changes)) out.push_back({detector.name, *found});
  }
  std::vector<double> p;
  for (const DetectorEffect& one : out) p.push_back(one.correlation.p);
  const std::vector<double> adjusted = holm_adjusted(p);
  for (std::size_t i = 0; i < out.size(); ++i) out[i].holm = adjusted[i];
  return out;
}

std::string detection_table(const Detection& detection, const HeadSearch* search) {
  const std::vector<DetectorEffect> effects =
      search != nullptr ? detector_effects(detection, *search) : std::vector<DetectorEffect>();
  TextLines out;
  out.line(
      fmt::format("What heads do, of {} in {} layers", detection.layers * detection.heads, detection.layers));
  out.line(left("detector", 32) + left("on", 10) +
           (search != nullptr ? right("rho", 6) + right("Holm", 9) + "  " : "") + "highest heads");
  for (const Detector& detector : detection.detectors) {
    std::string line = left(detector.title, 32) + left(std::string(name_of(detector.on)), 10);
    if (search != nullptr) {
      const DetectorEffect* effect = effect_of(effects, detector);
      line += effect == nullptr ? right("-", 6) + right("-", 9)
                                : right(fmt::format("{:+.2f}", effect->correlation.rho), 6) +
                                      right(short_p_text(effect->holm), 9);
      line += "  ";
    }
    for (const Head& head : top_heads(detection, detector)) {
      line +=
          left(fmt::format("{} {}", head_name(head), score_text(detector, place_of(detection, head))), 14);
    }
    out.line(line);
  }
  for (const std::string& line : measured_lines(detection)) out.line(line);
  std::string text = out.take();
  if (search != nullptr) {
    text += fmt::format(
        "rho: Spearman's, of score and {} over the {} heads that were tried; Holm: its p over all "
        "detectors\n\n",
        effect_words(*search), search->heads_tried.size());
    text += searched_heads_text(detection, *search);
  }
  return text;
}

std::string detection_csv(const Detection& detection, const HeadSearch* search) {
  std::string out = "layer,head";
  for (const Detector& detector : detection.detectors) out += "," + detector.name;
  const bool patched = search != nullptr && search->patched;
  if (search != nullptr) out += ",accuracy_change,likelihood_change";
  if (patched) out += ",recovered";
  out += '\n';
  for (const Head& head : all_heads(detection.layers, detection.heads)) {
    out += fmt::format("{},{}", head.first, head.second);
    for (const Detector& detector : detection.detectors) {
      const double score = detector.scores[place_of(detection, head)];
      out += std::isnan(score) ? "," : fmt::format(",{}", score);
    }
    if (search != nullptr) {
      const auto tried = std::ranges::find(search->heads_tried, HeadSet{head}, &TriedHeads::heads);
      out += tried == search->heads_tried.end()
                 ? (patched ? ",,," : ",,")
                 : fmt::format(",{},{}", tried->accuracy.difference, tried->likelihood);
      if (patched && tried != search->heads_tried.end()) out += fmt::format(",{}", effect_found(*tried));
    }
    out += '\n';
  }
  return out;
}

ordered_json detection_json(const Detection& detection, const HeadSearch* search) {
  const StimulusSettings& stimulus = detection.stimulus;
  ordered_json out = {{"format", "refocus-head-detectors"},
                      {"version", 1},
                      {"layers", detection.layers},
                      {"heads", detection.heads},
                      {"stimulus",
                       {{"length", stimulus.length},
                        {"sequences", stimulus.sequences},
                        {"seed", stimulus.seed},
                        {"tokens_before", detection.prefix_tokens}}},
                      {"sink_keys", detection.sink_keys}};
  if (detection.items > 0) out["task"]["items"] = detection.items;
  for (const Detector& detector : detection.detectors) {
    out["detectors"][detector.name] = {{"on", name_of(detector.on)},
                                       {"scores", grid_json(detection, detector)}};
  }
  if (detection.attribution) out["logit_attribution"] = attribution_json(*detection.attribution);
  if (detection.asked) out["needles"] = needles_json(detection);
  if (search != nullptr) {
    out["effects"] = ordered_json::object();
    for (const DetectorEffect& one : detector_effects(detection, *search)) {
      out["effects"][one.detector] = {{"spearman", one.correlation.rho},
                                      {"p", one.correlation.p},
                                      {"p_holm", one.holm},
                                      {"heads", one.correlation.pairs}};
    }
  }
  return out;
}

std::string detector_map(const Detection& detection, const Detector& detector) {
  return head_value_map(detector.title,
                        {detection.layers, detection.heads, detector.scores, detector.with_sign},
                        top_heads(detection, detector));
}

std::string detection_section(const Detection& detection, const HeadSearch* search) {
  std::string head = column_head("detector") + column_head("on");
  if (search != nullptr) head += number_column_head("Spearman's rho") + number_column_head("Holm");
  head += column_head("highest heads");
  const std::vector<DetectorEffect> effects =
      search != nullptr ? detector_effects(detection, *search) : std::vector<DetectorEffect>();
  std::string rows, maps;
  for (const Detector& detector : detection.detectors) {
    std::string cells = row_head(detector.title) + text_cell(name_of(detector.on));
    if (search != nullptr) {
      const DetectorEffect* effect = effect_of(effects, detector);
      cells += effect == nullptr
                   ? number_cell(std::string(kMissing), std::nullopt) +
                         number_cell(std::string(kMissing), std::nullopt)
                   : number_cell(fmt::format("{:+.2f}", effect->correlation.rho), effect->correlation.rho) +
                         number_cell(html_p(effect->holm), effect->holm);
    }
    std::string highest;
    for (const Head& one : top_heads(detection, detector)) {
      if (!highest.empty()) highest += ", ";
      highest += fmt::format("{} ({})", head_name(one), score_text(detector, place_of(detection, one)));
    }
    rows += html_row(cells + text_cell(highest));
    if (!is_of_all_weight(detector)) {
      maps += "<figure>" + detector_map(detection, detector) + "</figure>\n";
    }
  }
  std::string caption = "Layer.head (score)";
  if (search != nullptr) {
    caption +=
        fmt::format("; rho of score and {} over {} heads", effect_words(*search), search->heads_tried.size());
  }
  std::string out = "<h2>What heads do</h2>\n";
  for (const std::string& line : measured_lines(detection)) out += "<p>" + html_escape(line) + "</p>\n";
  return out + html_table(caption, head, "<tbody>" + rows + "</tbody>", false) +
         "<div style=\"display:flex;flex-wrap:wrap;gap:0 2em\">\n" + maps + "</div>\n";
}

std::string detection_page(const Detection& detection, const std::string& about) {
  return plain_page(
      {"What heads do", "<h1>" + html_escape(about) + "</h1>\n" + detection_section(detection, nullptr)});
}

}  // namespace refocus
