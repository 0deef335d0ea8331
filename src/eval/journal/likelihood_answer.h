// An answer in log-likelihood mode: what the journal keeps of it, and which option it chooses.
//
// The text of such a response is JSON, one pair an option: [[-1.25,false],[-2.5,true]], the log-likelihood
// and whether the option is what greedy decoding would say. Numbers come back to the last bit.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/task/option_likelihood.h"
#include "eval/task/scoring.h"

namespace refocus {

inline constexpr const char* kLikelihoodRule = "loglikelihood";  // Extraction::rule, Response::finish_reason

std::string likelihoods_text(std::span<const OptionLikelihood> options);

// InputError, beginning with `where`, for anything but `options` such pairs.
std::vector<OptionLikelihood> parse_likelihoods(std::string_view text, std::size_t options,
                                                const std::string& where);

// The letter of the largest value, the first among equals. At least one value.
char letter_of_largest(std::span<const double> values);
char chosen_letter(std::span<const OptionLikelihood> options);

// Where normalised: after each log-likelihood is divided by its option's length in code points.
char chosen_letter_by_length(const Item& item, std::span<const OptionLikelihood> options);

// A Judge (eval/task/scoring.h) for responses of this mode.
Answer judge_likelihoods(const Task& task, const Item& item, Response response);

}  // namespace refocus
