// A study made by hand: forty items, two layers, two kinds of prompt, two interventions.
#pragma once

#include "study/study.h"

namespace refocus::testing {

// Statistic s of item i in arm a at layer l is 100 a + 10 l + s + noise(i), with noise 0, 1, 0, 1, ...; of
// wrong answers (items 0 to 15) 5 more. Item 27 has no value of the last statistic.
Study study_by_hand(bool with_before);

}  // namespace refocus::testing
