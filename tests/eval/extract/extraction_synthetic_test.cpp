// Both rule sets on replies to all of MMLU that quote and judge every option before they answer.
#include <chrono>

#include "eval/extract/extraction.h"
#include "eval/extract/synthetic_replies.h"
#include "eval/tasks/task_data.h"
#include "support.h"

namespace refocus {
namespace {

struct Score {
  int right = 0, asked = 0;
  void add(bool is_right) {
    right += is_right;
    ++asked;
  }
  double rate() const { return asked == 0 ? 0 : static_cast<double>(right) / asked; }
};

TEST(ExtractionSynthetic, AnchoredReadsRepliesThatQuoteAllOptionsAndPublishedDoesNot) {
  REFOCUS_NEEDS_SHARED("data/mmlu");
  const Task task = load_mmlu(testing::shared("data"));
  ASSERT_EQ(task.items.size(), 14042u);
  std::mt19937 random(20240321);
  Score anchored, published;
  std::vector<Score> by_conclusion(testing::kConclusions);
  double seconds = 0;
  int shown = 0;
  for (const Item& item : task.items) {
    const char target = static_cast<char>('A' + random() % 4);
    const int discussion = static_cast<int>(random() % testing::kDiscussions);
    const int conclusion = static_cast<int>(random() % testing::kConclusions);
    const std::string reply = testing::synthetic_reply(item, target, discussion, conclusion, random);
    const auto start = std::chrono::steady_clock::now();
    const Extraction found = extract(ExtractionRules::kAnchored, item.choices, reply);
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const bool right = found.letter == target;
    anchored.add(right);
    by_conclusion[static_cast<std::size_t>(conclusion)].add(right);
    published.add(extract(ExtractionRules::kPublished, item.choices, reply).letter == target);
    if (!right && ++shown <= 5) {
      std::cout << "missed: wanted " << target << ", got " << found.letter.value_or('-') << " by '"
                << found.rule << "' in:\n"
                << reply << "\n\n";
    }
  }
  std::cout << fmt::format("anchored {:.2f}%, published {:.2f}% of {} replies; anchored took {:.2f} s\n",
                           100 * anchored.rate(), 100 * published.rate(), anchored.asked, seconds);
  EXPECT_GE(anchored.rate(), 0.99);
  EXPECT_LT(published.rate(), 0.45);
  for (std::size_t i = 0; i < by_conclusion.size(); ++i) {
    EXPECT_GT(by_conclusion[i].asked, 500);
    EXPECT_GE(by_conclusion[i].rate(), 0.97) << "conclusion style " << i;
  }
}

}  // namespace
}  // namespace refocus
