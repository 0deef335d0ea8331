// What a search for heads says: as a table, as JSON, as CSV, and as one HTML page with its pictures.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "heads/head_search.h"

namespace refocus {

std::string head_search_table(const HeadSearch& search, const HeadSearchSettings& settings);

nlohmann::ordered_json head_search_json(const HeadSearch& search, const HeadSearchSettings& settings);

// Of every head that was tried: layer,head,rank,accuracy_change,likelihood_change,fixed,broken,p,holm.
// Changes are those of the selection half.
std::string tried_heads_csv(const HeadSearch& search);
// Of every tested set: size,heads, and the numbers of the table.
std::string tested_sets_csv(const HeadSearch& search);

// A page without script; `about` is a line on model, task and method, `more` HTML that follows.
std::string head_search_page(const HeadSearch& search, const HeadSearchSettings& settings,
                             const std::string& about, const std::string& more = "");

}  // namespace refocus
