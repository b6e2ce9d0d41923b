// The kernels of a training step behind a C interface. Every function exists for fp32 and bf16 storage.
#include "elementwise.h"
#include "norm.h"
#include "attention.h"
#include "cross_entropy.h"
#include "adamw.h"

#define FOR_BOTH(DO) DO(f32, float) DO(bf16, bf16)

#define ELEMENTWISE(S, T)                                                                                             \
  void dropout_##S(T* y, const T* x, i64 rows, i64 cols, uint64_t seed, double p, int threads) {                      \
    dropout<T>(y, x, rows, cols, seed, p, threads);                                                                   \
  }                                                                                                                   \
  void activate_##S(T* y, const T* x, i64 n, int kind, int threads) {                                                 \
    switch (kind) {                                                                                                   \
      case RELU: activate<T, RELU>(y, x, n, threads); break;                                                          \
      case GELU: activate<T, GELU>(y, x, n, threads); break;                                                          \
      case GELU_TANH: activate<T, GELU_TANH>(y, x, n, threads); break;                                                \
      case SILU: activate<T, SILU>(y, x, n, threads); break;                                                          \
    }                                                                                                                 \
  }                                                                                                                   \
  void activate_backward_##S(T* dy, const T* x, i64 n, int kind, int threads) {                                       \
    switch (kind) {                                                                                                   \
      case RELU: activate_backward<T, RELU>(dy, x, n, threads); break;                                                \
      case GELU: activate_backward<T, GELU>(dy, x, n, threads); break;                                                \
      case GELU_TANH: activate_backward<T, GELU_TANH>(dy, x, n, threads); break;                                      \
      case SILU: activate_backward<T, SILU>(dy, x, n, threads); break;                                                \
    }                                                                                                                 \
  }                                                                                                                   \
  void column_sums_##S(float* out, float* partial, const T* x, const float* weight, i64 rows, i64 cols, int threads) { \
    column_sums<T>(out, partial, x, weight, rows, cols, threads);                                                     \
  }                                                                                                                   \
  void gather_sum_##S(T* out, const float* const* tables, const i64* const* ids, i64 num, i64 rows, i64 cols,         \
                      int threads) {                                                                                  \
    gather_sum<T>(out, tables, ids, num, rows, cols, threads);                                                        \
  }                                                                                                                   \
  void scatter_add_##S(float* table, const T* x, const i64* ids, i64 rows, i64 cols, int threads) {                   \
    scatter_add<T>(table, x, ids, rows, cols, threads);                                                               \
  }

#define NORM(S, T)                                                                                                    \
  void norm_##S(T* y, T* x, const T* residual, const float* gain, const float* bias, float* mean, float* rstd,        \
                i64 rows, i64 cols, double eps, uint64_t seed, double p, int threads) {                               \
    norm<T>(y, x, residual, gain, bias, mean, rstd, rows, cols, eps, seed, p, threads);                               \
  }                                                                                                                   \
  void norm_backward_##S(T* dz, T* dx, float* dgain, float* dbias, float* partial, const T* dy, const T* z,           \
                         const float* gain, const float* mean, const float* rstd, i64 rows, i64 cols, uint64_t seed,  \
                         double p, int threads) {                                                                     \
    norm_backward<T>(dz, dx, dgain, dbias, partial, dy, z, gain, mean, rstd, rows, cols, seed, p, threads);           \
  }

#define ATTENTION(S, T)                                                                                               \
  void spread_heads_##S(T* out, const T* x, const i64* starts, const i64* lengths, i64 n, i64 heads, i64 length,      \
                        i64 size, i64 stride, double scale, int threads) {                                            \
    spread_heads<T>(out, x, starts, lengths, n, heads, length, size, stride, scale, threads);                         \
  }                                                                                                                   \
  void collect_heads_##S(T* x, const T* in, const i64* starts, const i64* lengths, i64 n, i64 heads, i64 length,      \
                         i64 size, i64 stride, double scale, int threads) {                                           \
    collect_heads<T>(x, in, starts, lengths, n, heads, length, size, stride, scale, threads);                         \
  }                                                                                                                   \
  void softmax_##S(T* scores, T* dropped, const i64* starts, const i64* lengths, i64 n, i64 heads, i64 length,        \
                   int causal, uint64_t seed, double p, int threads) {                                                \
    softmax<T>(scores, dropped, starts, lengths, n, heads, length, causal, seed, p, threads);                         \
  }                                                                                                                   \
  void softmax_backward_##S(T* gradient, T* dropped, const T* probabilities, const i64* starts, const i64* lengths,   \
                            i64 n, i64 heads, i64 length, int causal, uint64_t seed, double p, int threads) {         \
    softmax_backward<T>(gradient, dropped, probabilities, starts, lengths, n, heads, length, causal, seed, p,         \
                        threads);                                                                                     \
  }

#define CROSS_ENTROPY(S, T)                                                                                           \
  void cross_entropy_##S(float* loss, T* scores, const i64* targets, i64 rows, i64 cols, int gradient, int threads) { \
    cross_entropy<T>(loss, scores, targets, rows, cols, gradient, threads);                                           \
  }

extern "C" {
FOR_BOTH(ELEMENTWISE)
FOR_BOTH(NORM)
FOR_BOTH(ATTENTION)
FOR_BOTH(CROSS_ENTROPY)
void adamw_f32(float* weight, float* first, float* second, const float* gradient, bf16* copy, i64 n, double factor,
               double lr, double beta1, double beta2, double eps, double decay, double correction1, double correction2,
               int threads) {
  adamw(weight, first, second, gradient, copy, n, factor, lr, beta1, beta2, eps, decay, correction1, correction2,
        threads);
}
}
