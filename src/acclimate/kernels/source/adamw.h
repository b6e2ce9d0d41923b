// One pass over a parameter: gradient × factor → moments → weight → its bf16 copy.
#pragma once
#include "numbers.h"

// w ← w·(1 − lr·decay) − (lr/correction1) · m / (√v/√correction2 + eps), Loshchilov and Hutter 2019.
static void adamw(float* weight, float* first, float* second, const float* gradient, bf16* copy, i64 n, double factor,
                  double lr, double beta1, double beta2, double eps, double decay, double correction1,
                  double correction2, int threads) {
  const float f = factor, b1 = beta1, b2 = beta2, c1 = 1.0 - beta1, c2 = 1.0 - beta2;
  const float keep = 1.0 - lr * decay, step = lr / correction1, root = 1.0 / std::sqrt(correction2), e = eps;
#define UPDATE                                                  \
  const float g = gradient[i] * f;                              \
  const float m = b1 * first[i] + c1 * g;                       \
  const float v = b2 * second[i] + c2 * g * g;                  \
  const float w = weight[i] * keep - step * m / (std::sqrt(v) * root + e); \
  first[i] = m; second[i] = v; weight[i] = w;
  if (copy) {
#pragma omp parallel for simd num_threads(threads) schedule(static)
    for (i64 i = 0; i < n; i++) { UPDATE copy[i] = from_float<bf16>(w); }
  } else {
#pragma omp parallel for simd num_threads(threads) schedule(static)
    for (i64 i = 0; i < n; i++) { UPDATE }
  }
#undef UPDATE
}
