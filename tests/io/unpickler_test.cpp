#include "io/pytorch/unpickler.h"

#include "io_support.h"

namespace refocus {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using namespace std::string_literals;

Pickle load(const std::string& stream) {
  static constexpr std::string_view kAllowed[] = {"torch.FloatStorage"};
  return unpickle(std::as_bytes(std::span(stream.data(), stream.size())), kAllowed, "a.bin");
}

template <class T>
T root_of(const std::string& stream) {
  return std::get<T>(load(stream).root());
}

TEST(Unpickler, ReadsIntegersOfEverySize) {
  const auto integer = [](const std::string& stream) { return root_of<std::int64_t>(stream); };
  EXPECT_EQ(integer("K\xff."), 255);
  EXPECT_EQ(integer("M\x00\x80."s), 32768);
  EXPECT_EQ(integer("J\xfe\xff\xff\xff."), -2);
  EXPECT_EQ(integer("\x8a\x00."s), 0);
  EXPECT_EQ(integer("\x8a\x01\xff."), -1);
  EXPECT_EQ(integer("\x8a\x05\x00\x00\x00\x00\x01."s), std::int64_t{1} << 32);
  EXPECT_EQ(integer("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80."s), INT64_MIN);
  EXPECT_EQ(integer("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f."), INT64_MAX);
}

TEST(Unpickler, ReadsOtherScalars) {
  EXPECT_TRUE(root_of<bool>("\x88."));
  EXPECT_FALSE(root_of<bool>("\x89."));
  EXPECT_EQ(root_of<double>("G\x3f\xf8\x00\x00\x00\x00\x00\x00."s), 1.5);
  EXPECT_TRUE(std::holds_alternative<Pickle::None>(load("N.").root()));
  const std::string stream = "\x8c\x02hi.";
  EXPECT_EQ(std::get<std::string_view>(load(stream).root()), "hi");
}

// pickle.dumps([t, {"k": t}], 4) with t = (1, 2).
TEST(Unpickler, SharesValuesThroughTheMemo) {
  const std::string stream =
      "\x80\x04\x95\x12\x00\x00\x00\x00\x00\x00\x00]\x94(K\x01K\x02\x86\x94}\x94\x8c\x01k\x94h\x01se."s;
  const Pickle pickle = load(stream);
  const auto& list = std::get<Pickle::List>(pickle.root());
  ASSERT_EQ(list.items.size(), 2u);
  const auto* tuple = pickle.get_if<Pickle::Tuple>(list.items[0]);
  ASSERT_NE(tuple, nullptr);
  EXPECT_EQ(*pickle.get_if<std::int64_t>(tuple->items[1]), 2);
  const auto* dict = pickle.get_if<Pickle::Dict>(list.items[1]);
  ASSERT_NE(dict, nullptr);
  EXPECT_EQ(*pickle.get_if<std::string_view>(dict->items[0].first), "k");
  EXPECT_EQ(dict->items[0].second, list.items[0]);
}

TEST(Unpickler, DropsTheAttributesOfAnOrderedDict) {
  const Pickle pickle = load("ccollections\nOrderedDict\n)R}K\x01K\x02sb.");
  EXPECT_TRUE(std::get<Pickle::Dict>(pickle.root()).items.empty());
  EXPECT_THAT(error_of([] { load("ccollections\nOrderedDict\nK\x01\x85R."); }),
              HasSubstr("REDUCE (0x52) expected an OrderedDict without arguments, got some"));
}

TEST(Unpickler, CallsStayValues) {
  const std::string stream = "ctorch\nFloatStorage\nK\x07\x85R.";
  const Pickle pickle = load(stream);
  const auto* call = std::get_if<Pickle::Call>(&pickle.root());
  ASSERT_NE(call, nullptr);
  EXPECT_EQ(pickle.get_if<Pickle::Global>(call->function)->name, "torch.FloatStorage");
  EXPECT_EQ(*pickle.get_if<std::int64_t>(pickle.get_if<Pickle::Tuple>(call->arguments)->items[0]), 7);
}

TEST(Unpickler, AllowsOnlyTheListedGlobals) {
  EXPECT_THAT(error_of([] { load("ctorch\nFloatStorag\n."); }),
              HasSubstr("refuses the pickle global 'torch.FloatStorag'"));
  EXPECT_THAT(error_of([] { load("ctorch\nXFloatStorage\n."); }), HasSubstr("'torch.XFloatStorage'"));
  EXPECT_THAT(error_of([] { load("c\n\n."); }), HasSubstr("refuses the pickle global '.'"));
  EXPECT_THAT(error_of([] { load("\x8c\x02os\x8c\x05popen\x93."); }),
              HasSubstr("refuses the pickle global 'os.popen'"));
  EXPECT_THAT(error_of([] { load("K\x01K\x02\x93."); }), HasSubstr("STACK_GLOBAL (0x93) expected two texts"));
  EXPECT_THAT(error_of([] { load("c" + std::string(5000, 'a') + "\nb\x1b[0m\n."); }), HasSubstr("'aaaa"));
}

TEST(Unpickler, NamesEveryOpcodeThatItRefuses) {
  const std::string known = "(.GJKMNQRXabcehjqrstu]})\x80\x85\x86\x87\x88\x89\x8a\x8c\x8d\x93\x94\x95";
  for (int op = 0; op < 256; ++op) {
    if (known.find(static_cast<char>(op)) != std::string::npos) continue;
    EXPECT_THAT(error_of([&] { load(std::string(1, static_cast<char>(op)) + std::string(20, '.')); }),
                HasSubstr("refuses the pickle opcode " + std::string(op == 0x81 ? "NEWOBJ (0x81)" : "")));
  }
}

TEST(Unpickler, NoOpcodeReachesBelowAMark) {
  for (const char* stream : {"K\x01(Q.", "K\x01(q\x05.", "K\x01K\x02(\x86t.",
                             "](K\x01"
                             "a.",
                             "}(K\x01K\x02s."}) {
    EXPECT_THAT(error_of([&] { load(stream); }), HasSubstr("on the stack, got"))
        << ::testing::PrintToString(stream);
  }
}

TEST(Unpickler, RefusesAStreamThatNoStateDictNeeds) {
  EXPECT_THAT(error_of([] { load(std::string(kMaxPickleBytes + 1, 'N')); }),
              HasSubstr("a pickle of at most 4194304 bytes"));
  EXPECT_THAT(error_of([] { load(std::string(kMaxPickleBytes, ')')); }), HasSubstr("expected 1 more bytes"));
}

}  // namespace
}  // namespace refocus
