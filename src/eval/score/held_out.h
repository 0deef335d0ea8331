// Two halves of a task's items: a parameter is chosen on one and reported on the other.
//
// The items of a subject are taken in pairs, 0 and 1, 2 and 3, ... The first bit of the SHA-256 of the text
// "0/SUBJECT/PAIR" (0 is the seed, PAIR counts from 0, in decimal) says in which half the first of a pair is;
// the second is in the other. So an item's half depends on its subject and its place in the subject's file
// alone, whatever else is asked and in whichever order; the halves of a subject's first n items differ by one
// item at most, and which one is the larger is left to chance, subject by subject.
#pragma once

#include <string_view>

namespace refocus {

inline constexpr int kHeldOutSeed = 0;

// 0 or 1. index >= 0.
int half_of_item(std::string_view subject, int index);

}  // namespace refocus
