#include "engine/memory.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#include "engine/control_group.h"

#if defined(_WIN32)
#define NOMINMAX
#include <malloc.h>
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace nabla {
namespace {

constexpr size_t kMapped = size_t(1) << 20;    // blocks from this size on come straight from the operating system
constexpr size_t kHugePage = size_t(2) << 20;  // and are worth huge pages from this one on
constexpr size_t kPages =
    size_t(1) << 16;  // a multiple of every processor's page; size classes of mapped blocks are too
constexpr size_t kStorageBudget = size_t(512) << 20;

size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

// Four classes to each doubling, so that at most a quarter is wasted: 64, 80, 96, 112, 128, 160 …
struct SizeClass {
  size_t index, bytes;
};
SizeClass size_class(size_t bytes) {
  if (bytes > physical_memory()) throw std::bad_alloc();
  size_t octave = 0;
  while ((size_t(128) << octave) <= bytes) ++octave;
  const size_t base = size_t(64) << octave, quarter = base / 4;
  const size_t steps = bytes <= base ? 0 : (bytes - base + quarter - 1) / quarter;
  return {octave * 4 + steps, base + steps * quarter};
}

#if !defined(_WIN32)
// A mapping that starts at a huge page's boundary: one page more is mapped and the ends are given back.
char* map_huge(size_t bytes) {
  void* mapped = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  char* const start = static_cast<char*>(mapped);
  const size_t lead = round_up(reinterpret_cast<uintptr_t>(start), kHugePage) - reinterpret_cast<uintptr_t>(start);
  if (lead > 0) munmap(start, lead);
  munmap(start + lead + bytes, kHugePage - lead);
#if defined(MADV_HUGEPAGE)
  madvise(start + lead, bytes, MADV_HUGEPAGE);
#endif
  return start + lead;
}
#endif

}  // namespace

size_t physical_memory() {
  static const size_t bytes = [] {
#if defined(_WIN32)
    MEMORYSTATUSEX status{};
    status.dwLength = sizeof(status);
    GlobalMemoryStatusEx(&status);
    return static_cast<size_t>(status.ullTotalPhys);
#else
    const size_t all = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return std::min(all, control_group_memory().value_or(all));
#endif
  }();
  return bytes;
}

Block::Block(size_t bytes) {
  if (bytes == 0) return;
  if (bytes > physical_memory()) throw std::bad_alloc();
  bytes_ = bytes >= kMapped ? round_up(bytes, kPages) : bytes;
#if defined(_WIN32)
  data_ = static_cast<char*>(_aligned_malloc(bytes_, kAlignment));
  if (data_ == nullptr) throw std::bad_alloc();
#else
  if (bytes_ >= kHugePage) {
    data_ = map_huge(bytes_);
  } else if (bytes_ >= kMapped) {
    void* mapped = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<char*>(mapped);
  } else {
    void* memory = nullptr;
    if (posix_memalign(&memory, kAlignment, bytes_) != 0) throw std::bad_alloc();
    data_ = static_cast<char*>(memory);
  }
#endif
}

Block::~Block() {
  if (data_ == nullptr) return;
#if defined(_WIN32)
  _aligned_free(data_);
#else
  if (bytes_ >= kMapped)
    munmap(data_, bytes_);
  else
    std::free(data_);
#endif
}

Block& Block::operator=(Block&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void Block::reserve(size_t bytes) {
  if (bytes <= bytes_) return;
  *this = Block();  // first, so that both never exist at once
  *this = Block(bytes);
}

Block BlockPool::take(size_t bytes) {
  if (bytes == 0) return Block();
  const SizeClass size = size_class(bytes);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (lent_ + size.bytes > physical_memory()) throw std::bad_alloc();
    if (!classes_[size.index].empty()) {
      Block block = std::move(classes_[size.index].back().block);
      classes_[size.index].pop_back();
      kept_ -= block.bytes();
      lent_ += block.bytes();
      return block;
    }
  }
  Block block;
  try {
    block = Block(size.bytes);
  } catch (const std::bad_alloc&) {
    trim();
    block = Block(size.bytes);
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  lent_ += block.bytes();
  return block;
}

void BlockPool::give(Block block) {
  if (block.bytes() == 0) return;
  std::vector<Block> leaving;  // unmapped after the lock is gone
  const std::lock_guard<std::mutex> lock(mutex_);
  lent_ -= block.bytes();
  if (block.bytes() > budget_) return;
  while (kept_ + block.bytes() > budget_) {
    std::deque<Kept>* oldest = nullptr;
    for (std::deque<Kept>& kept : classes_)
      if (!kept.empty() && (oldest == nullptr || kept.front().since < oldest->front().since)) oldest = &kept;
    kept_ -= oldest->front().block.bytes();
    leaving.push_back(std::move(oldest->front().block));
    oldest->pop_front();
  }
  const size_t index = size_class(block.bytes()).index, bytes = block.bytes();
  classes_[index].push_back({std::move(block), ++clock_});
  kept_ += bytes;
}

void BlockPool::trim() {
  std::vector<std::deque<Kept>> leaving(kClasses);
  const std::lock_guard<std::mutex> lock(mutex_);
  leaving.swap(classes_);
  kept_ = 0;
}

size_t BlockPool::kept() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return kept_;
}

size_t BlockPool::lent() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return lent_;
}

BlockPool& storage_pool() {
  static auto& pool = *new BlockPool(kStorageBudget);  // never destroyed: threads may outlive `main`
  return pool;
}

namespace {
const size_t kept_budget = std::min(size_t(256) << 20, physical_memory() / 8);
std::atomic<size_t> kept_total{0};
}  // namespace

std::shared_ptr<KeptBlock> KeptBlock::take(size_t bytes) {
  if (kept_total.load() + bytes > kept_budget) return nullptr;
  try {
    return std::make_shared<KeptBlock>(storage_pool().take(bytes));
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

KeptBlock::KeptBlock(Block block) : block_(std::move(block)) { kept_total += block_.bytes(); }

KeptBlock::~KeptBlock() {
  kept_total -= block_.bytes();
  storage_pool().give(std::move(block_));
}

uint64_t Storage::next_stamp() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

Storage::Storage(size_t bytes) : bytes_(bytes), block_(storage_pool().take(bytes)) {}
Storage::~Storage() { storage_pool().give(std::move(block_)); }

}  // namespace nabla
