#include "eval/score/test_family.h"

#include <vector>

#include "stats/holm.h"

namespace refocus {

void correct_family(std::span<PairedNumbers* const> family) {
  std::vector<double> p;
  for (PairedNumbers* numbers : family) {
    numbers->p_holm.reset();
    if (numbers->p) p.push_back(*numbers->p);
  }
  const std::vector<double> adjusted = holm_adjusted(p);
  auto next = adjusted.begin();
  for (PairedNumbers* numbers : family) {
    if (numbers->p) numbers->p_holm = *next++;
  }
}

}  // namespace refocus
