#include "analyze/statistics_files.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "analyze/origin_files.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "tokenizer/streaming_decoder.h"

namespace refocus {

namespace {

using nlohmann::ordered_json;

// "all" first, and of the others those that have tokens.
std::vector<std::size_t> class_rows(const ClassCounts& counts) {
  std::vector<std::size_t> rows = {kAllClasses};
  for (std::size_t c = 0; c < kTokenClasses; ++c) {
    if (counts[c] > 0) rows.push_back(c);
  }
  return rows;
}

ordered_json counts_json(const ClassCounts& counts) {
  ordered_json out;
  for (const std::size_t c : class_rows(counts)) out[std::string(class_row_name(c))] = counts[c];
  return out;
}

// Whether any layer and head has a value.
bool is_known(const std::vector<double>& values) {
  return std::any_of(values.begin(), values.end(), [](double v) { return !std::isnan(v); });
}

ordered_json outliers_json(const AttentionSettings& settings, const std::vector<LayerHeadOutlier>& outliers) {
  ordered_json out = ordered_json::array();
  for (const LayerHeadOutlier& o : outliers) {
    out.push_back({{"layer", settings.layers[static_cast<std::size_t>(o.layer_place)]},
                   {"head", settings.heads[static_cast<std::size_t>(o.head_place)]},
                   {"key", o.key.key},
                   {"received", o.key.received},
                   {"ratio", o.key.ratio},
                   {"z", o.key.z}});
  }
  return out;
}

std::string piece_of(const Tokenizer* tokenizer, std::int32_t id) {
  return tokenizer != nullptr && tokenizer->contains(id) ? tokenizer->piece(id) : "";
}

}  // namespace

ordered_json grid_json(std::span<const double> values, std::size_t heads) {
  ordered_json layers = ordered_json::array();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i % heads == 0) layers.push_back(ordered_json::array());
    layers.back().push_back(std::isnan(values[i]) ? ordered_json() : ordered_json(values[i]));
  }
  return layers;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + '"';
}

ordered_json rows_json(const std::vector<std::int64_t>& rows, std::size_t heads) {
  ordered_json layers = ordered_json::array();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i % heads == 0) layers.push_back(ordered_json::array());
    layers.back().push_back(rows[i]);
  }
  return layers;
}

ordered_json model_json(const std::string& path, const ModelConfig& config) {
  return {{"path", path},
          {"layers", config.num_hidden_layers},
          {"heads", config.num_attention_heads},
          {"kv_heads", config.num_key_value_heads},
          {"hidden_size", config.hidden_size},
          {"vocab_size", config.vocab_size}};
}

ordered_json classes_json() {
  ordered_json out = ordered_json::array();
  for (std::size_t c = 0; c < kTokenClasses; ++c) out.push_back(token_class_name(static_cast<TokenClass>(c)));
  return out;
}

ordered_json statistics_json(const AttentionSettings& settings, std::span<const NamedResult> arms,
                             bool one_text) {
  ordered_json out = {{"format", "refocus-attention-statistics"},
                      {"version", 1},
                      {"layers", settings.layers},
                      {"heads", settings.heads},
                      {"classes", classes_json()},
                      {"window", settings.window},
                      {"arms", ordered_json::array()}};
  for (const NamedResult& named : arms) {
    const AttentionResult& result = *named.result;
    ordered_json statistics;
    for (const StatisticGrid& grid : result.grids) {
      ordered_json& by_class = statistics[grid.name];
      for (std::size_t i = 0; i < kClassRows; ++i) {
        const std::size_t c = i == 0 ? kAllClasses : i - 1;
        if (!is_known(grid.values[c]) && c != kAllClasses) continue;
        by_class[std::string(class_row_name(c))] = grid_json(grid.values[c], settings.heads.size());
      }
    }
    ordered_json arm = {{"arm", named.arm->name},
                        {"intervention", named.intervention},
                        {"threshold", named.arm->threshold},
                        {"queries", counts_json(result.queries)},
                        {"keys", counts_json(result.keys)},
                        {"statistics", std::move(statistics)}};
    if (any_rows(result.negative_rows))
      arm["negative_rows"] = rows_json(result.negative_rows, settings.heads.size());
    if (any_rows(result.zero_rows)) arm["zero_rows"] = rows_json(result.zero_rows, settings.heads.size());
    if (result.origins) arm["origins"] = origins_json(*result.origins, settings.heads.size());
    if (one_text) arm["outliers"] = outliers_json(settings, result.outliers);
    out["arms"].push_back(std::move(arm));
  }
  return out;
}

std::string statistics_csv(const AttentionSettings& settings, std::span<const NamedResult> arms) {
  std::string out = "arm,layer,head,token_class,statistic,value\n";
  for (const NamedResult& named : arms) {
    const std::string arm = csv_field(named.arm->name);
    for (const StatisticGrid& grid : named.result->grids) {
      for (std::size_t i = 0; i < kClassRows; ++i) {
        const std::size_t c = i == 0 ? kAllClasses : i - 1;
        for (std::size_t cell = 0; cell < grid.values[c].size(); ++cell) {
          const double value = grid.values[c][cell];
          if (std::isnan(value)) continue;
          out +=
              fmt::format("{},{},{},{},{},{}\n", arm, settings.layers[cell / settings.heads.size()],
                          settings.heads[cell % settings.heads.size()], class_row_name(c), grid.name, value);
        }
      }
    }
  }
  return out;
}

ordered_json lens_json(const Tokenizer* tokenizer, std::span<const NamedResult> arms) {
  ordered_json out = {{"format", "refocus-attention-lens"},
                      {"version", 1},
                      {"top", kLensTokens},
                      {"arms", ordered_json::array()}};
  for (const NamedResult& named : arms) {
    ordered_json positions = ordered_json::array();
    for (const LensPosition& position : named.result->lens) {
      ordered_json layers = ordered_json::array();
      for (const auto& tokens : position.layers) {
        ordered_json& layer = layers.emplace_back(ordered_json::array());
        for (const LensToken& token : tokens) {
          const bool known = tokenizer != nullptr && tokenizer->contains(token.id);
          layer.push_back({{"id", token.id},
                           {"piece", piece_of(tokenizer, token.id)},
                           {"text", known ? replace_invalid_utf8(tokenizer->token_bytes(token.id)) : ""},
                           {"probability", token.probability}});
        }
      }
      positions.push_back({{"position", position.position}, {"layers", std::move(layers)}});
    }
    out["arms"].push_back({{"arm", named.arm->name}, {"positions", std::move(positions)}});
  }
  return out;
}

ordered_json tokens_json(const Tokenizer* tokenizer, std::span<const std::int32_t> ids,
                         std::span<const TokenClass> classes, std::span<const std::string> origins) {
  ordered_json out = ordered_json::array();
  std::optional<StreamingDecoder> decoder;
  if (tokenizer != nullptr) decoder.emplace(*tokenizer);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const bool known = tokenizer != nullptr && tokenizer->contains(ids[i]);
    std::string text = known ? decoder->push(ids[i]) : "";
    if (decoder && i + 1 == ids.size()) text += decoder->finish();
    out.push_back({{"id", ids[i]},
                   {"text", std::move(text)},
                   {"piece", piece_of(tokenizer, ids[i])},
                   {"class", token_class_name(classes[i])}});
    if (!origins.empty()) out.back()["origin"] = origins[i];
  }
  return out;
}

void write_json_file(const std::filesystem::path& path, const ordered_json& json) {
  write_file_atomically(path, json_text(json) + "\n");
}

}  // namespace refocus
