// Where numbers live: blocks of aligned memory, a pool that keeps freed ones for the next taker, and the storages that
// programs read and write.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace nabla {

constexpr size_t kAlignment = 64;  // a cache line, and the widest vector register
constexpr size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// Bytes of the machine, or of this process's share where a control group limits that. Requests beyond are refused: the
// system would promise more all the same, and kill the process later.
size_t physical_memory();

// Aligned memory from the operating system, contents undefined; frees itself. Large blocks ask for huge pages.
class Block {
 public:
  Block() = default;
  explicit Block(size_t bytes);  // throws std::bad_alloc
  Block(Block&& other) noexcept : data_(other.data_), bytes_(other.bytes_) { other.data_ = nullptr, other.bytes_ = 0; }
  Block& operator=(Block&& other) noexcept;
  ~Block();

  char* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  // Grows to at least `bytes`; contents are lost if it does.
  void reserve(size_t bytes);

 private:
  char* data_ = nullptr;
  size_t bytes_ = 0;
};

// Freed blocks by size class, within a budget of bytes; the longest unused leave first.
class BlockPool {
 public:
  explicit BlockPool(size_t budget) : budget_(budget) {}
  Block take(size_t bytes);  // throws std::bad_alloc
  void give(Block block);
  void trim();  // forgets all kept blocks

  size_t kept() const;  // bytes waiting for a taker
  size_t lent() const;  // bytes handed out

 private:
  struct Kept {
    Block block;
    uint64_t since;
  };
  mutable std::mutex mutex_;
  static constexpr size_t kClasses = 256;
  std::vector<std::deque<Kept>> classes_{kClasses};  // oldest first
  size_t budget_, kept_ = 0, lent_ = 0;
  uint64_t clock_ = 0;
};

// The pool of all storages of the process.
BlockPool& storage_pool();

// Why a run ended early. `ticket` is the run where it happened: runs that read what it should have written pass it on.
struct RunFailure {
  enum class Code : int { index = 1, out_of_memory = 2 };
  Code code;
  uint64_t ticket;
  int instruction;
  double value, limit;
};

// Bytes that outlive a run, counted by those who need them: its JavaScript object and every queued run.
class Storage {
 public:
  explicit Storage(size_t bytes);  // throws std::bad_alloc
  ~Storage();

  char* data() const { return block_.data(); }
  size_t bytes() const { return bytes_; }

  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  bool is_shared() const { return references_.load(std::memory_order_acquire) > 1; }

  // Queued runs that will write here; while there are any, neither bytes nor failure may be looked at from outside.
  std::atomic<uint32_t> writers{0};
  // A number that no other contents have had, anywhere in the process: changes whenever these are written.
  uint64_t stamp = next_stamp();
  void restamp() { stamp = next_stamp(); }
  static uint64_t next_stamp();
  // Set by a run that should have written this and failed.
  std::optional<RunFailure> failure;
  // The last run this was handed to and whether it writes here; used by the submitting thread alone.
  uint64_t last_use = 0;
  bool last_use_writes = false;

 private:
  size_t bytes_;
  Block block_;
  std::atomic<uint32_t> references_{1};
};

// Memory for what kernels keep between runs: taken from the pool of storages within a budget, given back at the end.
class KeptBlock {
 public:
  static std::shared_ptr<KeptBlock> take(size_t bytes);  // null if the budget or the memory is spent
  explicit KeptBlock(Block block);
  KeptBlock(const KeptBlock&) = delete;
  KeptBlock& operator=(const KeptBlock&) = delete;
  ~KeptBlock();

  char* data() const { return block_.data(); }

 private:
  Block block_;
};

// A counted reference to a storage.
class StorageRef {
 public:
  StorageRef() = default;
  explicit StorageRef(Storage* storage) : storage_(storage) { storage_->retain(); }
  static StorageRef adopt(Storage* storage) {
    StorageRef ref;
    ref.storage_ = storage;
    return ref;
  }
  StorageRef(StorageRef&& other) noexcept : storage_(other.storage_) { other.storage_ = nullptr; }
  StorageRef& operator=(StorageRef&& other) noexcept {
    std::swap(storage_, other.storage_);
    return *this;
  }
  ~StorageRef() { reset(); }
  void reset() {
    if (storage_ != nullptr) storage_->release();
    storage_ = nullptr;
  }
  Storage* get() const { return storage_; }
  Storage* operator->() const { return storage_; }
  Storage& operator*() const { return *storage_; }

 private:
  Storage* storage_ = nullptr;
};

}  // namespace nabla
