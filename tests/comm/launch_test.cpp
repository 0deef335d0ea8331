#include "comm/launch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "base/error.h"

namespace refocus {
namespace {

// Nothing of a launcher but what a test sets.
class LaunchTest : public testing::Test {
 protected:
  LaunchTest() {
    for (const char* name : kNames) {
      if (const char* value = std::getenv(name)) before_[name] = value;
      ::unsetenv(name);
    }
  }
  ~LaunchTest() override {
    for (const char* name : kNames) ::unsetenv(name);
    for (const auto& [name, value] : before_) ::setenv(name.c_str(), value.c_str(), 1);
  }
  static void set(const char* name, const char* value) { ::setenv(name, value, 1); }

 private:
  static constexpr const char* kNames[] = {"OMPI_COMM_WORLD_RANK",
                                           "OMPI_COMM_WORLD_SIZE",
                                           "SLURM_PROCID",
                                           "SLURM_STEP_NUM_TASKS",
                                           "SLURM_STEP_ID",
                                           "PMIX_RANK",
                                           "PMI_RANK"};
  std::map<std::string, std::string> before_;
};

TEST_F(LaunchTest, AProcessMayStandAlone) {
  EXPECT_FALSE(find_launch());
  set("SLURM_PROCID", "0");  // a batch script
  set("SLURM_NTASKS", "8");
  EXPECT_FALSE(find_launch());
  ::unsetenv("SLURM_NTASKS");
}

TEST_F(LaunchTest, MpirunSaysWhichItIs) {
  set("OMPI_COMM_WORLD_RANK", "2");
  set("OMPI_COMM_WORLD_SIZE", "3");
  const auto launch = find_launch();
  ASSERT_TRUE(launch);
  EXPECT_EQ(launch->by, "mpirun");
  EXPECT_EQ(launch->rank, 2);
  EXPECT_EQ(launch->size, 3);
  set("OMPI_COMM_WORLD_SIZE", "2x");  // no number
  EXPECT_FALSE(find_launch());
}

TEST_F(LaunchTest, SrunNeedsAnInterfaceForMpi) {
  set("SLURM_STEP_ID", "0");
  set("SLURM_PROCID", "1");
  set("SLURM_STEP_NUM_TASKS", "1");
  EXPECT_FALSE(find_launch());
  set("SLURM_STEP_NUM_TASKS", "4");
  try {
    find_launch();
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("srun --mpi=pmix"), std::string::npos) << error.what();
  }
  set("PMIX_RANK", "1");
  const auto launch = find_launch();
  ASSERT_TRUE(launch);
  EXPECT_EQ(launch->by, "srun");
  EXPECT_EQ(launch->rank, 1);
  EXPECT_EQ(launch->size, 4);
}

}  // namespace
}  // namespace refocus
