// OpenBLAS: C = A·B, row-major. Usage: openblas M N K
#include <cblas.h>

#include "serve.h"

int main(int, char** arguments) {
  const int m = std::atoi(arguments[1]), n = std::atoi(arguments[2]), k = std::atoi(arguments[3]);
  return serve([=]() -> std::function<void()> {
    const auto a = random_floats(size_t(m) * k), b = random_floats(size_t(k) * n);
    std::vector<float> c(size_t(m) * n);
    return [=]() mutable {
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a.data(), k, b.data(), n, 0, c.data(), n);
    };
  });
}
