// Cross entropy over a vocabulary with its gradient, one row of scores at a time while it lies in the cache.
#pragma once
#include <vector>

#include "numbers.h"

// loss[m] = −log softmax(scores[m] + bias)[target[m]]; with `gradient` the scores become softmax − one-hot, in place.
// bias: [cols] fp32 or null.
template <class T>
static void cross_entropy(float* loss, T* scores, const float* bias, const i64* targets, i64 rows, i64 cols, int gradient, int threads) {
  const std::vector<float> none(bias ? 0 : cols);
  if (!bias) bias = none.data();
#pragma omp parallel num_threads(threads)
  {
    float* e = new float[cols];
#pragma omp for schedule(static)
    for (i64 r = 0; r < rows; r++) {
      T* row = scores + r * cols;
      float top = -INFINITY, sum = 0;
#pragma omp simd reduction(max : top)
      for (i64 c = 0; c < cols; c++) top = std::max(top, to_float(row[c]) + bias[c]);
      const float wanted = to_float(row[targets[r]]) + bias[targets[r]];
#pragma omp simd reduction(+ : sum)
      for (i64 c = 0; c < cols; c++) sum += e[c] = exp_fast(to_float(row[c]) + bias[c] - top);
      loss[r] = std::log(sum) + (top - wanted);
      if (gradient) {
        const float scale = 1.0f / sum;
        const float share = e[targets[r]] * scale;
#pragma omp simd
        for (i64 c = 0; c < cols; c++) row[c] = from_float<T>(e[c] * scale);
        row[targets[r]] = from_float<T>(share - 1.0f);
      }
    }
    delete[] e;
  }
}
