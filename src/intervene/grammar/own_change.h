// Changes of attention that the program makes itself: a function that it registers, and that a part of an
// intervention names.
//
//   own:function=NAME@HASH[,layers=..][,heads=..][,rows=..][,keys=..]
//
// NAME: letters, digits, '_', '.' and '-'. HASH: 16 hexadecimal digits that say what the function is, its
// settings among it, since equal texts of a specification mean equal computations: results, cached prompts
// and run directories are told apart by them. NAME alone will do where one function of the name is
// registered.
//
// What a function makes of a row may depend on that row, on what layers before made of the row of the same
// position, head and sequence in the same call, and on what does not change. It then gives the same bits
// in a prompt of one call or of several, in batches and in decode, as the methods that are built in do.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "intervene/grammar/key_ranges.h"

namespace refocus {

struct InterventionTarget;  // intervene/target.h

// Rows of one head of one layer, at consecutive positions; which rows come together means nothing. Row r is
// values + r * stride, its columns are keys [0, keys). Before softmax values are scores; after it they are
// exp(score - the row's largest), and the weight of key j is values[j] / sums[r].
//
// Keys that row r does not see, those after its position and those before first_key(r), are -infinity or 0,
// and whatever a function writes there is put back.
struct OwnRows {
  std::int64_t layer = 0, head = 0;  // head: query head
  std::int64_t first_position = 0, rows = 0;
  std::int64_t keys = 0;  // first_position + rows
  float* values = nullptr;
  std::int64_t stride = 0;  // floats
  // [rows], after softmax: what a row's weighted values are divided by, which may be changed, too; not the
  // sum of the row where a part before scaled it, or where the model has sinks. Null before softmax.
  float* sums = nullptr;
  std::int64_t window = 0;  // a row sees that many keys, its own the last of them; 0: all before it
  // Which rows belong together: another number for each sequence, and each time one is aimed. 0 is none's.
  std::uint64_t sequence = 0;
  const InterventionTarget* target = nullptr;  // the prompt's; null where it was not aimed at one
  const KeyRanges* chosen = nullptr;           // of keys=; null where the part has none

  float* row(std::int64_t r) const { return values + r * stride; }
  std::int64_t first_key(std::int64_t r) const {
    const std::int64_t position = first_position + r;
    return window > 0 && position >= window ? position - window + 1 : 0;
  }
  // The sum of row r's weights as they are, in the order of the built-in methods; puts back what the row does
  // not see.
  double total(std::int64_t r) const;
  // Gives row r the mass back that it had when its weights summed to `before`, as boost does: sums[r] *=
  // total(r) / before. A row without weights stays so.
  void keep_mass(std::int64_t r, double before) const;
  // -infinity or 0 where row r sees no key.
  void put_back(std::int64_t r) const;
};

class OwnChange {
 public:
  enum class When { kScores, kWeights };  // before softmax, or after it

  virtual ~OwnChange() = default;

  virtual When when() const = 0;
  virtual const std::string& identity() const = 0;  // NAME@HASH

  // May change the rows, or only look at them. Called from several threads at once, for rows of the layers,
  // heads and positions that the part chooses: every row once a layer and forward pass, in no order but
  // that a layer is complete before the next begins. Where a part that looks at all rows first stands after
  // it (act, spotlight:scope=layer), rows come once more for that one, with the same values.
  //
  // An exception reaches the caller of the forward pass, which leaves the pass undone.
  virtual void change(const OwnRows& rows) const = 0;

  // Before the first row of a sequence, and when there will be no more of it: for what is kept between
  // layers. Some sequences have no rows. end() must not throw.
  virtual void begin(std::uint64_t sequence) const { static_cast<void>(sequence); }
  virtual void end(std::uint64_t sequence) const noexcept { static_cast<void>(sequence); }
};

// Makes a function known to specifications that are read from now on, in the place of one of the same
// identity. InputError for an identity of another form. From any thread.
void register_own_change(std::shared_ptr<const OwnChange> change);
// Specifications that were read before keep it. No error where there is none.
void forget_own_change(std::string_view identity);
// Those that are registered, by identity.
std::vector<std::shared_ptr<const OwnChange>> own_changes();

// One sequence of the functions of an intervention: begin() of each, and end() when it goes.
class OwnSequence {
 public:
  explicit OwnSequence(std::vector<std::shared_ptr<const OwnChange>> changes);
  ~OwnSequence();
  OwnSequence(const OwnSequence&) = delete;
  OwnSequence& operator=(const OwnSequence&) = delete;

  std::uint64_t number() const { return number_; }

 private:
  void end(std::size_t count) const noexcept;

  std::vector<std::shared_ptr<const OwnChange>> changes_;
  std::uint64_t number_;
};

}  // namespace refocus
