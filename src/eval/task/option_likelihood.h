// How likely a model finds one option of a question after the question's text.
#pragma once

namespace refocus {

struct OptionLikelihood {
  double loglikelihood = 0;  // natural logarithm of the probability of all the option's tokens
  bool is_greedy = false;    // whether each of them is the most likely one at its place
};

}  // namespace refocus
