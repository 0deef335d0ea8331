// Training data of small worlds, line by line, and the benchmark.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "dataset/world.h"
#include "dataset/world_text.h"

namespace refocus {

enum class WorldForm { kMixed, kCot, kDirect, kDrill, kCopy, kPairs };

struct WorldDataOptions {
  WorldSplit split = WorldSplit::kTrain;  // train or validation
  std::vector<WorldForm> forms = {
      WorldForm::kMixed};  // each line is of one of them, drawn; mixed: a third direct
  std::uint64_t seed = 0;
  std::vector<std::string> subjects;  // of world_subjects(); empty: all
  int questions_per_world = 1;
  int least_facts = 1, most_facts = 4;
  // One question a world: the loss counts the response only (prompt and response), or all (text).
  bool count_prompt = false;
};

struct WorldLine {
  std::string json;  // an object of refocus train, with its line end
  int questions = 0;
  std::int64_t words = 0;  // as count_words() of its text
};

// An endless source of lines; the same for the same options everywhere.
class WorldData {
 public:
  explicit WorldData(WorldDataOptions options);
  // With at most `most_questions` questions.
  WorldLine next(int most_questions);

 private:
  World draw_world(std::string& told_facts);
  WorldLine one_question(const World& world, const std::string& told_facts, WorldForm form);
  WorldLine many_questions(const World& world, const std::string& told_facts, WorldForm form,
                           int most_questions);
  WorldLine repetition(const std::string& first, const std::string& again) const;
  WorldLine copy();
  WorldLine pairs();
  WorldLine drill(const World& world);
  bool next_is_direct(WorldForm form);

  WorldDataOptions options_;
  std::vector<const WorldSubject*> subjects_;
  SplitMix64 seeds_;
  WordDraw choice_;
};

struct BenchmarkQuestion {
  std::string subject;  // "jobs", or "jobs_unseen" for one made of held-out pairs
  std::string told;     // facts and question
  WorldQuestion question;
};

// Per subject `seen` questions of pairs that training shows too, and `unseen` of held-out pairs, all of them
// of the split kTest and all different.
std::vector<BenchmarkQuestion> make_world_benchmark(std::uint64_t seed, int seen, int unseen);

// Writes DIR/test/SUBJECT_test.csv (question,A,B,C,D,answer without a header) and DIR/categories.json.
void write_world_benchmark(const std::filesystem::path& directory,
                           const std::vector<BenchmarkQuestion>& questions);

}  // namespace refocus
