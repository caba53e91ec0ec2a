// The pool of threads: each unit is done once, by a thread of the team, whatever the sizes; idle threads sleep.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <vector>

#include "engine/pool.h"

namespace nabla::test {
namespace {

// Counts how often each unit is done; no two threads share a number. Plain memory: the pool must order all accesses.
struct Count {
  std::vector<uint32_t> of_unit, of_thread;
  explicit Count(uint32_t units, int threads) : of_unit(units), of_thread(static_cast<size_t>(threads) * 16) {}

  void run(Pool& pool) {
    const auto body = [](void* context, uint32_t unit, int thread) {
      auto& count = *static_cast<Count*>(context);
      ++count.of_unit[unit];
      ++count.of_thread[static_cast<size_t>(thread) * 16];
    };
    pool.run(static_cast<uint32_t>(of_unit.size()), body, this);
  }
  void expect_each(uint32_t times) const {
    for (size_t i = 0; i < of_unit.size(); ++i) ASSERT_EQ(of_unit[i], times) << "unit " << i;
    uint64_t total = 0;
    for (const uint32_t n : of_thread) total += n;
    EXPECT_EQ(total, static_cast<uint64_t>(of_unit.size()) * times);
  }
};

class ThreadPool : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, ThreadPool, testing::Values(1, 2, 3, 4, 5, 6, 7, 8),
                         testing::PrintToStringParamName());

TEST_P(ThreadPool, DoesEachUnitOnce) {
  Pool pool(GetParam());
  EXPECT_EQ(pool.threads(), GetParam());
  for (const uint32_t units : {1u, 2u, 3u, 7u, 8u, 9u, 64u, 1000u, 100000u}) {
    Count count(units, GetParam());
    count.run(pool);
    count.expect_each(1);
  }
}

// While nobody is done nobody helps, so each unit is done by the thread whose share it is; but for a thread that is
// late with looking for units of the job before.
TEST_P(ThreadPool, EachThreadBeginsWithItsShare) {
  struct Begun {
    std::atomic<int> count{0};
    std::vector<int> by;
  };
  constexpr int kJobs = 20;
  Pool pool(GetParam());
  int as_shared = 0;
  for (int job = 0; job < kJobs; ++job) {
    Begun begun;
    begun.by.assign(static_cast<size_t>(GetParam()), -1);
    pool.run(
        static_cast<uint32_t>(GetParam()),
        [](void* context, uint32_t unit, int thread) {
          auto& all = *static_cast<Begun*>(context);
          all.by[unit] = thread;
          ++all.count;
          while (all.count < static_cast<int>(all.by.size())) std::this_thread::yield();
        },
        &begun);
    as_shared += std::is_sorted(begun.by.begin(), begun.by.end());
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  EXPECT_GT(as_shared, kJobs / 2);
}

TEST_P(ThreadPool, ManyTinyJobs) {
  constexpr uint32_t kJobs = 100000;
  Pool pool(GetParam());
  Count count(3, GetParam());
  for (uint32_t i = 0; i < kJobs; ++i) count.run(pool);
  count.expect_each(kJobs);
}

// Threads that have gone to sleep in between.
TEST_P(ThreadPool, JobsAfterPauses) {
  Pool pool(GetParam());
  Count count(50, GetParam());
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    count.run(pool);
  }
  count.expect_each(20);
}

// Whether sleepers are woken or not, each unit is done once.
TEST_P(ThreadPool, JobsThatWakeNobody) {
  Pool pool(GetParam());
  Count count(50, GetParam());
  const auto body = [](void* context, uint32_t unit, int) { ++static_cast<Count*>(context)->of_unit[unit]; };
  for (int i = 0; i < 20; ++i) {
    if (i % 4 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    pool.run(50, body, &count, i % 3 == 0);
  }
  for (const uint32_t times : count.of_unit) EXPECT_EQ(times, 20u);
}

TEST(ThreadPoolSize, ChangesBetweenJobs) {
  Pool pool;
  EXPECT_EQ(pool.threads(), 1);
  Count count(200, 8);
  for (int i = 0; i < 60; ++i) {
    pool.resize(1 + i * 5 % 8);
    EXPECT_EQ(pool.threads(), 1 + i * 5 % 8);
    count.run(pool);
  }
  count.expect_each(60);
}

TEST(ThreadPoolSize, MoreThreadsThanProcessors) {
  Pool pool(4 * available_processors() + 3);
  Count count(500, pool.threads());
  for (int i = 0; i < 300; ++i) count.run(pool);
  count.expect_each(300);
}

TEST(ThreadPoolSize, SeveralPoolsAtOnce) {
  std::vector<std::thread> owners;
  for (int i = 0; i < 3; ++i) {
    owners.emplace_back([] {
      Pool pool(3);
      Count count(100, 3);
      for (int k = 0; k < 500; ++k) count.run(pool);
      count.expect_each(500);
    });
  }
  for (std::thread& owner : owners) owner.join();
}

TEST(ThreadPoolSize, IdleThreadsTakeNoTime) {
  Pool pool(available_processors());
  Count count(1000, pool.threads());
  count.run(pool);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const std::clock_t before = std::clock();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC, 0.03);
}

}  // namespace
}  // namespace nabla::test
