// Rows of a CSV file with the types that pandas.read_csv gives its columns, on which `datasets` builds.
#pragma once

#include <string>
#include <vector>

#include "eval/harness/dataset.h"

namespace refocus::harness {

// `file` names the text in errors. InputError for rows with more or fewer cells than the header, names that
// are there twice, and bytes that are no UTF-8.
std::vector<Document> csv_documents(const std::string& text, const std::string& file, char delimiter);

}  // namespace refocus::harness
