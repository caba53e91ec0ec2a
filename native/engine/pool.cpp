#include "engine/pool.h"

#include <algorithm>
#include <chrono>
#include <exception>

#include "engine/control_group.h"

#if defined(__linux__)
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__APPLE__)
#include <pthread/qos.h>
#elif defined(_WIN32)
#define NOMINMAX
#include <windows.h>
#endif
#if defined(_MSC_VER)
#include <intrin.h>
#endif

namespace nabla {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kSpin = std::chrono::microseconds(200);
constexpr auto kAlone = std::chrono::microseconds(20);       // its beginning, in which the next kernel mostly comes
constexpr auto kTimeSlice = std::chrono::microseconds(500);  // who is away for so long has met one that computes
constexpr int kCautious = 64;                                // waits that are cut short after that
constexpr int kPauses = 32;                                  // between two looks at the clock
std::atomic<int> cautious{0};

void pause() {
#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
  _mm_pause();
#elif defined(_MSC_VER)
  __yield();
#elif defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

}  // namespace

int available_processors() {
  int count = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
  count = std::min(count, control_group_processors().value_or(count));
#endif
  return std::max(count, 1);
}

void lower_priority() {
#if defined(__linux__)
  // Linux keeps a nice value for each thread, POSIX notwithstanding; the process's is that of its first thread.
  constexpr int kNicer = 5;
  const int process = getpriority(PRIO_PROCESS, static_cast<id_t>(getpid()));
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), process + kNicer);
#elif defined(__APPLE__)
  pthread_set_qos_class_self_np(QOS_CLASS_UTILITY, 0);
#elif defined(_WIN32)
  SetThreadPriority(GetCurrentThread(), THREAD_PRIORITY_BELOW_NORMAL);
#endif
}

void Pool::resize(int threads) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_stopping_ = true;
  }
  work_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
  is_stopping_ = false;
  may_spin_ = threads <= available_processors();
  share_count_ = std::max(threads, 1);
  shares_ = std::make_unique<Share[]>(static_cast<size_t>(share_count_));
  workers_.reserve(static_cast<size_t>(threads));
  for (int i = 1; i < threads; ++i) {
    try {
      workers_.emplace_back([this, i] { serve(i); });
    } catch (const std::exception&) {
      break;
    }
  }
}

// The processor is offered to others, as the event loop may be waiting for it. Where they compute, that costs a time
// slice, whereas who sleeps is let in as soon as there is work.
bool Spin::once() {
  pause();
  if (++rounds_ % kPauses != 0) return true;
  if (rounds_ == kPauses) start_ = Clock::now();
  const auto now = Clock::now();
  if (now - start_ < kAlone) return true;
  if (cautious.load(std::memory_order_relaxed) > 0) {
    cautious.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  std::this_thread::yield();
  if (Clock::now() - now > kTimeSlice) cautious.store(kCautious, std::memory_order_relaxed);
  return now - start_ < kSpin;
}

// Waits for a moment; true as soon as `done` is.
bool Pool::spin(bool (*done)(const Pool&)) const {
  Spin spin;
  while (!done(*this))
    if (!may_spin_ || !spin.once()) return false;
  return true;
}

bool Pool::has_units() const {
  return std::any_of(shares_.get(), shares_.get() + share_count_, [](const Share& s) { return s.left.load() > 0; });
}

// Owns and does units until none are left, those of its own share first; how many they were.
uint32_t Pool::work(int thread) {
  uint32_t count = 0;
  for (int i = 0; i < share_count_; ++i) {
    Share& share = shares_[static_cast<size_t>((thread + i) % share_count_)];
    uint32_t left = share.left.load(std::memory_order_relaxed);
    while (left > 0) {
      if (!share.left.compare_exchange_weak(left, left - 1, std::memory_order_acquire, std::memory_order_relaxed))
        continue;
      body_(context_, share.end - left, thread);
      ++count;
      left = share.left.load(std::memory_order_relaxed);
    }
  }
  return count;
}

void Pool::finish(uint32_t count) {
  if (count == 0 || undone_.fetch_sub(count) != count || !is_waiting_.load()) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  done_.notify_one();
}

void Pool::serve(int thread) {
  lower_priority();
  const auto has_news = [](const Pool& pool) {
    return pool.has_units() || pool.is_stopping_.load(std::memory_order_relaxed);
  };
  while (!is_stopping_.load(std::memory_order_relaxed)) {
    finish(work(thread));
    if (spin(has_news)) continue;
    std::unique_lock<std::mutex> lock(mutex_);
    ++sleepers_;
    work_.wait(lock, [this] { return has_units() || is_stopping_.load(); });
    --sleepers_;
  }
}

// Either a thread that is about to sleep sees the units, or this sees the sleeper: both orders are total.
void Pool::wake(uint32_t count) {
  int asleep = sleepers_.load();
  if (asleep == 0) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
  }
  for (; asleep > 0 && count > 0; --asleep, --count) work_.notify_one();
}

void Pool::run(uint32_t units, Body body, void* context, bool wakes) {
  body_ = body;
  context_ = context;
  undone_.store(units, std::memory_order_relaxed);
  const auto count = static_cast<uint64_t>(share_count_);
  for (uint64_t i = 0, start = 0, end; i < count; ++i, start = end) {
    end = ((i + 1) * units + count - 1) / count;
    Share& share = shares_[i];
    share.end = static_cast<uint32_t>(end);
    share.left.store(static_cast<uint32_t>(end - start));
  }
  if (wakes && !workers_.empty()) wake(units - 1);
  finish(work(0));
  const auto is_done = [](const Pool& pool) { return pool.undone_.load(std::memory_order_acquire) == 0; };
  if (is_done(*this) || spin(is_done)) return;
  // A worker is late, probably because something more important took its processor: this one is free for it.
  std::unique_lock<std::mutex> lock(mutex_);
  is_waiting_.exchange(true);  // an emulated ARM lets a store, though not an exchange, pass the load that follows
  done_.wait(lock, [this] { return undone_.load() == 0; });
  is_waiting_ = false;
}

}  // namespace nabla
