// y = LayerNorm(dropout(x + shift) + residual) in one pass, and its gradients.
#pragma once
#include "numbers.h"

// x is overwritten with what was normalised, for the backward pass, unless that is x itself.
// x, residual (or null), y: [rows, cols]; shift (or null), gain, bias: [cols] fp32; mean, rstd: [rows]
template <class T>
static void norm(T* y, T* x, const float* shift, const T* residual, const float* gain, const float* bias, float* mean, float* rstd,
                 i64 rows, i64 cols, double eps, uint64_t seed, double p, int threads) {
  Dropout drop(seed, p);
#pragma omp parallel num_threads(threads)
  {
    float* z = new float[cols];
#pragma omp for schedule(static)
    for (i64 r = 0; r < rows; r++) {
      T* a = x + r * cols;
      if (shift) {
#pragma omp simd
        for (i64 c = 0; c < cols; c++) z[c] = to_float(a[c]) + shift[c];
      } else {
#pragma omp simd
        for (i64 c = 0; c < cols; c++) z[c] = to_float(a[c]);
      }
      if (p > 0) {
        const DropoutRow row_drop = drop.row(r);
#pragma omp simd
        for (i64 c = 0; c < cols; c++) z[c] *= row_drop.factor(c);
      }
      if (residual) {
        const T* b = residual + r * cols;
#pragma omp simd
        for (i64 c = 0; c < cols; c++) z[c] += to_float(b[c]);
      }
      if (p > 0 || residual || shift) {
#pragma omp simd
        for (i64 c = 0; c < cols; c++) a[c] = from_float<T>(z[c]);
      }
      float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
      for (i64 c = 0; c < cols; c++) sum += z[c];
      const float m = sum / cols;
#pragma omp simd reduction(+ : squares)
      for (i64 c = 0; c < cols; c++) squares += (z[c] - m) * (z[c] - m);
      const float s = 1.0f / std::sqrt(squares / cols + (float)eps);
      mean[r] = m;
      rstd[r] = s;
      T* out = y + r * cols;
#pragma omp simd
      for (i64 c = 0; c < cols; c++) out[c] = from_float<T>((z[c] - m) * s * gain[c] + bias[c]);
    }
    delete[] z;
  }
}

// dz: gradient of residual (and of x without dropout); dx: of x, or null without dropout (may not alias dy).
// partial: [PIECES, 2, cols]; dgain, dbias: [cols]
template <class T>
static void norm_backward(T* dz, T* dx, float* dgain, float* dbias, float* partial, const T* dy, const T* z,
                          const float* gain, const float* mean, const float* rstd, i64 rows, i64 cols, uint64_t seed,
                          double p, int threads) {
  Dropout drop(seed, p);
#pragma omp parallel num_threads(threads)
  {
    float* h = new float[2 * cols];
    float* g = h + cols;
#pragma omp for schedule(static)
    for (i64 piece = 0; piece < PIECES; piece++) {
      float* sum_gain = partial + piece * 2 * cols;
      float* sum_bias = sum_gain + cols;
      std::memset(sum_gain, 0, 2 * cols * sizeof(float));
      for (i64 r = piece_start(rows, piece); r < piece_start(rows, piece + 1); r++) {
        const T* a = z + r * cols;
        const T* b = dy + r * cols;
        const float m = mean[r], s = rstd[r];
        float mean_g = 0, mean_gh = 0;
#pragma omp simd reduction(+ : mean_g, mean_gh)
        for (i64 c = 0; c < cols; c++) {
          const float d = to_float(b[c]), normal = (to_float(a[c]) - m) * s;
          sum_gain[c] += d * normal;
          sum_bias[c] += d;
          h[c] = normal;
          g[c] = d * gain[c];
          mean_g += g[c];
          mean_gh += g[c] * normal;
        }
        mean_g /= cols;
        mean_gh /= cols;
        T* out = dz + r * cols;
#pragma omp simd
        for (i64 c = 0; c < cols; c++) {
          g[c] = (g[c] - mean_g - h[c] * mean_gh) * s;
          out[c] = from_float<T>(g[c]);
        }
        if (dx) {
          T* dropped = dx + r * cols;
          const DropoutRow row_drop = drop.row(r);
#pragma omp simd
          for (i64 c = 0; c < cols; c++) dropped[c] = from_float<T>(g[c] * row_drop.factor(c));
        }
      }
    }
    delete[] h;
#pragma omp for schedule(static)
    for (i64 block = 0; block < (cols + 255) / 256; block++) {
      const i64 first = block * 256, last = std::min(cols, first + 256);
      for (i64 c = first; c < last; c++) dgain[c] = dbias[c] = 0;
      for (i64 piece = 0; piece < PIECES; piece++) {
        const float* sum_gain = partial + piece * 2 * cols;
#pragma omp simd
        for (i64 c = first; c < last; c++) {
          dgain[c] += sum_gain[c];
          dbias[c] += sum_gain[cols + c];
        }
      }
    }
  }
}
