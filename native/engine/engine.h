// The engine: one thread of the process, the conductor, runs programs from ordered queues, taking the queues in turn,
// so that a run is atomic for all others. Each JavaScript environment's device has a queue. A short program that would
// be next anyway may be run by the thread that brings it, as handing it over and back takes longer than that.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/interpreter.h"
#include "engine/memory.h"
#include "engine/program.h"

namespace nabla {

// Number of a run in its queue, from 1; 0 stands for "before any run".
using Ticket = uint64_t;

struct Run {
  Ticket ticket;
  std::shared_ptr<Program> program;
  std::vector<StorageRef> storages;
  std::vector<double> uniforms;
  bool is_recorded = false;
};

struct FailedRun {
  Ticket ticket;
  RunFailure failure;
};

// An ordered list of runs. All but `settle` is for the thread that owns the queue.
class Queue : public std::enable_shared_from_this<Queue> {
 public:
  // `on_settled` is called on the conductor after each run that it did.
  explicit Queue(std::function<void()> on_settled) : on_settled_(std::move(on_settled)) {}

  // Takes one storage for each external place and a value for each uniform; throws std::invalid_argument if they do not
  // fit, std::system_error if there is no thread to run anything.
  Ticket submit(std::shared_ptr<Program> program, std::vector<StorageRef> storages, std::vector<double> uniforms);
  // The same, but a short program that nothing is before, in any queue, is run at once: it has settled on return.
  // `is_awaited`: one that took up to a millisecond the last time too, as this thread would do nothing else meanwhile.
  Ticket submit_or_run(std::shared_ptr<Program> program, std::vector<StorageRef> storages, std::vector<double> uniforms,
                       bool is_awaited = false);

  void wait(Ticket ticket);
  Ticket submitted() const { return submitted_; }
  Ticket settled() const { return settled_.load(std::memory_order_acquire); }
  std::vector<FailedRun> take_failures();

  // Notes the first `most` instructions of the runs submitted from now on; 0 ends that.
  void record(size_t most);
  // Those of runs that have settled since `record`.
  std::vector<Timing> take_timings();

  // Drops what has not begun. A run that has begun goes on to its next instruction, for nobody.
  void close();

 private:
  friend class Engine;
  Run make(std::shared_ptr<Program> program, std::vector<StorageRef> storages, std::vector<double> uniforms) const;
  void settle(Run run, std::optional<RunFailure> failure, const std::vector<Timing>& timings);

  std::function<void()> on_settled_;
  Ticket submitted_ = 0;
  std::atomic<Ticket> settled_{0};
  std::atomic<bool> is_closed_{false};
  std::deque<Run> runs_;  // guarded by the engine's mutex

  std::mutex mutex_;
  std::condition_variable settled_changed_;
  int waiters_ = 0;
  std::vector<FailedRun> failures_;
  size_t most_timings_ = 0;
  std::vector<Timing> timings_;
};

class Engine {
 public:
  static Engine& get();  // never destroyed: its threads may outlive `main`

  // Threads that compute, 1 to kMaxThreads; takes effect with the next run.
  static constexpr int kMaxThreads = 256;
  void set_threads(int threads);
  int threads() const { return threads_.load(std::memory_order_relaxed); }

  // Memory of intermediate values and workspaces, which all runs share.
  size_t shared_bytes() const { return shared_bytes_.load(std::memory_order_relaxed); }

  void enqueue(const std::shared_ptr<Queue>& queue, Run run);
  // True if it was run: it is short, and nothing runs or is queued.
  bool run_now(Queue& queue, Run& run, bool is_awaited);
  void cancel(Queue& queue);

 private:
  Engine();
  void conduct();
  bool next(std::shared_ptr<Queue>& queue, Run& run);
  void execute(Queue& queue, Run run);

  std::atomic<int> threads_;
  std::mutex mutex_;
  std::condition_variable has_work_;
  std::list<std::shared_ptr<Queue>> ready_;  // those with runs, in turn
  std::atomic<size_t> ready_count_{0}, shared_bytes_{0};
  bool is_asleep_ = false, is_started_ = false;
  bool is_busy_ = false;  // whoever sets it has what follows to itself until it takes that back

  int team_ = 1;
  Interpreter interpreter_{team_};
  std::vector<Timing> timings_;  // of one run
};

// The number of threads that NABLA_THREADS asks for, or of available processors; throws std::runtime_error if the
// variable is not a number of threads.
int default_threads();

}  // namespace nabla
