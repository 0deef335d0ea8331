// How a model is cut for several ranks, and what happens where something goes wrong on one of them.
#include "model/partition.h"

#include <cmath>
#include <mutex>
#include <set>

#include "intervene/grammar/own_change.h"
#include "model/shared_models.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::SharedModel;

SharedModel four_layers() { return testing::shared_model(testing::golden_engine() / "mha-f32"); }

// One number replaced in a model's weights.
SharedModel with_number(SharedModel model, const std::string& tensor, std::size_t at, float value) {
  auto out = std::make_shared<WeightMap>();
  for (const auto& [name, entry] : model.weights->entries()) {
    if (name != tensor) {
      out->insert(name, entry.view, entry.source, model.weights);
      continue;
    }
    const auto values = std::make_shared<std::vector<float>>(to_f32(entry.view));
    (*values)[at] = value;
    out->insert(name, {reinterpret_cast<const std::byte*>(values->data()), DType::kF32, entry.view.shape},
                entry.source, values);
  }
  model.weights = out;
  return model;
}

// What every rank was told, each once.
template <class Body>
std::set<std::string> errors_of_ranks(const SharedModel& model, testing::PartitionSizes sizes,
                                      const Body& body, testing::Numbers numbers = {}) {
  std::mutex mutex;
  std::multiset<std::string> all;
  testing::on_ranks(
      model, sizes,
      [&](Transformer& part, int rank) {
        const std::string error = testing::error_of([&] { body(part, rank); });
        const std::lock_guard lock(mutex);
        all.insert(error);
      },
      numbers);
  EXPECT_EQ(std::ssize(all), sizes.pipeline * sizes.tensor);
  return {all.begin(), all.end()};
}

TEST(StageBounds, StagesHaveAboutTheSameBytes) {
  const std::int64_t same[] = {10, 10, 10, 10, 10, 10};
  EXPECT_THAT(stage_bounds(same, 1), ElementsAre(0, 6));
  EXPECT_THAT(stage_bounds(same, 3), ElementsAre(0, 2, 4, 6));
  EXPECT_THAT(stage_bounds(same, 6), ElementsAre(0, 1, 2, 3, 4, 5, 6));
  EXPECT_THAT(stage_bounds(same, 4), ElementsAre(0, 1, 2, 4, 6));
  const std::int64_t mixed[] = {1, 1, 1, 9, 9};
  EXPECT_THAT(stage_bounds(mixed, 2), ElementsAre(0, 4, 5));
}

TEST(WeightShares, CoverAllOnce) {
  for (const std::int64_t all : {1, 16, 17, 83, 96, 1000}) {
    for (const std::int64_t unit : {1, 8, 16}) {
      for (const std::int64_t places : {1, 2, 3, 4, 7}) {
        std::int64_t end = 0;
        for (std::int64_t place = 0; place < places; ++place) {
          WeightShare share;
          share.place = place;
          share.places = places;
          const ShareRange part = share.part_of(all, unit);
          EXPECT_EQ(part.first, end);
          EXPECT_TRUE(part.first % unit == 0 || part.count == 0);
          end += part.count;
        }
        EXPECT_EQ(end, all);
      }
    }
  }
}

TEST(PartitionCalls, AreCutIntoPartsOfAboutTheSameRows) {
  const SharedModel model = four_layers();
  KvPool pool(model.config, 1 << 20);
  std::vector<KvSequence> caches;
  for (int s = 0; s < 3; ++s) caches.emplace_back(pool);
  const std::vector<std::int32_t> ids(100);
  const auto input = [&](std::size_t s, std::size_t rows, LogitRows wanted, const AttentionHooks* hooks) {
    return SequenceInput{&caches[s], std::span(ids).first(rows), 100, hooks, wanted};
  };
  const auto shape = [](const std::vector<std::vector<SequenceInput>>& parts) {
    std::vector<std::vector<std::pair<std::size_t, LogitRows>>> out;
    for (const auto& part : parts) {
      out.emplace_back();
      for (const SequenceInput& in : part) out.back().emplace_back(in.tokens.size(), in.logits);
    }
    return out;
  };
  using Part = std::vector<std::pair<std::size_t, LogitRows>>;
  const SequenceInput calls[] = {input(0, 60, LogitRows::kLast, nullptr),
                                 input(1, 1, LogitRows::kLast, nullptr),
                                 input(2, 35, LogitRows::kAll, nullptr)};
  EXPECT_THAT(shape(cut_call(calls, 4, 2)),
              ElementsAre(Part{{24, LogitRows::kNone}}, Part{{24, LogitRows::kNone}},
                          Part{{12, LogitRows::kLast}, {1, LogitRows::kLast}, {11, LogitRows::kAll}},
                          Part{{24, LogitRows::kAll}}));
  // Of the last rows that are wanted each part has its own.
  SequenceInput several[] = {input(0, 60, LogitRows::kLast, nullptr)};
  several[0].last_rows = 30;
  std::vector<std::pair<std::size_t, std::int64_t>> wanted;
  for (const auto& part : cut_call(several, 4, 2)) {
    for (const SequenceInput& in : part) wanted.emplace_back(in.tokens.size(), in.wanted_rows());
  }
  using Wanted = std::pair<std::size_t, std::int64_t>;
  EXPECT_THAT(wanted, ElementsAre(Wanted{20, 0}, Wanted{20, 10}, Wanted{20, 20}));
  EXPECT_EQ(cut_call(calls, 4, 1).size(), 1u);           // one stage waits for nobody
  EXPECT_EQ(cut_call({calls + 1, 1}, 4, 4).size(), 1u);  // a row is one part
  // Where an intervention looks at all rows of a call, they stay together.
  std::vector<AttentionHooks> hooks(4);
  hooks[2].surveys = 1;
  const SequenceInput surveyed[] = {input(0, 20, LogitRows::kLast, nullptr),
                                    input(1, 76, LogitRows::kLast, hooks.data())};
  EXPECT_THAT(shape(cut_call(surveyed, 4, 2)),
              ElementsAre(Part{{20, LogitRows::kLast}}, Part{{76, LogitRows::kLast}}));
}

TEST(PartitionOfWeights, ARankBindsItsShareAlone) {
  const SharedModel model = four_layers();
  std::mutex mutex;
  std::int64_t embeddings = 0, heads = 0, bytes = 0, layers = 0;
  testing::on_ranks(model, {2, 2}, [&](Transformer& part, int) {
    const std::lock_guard lock(mutex);
    const ModelWeights& weights = part.weights();
    embeddings += weights.embed_tokens.present() ? 1 : 0;
    heads += weights.lm_head.present() ? 1 : 0;
    for (const LayerWeights& layer : weights.layers) {
      EXPECT_EQ(layer.q_proj.present(), layer.attention_norm.present());
      EXPECT_EQ(layer.q_proj.present(), layer.down_proj.present());
      layers += layer.q_proj.present() ? 1 : 0;
      for (const Linear* linear : {&layer.q_proj, &layer.o_proj, &layer.up_proj, &layer.down_proj}) {
        if (linear->present()) bytes += linear->outputs * linear->inputs;
      }
    }
  });
  EXPECT_EQ(embeddings, 2);
  EXPECT_EQ(heads, 4);
  EXPECT_EQ(layers, 8);  // each by two ranks
  const ModelConfig& c = model.config;
  EXPECT_EQ(bytes, 4 * (2 * c.hidden_size * c.num_attention_heads * c.head_dim +
                        2 * c.hidden_size * c.intermediate_size));
}

TEST(PartitionOfCacheMemory, ARankKeepsItsShareAndDecidesByTheWhole) {
  const SharedModel model = four_layers();
  const KvLayout whole(model.config, DType::kF32);
  testing::on_ranks(model, {2, 2}, [&](Transformer& part, int) {
    const KvPool pool = kv_pool_of(part, 1 << 20);
    EXPECT_EQ(pool.layout().part_bytes(0), whole.part_bytes(0));
    EXPECT_EQ(pool.layout().own_part_bytes(0) * 4, whole.part_bytes(0));
    EXPECT_EQ(pool.layout().whole_bytes(1000), 4000);
    EXPECT_EQ(part.partition()->least(10 + part.partition()->stage()), 10);
    EXPECT_EQ(part.partition()->ranks_here(), 4);
  });
}

TEST(PartitionRefusals, SayWhatWouldDo) {
  const SharedModel model = four_layers();
  const auto refusal = [&](const SharedModel& one, testing::PartitionSizes sizes) {
    return testing::error_of([&] { testing::on_ranks(one, sizes, [](Transformer&, int) {}); });
  };
  EXPECT_EQ(refusal(model, {5, 1}),
            "[--pipeline] expected at most 4 stages, as many as the model has layers, got 5");
  EXPECT_EQ(refusal(model, {1, 5}),
            "[--tensor] expected at most 4 ranks, as many as the model has key/value heads, got 5; use "
            "--pipeline for more");
  EXPECT_THAT(refusal(testing::with_more_kv_heads(testing::shared_family("olmo2"), 3), {1, 2}),
              HasSubstr("norms of queries and keys are a head's own, got olmo2"));
  EXPECT_THAT(testing::error_of([] {
                run_local_group(3, [](Communicator& comm) { ModelPartition(comm.split(0), 2, 2); });
              }),
              HasSubstr("2 x 2 = 4, got 3; start with mpirun -n 4"));
}

TEST(PartitionRefusals, AnotherModelOnARank) {
  const auto on_two = [](std::uint64_t first, std::uint64_t second) {
    run_local_group(2, [&](Communicator& comm) {
      const ModelPartition partition(comm.split(0), 2, 1);
      partition.expect_same(comm.rank() == 0 ? first : second, "model");
    });
  };
  on_two(7, 7);
  EXPECT_EQ(
      testing::error_of([&] { on_two(7, 8); }),
      "[ranks] expected the same model on all ranks, got another one on rank 1; give all the same files");
}

TEST(PartitionRefusals, AFunctionOfTheProgramThatSeesAllLayers) {
  struct Nothing : OwnChange {
    std::string name = "nothing@0123456789abcdef";
    When when() const override { return When::kWeights; }
    const std::string& identity() const override { return name; }
    void change(const OwnRows&) const override {}
  };
  const auto registered = std::make_shared<Nothing>();
  register_own_change(registered);
  testing::on_ranks(four_layers(), {2, 1}, [&](Transformer& part, int) {
    const InterventionSpec spec = parse_intervention("own:function=nothing");
    EXPECT_THAT(testing::error_of([&] { Intervention(spec, shape_of(part)); }),
                HasSubstr("works with --pipeline and --tensor, got own"));
  });
  forget_own_change(registered->identity());
}

TEST(PartitionFailures, ANumberThatIsNoneIsToldToAllRanks) {
  const std::size_t vocab_row = 5;
  for (const char* tensor :
       {"model.layers.0.mlp.up_proj.weight", "model.layers.3.mlp.up_proj.weight", "model.norm.weight"}) {
    const SharedModel model = with_number(four_layers(), tensor, vocab_row, std::nanf(""));
    for (const testing::PartitionSizes sizes : {testing::PartitionSizes{2, 1}, {1, 2}, {2, 2}}) {
      const auto errors = errors_of_ranks(
          model, sizes, [](Transformer& part, int) { testing::logits_of_work(part, "none"); });
      EXPECT_THAT(errors, ElementsAre(HasSubstr(std::string("got NaN or infinity in ") + tensor))) << tensor;
    }
  }
}

// Of one rank of one stage, in a call of which no logits are wanted; and the next work is as if nothing had
// been.
TEST(PartitionFailures, AKeyBeyondTheCacheIsToldToAllRanks) {
  const SharedModel sound = four_layers(),
                    model = with_number(sound, "model.layers.0.self_attn.v_proj.weight", 3, 1e9f);
  for (const testing::PartitionSizes sizes : {testing::PartitionSizes{2, 1}, {1, 2}, {2, 2}}) {
    const auto errors = errors_of_ranks(
        model, sizes, [](Transformer& part, int) { testing::logits_of_work(part, "none"); }, {DType::kF16});
    EXPECT_THAT(errors, ElementsAre(HasSubstr("expected values of up to 65504"))) << sizes.tensor;
  }
}

TEST(PartitionFailures, RanksOutOfStepEndWithAnError) {
  for (const bool wanted : {false, true}) {
    const auto run = [&](Transformer& part, int rank) {
      KvPool pool = kv_pool_of(part, 1 << 20);
      KvSequence cache(pool);
      const std::vector<std::int32_t> ids = {3, 5, rank == 0 ? 7 : 8};
      EXPECT_TRUE(cache.reserve(3));
      const SequenceInput input{&cache, ids, 3, nullptr, wanted ? LogitRows::kLast : LogitRows::kNone};
      part.forward({&input, 1});
    };
    // Found by the next stage, or at the end of a call by all ranks.
    std::vector<testing::PartitionSizes> all = {{2, 1}};
    if (wanted) all.push_back({1, 2});
    for (const testing::PartitionSizes& sizes : all) {
      const std::string error = testing::error_of([&] { testing::on_ranks(four_layers(), sizes, run); });
      EXPECT_THAT(error, HasSubstr("[ranks] expected all processes of the model to compute the same"));
    }
  }
}

}  // namespace
}  // namespace refocus
