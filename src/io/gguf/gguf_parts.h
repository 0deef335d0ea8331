// A GGUF model in one file, or in the parts that llama-gguf-split makes of one: NAME-00001-of-0000N.gguf and
// so on, each a GGUF file with tensors of its own. The first has the model's metadata; all have split.no
// (from 0), split.count, and split.tensors.count, the tensors of all parts together.
#pragma once

#include <filesystem>
#include <vector>

#include "base/used_file.h"
#include "io/gguf/gguf_file.h"

namespace refocus {

struct GgufParts {
  GgufFile whole;               // the first part's metadata, and the tensors of all
  std::vector<GgufFile> parts;  // in order; one where the model is not split
  std::vector<UsedFile> files;  // the parts' files, as they were before they were read

  // The mapped file that a tensor of `whole` lies in.
  const std::shared_ptr<const MappedFile>& mapping_of(const std::string& tensor) const;
};

// `path` is the file or any one of the parts. InputError, which names the part, where one is missing or
// belongs to another model, and where a tensor is in two.
GgufParts open_gguf(const std::filesystem::path& path);

}  // namespace refocus
