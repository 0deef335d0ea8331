#include "analyze/explorer_page.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "analyze/attention_maps.h"
#include "analyze/explorer_blocks.h"
#include "analyze/explorer_title.h"
#include "analyze/map_divergence.h"
#include "base/error.h"
#include "base/json_node.h"
#include "base/text_file.h"
#include "base/thread_pool.h"
#include "io/atomic_file.h"
#include "io/weight_file.h"
#include "web/page.h"

namespace refocus {
namespace {

using nlohmann::json;

// Numbers with the digits that a reader of a chart can use; what is no valid UTF-8 is replaced.
void dump_short(const json& value, std::string& out) {
  if (value.is_number_float()) {
    out += fmt::format("{:.7g}", value.get<double>());
  } else if (value.is_structured()) {
    out += value.is_array() ? '[' : '{';
    bool first = true;
    for (const auto& item : value.items()) {
      if (!first) out += ',';
      first = false;
      if (value.is_object()) out += json_text(json(item.key())) + ':';
      dump_short(item.value(), out);
    }
    out += value.is_array() ? ']' : '}';
  } else {
    out += json_text(value);
  }
}

std::string short_text(const json& value) {
  std::string out;
  dump_short(value, out);
  return out;
}

class ExplorerWriter {
 public:
  ExplorerWriter(const std::filesystem::path& directory, const ExplorerSettings& settings)
      : directory_(directory), settings_(settings), capture_(read("attention.json")) {
    const json format = capture_.value("format", json()), version = capture_.value("version", json());
    if (format != "refocus-attention" || version != 1) {
      throw input_error(where_of(directory / "attention.json"),
                        "expected refocus-attention version 1, got {} {}; capture again with this program",
                        printable(format.is_null() ? "another format" : json_text(format)),
                        printable(json_text(version)));
    }
    const Node capture(capture_, source("attention.json"));
    layers_ = static_cast<std::int64_t>(capture.at("layers").items().size());
    heads_ = static_cast<std::int64_t>(capture.at("heads").items().size());
    title_ = explorer_title(capture);
    if (!capture_.contains("kind")) return;  // a task: statistics alone
    for (const Node& arm : capture.at("arms").items()) {
      maps_.emplace_back(directory, arm.json(), capture_);
      (arm.find("tokens") ? arm : capture).at("tokens").items();
    }
  }

  ExplorerSize write();

 private:
  using Node = JsonNode<json>;

  JsonSource source(const std::string& name) const { return {where_of(directory_ / name), "capture again"}; }
  json read(const std::string& name) const {
    return parse_json_object(read_text_file(directory_ / name), source(name));
  }

  std::string body() const;
  std::int64_t fixed_bytes() const;
  std::int64_t rows_bytes(const BlockFormat& format) const;
  double compressed_part(const BlockFormat& format) const;
  void choose_format();
  json description() const;
  bool comparable(std::size_t arm) const;
  ThumbnailShape thumbnail_shape(const ArmMaps& maps) const;
  void find_negative(const json& statistics);
  void write_statistics(AtomicFile& file);
  void write_layer(AtomicFile& file, std::int64_t layer);
  void write_received(AtomicFile& file);
  void write_masks(AtomicFile& file);
  void write_divergences(AtomicFile& file);
  void write_blocks(AtomicFile& file, std::vector<PageBlock>& blocks);

  std::filesystem::path directory_;
  ExplorerSettings settings_;
  json capture_;
  std::string title_;
  std::vector<ArmMaps> maps_;
  std::vector<bool> negative_;  // by arm: whether any weight is below 0
  json divergences_;            // [arms][layers][heads] from the first arm, null where there is none
  std::int64_t layers_ = 0, heads_ = 0, bytes_ = 0;
  BlockFormat format_;
  ThreadPool pool_{available_threads()};
};

std::string ExplorerWriter::body() const {
  return fmt::format(
      "<noscript><p>This page draws attention maps with JavaScript, which is switched off. The numbers are "
      "in the "
      "files beside it.</p></noscript>\n<h1 class=\"loading\">{}</h1>\n<p class=\"loading\">Reading the "
      "maps…</p>\n",
      html_escape(title_));
}

// What the page needs whatever the format of rows, in bytes of blocks.
std::int64_t ExplorerWriter::fixed_bytes() const {
  std::int64_t bytes = 0;
  for (const ArmMaps& maps : maps_) {
    const ThumbnailShape shape = thumbnail_shape(maps);
    bytes += layers_ * heads_ * (2 * shape.rows * shape.columns + 4 * maps.keys());
    bytes += maps.mask_size() * 4 + heads_ * 4 * static_cast<std::int64_t>(maps.queries().size());
  }
  for (const char* name : {"attention.json", "statistics.json", "lens.json"}) {
    std::error_code absent;
    const auto size = std::filesystem::file_size(directory_ / name, absent);
    if (!absent) bytes += static_cast<std::int64_t>(size);
  }
  return bytes;
}

std::int64_t ExplorerWriter::rows_bytes(const BlockFormat& format) const {
  std::int64_t bytes = 0;
  for (const ArmMaps& maps : maps_) {
    std::int64_t entries = 0;
    for (const std::int64_t query : maps.queries()) entries += std::min(format.entries, query + 1);
    const auto rows = static_cast<std::int64_t>(maps.queries().size());
    const std::int64_t key_bytes = format.whole_rows ? 0 : format.key_bytes;
    const std::int64_t block = (entries + rows) * (format.weight_bytes + key_bytes);
    bytes += layers_ * heads_ * block * (maps.has_before() ? 2 : 1);
  }
  return bytes;
}

// The part of a block's bytes that compression leaves, by maps from all over the model.
double ExplorerWriter::compressed_part(const BlockFormat& format) const {
  constexpr std::int64_t kSamples = 8;
  const std::int64_t count = layers_ * heads_;
  std::size_t before = 0, after = 0;
  for (std::int64_t map = 0; map < count; map += std::max<std::int64_t>(1, count / kSamples)) {
    for (const ArmMaps& maps : maps_) {
      const PageBlock block{"map",
                            rows_block(maps.rows(false, map / heads_, map % heads_, format.entries), format),
                            /*numbers=*/true};
      before += block.bytes.size();
      after += block_element(block).size() * 3 / 4;  // base64: 4 for 3
    }
  }
  return before == 0 ? 1.0 : static_cast<double>(after) / static_cast<double>(before);
}

// The most exact format that fits: float32 where it would even without compression, otherwise float16 with as
// many weights of a row as samples say.
void ExplorerWriter::choose_format() {
  std::int64_t most = 0, keys = 0;
  for (const ArmMaps& maps : maps_) {
    most = std::max(most, maps.kept());
    keys = std::max(keys, maps.keys());
  }
  const bool dense = std::ranges::all_of(maps_, &ArmMaps::dense);
  const std::int64_t room = (settings_.max_bytes - 1'000'000) / 4 * 3 - fixed_bytes();
  format_ = {4, keys > 65535 ? 4 : 2, most, dense};
  if (rows_bytes(format_) <= room) return;
  format_.weight_bytes = 2;
  if (rows_bytes(format_) <= room) return;
  format_.whole_rows = false;
  constexpr double kMargin = 1.05;  // samples are not all
  double part = 0;
  for (int round = 0; round < 2; ++round) {  // fewer weights of a row compress differently
    part = std::max(part, kMargin * compressed_part(format_));
    std::int64_t fits = 1, too_many = most + 1;
    while (too_many - fits > 1) {
      format_.entries = (fits + too_many) / 2;
      const bool fit = part * static_cast<double>(rows_bytes(format_)) <= static_cast<double>(room);
      (fit ? fits : too_many) = format_.entries;
    }
    format_.entries = fits;
  }
}

// Whether the arm's rows can be subtracted from those of the first.
bool ExplorerWriter::comparable(std::size_t arm) const {
  const json& arms = capture_.at("arms");
  const auto tokens = [&](std::size_t i) { return arms[i].contains("tokens") ? arms[i] : capture_; };
  return maps_[arm].queries() == maps_[0].queries() && tokens(arm).at("tokens") == tokens(0).at("tokens");
}

ThumbnailShape ExplorerWriter::thumbnail_shape(const ArmMaps& maps) const {
  return {std::min<std::int64_t>(kThumbnail, static_cast<std::int64_t>(maps.queries().size())),
          std::min(kThumbnail, maps.keys()), maps.keys()};
}

json ExplorerWriter::description() const {
  json arms = json::array();
  std::int64_t kept = 0;
  for (std::size_t a = 0; a < maps_.size(); ++a) {
    const ThumbnailShape shape = thumbnail_shape(maps_[a]);
    arms.push_back({{"thumbnail_rows", shape.rows},
                    {"thumbnail_columns", shape.columns},
                    {"negative", bool{negative_[a]}},
                    {"comparable", comparable(a)}});
    kept = std::max(kept, maps_[a].kept());
  }
  return {{"weight_bytes", format_.weight_bytes},
          {"key_bytes", format_.key_bytes},
          {"entries", format_.entries},
          {"kept", kept},
          {"whole_rows", format_.whole_rows},
          {"received_bytes", format_.weight_bytes},
          {"arms", arms}};
}

void ExplorerWriter::write_blocks(AtomicFile& file, std::vector<PageBlock>& blocks) {
  std::vector<std::string> elements(blocks.size());
  pool_.parallel_for(static_cast<std::int64_t>(blocks.size()), [&](std::int64_t i, int) {
    elements[static_cast<std::size_t>(i)] = block_element(blocks[static_cast<std::size_t>(i)]);
  });
  for (const std::string& element : elements) {
    file.write(element);
    bytes_ += static_cast<std::int64_t>(element.size());
  }
  blocks.clear();
}

// The maps' own signs need not be looked at: a statistic counts them.
void ExplorerWriter::find_negative(const json& statistics) {
  for (const json& arm : statistics.at("arms")) {
    negative_.push_back(arm.contains("negative_rows"));
  }
  negative_.resize(std::max(negative_.size(), maps_.size()));
}

// Statistics of all tokens apart from those of classes and shares by origin, which are most of the bytes and
// seldom looked at.
void ExplorerWriter::write_statistics(AtomicFile& file) {
  json all = read("statistics.json");
  for (const Node& arm : Node(all, source("statistics.json")).at("arms").items()) {
    const Node statistics = arm.at("statistics");
    for (const auto& member : statistics.object().items()) statistics.at(member.key()).object();
    if (const auto origins = arm.find("origins")) {
      origins->at("groups").items();
      for (const char* table : {"queries", "keys", "even", "shares"}) origins->at(table).object();
    }
  }
  find_negative(all);
  json classes = json::array(), origins = json::array();
  bool any_origins = false;
  for (json& arm : all.at("arms")) {
    origins.push_back(arm.value("origins", json()));
    if (!origins.back().is_null()) {  // what the page offers before it reads the rest
      any_origins = true;
      arm["origins"] = {{"groups", origins.back().at("groups")}, {"queries", origins.back().at("queries")}};
    }
    json rest = json::object();
    for (auto& [name, grids] : arm.at("statistics").items()) {
      json every = grids.contains("all") ? grids.at("all") : json();
      grids.erase("all");
      rest[name] = std::move(grids);
      grids = json::object({{"all", std::move(every)}});
    }
    classes.push_back(std::move(rest));
  }
  std::vector<PageBlock> blocks = {{"capture", short_text(capture_)},
                                   {"page", short_text(description())},
                                   {"statistics", short_text(all)},
                                   {"classes", short_text(classes)}};
  if (any_origins) blocks.push_back({"origins", short_text(origins)});
  if (capture_.contains("lens")) blocks.push_back({"lens", short_text(read("lens.json"))});
  write_blocks(file, blocks);
}

void ExplorerWriter::write_received(AtomicFile& file) {
  std::vector<PageBlock> blocks;
  for (std::size_t a = 0; a < maps_.size(); ++a) {
    const auto keys = static_cast<std::size_t>(maps_[a].keys());
    std::vector<double> mean(keys);
    for (std::int64_t layer = 0; layer < layers_; ++layer) {
      std::vector<float> received = maps_[a].received(layer);
      std::vector<double> of_layer(keys);
      for (std::size_t i = 0; i < received.size(); ++i) of_layer[i % keys] += received[i];
      for (std::size_t key = 0; key < keys; ++key) {
        mean[key] += of_layer[key] / static_cast<double>(heads_ * layers_);
        received.push_back(static_cast<float>(of_layer[key] / static_cast<double>(heads_)));
      }
      blocks.push_back(
          {fmt::format("received-{}-{}", a, layer), numbers_block(received, format_.weight_bytes)});
    }
    const std::vector<float> narrow(mean.begin(), mean.end());
    blocks.push_back({fmt::format("received-{}", a), numbers_block(narrow, format_.weight_bytes)});
    write_blocks(file, blocks);
  }
}

void ExplorerWriter::write_masks(AtomicFile& file) {
  for (std::size_t a = 0; a < maps_.size(); ++a) {
    std::vector<PageBlock> blocks(static_cast<std::size_t>(heads_));
    pool_.parallel_for(heads_, [&](std::int64_t head, int) {
      blocks[static_cast<std::size_t>(head)] = {fmt::format("mask-{}-{}", a, head),
                                                mask_block(maps_[a].mask(head), format_)};
    });
    write_blocks(file, blocks);
  }
}

void ExplorerWriter::write_divergences(AtomicFile& file) {
  if (std::ranges::all_of(divergences_, [](const json& arm) { return arm.is_null(); })) return;
  std::vector<PageBlock> blocks = {{"divergences", short_text(divergences_)}};
  write_blocks(file, blocks);
}

// All heads of a layer: each arm's thumbnails in one block, and a block for every map.
void ExplorerWriter::write_layer(AtomicFile& file, std::int64_t layer) {
  const auto heads = static_cast<std::size_t>(heads_);
  std::vector<PageBlock> blocks;
  std::vector<MapRows> base;
  for (std::size_t a = 0; a < maps_.size(); ++a) {
    const ArmMaps& maps = maps_[a];
    const bool subtract = a > 0 && comparable(a);
    const ThumbnailShape shape = thumbnail_shape(maps);
    std::vector<MapRows> rows(heads);
    std::vector<std::string> small(heads), differences(heads), whole(heads), before(heads);
    std::vector<json> divergences(heads);
    pool_.parallel_for(heads_, [&](std::int64_t head, int) {
      const auto h = static_cast<std::size_t>(head);
      rows[h] = maps.rows(false, layer, head, format_.entries);
      small[h] = negative_[a] ? signed_thumbnail(rows[h], maps.queries(), shape)
                              : thumbnail(rows[h], maps.queries(), shape);
      if (subtract) {
        differences[h] = difference_thumbnail(rows[h], base[h], maps.queries(), shape);
        if (const auto divergence = mean_divergence(rows[h], base[h])) divergences[h] = *divergence;
      }
      whole[h] = rows_block(rows[h], format_);
      if (maps.has_before()) before[h] = rows_block(maps.rows(true, layer, head, format_.entries), format_);
    });
    PageBlock thumbnails{fmt::format("thumbnails-{}-{}", a, layer), {}};
    for (const std::string& picture : small) thumbnails.bytes += picture;
    for (const std::string& picture : differences) thumbnails.bytes += picture;
    blocks.push_back(std::move(thumbnails));
    for (std::size_t h = 0; h < heads; ++h) {
      const auto add = [&](const char* kind, std::string& bytes) {
        blocks.push_back({fmt::format("{}-{}-{}-{}", kind, a, layer, h), std::move(bytes), /*numbers=*/true});
      };
      add("map", whole[h]);
      if (maps.has_before()) add("before", before[h]);
    }
    if (subtract) divergences_[a].push_back(std::move(divergences));
    if (a == 0) base = std::move(rows);
  }
  write_blocks(file, blocks);
}

ExplorerSize ExplorerWriter::write() {
  AtomicFile file(directory_ / "attention.html");
  if (!has_page("attention")) {
    const std::string text = plain_page(
        {title_,
         fmt::format("<h1>{}</h1>\n<p>This program was built without its pages, so there is no explorer "
                     "here. The numbers are in the files beside this one.</p>\n",
                     html_escape(title_))});
    file.write(text);
    file.commit();
    return {static_cast<std::int64_t>(text.size()), 0, 4};
  }
  choose_format();
  const PageFrame frame = page_frame("attention", title_, body());
  file.write(frame.begin);
  write_statistics(file);
  divergences_ = std::vector<json>(maps_.size());
  for (std::int64_t layer = 0; layer < layers_ && !maps_.empty(); ++layer) write_layer(file, layer);
  write_divergences(file);
  write_received(file);
  write_masks(file);
  file.write(frame.end);
  file.commit();
  bytes_ += static_cast<std::int64_t>(frame.begin.size() + frame.end.size());
  return {bytes_, format_.entries, format_.weight_bytes};
}

}  // namespace

ExplorerSize write_explorer_page(const std::filesystem::path& directory, const ExplorerSettings& settings) {
  return ExplorerWriter(directory, settings).write();
}

}  // namespace refocus
