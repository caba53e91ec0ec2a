// The threads that compute: a fixed team that shares the units of one job at a time.
//
// Each thread has a share of the units, the same part of every job, so that what it wrote in one is in its cache in the
// next; whoever has done its own helps the others. A job is announced by setting how many units of each share are left;
// whoever moves that down by one owns a unit and only then looks at the job, which cannot change before all owned units
// are done. Between jobs threads spin for a moment, since the next kernel is usually a microsecond away, and then
// sleep.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace nabla {

// Processors this process may use: its affinity mask, and its share of them where a control group limits that.
int available_processors();

// Lets the calling thread give way to others of the process, so that a busy pool does not stall the event loop.
void lower_priority();

// Waiting awake, for a moment.
class Spin {
 public:
  // Lets the processor rest for a moment; false when it has been long enough that sleeping is better.
  bool once();

 private:
  int rounds_ = 0;
  std::chrono::steady_clock::time_point start_;
};

class Pool {
 public:
  using Body = void (*)(void* context, uint32_t unit, int thread);

  explicit Pool(int threads = 1) { resize(threads); }
  ~Pool() { resize(1); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // How many work, the caller of `run` included; fewer than asked for if the system gives no more. Not during a job.
  void resize(int threads);
  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(context, unit, thread) for each unit below `units`, on all threads, and returns when all are done.
  // `thread` is below `threads()`, the caller being thread 0. Bodies must not throw.
  // Threads that sleep take part if `wakes`; those that spin always do.
  void run(uint32_t units, Body body, void* context, bool wakes = true);

 private:
  // The units of one thread: those below `end` of which `left` are nobody's yet. All threads may fight for it.
  struct alignas(64) Share {
    std::atomic<uint32_t> left{0};
    uint32_t end = 0;
  };

  bool has_units() const;
  void serve(int thread);
  uint32_t work(int thread);
  void wake(uint32_t count);
  bool spin(bool (*done)(const Pool&)) const;
  void finish(uint32_t count);

  std::vector<std::thread> workers_;
  bool may_spin_ = true;  // false where there are more threads than processors

  std::unique_ptr<Share[]> shares_;
  int share_count_ = 0;

  // Each on a cache line of its own: all threads fight for the first.
  alignas(64) std::atomic<uint32_t> undone_{0};  // units not finished
  alignas(64) std::atomic<int> sleepers_{0};
  std::atomic<bool> is_stopping_{false}, is_waiting_{false};
  Body body_ = nullptr;
  void* context_ = nullptr;

  std::mutex mutex_;
  std::condition_variable work_, done_;
};

}  // namespace nabla
