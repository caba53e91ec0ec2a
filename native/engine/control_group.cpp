#include "engine/control_group.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace nabla {
namespace {

// The first `count` numbers of a file; false if it has not as many. "max", the word for no limit, is none.
bool read_numbers(const char* path, double* numbers, int count) {
  std::FILE* const file = std::fopen(path, "r");
  if (file == nullptr) return false;
  int found = 0;
  while (found < count && std::fscanf(file, "%lf", numbers + found) == 1) ++found;
  std::fclose(file);
  return found == count;
}

}  // namespace

std::optional<int> control_group_processors() {
  double time[2];  // of each period, and the period
  if (!read_numbers("/sys/fs/cgroup/cpu.max", time, 2) &&
      !(read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", time, 1) &&
        read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_period_us", time + 1, 1)))
    return std::nullopt;
  if (!(time[0] > 0 && time[1] > 0)) return std::nullopt;
  return static_cast<int>(std::min(std::ceil(time[0] / time[1]), 1e6));
}

std::optional<size_t> control_group_memory() {
  double bytes;
  if (!read_numbers("/sys/fs/cgroup/memory.max", &bytes, 1) &&
      !read_numbers("/sys/fs/cgroup/memory/memory.limit_in_bytes", &bytes, 1))
    return std::nullopt;
  if (!(bytes > 0 && bytes < 0x1p62)) return std::nullopt;  // version 1 says "no limit" by a number near 2^63
  return static_cast<size_t>(bytes);
}

}  // namespace nabla
