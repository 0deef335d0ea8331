// Responses of any bytes: no crash, spans inside the response, and time that grows with its length.
#include <rapidcheck.h>

#include <array>
#include <ctime>
#include <functional>

#include "eval/extract/extraction.h"
#include "support.h"

namespace refocus {
namespace {

const std::array<std::string, 30> kPieces = {"Response:", "answer is",
                                             " not ",     " but ",
                                             "A",         "B",
                                             "C",         "(",
                                             ")",         "**",
                                             "\n",        " ",
                                             ".",         "\xFF",
                                             "\xE2\x80",  "\xE2\x80\x99",
                                             "\\boxed{",  "correct",
                                             "Option ",   "is the best answer",
                                             "I choose ", "a",
                                             "Question:", "?",
                                             "or ",       std::string(1, '\0'),
                                             "Paris",     "the ",
                                             "\xC3",      ", "};

std::string random_bytes(int pieces) {
  std::string out;
  for (const int i :
       *rc::gen::resize(pieces, rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 34)))) {
    out += i < 30 ? kPieces[static_cast<std::size_t>(i)] : std::string(1, *rc::gen::arbitrary<char>());
  }
  return out;
}

TEST(ExtractionHostile, AnyBytesGiveALetterOfTheItemAndASpanInside) {
  const bool passed = rc::check([] {
    std::vector<std::string> choices;
    const int count = *rc::gen::inRange(1, 6);
    for (int i = 0; i < count; ++i) choices.push_back(random_bytes(4));
    const std::string response = random_bytes(60);
    for (const auto rules : {ExtractionRules::kAnchored, ExtractionRules::kPublished}) {
      const Extraction found = extract(rules, choices, response);
      RC_ASSERT(found.rule.empty() == !found.letter);
      RC_ASSERT(0 <= found.span_begin && found.span_begin <= found.span_end);
      RC_ASSERT(found.span_end <= static_cast<std::int64_t>(response.size()));
      if (found.letter) RC_ASSERT(*found.letter >= 'A' && *found.letter < static_cast<char>('A' + count));
    }
  });
  EXPECT_TRUE(passed);
}

// Seconds of the processor that `work` takes: those on the clock depend on what else the machine does.
double processor_seconds(const std::function<void()>& work) {
  const std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

// What both rule sets take for `piece` repeated up to `bytes`.
double seconds_for(const std::string& piece, std::size_t bytes) {
  const std::vector<std::string> choices = {"London", "Paris", "Berlin", "the the the the the the the"};
  std::string response;
  while (response.size() < bytes) response += piece;
  return processor_seconds([&] {
    for (const auto rules : {ExtractionRules::kAnchored, ExtractionRules::kPublished})
      extract(rules, choices, response);
  });
}

TEST(ExtractionHostile, TimeGrowsWithTheLengthAndNotItsSquare) {
  for (const char* piece :
       {"the answer is not ", "Response: ", "A. ", "but not ", "answer ", "the ", "\n", "(", "most ",
        "Response: A ", "Paris answer is ", "which is the most likely ", "A and B, "}) {
    const double once = seconds_for(piece, 10'000);
    const double tenfold = seconds_for(piece, 100'000);
    // Ten times in theory; times of a few milliseconds are noise.
    EXPECT_LT(tenfold, 35 * once + 0.5) << printable(piece);
  }
}

// What the published rules take.
double published_seconds(const std::vector<std::string>& choices, const std::string& response,
                         const char* rule) {
  return processor_seconds(
      [&] { EXPECT_EQ(extract(ExtractionRules::kPublished, choices, response).rule, rule); });
}

// Words of small letters beyond d, so that no rule but the last finds anything.
std::string prose(std::size_t bytes, unsigned seed) {
  std::string out;
  for (std::size_t i = 0; i < bytes; ++i) {
    seed = seed * 1664525 + 1013904223;
    out += "eeeinoprstuwy   "[seed >> 28];
  }
  return out;
}

TEST(ExtractionHostile, TheMostSimilarOptionTakesTheProductOfTheLengths) {
  const auto seconds = [](std::size_t response, std::size_t option) {
    std::vector<std::string> choices;
    for (unsigned i = 0; i < 4; ++i) choices.push_back(prose(option, i));
    return published_seconds(choices, prose(response, 9), "most_similar");
  };
  const double once = seconds(30'000, 100);
  EXPECT_LT(seconds(300'000, 100), 35 * once + 0.5);
  // Half a million steps of a window each would be eight times eight times as long.
  EXPECT_LT(seconds(30'000, 800), 24 * once + 0.2);
}

TEST(ExtractionHostile, AnOptionThatAlmostOccursEverywhereTakesTheSumOfTheLengths) {
  const std::string response = "A. " + std::string(300'000, 'q');
  const auto seconds = [&](std::size_t option) {
    const std::string almost = std::string(option, 'q') + "z";
    return published_seconds({"x", almost, almost, almost}, response, "opening");
  };
  EXPECT_LT(seconds(30'000), 35 * seconds(300) + 0.5);
}

}  // namespace
}  // namespace refocus
