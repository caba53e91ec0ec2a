// What a control group (a container) grants this process; Linux alone has them.
#pragma once
#include <cstddef>
#include <optional>

namespace nabla {

// Processors' worth of time, rounded up; nothing if there is no limit.
std::optional<int> control_group_processors();

// Bytes of memory; nothing if there is no limit.
std::optional<size_t> control_group_memory();

}  // namespace nabla
