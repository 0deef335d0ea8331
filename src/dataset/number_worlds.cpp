// Worlds whose answers are sums and differences of small numbers. The wrong options are answers to like
// questions of the same world, so that no size is likelier to be right.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "dataset/world.h"

namespace refocus {

namespace {

std::string sum_of(int left, int right) { return fmt::format("{} + {} = {}.", left, right, left + right); }

// Indices of `count` of `size` things, in random order.
std::vector<int> some_of(int size, int count, WordDraw& draw) {
  std::vector<int> all(static_cast<std::size_t>(size));
  std::iota(all.begin(), all.end(), 0);
  draw.shuffle(all);
  all.resize(static_cast<std::size_t>(count));
  return all;
}

}  // namespace

World make_prices(WordDraw& draw, const WorldSize& size) {
  constexpr int kGoodsInShop = 6;
  constexpr std::array<std::string_view, 3> kFacts = {
      "the {a} costs {b} coins.", "the {a} sells for {b} coins.", "the price of the {a} is {b} coins."};
  World world;
  const std::vector<std::string> goods = draw.described(words::kGoods, kGoodsInShop);
  std::vector<int> prices = some_of(8, kGoodsInShop, draw);  // and 2 more: from 2 to 9
  const std::string_view wording = draw.pick(kFacts);
  std::vector<std::string> told;
  for (int i = 0; i < kGoodsInShop; ++i)
    told.push_back(fill(wording, goods[i], std::to_string(prices[i] += 2)));
  world.facts = told;
  draw.shuffle(world.facts);
  for (int q = 0; q < size.questions; ++q) {
    const int count = draw.between(size.least_facts, std::min(size.most_facts, 3));
    const auto cost = [&](const std::vector<int>& basket) {
      return std::accumulate(basket.begin(), basket.end(), 0,
                             [&](int sum, int i) { return sum + prices[i]; });
    };
    const std::vector<int> basket = some_of(kGoodsInShop, count, draw);
    std::vector<std::string> sums;
    while (sums.size() < 4) {
      const std::string sum =
          std::to_string(sums.empty() ? cost(basket) : cost(some_of(kGoodsInShop, count, draw)));
      if (std::ranges::find(sums, sum) == sums.end()) sums.push_back(sum);
    }
    WorldQuestion question;
    question.facts = count;
    std::string list;
    int sum = 0;
    for (int i = 0; i < count; ++i) {
      list += (i == 0 ? "the " : i + 1 == count ? " and the " : ", the ") + goods[basket[i]];
      question.steps.push_back(told[basket[i]]);
      if (i > 0) question.steps.push_back(sum_of(sum, prices[basket[i]]));
      sum += prices[basket[i]];
    }
    question.text =
        draw.coin() ? fill("how many coins buy {a}?", list) : fill("what is to pay for {a}?", list);
    set_choices(question, sums.front(), sums, draw);
    world.questions.push_back(std::move(question));
  }
  return world;
}

// Two lines of three people: the first has a number, each other some more or fewer than the one before.
World make_quantities(WordDraw& draw, const WorldSize& size) {
  constexpr int kPeople = 6, kLine = 3, kMost = 12;
  World world;
  const std::vector<std::string> people = draw.people(kPeople);
  std::vector<int> numbers = some_of(kMost, kPeople, draw);
  for (int& number : numbers) ++number;
  const std::string fruit(draw.pick(words::kFruits));
  const std::string_view has = draw.coin() ? "has" : "holds";
  std::vector<std::string> told;
  for (int i = 0; i < kPeople; ++i) {
    const int more = i % kLine == 0 ? 0 : numbers[i] - numbers[i - 1];
    told.push_back(i % kLine == 0 ? fmt::format("{} {} {} {}.", people[i], has, numbers[i], fruit)
                                  : fmt::format("{} {} {} {} than {}.", people[i], has, std::abs(more),
                                                more > 0 ? "more" : "fewer", people[i - 1]));
  }
  world.facts = told;
  draw.shuffle(world.facts);
  for (int q = 0; q < size.questions; ++q) {
    const int depth = draw.between(size.least_facts, std::min(size.most_facts, kLine)) - 1;
    const int asked = kLine * draw.below(kPeople / kLine) + depth;
    WorldQuestion question;
    question.facts = depth + 1;
    for (int i = asked; i >= asked - depth; --i) question.steps.push_back(told[i]);
    for (int i = asked - depth + 1; i <= asked; ++i) {
      const int more = numbers[i] - numbers[i - 1];
      question.steps.push_back(more > 0 ? sum_of(numbers[i - 1], more)
                                        : fmt::format("{} - {} = {}.", numbers[i - 1], -more, numbers[i]));
    }
    question.text = draw.coin() ? fmt::format("how many {} does {} have?", fruit, people[asked])
                                : fmt::format("what is the number of {} of {}?", fruit, people[asked]);
    std::vector<std::string> others;
    for (const int number : numbers) others.push_back(std::to_string(number));
    set_choices(question, std::to_string(numbers[asked]), others, draw);
    world.questions.push_back(std::move(question));
  }
  return world;
}

}  // namespace refocus
