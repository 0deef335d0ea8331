// Functions of the program in the grammar of --intervene.
#include "intervene/grammar/own_change.h"

#include "intervene/grammar/named.h"
#include "intervene/grammar/spec.h"
#include "intervene/grammar/sweep_axis.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class NamedChange : public OwnChange {
 public:
  explicit NamedChange(std::string identity, When when = When::kWeights)
      : identity_(std::move(identity)), when_(when) {}
  When when() const override { return when_; }
  const std::string& identity() const override { return identity_; }
  void change(const OwnRows&) const override {}
  void begin(std::uint64_t sequence) const override {
    if (fails) throw std::runtime_error("no");
    begun.push_back(sequence);
  }
  void end(std::uint64_t sequence) const noexcept override { ended.push_back(sequence); }

  bool fails = false;
  mutable std::vector<std::uint64_t> begun, ended;

 private:
  std::string identity_;
  When when_;
};

constexpr const char* kRule = "my_rule.v-2@0123456789abcdef";
constexpr const char* kOther = "my_rule.v-2@fedcba9876543210";
constexpr const char* kScores = "Scores@00000000000000aa";

class OwnGrammar : public ::testing::Test {
 protected:
  void SetUp() override {
    register_own_change(std::make_shared<NamedChange>(kRule));
    register_own_change(std::make_shared<NamedChange>(kScores, OwnChange::When::kScores));
  }
  void TearDown() override {
    for (const auto& change : own_changes()) forget_own_change(change->identity());
  }
  static std::string canonical(const std::string& text) { return parse_intervention(text).canonical(4); }
  static std::string said(const std::string& text, SpecFiles files = SpecFiles::kOpened) {
    return testing::error_of([&] { parse_intervention(text, "--intervene", files); });
  }
};

TEST_F(OwnGrammar, AFunctionIsNamedByItsIdentityOrItsName) {
  const std::string whole = std::string("own:function=") + kRule;
  EXPECT_EQ(canonical(whole), whole);
  EXPECT_EQ(canonical("own:function=my_rule.v-2"), whole);
  EXPECT_EQ(canonical("own:layers=2-3,rows=last,function=my_rule.v-2,keys=positions:1,heads=2.0"),
            whole + ",keys=positions:1,layers=2-3,heads=2.0,rows=last");
  const InterventionSpec spec = parse_intervention("boost:keys=bos+own:function=my_rule.v-2,layers=1");
  ASSERT_EQ(spec.parts.size(), 2u);
  EXPECT_EQ(spec.parts[0].own, nullptr);
  EXPECT_EQ(spec.parts[1].own->identity(), kRule);
  EXPECT_EQ(parse_intervention(spec.canonical(4)).canonical(4), spec.canonical(4));
}

TEST_F(OwnGrammar, NeedsAPromptWhereItChoosesKeysOrRowsOfOne) {
  const auto needs = [](const std::string& more) {
    return parse_intervention("own:function=my_rule.v-2" + more).needs_target();
  };
  EXPECT_FALSE(needs(""));
  EXPECT_FALSE(needs(",layers=1,rows=positions:3"));
  EXPECT_TRUE(needs(",keys=bos"));
  EXPECT_TRUE(needs(",rows=generated"));
}

TEST_F(OwnGrammar, NamesThatSayNothingOrTooMuchAreErrors) {
  EXPECT_EQ(said("own:function=nothing"),
            "[--intervene] expected a function that the program has registered (Scores@00000000000000aa, "
            "my_rule.v-2@0123456789abcdef), got 'nothing'; own: is for programs that embed Refocus "
            "(docs/python.md) (column 14)");
  EXPECT_THAT(said("own:function=my_rule.v-2@fedcba9876543210"), HasSubstr("got 'my_rule.v-2@fed"));
  EXPECT_THAT(said("own:function=my_rule"), HasSubstr("has registered"));
  EXPECT_THAT(said("own:function="), HasSubstr("got ''"));
  EXPECT_THAT(said("own"), HasSubstr("expected own:function=VALUE"));
  EXPECT_THAT(said("own:fun=x"), HasSubstr("expected own's function, keys, layers, heads or rows"));
  register_own_change(std::make_shared<NamedChange>(kOther));
  EXPECT_EQ(said("own:function=my_rule.v-2"),
            "[--intervene] expected one of the functions of that name (my_rule.v-2@0123456789abcdef, "
            "my_rule.v-2@fedcba9876543210), got 'my_rule.v-2'; write which (column 14)");
  EXPECT_EQ(parse_intervention(std::string("own:function=") + kOther).parts[0].own->identity(), kOther);
  for (int i = 0; i < 9; ++i) {
    register_own_change(std::make_shared<NamedChange>("a" + std::to_string(i) + "@0000000000000000"));
  }
  EXPECT_THAT(said("own:function=x"), HasSubstr("a6@0000000000000000 and 4 more), got"));
  TearDown();
  EXPECT_THAT(said("own:function=x"), HasSubstr("registered (there is none), got 'x'"));
}

TEST_F(OwnGrammar, ARequestMayNameNone) {
  EXPECT_THAT(
      said("rebalance+own:function=my_rule.v-2", SpecFiles::kRefused),
      HasSubstr("expected no function=, since a request may name no function of the program, got one"));
}

TEST_F(OwnGrammar, ListsOfMethodsLeaveItOut) {
  EXPECT_EQ(find_method("own"), nullptr);
  EXPECT_THAT(said("nothing"), ::testing::Not(HasSubstr("own")));
  EXPECT_THAT(testing::error_of([] { parse_named_intervention("own=boost:keys=bos"); }),
              HasSubstr("got the method own"));
  EXPECT_THAT(testing::error_of([] { parse_sweep_axis("own:function=a,b"); }), HasSubstr("got 'own'"));
}

TEST_F(OwnGrammar, AFunctionOfScoresStandsBeforeWhatChangesWeights) {
  const std::string scores = std::string("own:function=") + kScores;
  EXPECT_EQ(
      said("guide:keys=bos+boost:keys=bos+" + scores),
      "[--intervene] expected Scores@00000000000000aa, which changes scores before softmax, before boost, "
      "which changes weights after it, got it behind; put it first (column 31)");
  for (const char* before : {"rebalance", "scale:factor=2,keys=bos", "spotlight:keys=bos", "zero", "act",
                             "own:function=my_rule.v-2"}) {
    EXPECT_THAT(said(std::string(before) + "+" + scores), HasSubstr("put it first")) << before;
  }
  for (const char* before :
       {"guide:keys=bos", "pasta:keys=bos", "knockout:keys=bos", "nosink", "uniform", "temperature:tau=2"}) {
    EXPECT_EQ(parse_intervention(std::string(before) + "+" + scores + "+rebalance").parts.size(), 3u);
  }
}

TEST_F(OwnGrammar, ASpecificationKeepsItsFunction) {
  const auto again = std::make_shared<NamedChange>(kRule);
  const std::weak_ptr<const OwnChange> first = own_changes()[1];
  InterventionSpec spec = parse_intervention("own:function=my_rule.v-2");
  register_own_change(again);  // in the place of the first
  EXPECT_EQ(own_changes().size(), 2u);
  EXPECT_EQ(parse_intervention("own:function=my_rule.v-2").parts[0].own, again);
  forget_own_change(kRule);
  forget_own_change(kRule);
  EXPECT_EQ(own_changes().size(), 1u);
  EXPECT_EQ(spec.parts[0].own, first.lock());
  EXPECT_EQ(spec.canonical(4), std::string("own:function=") + kRule);
  spec = {};
  EXPECT_TRUE(first.expired());
}

TEST_F(OwnGrammar, IdentitiesOfAnotherFormAreErrors) {
  for (const char* wrong :
       {"", "rule", "rule@", "@0123456789abcdef", "rule@0123456789abcde", "rule@0123456789abcdef0",
        "rule@0123456789abcdeF", "a b@0123456789abcdef", "a+b@0123456789abcdef", "a,b@0123456789abcdef",
        "a@b@0123456789abcdef", "\n@0123456789abcdef"}) {
    EXPECT_THAT(testing::error_of([&] { register_own_change(std::make_shared<NamedChange>(wrong)); }),
                HasSubstr("expected NAME@HASH"))
        << wrong;
  }
  EXPECT_EQ(own_changes().size(), 2u);
}

TEST(OwnSequence, BeginsAndEndsEachFunctionOnce) {
  const auto a = std::make_shared<NamedChange>(kRule), b = std::make_shared<NamedChange>(kOther);
  std::uint64_t first = 0;
  {
    const OwnSequence sequence({a, b});
    first = sequence.number();
    EXPECT_NE(first, 0u);
    EXPECT_THAT(a->begun, ElementsAre(first));
    EXPECT_TRUE(a->ended.empty());
  }
  EXPECT_THAT(a->ended, ElementsAre(first));
  EXPECT_THAT(b->ended, ElementsAre(first));
  b->fails = true;
  EXPECT_THROW(OwnSequence({a, b}), std::runtime_error);
  ASSERT_EQ(a->begun.size(), 2u);
  EXPECT_GT(a->begun.back(), first);
  EXPECT_EQ(a->ended, a->begun);
  EXPECT_EQ(b->ended.size(), 1u);
}

}  // namespace
}  // namespace refocus
