// What surrounds attention's matrix products on packed rows: laying out heads, softmax with dropout, and gradients.
//
// A group holds n sequences, each padded to `length` places. starts[i], lengths[i]: the tokens of sequence i in the row.
#pragma once
#include "numbers.h"

// out [n, heads, length, size] ← x [T, heads*size], times `scale`; padding becomes 0. stride: elements from row to row of x.
template <class T>
static void spread_heads(T* out, const T* x, const i64* starts, const i64* lengths, i64 n, i64 heads, i64 length,
                         i64 size, i64 stride, double scale, int threads) {
  const float s = (float)scale;
#pragma omp parallel for collapse(2) num_threads(threads) schedule(static)
  for (i64 i = 0; i < n; i++)
    for (i64 h = 0; h < heads; h++) {
      T* to = out + (i * heads + h) * length * size;
      const T* from = x + starts[i] * stride + h * size;
      if (s == 1.0f)
        for (i64 t = 0; t < lengths[i]; t++) std::memcpy(to + t * size, from + t * stride, size * sizeof(T));
      else
        for (i64 t = 0; t < lengths[i]; t++)
#pragma omp simd
          for (i64 d = 0; d < size; d++) to[t * size + d] = from_float<T>(s * to_float(from[t * stride + d]));
      std::memset(to + lengths[i] * size, 0, (length - lengths[i]) * size * sizeof(T));
    }
}

// x [T, heads*size] ← in [n, heads, length, size], times `scale`; padding is left out.
template <class T>
static void collect_heads(T* x, const T* in, const i64* starts, const i64* lengths, i64 n, i64 heads, i64 length,
                          i64 size, i64 stride, double scale, int threads) {
  const float s = (float)scale;
#pragma omp parallel for collapse(2) num_threads(threads) schedule(static)
  for (i64 i = 0; i < n; i++)
    for (i64 h = 0; h < heads; h++) {
      const T* from = in + (i * heads + h) * length * size;
      T* to = x + starts[i] * stride + h * size;
      if (s == 1.0f)
        for (i64 t = 0; t < lengths[i]; t++) std::memcpy(to + t * stride, from + t * size, size * sizeof(T));
      else
        for (i64 t = 0; t < lengths[i]; t++)
#pragma omp simd
          for (i64 d = 0; d < size; d++) to[t * stride + d] = from_float<T>(s * to_float(from[t * size + d]));
    }
}

// scores [n, heads, length, length] become probabilities in place; places beyond a sequence get 0.
// dropped: the same after dropout, or null without. causal: a token sees itself and what stands before it.
template <class T>
static void softmax(T* scores, T* dropped, const i64* starts, const i64* lengths, i64 n, i64 heads, i64 length,
                    int causal, uint64_t seed, double p, int threads) {
  Dropout drop(seed, p);
#pragma omp parallel num_threads(threads)
  {
    float* e = new float[length];
#pragma omp for collapse(2) schedule(dynamic, 4)
    for (i64 i = 0; i < n; i++)
      for (i64 h = 0; h < heads; h++) {
        const i64 own = lengths[i];
        T* block = scores + (i * heads + h) * length * length;
        T* block_dropped = dropped ? dropped + (i * heads + h) * length * length : nullptr;
        for (i64 q = 0; q < own; q++) {
          T* row = block + q * length;
          const i64 seen = causal ? q + 1 : own;
          float top = -INFINITY, sum = 0;
#pragma omp simd reduction(max : top)
          for (i64 k = 0; k < seen; k++) top = std::max(top, to_float(row[k]));
#pragma omp simd reduction(+ : sum)
          for (i64 k = 0; k < seen; k++) sum += e[k] = exp_fast(to_float(row[k]) - top);
          const float scale = 1.0f / sum;
#pragma omp simd
          for (i64 k = 0; k < seen; k++) row[k] = from_float<T>(e[k] * scale);
          std::memset(row + seen, 0, (length - seen) * sizeof(T));
          if (dropped) {
            const DropoutRow row_drop = drop.row((starts[i] + q) * heads + h);
            T* out = block_dropped + q * length;
#pragma omp simd
            for (i64 k = 0; k < seen; k++) out[k] = from_float<T>(e[k] * scale * row_drop.factor(k));
            std::memset(out + seen, 0, (length - seen) * sizeof(T));
          }
        }
        std::memset(block + own * length, 0, (length - own) * length * sizeof(T));
        if (dropped) std::memset(block_dropped + own * length, 0, (length - own) * length * sizeof(T));
      }
    delete[] e;
  }
}

// gradient [n, heads, length, length] of the dropped probabilities becomes that of the scores, in place; with dropout
// the dropped probabilities are made again in `dropped` (or null).
template <class T>
static void softmax_backward(T* gradient, T* dropped, const T* probabilities, const i64* starts, const i64* lengths,
                             i64 n, i64 heads, i64 length, int causal, uint64_t seed, double p, int threads) {
  Dropout drop(seed, p);
#pragma omp parallel num_threads(threads)
  {
    float* g = new float[length];
#pragma omp for collapse(2) schedule(dynamic, 4)
    for (i64 i = 0; i < n; i++)
      for (i64 h = 0; h < heads; h++) {
        const i64 own = lengths[i], block = (i * heads + h) * length * length;
        for (i64 q = 0; q < own; q++) {
          const T* prob = probabilities + block + q * length;
          T* grad = gradient + block + q * length;
          const i64 seen = causal ? q + 1 : own;
          float dot = 0;
          if (dropped) {
            const DropoutRow row_drop = drop.row((starts[i] + q) * heads + h);
            T* out = dropped + block + q * length;
#pragma omp simd reduction(+ : dot)
            for (i64 k = 0; k < seen; k++) {
              const float factor = row_drop.factor(k), one = to_float(prob[k]);
              g[k] = to_float(grad[k]) * factor;
              out[k] = from_float<T>(one * factor);
              dot += g[k] * one;
            }
            std::memset(out + seen, 0, (length - seen) * sizeof(T));
          } else {
#pragma omp simd reduction(+ : dot)
            for (i64 k = 0; k < seen; k++) {
              g[k] = to_float(grad[k]);
              dot += g[k] * to_float(prob[k]);
            }
          }
#pragma omp simd
          for (i64 k = 0; k < seen; k++) grad[k] = from_float<T>(to_float(prob[k]) * (g[k] - dot));
          std::memset(grad + seen, 0, (length - seen) * sizeof(T));
        }
        std::memset(gradient + block + own * length, 0, (length - own) * length * sizeof(T));
        if (dropped) std::memset(dropped + block + own * length, 0, (length - own) * length * sizeof(T));
      }
    delete[] g;
  }
}
