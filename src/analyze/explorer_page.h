// attention.html: the explorer of a directory of `refocus attention`, one file that needs no server and no
// network (docs/attention.md).
#pragma once

#include <cstdint>
#include <filesystem>

namespace refocus {

struct ExplorerSettings {
  // What the page may take, in bytes, or very little more. Where all that the files have would not fit,
  // weights are stored as float16, and where that does not fit either, fewer of each row.
  std::int64_t max_bytes = 80'000'000;
};

struct ExplorerSize {
  std::int64_t bytes = 0;         // of the file
  std::int64_t entries = 0;       // weights of a row that the page has at most
  std::int64_t weight_bytes = 0;  // 4 for float32, 2 for float16
};

// Writes `directory`/attention.html. Reads the maps a layer and head at a time. InputError where a file of
// the directory is missing or damaged, or the page cannot be written; no page is left then.
ExplorerSize write_explorer_page(const std::filesystem::path& directory,
                                 const ExplorerSettings& settings = {});

}  // namespace refocus
