// Dropout, activations, sums over rows.
#pragma once
#include "numbers.h"

template <class T>
static void dropout(T* y, const T* x, i64 rows, i64 cols, uint64_t seed, double p, int threads) {
  Dropout drop(seed, p);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (i64 r = 0; r < rows; r++) {
    const DropoutRow row_drop = drop.row(r);
    const T* a = x + r * cols;
    T* b = y + r * cols;
#pragma omp simd
    for (i64 c = 0; c < cols; c++) b[c] = from_float<T>(to_float(a[c]) * row_drop.factor(c));
  }
}

enum Activation { RELU, GELU, GELU_TANH, SILU };

// Value and derivative share nearly all of their work.
template <int A> struct Act;
template <> struct Act<RELU> {
  static inline float value(float x) { return x < 0 ? 0.0f : x; }  // NaN stays NaN
  static inline float slope(float x) { return x <= 0 ? 0.0f : 1.0f; }
};
template <> struct Act<GELU> {  // x Φ(x); Φ by Abramowitz and Stegun 7.1.26, absolute error below 1e-7
  static inline void parts(float x, float& cdf, float& e) {
    float a = __builtin_fabsf(x) * 0.70710678118654752f;
    float t = 1.0f / (1.0f + 0.3275911f * a);
    e = exp_fast(-a * a);
    float poly = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
    float tail = 0.5f * poly * e;
    cdf = x < 0 ? tail : 1.0f - tail;
  }
  static inline float value(float x) { float cdf, e; parts(x, cdf, e); return x * cdf; }
  static inline float slope(float x) { float cdf, e; parts(x, cdf, e); return cdf + x * e * 0.39894228040143268f; }
};
template <> struct Act<GELU_TANH> {
  static inline float tanh_of(float x) {
    return 1.0f - 2.0f / (1.0f + exp_fast(1.5957691216057308f * (x + 0.044715f * x * x * x)));
  }
  static inline float value(float x) { return 0.5f * x * (1.0f + tanh_of(x)); }
  static inline float slope(float x) {
    float t = tanh_of(x);
    return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * 0.79788456080286536f * (1.0f + 0.134145f * x * x);
  }
};
template <> struct Act<SILU> {
  static inline float value(float x) { return x / (1.0f + exp_fast(-x)); }
  static inline float slope(float x) {
    float s = 1.0f / (1.0f + exp_fast(-x));
    return s * (1.0f + x * (1.0f - s));
  }
};

// y = act(x + bias); x, y: [rows, cols], bias: [cols] fp32
template <class T, int A>
static void activate(T* y, const T* x, const float* bias, i64 rows, i64 cols, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (i64 r = 0; r < rows; r++) {
    const T* a = x + r * cols;
    T* b = y + r * cols;
#pragma omp simd
    for (i64 c = 0; c < cols; c++) b[c] = from_float<T>(Act<A>::value(to_float(a[c]) + bias[c]));
  }
}
// dx may be dy.
template <class T, int A>
static void activate_backward(T* dx, const T* dy, const T* x, const float* bias, i64 rows, i64 cols, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (i64 r = 0; r < rows; r++) {
    const T* a = x + r * cols;
    const T* g = dy + r * cols;
    T* b = dx + r * cols;
#pragma omp simd
    for (i64 c = 0; c < cols; c++) b[c] = from_float<T>(to_float(g[c]) * Act<A>::slope(to_float(a[c]) + bias[c]));
  }
}

// out[c] = Σ_r weight[r] x[r, c]; weight may be null. partial: [PIECES, cols]
template <class T>
static void column_sums(float* out, float* partial, const T* x, const float* weight, i64 rows, i64 cols, int threads) {
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (i64 piece = 0; piece < PIECES; piece++) {
      float* sum = partial + piece * cols;
      std::memset(sum, 0, cols * sizeof(float));
      for (i64 r = piece_start(rows, piece); r < piece_start(rows, piece + 1); r++) {
        const T* a = x + r * cols;
        const float w = weight ? weight[r] : 1.0f;
#pragma omp simd
        for (i64 c = 0; c < cols; c++) sum[c] += w * to_float(a[c]);
      }
    }
#pragma omp for schedule(static)
    for (i64 block = 0; block < (cols + 255) / 256; block++) {
      const i64 first = block * 256, last = std::min(cols, first + 256);
      for (i64 c = first; c < last; c++) out[c] = 0;
      for (i64 piece = 0; piece < PIECES; piece++)
#pragma omp simd
        for (i64 c = first; c < last; c++) out[c] += partial[piece * cols + c];
    }
  }
}

// out[t] = Σ_i tables[i][ids[i][t]]; tables: [·, cols] fp32
template <class T>
static void gather_sum(T* out, const float* const* tables, const i64* const* ids, i64 num, i64 rows, i64 cols,
                       int threads) {
#pragma omp parallel num_threads(threads)
  {
    float* z = new float[cols];
#pragma omp for schedule(static)
    for (i64 r = 0; r < rows; r++) {
      for (i64 i = 0; i < num; i++) {
        const float* row = tables[i] + ids[i][r] * cols;
        if (i == 0) std::memcpy(z, row, cols * sizeof(float));
        else
#pragma omp simd
          for (i64 c = 0; c < cols; c++) z[c] += row[c];
      }
      for (i64 c = 0; c < cols; c++) out[r * cols + c] = from_float<T>(z[c]);
    }
    delete[] z;
  }
}

// table[ids[r]] += x[r]. Threads share columns and not rows, so that each element is summed in the rows' order.
template <class T>
static void scatter_add(float* table, const T* x, const i64* ids, i64 rows, i64 cols, int threads) {
  const i64 width = 32;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (i64 block = 0; block < (cols + width - 1) / width; block++) {
    const i64 first = block * width, last = std::min(cols, first + width);
    for (i64 r = 0; r < rows; r++) {
      float* to = table + ids[r] * cols;
      const T* from = x + r * cols;
#pragma omp simd
      for (i64 c = first; c < last; c++) to[c] += to_float(from[c]);
    }
  }
}
