// The hashes of a model's files, with a line of progress where that takes long.
#pragma once

#include <span>

#include "base/thread_pool.h"
#include "base/used_file.h"

namespace refocus::cli {

// Reads what the user's cache of hashes does not know. InputError where a file changed since it was opened.
FileHashes hash_model_files(std::span<const UsedFile> files, ThreadPool& pool);

}  // namespace refocus::cli
