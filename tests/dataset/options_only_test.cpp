// Whether answers can be guessed from the options alone: a naive Bayes model that sees nothing else.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "dataset/world_data.h"

namespace refocus {
namespace {

// What one option looks like beside the others.
std::vector<std::string> features(const std::string& subject, const WorldQuestion& q, int option) {
  const std::string& text = q.choices[option];
  std::vector<std::string> out = {"position " + std::to_string(option), "text " + text};
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    out.push_back("word " + text.substr(at, end - at));
    at = end + 1;
  }
  const auto rank = [&](auto key) {
    return std::ranges::count_if(q.choices, [&](const std::string& other) { return key(other) < key(text); });
  };
  out.push_back("alphabet " + std::to_string(rank([](const std::string& s) { return s; })));
  out.push_back("length " + std::to_string(rank([](const std::string& s) { return s.size(); })));
  if (std::isdigit(static_cast<unsigned char>(text[0])) != 0) {
    out.push_back("size " + std::to_string(rank([](const std::string& s) { return std::stoi(s); })));
  }
  for (std::string& feature : out) feature = subject + " " + feature;
  return out;
}

class NaiveBayes {
 public:
  void learn(const std::string& subject, const WorldQuestion& q) {
    for (int option = 0; option < 4; ++option) {
      for (const std::string& f : features(subject, q, option)) ++counts_[f][option == q.answer];
    }
  }
  int guess(const std::string& subject, const WorldQuestion& q) const {
    std::array<double, 4> scores{};
    for (int option = 0; option < 4; ++option) {
      for (const std::string& f : features(subject, q, option)) {
        const auto found = counts_.find(f);
        if (found == counts_.end()) continue;
        scores[option] += std::log((found->second[1] + 1) / (found->second[0] + 3));
      }
    }
    return static_cast<int>(std::ranges::max_element(scores) - scores.begin());
  }

 private:
  std::map<std::string, std::array<double, 2>> counts_;  // feature -> wrong, right
};

TEST(OptionsOnly, GuessingStaysAtChance) {
  NaiveBayes model;
  int right = 0, all = 0;
  std::string report;
  for (const WorldSubject& subject : world_subjects()) {
    int subject_right = 0, subject_all = 0;
    for (std::uint64_t seed = 0; seed < 1200; ++seed) {
      WordDraw draw(seed, Pairs::kSeen);
      for (const WorldQuestion& q : subject.make(draw, {5, 2, 4}).questions) {
        if (seed < 900) {
          model.learn(std::string(subject.name), q);
        } else {
          subject_right += model.guess(std::string(subject.name), q) == q.answer;
          ++subject_all;
        }
      }
    }
    const double share = static_cast<double>(subject_right) / subject_all;
    EXPECT_LT(share, 0.31)
        << subject.name;  // 1500 questions: chance within 4 standard errors, and 1.5 points
    right += subject_right;
    all += subject_all;
  }
  EXPECT_NEAR(static_cast<double>(right) / all, 0.25, 0.03);
}

}  // namespace
}  // namespace refocus
