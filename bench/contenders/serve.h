// The protocol of serve.mjs for contenders in C++: one line of JSON a command on standard input, replies on
// descriptor 3. The workload stands in the program's arguments, so only the number of steps has to be read out of a
// command.
#pragma once

#include <time.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <random>
#include <string>
#include <vector>

inline double milliseconds(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return 1e3 * static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_nsec);
}

inline std::vector<float> random_floats(size_t count) {
  static std::mt19937 engine(0);
  std::normal_distribution<float> normal;
  std::vector<float> x(count);
  for (float& value : x) value = normal(engine);
  return x;
}

// `prepare` builds the workload and returns what does one step of it.
inline int serve(const std::function<std::function<void()>()>& prepare) {
  FILE* const replies = fdopen(3, "w");
  if (replies == nullptr) return 1;
  const auto reply = [&](const std::string& text) {
    std::fprintf(replies, "%s\n", text.c_str());
    std::fflush(replies);
  };
  reply("{\"importMs\": 0}");
  std::function<void()> step;
  for (std::string line; std::getline(std::cin, line);) {
    try {
      if (line.find("\"prepare\"") != std::string::npos) {
        step = prepare();
        step();
        reply("{}");
        continue;
      }
      const size_t at = line.find("\"steps\":");
      if (at == std::string::npos) throw std::runtime_error("only prepares and runs");
      const long steps = std::atol(line.c_str() + at + 8);
      const double wall = milliseconds(CLOCK_MONOTONIC), cpu = milliseconds(CLOCK_THREAD_CPUTIME_ID);
      for (long i = 0; i < steps; ++i) step();
      reply("{\"ms\": " + std::to_string(milliseconds(CLOCK_MONOTONIC) - wall) +
            ", \"cpuMs\": " + std::to_string(milliseconds(CLOCK_THREAD_CPUTIME_ID) - cpu) +
            ", \"steps\": " + std::to_string(steps) + "}");
    } catch (const std::exception& error) {
      reply(std::string("{\"error\": \"") + error.what() + "\"}");
    }
  }
  return 0;
}
