// The words and numbers of a search by activation patching, where they are not those of other searches.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "heads/head_search.h"

namespace refocus {

// What a patched run has of the difference between the prompts: "recovered", or with noise "lost".
std::string_view patched_measure(const PatchSettings& settings);

// "heads of the clean run put into the corrupted one, at all tokens of the prompt".
std::string patch_in_words(const PatchSettings& settings);

// Of the selection half: both prompts without a patch, and the best heads or layers.
std::string patched_levels_text(const HeadSearch& search);
std::string patched_tried_text(const char* what, const HeadSearch& search,
                               const std::vector<TriedHeads>& tried);

// Of the other half, above the table of sets; and what its columns are, below it.
std::string patched_sets_head(const HeadSearch& search);
std::string patched_sets_legend(const HeadSearch& search, const HeadSearchSettings& settings);

// Of the page's table.
std::string patched_caption(const HeadSearch& search);

// Adds what the search has beside a head's effects: direction, positions, and both prompts' levels.
void add_patched_json(const HeadSearch& search, nlohmann::ordered_json& out);

// layer,head,rank,recovered,low,high,p,p_holm, and what becomes of log-odds and accuracy.
std::string patched_tried_csv(const HeadSearch& search);

}  // namespace refocus
