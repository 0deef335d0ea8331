#include "io/gguf/gguf_parts.h"

#include "base/error.h"
#include "io/model_kind.h"

namespace refocus {

namespace {

namespace fs = std::filesystem;

// Part `number` must say so itself, and that it has as many tensors in all as the first part says.
void check_part(const GgufFile& part, const GgufFile& first, std::int64_t number, std::int64_t count) {
  const std::int64_t own_number = part.integer("split.no").value_or(-1) + 1,
                     own_count = part.integer("split.count").value_or(0);
  if (own_number != number || own_count != count) {
    const std::string got =
        own_count < 2 ? "a whole file" : fmt::format("part {} of {}", own_number, own_count);
    throw input_error(
        part.where(),
        "expected part {} of {}, got {}; it was renamed or is another model's, download it again", number,
        count, got);
  }
  const auto all = first.integer("split.tensors.count"), own = part.integer("split.tensors.count");
  if (own != all) {
    throw input_error(part.where(),
                      "expected a part of a model of {} tensors, as {} says, got one of {}; it is another "
                      "model's, download it again",
                      all.value_or(0), first.where(), own.value_or(0));
  }
}

std::vector<fs::path> part_paths(const fs::path& path, std::int64_t number, std::int64_t count) {
  const auto named = gguf_part(path);
  bool whole = named && named->count == count;
  std::vector<fs::path> out;
  for (int part = 1; whole && part <= named->count; ++part) {
    out.push_back(path.parent_path() / named->file_name(part));
    std::error_code ignored;
    whole = fs::is_regular_file(out.back(), ignored);
  }
  if (!whole) refuse_gguf_part(path, number, count);
  return out;
}

}  // namespace

const std::shared_ptr<const MappedFile>& GgufParts::mapping_of(const std::string& tensor) const {
  for (const GgufFile& part : parts) {
    if (part.tensors().contains(tensor)) return part.mapping();
  }
  return whole.mapping();
}

GgufParts open_gguf(const fs::path& path) {
  GgufParts out;
  out.files = {used_file("gguf", path)};
  GgufFile named = GgufFile::open(path);
  const std::int64_t count = named.integer("split.count").value_or(0);
  if (count < 2) {
    // A name alone does not make a part of a model that has its settings.
    const auto part = gguf_part(path);
    if (part && part->count > 1 && !named.has("general.architecture")) {
      refuse_gguf_part(path, part->number, part->count);
    }
    out.whole = named;
    out.parts.push_back(std::move(named));
    return out;
  }
  const std::vector<fs::path> paths = part_paths(path, named.integer("split.no").value_or(0) + 1, count);
  out.files.clear();
  for (const fs::path& part : paths) {
    out.files.push_back(used_file("gguf", part));
    out.parts.push_back(GgufFile::open(part));
    check_part(out.parts.back(), out.parts.front(), static_cast<std::int64_t>(out.parts.size()), count);
  }
  out.whole = out.parts.front();
  for (std::size_t i = 1; i < out.parts.size(); ++i) out.whole.add_tensors(out.parts[i]);
  const auto all = out.whole.integer("split.tensors.count");
  const auto got = static_cast<std::int64_t>(out.whole.tensors().size());
  if (all && *all != got) {
    throw input_error(out.whole.where(), "expected {} tensors in its {} parts, got {}; download them again",
                      *all, count, got);
  }
  return out;
}

}  // namespace refocus
