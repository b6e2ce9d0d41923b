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
  void activate_##S(T* y, const T* x, const float* bias, i64 rows, i64 cols, int kind, int threads) {                 \
    switch (kind) {                                                                                                   \
      case RELU: activate<T, RELU>(y, x, bias, rows, cols, threads); break;                                           \
      case GELU: activate<T, GELU>(y, x, bias, rows, cols, threads); break;                                           \
      case GELU_TANH: activate<T, GELU_TANH>(y, x, bias, rows, cols, threads); break;                                 \
      case SILU: activate<T, SILU>(y, x, bias, rows, cols, threads); break;                                           \
    }                                                                                                                 \
  }                                                                                                                   \
  void activate_backward_##S(T* dx, const T* dy, const T* x, const float* bias, i64 rows, i64 cols, int kind, int threads) { \
    switch (kind) {                                                                                                   \
      case RELU: activate_backward<T, RELU>(dx, dy, x, bias, rows, cols, threads); break;                             \
      case GELU: activate_backward<T, GELU>(dx, dy, x, bias, rows, cols, threads); break;                             \
      case GELU_TANH: activate_backward<T, GELU_TANH>(dx, dy, x, bias, rows, cols, threads); break;                   \
      case SILU: activate_backward<T, SILU>(dx, dy, x, bias, rows, cols, threads); break;                             \
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
  void norm_##S(T* y, T* x, const float* shift, const T* residual, const float* gain, const float* bias, float* mean, float* rstd, \
                i64 rows, i64 cols, double eps, uint64_t seed, double p, int threads) {                               \
    norm<T>(y, x, shift, residual, gain, bias, mean, rstd, rows, cols, eps, seed, p, threads);                        \
  }                                                                                                                   \
  void norm_backward_##S(T* dz, T* dx, float* dgain, float* dbias, float* partial, const T* dy, const T* z,           \
                         const float* gain, const float* mean, const float* rstd, i64 rows, i64 cols, uint64_t seed,  \
                         double p, int threads) {                                                                     \
    norm_backward<T>(dz, dx, dgain, dbias, partial, dy, z, gain, mean, rstd, rows, cols, seed, p, threads);           \
  }

#define ATTENTION(S, T)                                                                                               \
  void attention_##S(T* out, float* kept, const T* query, const T* key, const T* value, const i64* query_starts,      \
                     const i64* key_starts, const i64* order, const i64* prefixes, const float* bias, i64 num, i64 heads,\
                     i64 size, i64 query_stride, i64 key_stride, i64 value_stride, i64 most_keys, double scale,       \
                     int causal, i64 window, i64 reach, uint64_t seed, double p, int threads) {                       \
    attention<T>(out, kept, query, key, value,                                                                        \
                 {query_starts, key_starts, order, prefixes, bias, num, heads, size, query_stride, key_stride,        \
                  value_stride, most_keys, (float)scale, causal, window, reach, p, Dropout(seed, p)},                 \
                 threads);                                                                                            \
  }                                                                                                                   \
  void attention_backward_##S(T* dquery, T* dkey, T* dvalue, float* dbias, const T* gradient, const T* query,         \
                              const T* key, const T* value, const float* kept, const i64* query_starts,               \
                              const i64* key_starts, const i64* order, const i64* prefixes, const float* bias, i64 num,\
                              i64 heads, i64 size, i64 query_stride, i64 key_stride, i64 value_stride, i64 most_keys, \
                              double scale, int causal, i64 window, i64 reach, uint64_t seed, double p, int threads) {\
    attention_backward<T>(dquery, dkey, dvalue, dbias, gradient, query, key, value, kept,                             \
                          {query_starts, key_starts, order, prefixes, bias, num, heads, size, query_stride, key_stride,\
                           value_stride, most_keys, (float)scale, causal, window, reach, p, Dropout(seed, p)},        \
                          threads);                                                                                   \
  }

#define CROSS_ENTROPY(S, T)                                                                                           \
  void cross_entropy_##S(float* loss, T* scores, const float* bias, const i64* targets, i64 rows, i64 cols, int gradient, int threads) { \
    cross_entropy<T>(loss, scores, bias, targets, rows, cols, gradient, threads);                                     \
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
