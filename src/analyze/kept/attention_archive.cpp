#include "analyze/kept/attention_archive.h"

#include <bit>
#include <nlohmann/json.hpp>

#include "analyze/attention_run.h"
#include "analyze/statistics_files.h"
#include "base/error.h"
#include "io/npy.h"
#include "io/zip_writer.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

static_assert(std::endian::native == std::endian::little, "arrays are written as they lie in memory");

constexpr const char* kArm = "answer";

ordered_json heads_json(const KeepSettings& what) {
  return what.mean_heads ? ordered_json::array({"mean"}) : ordered_json(what.heads);
}

// Writes one array, part by part, and knows its name.
class ArrayWriter {
 public:
  explicit ArrayWriter(ZipWriter& zip) : zip_(zip) {}

  void begin(const std::string& name, const char* type, const std::vector<std::int64_t>& shape) {
    names_.push_back(name);
    zip_.begin(name + ".npy");
    zip_.write(npy_header(type, shape));
  }
  template <class T>
  void write(std::span<const T> elements) {
    zip_.write({reinterpret_cast<const char*>(elements.data()), elements.size_bytes()});
  }
  void end() { zip_.end(); }
  const std::vector<std::string>& names() const { return names_; }

 private:
  ZipWriter& zip_;
  std::vector<std::string> names_;
};

void write_maps(const KeptRows& rows, bool before, ArrayWriter& out) {
  const KeepSettings& what = rows.settings();
  const std::string end = before ? "_before" : "";
  std::vector<std::int64_t> shape = {std::ssize(what.layers), what.head_places(), rows.rows()};
  const auto each = [&](const auto& write) {
    for (std::int64_t layer = 0; layer < std::ssize(what.layers); ++layer) {
      for (std::int64_t head = 0; head < what.head_places(); ++head) {
        for (std::int64_t row = 0; row < rows.rows(); ++row) write(rows.row(before, layer, head, row));
      }
    }
    out.end();
  };
  out.begin("rest" + end, "<f4", shape);
  each([&](const KeptRow& row) { out.write(std::span(&row.rest, 1)); });
  shape.push_back(what.kept());
  out.begin("top_indices" + end, "<i4", shape);
  each([&](const KeptRow& row) { out.write(row.keys); });
  out.begin("top_weights" + end, "<f4", shape);
  each([&](const KeptRow& row) { out.write(row.weights); });
}

void write_masks(const KeptRows& rows, ArrayWriter& out) {
  const std::int64_t heads = rows.settings().head_places();
  std::vector<std::int64_t> offsets = {0};
  for (std::int64_t row = 0; row < rows.rows(); ++row) {
    for (std::int64_t head = 0; head < heads; ++head)
      offsets.push_back(offsets.back() + std::ssize(rows.mask(row, head)));
  }
  out.begin("mask_offsets", "<i8", {std::ssize(offsets)});
  out.write(std::span<const std::int64_t>(offsets));
  out.end();
  out.begin("mask_indices", "<i4", {offsets.back()});
  for (std::int64_t row = 0; row < rows.rows(); ++row) {
    for (std::int64_t head = 0; head < heads; ++head) out.write(rows.mask(row, head));
  }
  out.end();
}

void write_received(const KeptRows& rows, ArrayWriter& out) {
  const KeepSettings& what = rows.settings();
  out.begin("received", "<f4", {std::ssize(what.layers), what.head_places(), what.keys});
  for (std::int64_t layer = 0; layer < std::ssize(what.layers); ++layer) {
    for (std::int64_t head = 0; head < what.head_places(); ++head) out.write(rows.received(layer, head));
  }
  out.end();
}

ordered_json arm_json(const KeptRows& rows, const KeptText& text) {
  return {{"name", kArm},
          {"intervention", text.intervention},
          {"threshold", rows.settings().threshold},
          {"directory", "."}};
}

ordered_json attention_json(const KeptRows& rows, const KeptText& text, const ArchiveModel& model,
                            const std::vector<std::string>& files) {
  const KeepSettings& what = rows.settings();
  const std::vector<TokenClass> classes = classify_tokens(model.tokenizer, text.tokens);
  ordered_json out = {{"format", "refocus-attention"},
                      {"version", 1},
                      {"refocus", model.version},
                      {"model", model_json(model.name, *model.config)},
                      {"prompt_tokens", text.prompt_tokens},
                      {"tokens", tokens_json(model.tokenizer, text.tokens, classes, {})},
                      {"classes", classes_json()},
                      {"layers", what.layers},
                      {"heads", heads_json(what)},
                      {"queries", what.queries},
                      {"keys", what.keys},
                      {"kind", "sparse"},
                      {"top_k", what.kept()},
                      {"before", what.before}};
  ordered_json arm = arm_json(rows, text);
  for (const std::string& name : files) arm["files"][name] = name + ".npy";
  out["arms"] = ordered_json::array({std::move(arm)});
  out["statistics"] = "statistics.json";
  return out;
}

// What the explorer asks of statistics.json: which maps have weights below 0.
ordered_json kept_statistics_json(const KeptRows& rows, const KeptText& text) {
  ordered_json arm = {{"arm", kArm},
                      {"intervention", text.intervention},
                      {"threshold", rows.settings().threshold},
                      {"statistics", ordered_json::object()},
                      {"outliers", ordered_json::array()}};
  if (any_rows(rows.negative_rows())) {
    arm["negative_rows"] =
        rows_json(rows.negative_rows(), static_cast<std::size_t>(rows.settings().head_places()));
  }
  return {{"format", "refocus-attention-statistics"},
          {"version", 1},
          {"layers", rows.settings().layers},
          {"heads", heads_json(rows.settings())},
          {"classes", classes_json()},
          {"arms", ordered_json::array({std::move(arm)})}};
}

}  // namespace

std::string attention_archive(const KeptRows& rows, const KeptText& text, const ArchiveModel& model) {
  REFOCUS_CHECK(std::ssize(text.tokens) == rows.settings().keys);
  ZipWriter zip(static_cast<std::size_t>(rows.bytes()) + text.tokens.size() * 128 + 8192);
  ArrayWriter arrays(zip);
  write_maps(rows, false, arrays);
  if (rows.settings().before) write_maps(rows, true, arrays);
  write_masks(rows, arrays);
  write_received(rows, arrays);
  zip.add("attention.json", json_text(attention_json(rows, text, model, arrays.names())) + "\n");
  zip.add("statistics.json", json_text(kept_statistics_json(rows, text)) + "\n");
  return zip.finish();
}

}  // namespace refocus
