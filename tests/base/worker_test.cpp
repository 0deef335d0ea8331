#include "base/worker.h"

#include <gmock/gmock.h>

#include <future>
#include <vector>

namespace refocus {
namespace {

using ::testing::ElementsAre;

TEST(Worker, WorkIsDoneInOrderOnAnotherThread) {
  std::vector<int> done;
  std::promise<std::thread::id> last;
  auto ended = last.get_future();
  Worker worker;
  for (int i = 0; i < 3; ++i) worker.post([&, i] { done.push_back(i); });
  worker.post([&] { last.set_value(std::this_thread::get_id()); });
  EXPECT_NE(ended.get(), std::this_thread::get_id());
  EXPECT_THAT(done, ElementsAre(0, 1, 2));
}

// There is always more to do here, so that a worker that did all of it would never end.
TEST(Worker, DropsWhatWaitsWhenItEnds) {
  const auto held = std::make_shared<int>(0);
  std::promise<void> begun;
  std::function<void()> again;  // outlives the worker that calls it
  {
    Worker worker;
    again = [&worker, &again, held] { worker.post(again); };
    worker.post(again);
    worker.post([&] { begun.set_value(); });
    begun.get_future().wait();
    EXPECT_GT(held.use_count(), 1);
  }
  again = nullptr;
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace refocus
