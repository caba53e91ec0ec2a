// Blocks, the pool that keeps them, storages: alignment, size classes, budget, accounting, requests that cannot be met.
#include "engine/memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <new>
#include <thread>

namespace nabla::test {
namespace {

constexpr size_t kMiB = size_t(1) << 20;

TEST(Block, IsAlignedAndWritableToItsEnd) {
  for (const size_t bytes : {size_t(1), size_t(63), size_t(64), size_t(65), size_t(4097), kMiB - 1, kMiB, kMiB + 1,
                             2 * kMiB - 1, 2 * kMiB, 2 * kMiB + 1, 7 * kMiB + 12345}) {
    Block block(bytes);
    ASSERT_GE(block.bytes(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block.data()) % kAlignment, 0u) << bytes;
    std::memset(block.data(), 1, block.bytes());
  }
  EXPECT_EQ(Block(0).data(), nullptr);
  EXPECT_EQ(Block().bytes(), 0u);
}

TEST(Block, MovesItsMemory) {
  Block a(100);
  char* const data = a.data();
  Block b(std::move(a));
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(a.data(), nullptr);
  a = std::move(b);
  EXPECT_EQ(a.data(), data);
}

TEST(Block, ReservesWithoutShrinking) {
  Block block;
  block.reserve(1000);
  char* const data = block.data();
  block.reserve(10);
  EXPECT_EQ(block.data(), data);
  block.reserve(3 * kMiB);
  EXPECT_GE(block.bytes(), 3 * kMiB);
}

TEST(Block, MoreThanTheMachineHasIsRefused) {
  EXPECT_THROW(Block(physical_memory() + 1), std::bad_alloc);
  EXPECT_THROW(Block(SIZE_MAX), std::bad_alloc);
  Block block(64);
  EXPECT_THROW(block.reserve(SIZE_MAX), std::bad_alloc);
  EXPECT_EQ(block.bytes(), 0u);
  block.reserve(64);
  EXPECT_EQ(block.bytes(), 64u);
}

TEST(BlockPool, ClassesWasteAtMostAQuarter) {
  BlockPool pool(0);
  for (size_t bytes = 65; bytes < 8 * kMiB; bytes += bytes / 7 + 1) {
    const Block block = pool.take(bytes);
    EXPECT_GE(block.bytes(), bytes);
    EXPECT_LE(block.bytes(), bytes + bytes / 4 + 1) << bytes;
    EXPECT_EQ(block.bytes() % 16, 0u);
  }
  EXPECT_EQ(pool.take(1).bytes(), 64u);
  EXPECT_EQ(pool.take(64).bytes(), 64u);
  EXPECT_EQ(pool.take(65).bytes(), 80u);
  EXPECT_EQ(pool.take(0).bytes(), 0u);
}

TEST(BlockPool, GivesBackWhatItWasGivenLast) {
  BlockPool pool(kMiB);
  Block first = pool.take(1000), second = pool.take(1000);
  char *const a = first.data(), *const b = second.data();
  pool.give(std::move(first));
  pool.give(std::move(second));
  Block again = pool.take(900);  // of the same class
  EXPECT_EQ(again.data(), b);
  EXPECT_EQ(pool.take(1024).data(), a);
  EXPECT_NE(pool.take(1025).bytes(), again.bytes());
}

// Every size that comes back is found again by whoever asks for it.
TEST(BlockPool, EveryClassIsItsOwn) {
  BlockPool pool(64 * kMiB);
  for (size_t bytes = 1; bytes < 8 * kMiB; bytes += bytes / 9 + 1) {
    Block block = pool.take(bytes);
    char* const data = block.data();
    const size_t whole = block.bytes();
    pool.give(std::move(block));
    for (const size_t same : {bytes, whole}) {
      Block again = pool.take(same);
      EXPECT_EQ(again.data(), data) << same;
      pool.give(std::move(again));
    }
    pool.trim();
  }
}

TEST(BlockPool, AccountsForEveryByte) {
  BlockPool pool(4096);
  Block a = pool.take(1000), b = pool.take(2000);
  const size_t bytes_of_a = a.bytes(), bytes_of_b = b.bytes();
  EXPECT_EQ(pool.lent(), bytes_of_a + bytes_of_b);
  EXPECT_EQ(pool.kept(), 0u);
  pool.give(std::move(a));
  EXPECT_EQ(pool.lent(), bytes_of_b);
  EXPECT_EQ(pool.kept(), bytes_of_a);
  a = pool.take(1000);
  EXPECT_EQ(pool.kept(), 0u);
  pool.give(std::move(a));
  pool.give(std::move(b));
  EXPECT_EQ(pool.kept(), bytes_of_a + bytes_of_b);
  pool.trim();
  EXPECT_EQ(pool.kept(), 0u);
  EXPECT_EQ(pool.lent(), 0u);
  pool.give(Block());
  EXPECT_EQ(pool.lent(), 0u);
}

TEST(BlockPool, LongestUnusedLeaveFirst) {
  BlockPool pool(3 * 1024);
  Block a = pool.take(1024), b = pool.take(512), c = pool.take(1024), d = pool.take(1024);
  char *const of_b = b.data(), *const of_c = c.data(), *const of_d = d.data();
  pool.give(std::move(a));
  pool.give(std::move(b));
  pool.give(std::move(c));
  pool.give(std::move(d));  // a has to go, b may stay
  EXPECT_EQ(pool.kept(), 2560u);
  EXPECT_EQ(pool.take(512).data(), of_b);
  Block x = pool.take(1024), y = pool.take(1024);
  EXPECT_EQ(x.data(), of_d);
  EXPECT_EQ(y.data(), of_c);
  EXPECT_EQ(pool.kept(), 0u);
}

TEST(BlockPool, KeepsNothingLargerThanItsBudget) {
  BlockPool pool(4096);
  pool.give(pool.take(1024));
  pool.give(pool.take(5000));
  EXPECT_EQ(pool.kept(), 1024u);
}

TEST(BlockPool, MoreThanTheMachineHasIsRefused) {
  BlockPool pool(4096);
  EXPECT_THROW(pool.take(physical_memory() + 1), std::bad_alloc);
  EXPECT_THROW(pool.take(SIZE_MAX), std::bad_alloc);
  // Nobody touches the first, so that the machine does not notice either.
  Block most = pool.take(physical_memory() / 4 * 3);
  EXPECT_THROW(pool.take(physical_memory() / 4 * 3), std::bad_alloc);
  const size_t lent = pool.lent();
  EXPECT_EQ(lent, most.bytes());
  pool.give(std::move(most));
  EXPECT_EQ(pool.lent(), 0u);
}

TEST(BlockPool, ServesSeveralThreads) {
  BlockPool pool(kMiB);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&pool, t] {
      for (size_t i = 0; i < 2000; ++i) {
        Block block = pool.take(64 + i * 37 % 20000);
        std::memset(block.data(), t, block.bytes());
        EXPECT_EQ(block.data()[block.bytes() / 2], t);
        pool.give(std::move(block));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool.lent(), 0u);
  EXPECT_LE(pool.kept(), kMiB);
}

TEST(Storage, LivesAsLongAsAnybodyRefersToIt) {
  const size_t before = storage_pool().lent();
  {
    StorageRef own = StorageRef::adopt(new Storage(1000));
    EXPECT_EQ(storage_pool().lent() - before, 1024u);
    EXPECT_EQ(own->bytes(), 1000u);
    EXPECT_FALSE(own->is_shared());
    StorageRef other(own.get());
    EXPECT_TRUE(own->is_shared());
    StorageRef moved(std::move(other));
    EXPECT_TRUE(own->is_shared());
    moved.reset();
    EXPECT_FALSE(own->is_shared());
  }
  EXPECT_EQ(storage_pool().lent(), before);
}

TEST(Storage, OfNoBytesHasNoMemory) {
  const StorageRef storage = StorageRef::adopt(new Storage(0));
  EXPECT_EQ(storage->data(), nullptr);
}

TEST(Storage, MoreThanTheMachineHasIsRefused) {
  const size_t before = storage_pool().lent();
  EXPECT_THROW(Storage(size_t(1) << 52), std::bad_alloc);
  EXPECT_EQ(storage_pool().lent(), before);
}

}  // namespace
}  // namespace nabla::test
