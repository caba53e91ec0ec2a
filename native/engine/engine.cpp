#include "engine/engine.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

namespace nabla {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kIdle = std::chrono::seconds(5);  // until large memory that runs share goes back
constexpr size_t kLargeMemory = size_t(64) << 20;
constexpr double kShort = 60'000;  // estimated nanoseconds of a program that may be run where it is submitted ...
constexpr double kAwaited = 1e6;   // ... and those that one took the last time for which that thread would wait anyway

bool writes(const Buffer& b) { return b.kind == BufferKind::output || b.kind == BufferKind::state; }
bool reads(const Buffer& b) { return b.kind == BufferKind::input || b.kind == BufferKind::state; }

// Counts the run among the writers of its storages, or no longer.
void count_writers(const Run& run, bool pending) {
  const std::vector<Buffer>& places = run.program->external();
  for (size_t i = 0; i < places.size(); ++i)
    if (writes(places[i])) run.storages[i]->writers.fetch_add(pending ? 1 : -1u, std::memory_order_release);
}

// Marks each storage with the run, so that one handed to two places is found in passing.
void check_storages(const Program& program, const std::vector<StorageRef>& storages) {
  static thread_local uint64_t use = 0;
  ++use;
  const std::vector<Buffer>& places = program.external();
  if (storages.size() != places.size())
    throw std::invalid_argument("expected " + std::to_string(places.size()) + " storages but received " +
                                std::to_string(storages.size()));
  for (size_t i = 0; i < places.size(); ++i) {
    Storage& storage = *storages[i];
    const auto needed = static_cast<size_t>(places[i].bytes());
    if (storage.bytes() < needed)
      throw std::invalid_argument("expected at least " + std::to_string(needed) + " bytes for storage " +
                                  std::to_string(i) + " but received " + std::to_string(storage.bytes()));
    const bool written = writes(places[i]);
    if (storage.last_use == use && (written || storage.last_use_writes))
      throw std::invalid_argument("expected a storage of its own for place " + std::to_string(i) +
                                  " but received one that the run uses elsewhere and writes");
    storage.last_use = use;
    storage.last_use_writes = written;
  }
}

}  // namespace

int default_threads() {
  const char* wanted = std::getenv("NABLA_THREADS");
  if (wanted == nullptr || *wanted == '\0') return std::min(available_processors(), Engine::kMaxThreads);
  char* end = nullptr;
  const long count = std::strtol(wanted, &end, 10);
  if (*end != '\0' || count < 1 || count > Engine::kMaxThreads)
    throw std::runtime_error("NABLA_THREADS is \"" + std::string(wanted) + "\" but must be a number from 1 to " +
                             std::to_string(Engine::kMaxThreads));
  return static_cast<int>(count);
}

Run Queue::make(std::shared_ptr<Program> program, std::vector<StorageRef> storages,
                std::vector<double> uniforms) const {
  if (uniforms.size() != static_cast<size_t>(program->uniform_count()))
    throw std::invalid_argument("expected " + std::to_string(program->uniform_count()) + " uniforms but received " +
                                std::to_string(uniforms.size()));
  check_storages(*program, storages);
  return Run{submitted_ + 1, std::move(program), std::move(storages), std::move(uniforms), most_timings_ > 0};
}

Ticket Queue::submit(std::shared_ptr<Program> program, std::vector<StorageRef> storages, std::vector<double> uniforms) {
  Engine::get().enqueue(shared_from_this(), make(std::move(program), std::move(storages), std::move(uniforms)));
  return ++submitted_;
}

Ticket Queue::submit_or_run(std::shared_ptr<Program> program, std::vector<StorageRef> storages,
                            std::vector<double> uniforms, bool is_awaited) {
  Run run = make(std::move(program), std::move(storages), std::move(uniforms));
  if (!Engine::get().run_now(*this, run, is_awaited)) Engine::get().enqueue(shared_from_this(), std::move(run));
  return ++submitted_;
}

void Queue::wait(Ticket ticket) {
  std::unique_lock<std::mutex> lock(mutex_);
  ++waiters_;
  settled_changed_.wait(lock, [&] { return settled_.load() >= ticket; });
  --waiters_;
}

std::vector<FailedRun> Queue::take_failures() {
  std::vector<FailedRun> failures;
  const std::lock_guard<std::mutex> lock(mutex_);
  failures.swap(failures_);
  return failures;
}

void Queue::record(size_t most) {
  const std::lock_guard<std::mutex> lock(mutex_);
  most_timings_ = most;
  if (most > 0) timings_.clear();
}

std::vector<Timing> Queue::take_timings() {
  std::vector<Timing> timings;
  const std::lock_guard<std::mutex> lock(mutex_);
  timings.swap(timings_);
  return timings;
}

void Queue::close() {
  is_closed_ = true;
  Engine::get().cancel(*this);
}

// The storages are let go before anybody hears of the end, so that they can be used at once.
void Queue::settle(Run run, std::optional<RunFailure> failure, const std::vector<Timing>& timings) {
  const std::vector<Buffer>& places = run.program->external();
  for (size_t i = 0; i < places.size(); ++i)
    if (places[i].kind == BufferKind::output) run.storages[i]->failure = failure;
  count_writers(run, false);
  run.storages.clear();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (failure) failures_.push_back({run.ticket, *failure});
    for (size_t i = 0; i < timings.size() && timings_.size() < most_timings_; ++i) {
      timings_.push_back(timings[i]);
      timings_.back().ticket = run.ticket;
    }
    settled_.store(run.ticket);
    if (waiters_ > 0) settled_changed_.notify_all();
  }
}

Engine& Engine::get() {
  static Engine& engine = *new Engine;
  return engine;
}

Engine::Engine() : threads_(default_threads()) {}

void Engine::set_threads(int threads) { threads_ = threads; }

void Engine::enqueue(const std::shared_ptr<Queue>& queue, Run run) {
  bool must_wake;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!is_started_) {
      std::thread([this] { conduct(); }).detach();
      is_started_ = true;
    }
    if (queue->runs_.empty()) ready_.push_back(queue);
    queue->runs_.push_back(std::move(run));
    count_writers(queue->runs_.back(), true);  // the last, as all before may throw
    ready_count_ = ready_.size();
    must_wake = is_asleep_;
  }
  if (must_wake) has_work_.notify_one();
}

void Engine::cancel(Queue& queue) {
  std::deque<Run> dropped;
  const std::lock_guard<std::mutex> lock(mutex_);
  dropped.swap(queue.runs_);
  for (const Run& run : dropped) count_writers(run, false);
}

// The first run of the queue whose turn it is; false if there is none. Cancelled queues are passed over.
bool Engine::next(std::shared_ptr<Queue>& queue, Run& run) {
  while (!ready_.empty() && ready_.front()->runs_.empty()) ready_.pop_front();
  if (!ready_.empty()) {
    queue = ready_.front();
    run = std::move(queue->runs_.front());
    queue->runs_.pop_front();
    ready_.splice(ready_.end(), ready_, ready_.begin());
    if (queue->runs_.empty()) ready_.pop_back();
  }
  ready_count_ = ready_.size();
  return queue != nullptr;
}

bool Engine::run_now(Queue& queue, Run& run, bool is_awaited) {
  const Program& program = *run.program;
  if (program.nanoseconds() > kShort && !(is_awaited && program.last_nanoseconds <= kAwaited)) return false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (is_busy_ || !ready_.empty()) return false;
    is_busy_ = true;
  }
  count_writers(run, true);
  execute(queue, std::move(run));
  bool must_wake;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_busy_ = false;
    must_wake = is_asleep_ && !ready_.empty();
  }
  if (must_wake) has_work_.notify_one();
  return true;
}

// On the thread that has set `is_busy_`.
void Engine::execute(Queue& queue, Run run) {
  if (team_ != threads()) interpreter_.pool().resize(team_ = threads());
  timings_.clear();
  std::optional<RunFailure> failure;
  const std::vector<Buffer>& places = run.program->external();
  for (size_t i = 0; i < places.size() && !failure; ++i)
    if (reads(places[i])) failure = run.storages[i]->failure;
  if (!failure && !queue.is_closed_) {
    const auto start = Clock::now();
    failure = interpreter_.run(*run.program, run.storages, run.uniforms.data(), queue.is_closed_,
                               run.is_recorded ? &timings_ : nullptr);
    run.program->last_nanoseconds = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
    if (failure) failure->ticket = run.ticket;
    shared_bytes_ = interpreter_.held_bytes();
  }
  queue.settle(std::move(run), failure, timings_);
}

void Engine::conduct() {
  lower_priority();
  for (;;) {
    for (Spin spin; ready_count_.load(std::memory_order_relaxed) == 0 && spin.once();) {
    }
    std::shared_ptr<Queue> queue;
    Run run;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      is_asleep_ = true;
      while (is_busy_ || !next(queue, run)) {
        if (shared_bytes_ < kLargeMemory) {
          has_work_.wait(lock);
        } else if (has_work_.wait_for(lock, kIdle) == std::cv_status::timeout && !is_busy_) {
          interpreter_.release_memory();
          shared_bytes_ = 0;
        }
      }
      is_asleep_ = false;
      is_busy_ = true;
    }
    execute(*queue, std::move(run));
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      is_busy_ = false;
    }
    if (!queue->is_closed_) queue->on_settled_();
  }
}

}  // namespace nabla
