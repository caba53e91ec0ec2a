// Queues and the conductor: order, turns, storages in use, failures and what depends on them, queues that end early.
#include "engine/engine.h"

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <stdexcept>
#include <thread>

#include "programs.h"

namespace nabla::test {
namespace {

using Floats = std::vector<float>;

std::shared_ptr<Queue> quiet() {
  return std::make_shared<Queue>([] {});
}

template <class... Refs>
std::vector<StorageRef> list(const Refs&... refs) {
  std::vector<StorageRef> storages;
  (storages.push_back(share(refs)), ...);
  return storages;
}

// Holds the conductor from its construction until `open`, by a run that does not come to its end.
class Gate {
 public:
  Gate() : queue_(std::make_shared<Queue>([this] { wait_until_open(); })) {
    queue_->submit(make(ProgramSpec{}), {}, {});
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return is_reached_; });
  }
  ~Gate() {
    open();
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return is_passed_; });
  }
  void open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }

 private:
  void wait_until_open() {
    std::unique_lock<std::mutex> lock(mutex_);
    is_reached_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return is_open_; });
    is_passed_ = true;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_reached_ = false, is_open_ = false, is_passed_ = false;
  std::shared_ptr<Queue> queue_;
};

// s = s · 0.5 + uniform
std::shared_ptr<Program> step() {
  ProgramSpec p;
  p.uniforms = 1;
  p.buffers = {{kState, kF32, 4, 0}};
  p.instructions = {scaled(whole(0, {4}), whole(0, {4}), 0.5)};
  return make(p);
}
// y = x + x
std::shared_ptr<Program> twice() {
  ProgramSpec p;
  p.buffers = {{kInput, kF32, 4, 0}, {kOutput, kF32, 4, 1}};
  p.instructions = {binary("add", whole(1, {4}), whole(0, {4}), whole(0, {4}))};
  return make(p);
}
// s = 2·s; y = x[index]: fails for indices beyond 3
std::shared_ptr<Program> lookup() {
  ProgramSpec p;
  p.buffers = {{kState, kF32, 4, 0}, {kInput, kF32, 4, 1}, {kInput, kI32, 4, 2}, {kOutput, kF32, 4, 3}};
  p.instructions = {binary("add", whole(0, {4}), whole(0, {4}), whole(0, {4})),
                    {"gather_rows", {whole(3, {4, 1})}, {whole(1, {4, 1}), whole(2, {4})}}};
  return make(p);
}
// 2^62 times s = s + s
std::shared_ptr<Program> endless() {
  ProgramSpec p;
  p.buffers = {{kState, kF32, 1, 0}};
  const ViewSpec s = whole(0, {1});
  p.instructions = {loop(2147483647), loop(2147483647), binary("add", s, s, s), end(), end()};
  return make(p);
}

TEST(Queue, RunsInOrder) {
  const auto queue = quiet();
  const auto program = step();
  const StorageRef s = storage_of(Floats(4, 1));
  float expected = 1;
  for (int i = 1; i <= 1000; ++i) {
    const auto u = static_cast<float>(i % 7);
    expected = expected * 0.5f + u;
    EXPECT_EQ(queue->submit(program, list(s), {u}), static_cast<Ticket>(i));
  }
  queue->wait(1000);
  EXPECT_EQ(queue->settled(), 1000u);
  EXPECT_EQ(queue->submitted(), 1000u);
  EXPECT_EQ(values_of<float>(s), Floats(4, expected));
  EXPECT_TRUE(queue->take_failures().empty());
}

TEST(Queue, WaitsForWhatItIsAskedFor) {
  const auto queue = quiet();
  const StorageRef s = storage_of(Floats(4, 0));
  queue->wait(0);
  for (Ticket i = 1; i <= 200; ++i) {
    queue->submit(step(), list(s), {1});
    queue->wait(i);
    EXPECT_EQ(queue->settled(), i);
    EXPECT_FALSE(s->is_shared());
  }
}

TEST(Queue, TellsOfEachRun) {
  std::atomic<int> told{0};
  const auto queue = std::make_shared<Queue>([&] { ++told; });
  const StorageRef s = storage_of(Floats(4, 0));
  for (int i = 0; i < 50; ++i) queue->submit(step(), list(s), {1});
  queue->wait(50);
  Gate();  // the conductor has come out of the last call
  EXPECT_EQ(told, 50);
}

TEST(Engine, TakesQueuesInTurn) {
  std::vector<char> order;
  const auto a = std::make_shared<Queue>([&] { order.push_back('a'); }),
             b = std::make_shared<Queue>([&] { order.push_back('b'); });
  const StorageRef s = storage_of(Floats(4, 0)), t = storage_of(Floats(4, 0));
  {
    Gate gate;
    for (int i = 0; i < 4; ++i) a->submit(step(), list(s), {1});
    for (int i = 0; i < 2; ++i) b->submit(step(), list(t), {1});
  }
  a->wait(4);
  Gate();
  EXPECT_EQ(std::string(order.begin(), order.end()), "ababaa");
}

TEST(Engine, SharesAProgramAmongQueues) {
  const auto program = step();
  std::vector<std::thread> owners;
  for (int i = 0; i < 3; ++i) {
    owners.emplace_back([&program, i] {
      const auto queue = quiet();
      const StorageRef s = storage_of(Floats(4, 0));
      float expected = 0;
      for (int k = 0; k < 300; ++k) {
        expected = expected * 0.5f + static_cast<float>(i + k);
        if (k % 3 == 0)
          queue->submit(program, list(s), {static_cast<double>(i + k)});
        else
          queue->submit_or_run(program, list(s), {static_cast<double>(i + k)});
        if (k % 50 == 0) queue->wait(queue->submitted());
        if (k % 90 == 0) Engine::get().set_threads(1 + (i + k) % 3);
      }
      queue->wait(300);
      EXPECT_EQ(values_of<float>(s), Floats(4, expected));
    });
  }
  for (std::thread& owner : owners) owner.join();
}

TEST(Queue, RunsAtOnceWhatIsShort) {
  Gate();  // nothing runs any more
  std::atomic<int> told{0};
  const auto queue = std::make_shared<Queue>([&] { ++told; });
  const auto program = step();
  const StorageRef s = storage_of(Floats(4, 1));
  for (int i = 1; i <= 100; ++i) {
    EXPECT_EQ(queue->submit_or_run(program, list(s), {1}), static_cast<Ticket>(i));
    EXPECT_EQ(queue->settled(), static_cast<Ticket>(i));
    EXPECT_FALSE(s->is_shared());
    EXPECT_EQ(s->writers, 0u);
  }
  EXPECT_EQ(values_of<float>(s), Floats(4, 2));
  EXPECT_EQ(told, 0);
}

TEST(Queue, DoesNotRunAtOnceWhatIsLong) {
  EXPECT_GT(endless()->nanoseconds(), 1e18);
  const auto queue = quiet();
  const StorageRef s = storage_of(Floats(1, 1));
  queue->submit_or_run(endless(), list(s), {}, true);
  EXPECT_EQ(queue->settled(), 0u);
  queue->close();
}

TEST(Queue, RunsAtOnceWhatIsAwaited) {
  ProgramSpec p;
  p.buffers = {{kState, kF32, 1, 0}};
  const ViewSpec s = whole(0, {1});
  p.instructions = {loop(2000), binary("add", s, s, s), end()};
  const auto program = make(p);
  EXPECT_GT(program->nanoseconds(), 60'000);
  EXPECT_EQ(program->last_nanoseconds, std::numeric_limits<double>::infinity());
  const auto queue = quiet();
  const StorageRef x = storage_of(Floats(1, 1));
  const auto settles_at_once = [&](double last, bool is_awaited) {
    Ticket ticket;
    bool at_once;
    {
      Gate gate;  // the conductor does nothing meanwhile
      program->last_nanoseconds = last;
      ticket = queue->submit_or_run(program, list(x), {}, is_awaited);
      at_once = queue->settled() == ticket;
    }
    queue->wait(ticket);
    EXPECT_NE(program->last_nanoseconds, last);
    return at_once;
  };
  EXPECT_FALSE(settles_at_once(std::numeric_limits<double>::infinity(), true));
  EXPECT_FALSE(settles_at_once(1.1e6, true));
  EXPECT_FALSE(settles_at_once(0.9e6, false));
  EXPECT_TRUE(settles_at_once(0.9e6, true));
}

TEST(Queue, RunsNothingBeforeItsTurn) {
  const StorageRef endlessly = storage_of(Floats(1, 1)), s = storage_of(Floats(4, 2));
  const auto busy = quiet(), queue = quiet();
  busy->submit(endless(), list(endlessly), {});
  queue->submit_or_run(step(), list(s), {1});        // behind another queue's run
  queue->submit_or_run(step(), list(s), {3}, true);  // and behind its own queue's
  EXPECT_EQ(queue->settled(), 0u);
  busy->close();
  queue->wait(2);
  EXPECT_EQ(values_of<float>(s), Floats(4, 4));
}

TEST(Queue, FailsAtOnceAsItFailsLater) {
  Gate();  // nothing runs any more
  const auto queue = quiet();
  const StorageRef s = storage_of(Floats(4, 1)), x = storage_of(Floats(4)), y = storage_of(Floats(4)),
                   z = storage_of(Floats(4)), bad = storage_of(std::vector<int32_t>{0, 1, 9, 0});
  queue->submit_or_run(lookup(), list(s, x, bad, y), {});
  queue->submit_or_run(twice(), list(y, z), {});
  EXPECT_EQ(queue->settled(), 2u);
  EXPECT_EQ(values_of<float>(s), Floats(4, 1));
  EXPECT_TRUE(y->failure && z->failure);
  const std::vector<FailedRun> failures = queue->take_failures();
  ASSERT_EQ(failures.size(), 2u);
  EXPECT_EQ(failures[1].ticket, 2u);
  EXPECT_EQ(failures[1].failure.ticket, 1u);
}

TEST(Queue, CountsWriters) {
  const auto queue = quiet();
  const StorageRef x = storage_of(Floats(4, 1)), y = storage_of(Floats(4)), z = storage_of(Floats(4));
  {
    Gate gate;
    for (int i = 0; i < 3; ++i) queue->submit(twice(), list(x, y), {});
    queue->submit(twice(), list(y, z), {});
    EXPECT_EQ(x->writers, 0u);
    EXPECT_EQ(y->writers, 3u);
    EXPECT_EQ(z->writers, 1u);
    EXPECT_TRUE(x->is_shared());
  }
  queue->wait(4);
  EXPECT_EQ(y->writers + z->writers, 0u);
  EXPECT_FALSE(x->is_shared());
  EXPECT_EQ(values_of<float>(z), Floats(4, 4));
}

TEST(Queue, KeepsStoragesThatNobodyElseKeeps) {
  const size_t before = storage_pool().lent();
  const auto queue = quiet();
  const StorageRef y = storage_of(Floats(4));
  {
    Gate gate;
    queue->submit(twice(), list(storage_of(Floats(4, 21)), y), {});
    EXPECT_GT(storage_pool().lent(), before);
  }
  queue->wait(1);
  EXPECT_EQ(values_of<float>(y), Floats(4, 42));
  EXPECT_EQ(storage_pool().lent(), before + 64);  // y's
}

TEST(Queue, RefusesWhatDoesNotFit) {
  const auto queue = quiet();
  const StorageRef x = storage_of(Floats(4)), y = storage_of(Floats(4)), small = storage_of(Floats(3));
  EXPECT_THROW(queue->submit(twice(), list(x), {}), std::invalid_argument);
  EXPECT_THROW(queue->submit(twice(), list(x, y, y), {}), std::invalid_argument);
  EXPECT_THROW(queue->submit(twice(), list(x, small), {}), std::invalid_argument);
  EXPECT_THROW(queue->submit(twice(), list(small, y), {}), std::invalid_argument);
  EXPECT_THROW(queue->submit(twice(), list(x, y), {1}), std::invalid_argument);
  EXPECT_THROW(queue->submit(step(), list(x), {}), std::invalid_argument);
  EXPECT_EQ(queue->submitted(), 0u);
  EXPECT_EQ(y->writers, 0u);
  EXPECT_FALSE(x->is_shared());
}

TEST(Queue, RefusesOneStorageTwiceIfItIsWritten) {
  ProgramSpec p;
  p.buffers = {{kInput, kF32, 4, 0}, {kInput, kF32, 4, 1}, {kOutput, kF32, 4, 2}, {kState, kF32, 4, 3}};
  p.instructions = {binary("add", whole(2, {4}), whole(0, {4}), whole(1, {4}))};
  const auto program = make(p);
  const auto queue = quiet();
  const StorageRef x = storage_of(Floats(4, 1)), y = storage_of(Floats(4)), s = storage_of(Floats(4));
  EXPECT_THROW(queue->submit(program, list(x, y, x, s), {}), std::invalid_argument);
  EXPECT_THROW(queue->submit(program, list(x, s, y, s), {}), std::invalid_argument);
  EXPECT_THROW(queue->submit(program, list(x, x, y, y), {}), std::invalid_argument);
  queue->wait(queue->submit(program, list(x, x, y, s), {}));  // read twice
  EXPECT_EQ(values_of<float>(y), Floats(4, 2));
}

TEST(Queue, FailuresPassToRunsThatReadTheirResults) {
  const auto queue = quiet();
  const StorageRef s = storage_of(Floats(4, 1)), x = storage_of(Floats{1, 2, 3, 4}), y = storage_of(Floats(4)),
                   z = storage_of(Floats(4)), w = storage_of(Floats(4)),
                   good = storage_of(std::vector<int32_t>{3, 2, 1, 0}),
                   bad = storage_of(std::vector<int32_t>{0, 1, 9, 0});
  queue->submit(lookup(), list(s, x, good, y), {});
  queue->submit(lookup(), list(s, x, bad, y), {});  // 2
  queue->submit(twice(), list(y, z), {});           // 3 reads what 2 did not write
  queue->submit(twice(), list(z, w), {});           // 4 reads what 3 did not write
  queue->submit(step(), list(s), {0});
  queue->wait(5);
  EXPECT_EQ(values_of<float>(s), Floats(4, 1));  // doubled once, halved once

  const std::vector<FailedRun> failures = queue->take_failures();
  ASSERT_EQ(failures.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(failures[i].ticket, 2 + i);
    EXPECT_EQ(failures[i].failure.ticket, 2u);
    EXPECT_EQ(failures[i].failure.instruction, 1);
    EXPECT_EQ(failures[i].failure.value, 9);
    EXPECT_EQ(failures[i].failure.limit, 4);
  }
  EXPECT_TRUE(queue->take_failures().empty());
  EXPECT_TRUE(y->failure && z->failure && w->failure);
  EXPECT_FALSE(s->failure);
  EXPECT_EQ(w->failure->ticket, 2u);

  queue->submit(lookup(), list(s, x, good, y), {});  // mends y
  queue->wait(queue->submit(twice(), list(y, z), {}));
  EXPECT_FALSE(y->failure || z->failure);
  EXPECT_EQ(values_of<float>(z), (Floats{8, 6, 4, 2}));
}

TEST(Queue, TooMuchMemoryFailsOneRun) {
  ProgramSpec p;
  p.arena = 0x1p40;
  p.buffers = {{kOutput, kF32, 4, 0}};
  const auto queue = quiet();
  const StorageRef y = storage_of(Floats(4)), s = storage_of(Floats(4, 2));
  queue->submit(make(p), list(y), {});
  queue->wait(queue->submit(step(), list(s), {0}));
  const std::vector<FailedRun> failures = queue->take_failures();
  ASSERT_EQ(failures.size(), 1u);
  EXPECT_EQ(failures[0].failure.code, RunFailure::Code::out_of_memory);
  EXPECT_EQ(values_of<float>(s), Floats(4, 1));
}

TEST(Queue, ClosedWithWorkQueued) {
  std::atomic<int> told{0};
  const auto queue = std::make_shared<Queue>([&] { ++told; });
  const StorageRef s = storage_of(Floats(4, 2)), other = storage_of(Floats(4, 2));
  {
    Gate gate;
    for (int i = 0; i < 5; ++i) queue->submit(step(), list(s), {1});
    EXPECT_EQ(s->writers, 5u);
    queue->close();
    EXPECT_EQ(s->writers, 0u);
    EXPECT_FALSE(s->is_shared());
    queue->close();
  }
  const auto next = quiet();
  next->wait(next->submit(step(), list(other), {0}));
  EXPECT_EQ(values_of<float>(s), Floats(4, 2));
  EXPECT_EQ(values_of<float>(other), Floats(4, 1));
  EXPECT_EQ(told, 0);
}

TEST(Queue, ClosedInTheMiddleOfARun) {
  const StorageRef s = storage_of(Floats(1, 1)), other = storage_of(Floats(4, 2));
  for (int i = 0; i < 20; ++i) {
    const auto queue = quiet();
    queue->submit(endless(), list(s), {});
    queue->submit(endless(), list(s), {});
    if (i % 2 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    queue->close();
  }
  const auto next = quiet();
  next->wait(next->submit(step(), list(other), {0}));
  EXPECT_EQ(values_of<float>(other), Floats(4, 1));
  EXPECT_FALSE(s->is_shared());
  EXPECT_EQ(s->writers, 0u);
}

TEST(Queue, ForgottenWithWorkQueued) {
  const StorageRef s = storage_of(Floats(4, 0));
  {
    Gate gate;
    for (int i = 0; i < 3; ++i) quiet()->submit(step(), list(s), {1});
  }
  const auto next = quiet();
  next->wait(next->submit(step(), list(storage_of(Floats(4))), {0}));
  EXPECT_EQ(values_of<float>(s), Floats(4, 1.75));
}

TEST(Engine, IdleTakesNoTime) {
  const auto queue = quiet();
  queue->wait(queue->submit(step(), list(storage_of(Floats(4))), {0}));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const std::clock_t before = std::clock();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC, 0.03);
}

TEST(Engine, ReadsTheNumberOfThreads) {
  const char* const own = std::getenv("NABLA_THREADS");
  const std::string saved = own == nullptr ? "" : own;
  const auto threads = [](const char* text) {
    setenv("NABLA_THREADS", text, 1);
    return default_threads();
  };
  EXPECT_EQ(threads("1"), 1);
  EXPECT_EQ(threads("256"), 256);
  EXPECT_EQ(threads(""), std::min(available_processors(), Engine::kMaxThreads));
  for (const char* wrong : {"0", "-1", "257", "two", "2x", "1e1", "99999999999999999999"})
    EXPECT_THROW(threads(wrong), std::runtime_error) << wrong;
  setenv("NABLA_THREADS", saved.c_str(), 1);
}

}  // namespace
}  // namespace nabla::test
