// Attention of packed sequences, forward and backward, one sequence and head at a time in the cache.
//
// No padding and no stored probabilities: the forward pass keeps each softmax's largest score and its sum, and the
// backward pass makes the probabilities again from them (after Dao et al. 2022, whose sum's logarithm loses digits where
// scores are large). Products run on tiles of registers; softmax is fp32.
#pragma once
#include "packed_heads.h"
#include "numbers.h"

static const int QUERIES = 48;  // rows of scores at once: eight tiles

struct Attention {
  const i64 *query_starts, *key_starts;  // [num+1] where sequences begin in the rows of queries and of keys
  const i64* order;                      // [num] sequences, the largest first, so that threads end together
  i64 num, heads, size;                  // sequences, heads, elements of a head
  i64 query_stride, key_stride, value_stride, most_keys;
  float scale;
  int causal;
  double p;
  Dropout drop;
  i64 queries(i64 b) const { return query_starts[b + 1] - query_starts[b]; }
  i64 keys(i64 b) const { return key_starts[b + 1] - key_starts[b]; }
};

// In which arithmetic the products of a storage run.
template <class T> struct ArithmeticOf { typedef F32 Kind; };
#if defined(HAS_BF16)
template <> struct ArithmeticOf<bf16> { typedef BF16 Kind; };
#endif
static inline float as_float(float x) { return x; }
static inline float as_float(uint16_t x) { return to_float(bf16{x}); }
static inline void assign(float& to, float x) { to = x; }
static inline void assign(uint16_t& to, float x) { to = from_float<bf16>(x).bits; }

// Rows of one head, times scale, side by side.
template <class A, class T>
static void head_rows(A* to, const T* x, i64 rows, i64 size, i64 stride, float scale) {
  if constexpr (sizeof(A) == sizeof(T))
    if (scale == 1.0f) {
      for (i64 r = 0; r < rows; r++) std::memcpy(to + r * size, x + r * stride, size * sizeof(T));
      return;
    }
  for (i64 r = 0; r < rows; r++)
#pragma omp simd
    for (i64 c = 0; c < size; c++) assign(to[r * size + c], to_float(x[r * stride + c]) * scale);
}

// c [rows, ldc] = (or += with `add`) a · packed; a's element (row, group) lies at row * lda + group * step.
template <class D>
static void product(float* c, i64 ldc, const typename D::A* a, i64 lda, i64 step, const uint32_t* packed, int rows, int n,
                    int groups, bool add) {
  alignas(64) typename D::Sum sums[TALL * VECTORS];
  for (int first = 0; first < n; first += WIDTH) {
    const int wide = std::min(WIDTH, n - first) / LANES;
    const char* panel = (const char*)(packed + (size_t)first * groups);
    in_tiles(0, rows, [&](int row, int number) {
      tile_of<D>(number, wide, a + row * lda, lda, panel, groups, sums, step);
      for (int m = 0; m < number; m++)
        for (int v = 0; v < wide; v++) {
          float* to = c + (row + m) * ldc + first + v * LANES;
          store(to, add ? load(to) + (Vf)sums[m * wide + v] : (Vf)sums[m * wide + v]);
        }
    });
  }
}

// Rows of scores as the left side of a product over rows: groups of G rows interleaved. Rows beyond the last count as 0.
template <class D>
static void interleaved(typename D::A* to, const typename D::A* x, int rows, int cols) {
  for (int r = 0; r < rounded_up(rows, D::G); r += D::G)
    for (int g = 0; g < D::G; g++) {
      const typename D::A* from = x + (i64)(r + g) * cols;
      typename D::A* out = to + (i64)r * cols + g;
      const bool there = r + g < rows;
#pragma omp simd
      for (int c = 0; c < cols; c++) out[c * D::G] = there ? from[c] : 0;
    }
}

// Rows of scores are as long as whole vectors of any width, so that no rest has to be done one by one.
static inline int whole(int n) { return (n + 15) & ~15; }
static inline void fill(float* x, int from, int to, float value) {
  for (int k = from; k < to; k++) x[k] = value;
}

// Working memory of one thread for the longest sequence.
template <class D> struct Desk {
  typedef typename D::A A;
  i64 K, S;  // keys and elements of a head, rounded up
  std::vector<A> rows, q, g, weights, dscores, turned_rows;
  std::vector<uint32_t> turned_keys, turned_values, keys, left, right;
  std::vector<float> scores, dweights, dq, dk, dv;
  Desk(i64 most_keys, i64 size, bool backward) : K(whole((int)most_keys)), S(rounded_up((int)size, LANES)) {
    rows.resize(most_keys * size + D::G);
    q.resize(QUERIES * size + D::G);
    weights.resize((QUERIES + 1) * K);
    turned_keys.resize(K * S);
    keys.resize(K * S);
    scores.resize(QUERIES * K);
    dq.resize(QUERIES * S);
    if (!backward) return;
    g.resize(QUERIES * size + D::G);
    dscores.resize((QUERIES + 1) * K);
    turned_rows.resize((QUERIES + 1) * K);
    turned_values.resize(K * S);
    left.resize(QUERIES * S);
    right.resize(QUERIES * S);
    dweights.resize(QUERIES * K);
    dk.resize(K * S);
    dv.resize(K * S);
  }
};

template <class T>
static void write_rows(T* to, const float* x, i64 ldx, i64 rows, i64 size, i64 stride, float scale) {
  for (i64 r = 0; r < rows; r++)
#pragma omp simd
    for (i64 c = 0; c < size; c++) to[r * stride + c] = from_float<T>(x[r * ldx + c] * scale);
}

// out [Tq, heads*size], kept [Tq, heads, 2]: the largest score of each row and one over the sum of e^(score - largest)
template <class T>
static void attention(T* out, float* kept, const T* query, const T* key, const T* value, const Attention s, int threads) {
  typedef typename ArithmeticOf<T>::Kind D;
  typedef typename D::A A;
  const int size = (int)s.size;
#pragma omp parallel num_threads(threads)
  {
    Desk<D> desk(s.most_keys, size, false);
#pragma omp for schedule(dynamic)
    for (i64 unit = 0; unit < s.num * s.heads; unit++) {
      const i64 b = s.order[unit / s.heads], h = unit % s.heads;
      const int keys = (int)s.keys(b), K = whole(keys);
      head_rows(desk.rows.data(), key + s.key_starts[b] * s.key_stride + h * size, keys, size, s.key_stride, 1.0f);
      pack_keys<D>(desk.rows.data(), size, keys, size, desk.turned_keys.data());
      head_rows(desk.rows.data(), value + s.key_starts[b] * s.value_stride + h * size, keys, size, s.value_stride, 1.0f);
      pack_values<D>(desk.rows.data(), size, keys, size, desk.keys.data());
      for (i64 first = 0; first < s.queries(b); first += QUERIES) {
        const int rows = (int)std::min<i64>(QUERIES, s.queries(b) - first);
        const i64 start = s.query_starts[b] + first;
        head_rows(desk.q.data(), query + start * s.query_stride + h * size, rows, size, s.query_stride, s.scale);
        product<D>(desk.scores.data(), K, desk.q.data(), size, D::G, desk.turned_keys.data(), rows, K,
                   (size + D::G - 1) / D::G, false);
        for (int r = 0; r < rows; r++) {
          float* e = desk.scores.data() + (i64)r * K;
          A* w = desk.weights.data() + (i64)r * K;
          const int seen = s.causal ? (int)std::min<i64>(keys, first + r + 1) : keys;
          const int all = whole(seen);
          float top = -INFINITY, sum = 0;
          fill(e, seen, all, -INFINITY);
#pragma omp simd reduction(max : top)
          for (int k = 0; k < all; k++) top = std::max(top, e[k]);
#pragma omp simd reduction(+ : sum)
          for (int k = 0; k < all; k++) sum += e[k] = exp_fast(e[k] - top);
          const float share = 1.0f / sum;
          kept[((start + r) * s.heads + h) * 2] = top;
          kept[((start + r) * s.heads + h) * 2 + 1] = share;
          if (s.p > 0) {
            const DropoutRow row_drop = s.drop.row((start + r) * s.heads + h);
#pragma omp simd
            for (int k = 0; k < all; k++) assign(w[k], e[k] * share * row_drop.factor(k));
          } else {
#pragma omp simd
            for (int k = 0; k < all; k++) assign(w[k], e[k] * share);
          }
          for (int k = seen; k < K; k++) w[k] = 0;
        }
        product<D>(desk.dq.data(), desk.S, desk.weights.data(), K, D::G, desk.keys.data(), rows, (int)desk.S,
                   (keys + D::G - 1) / D::G, false);
        write_rows(out + (start * s.heads + h) * size, desk.dq.data(), desk.S, rows, size, s.heads * size, 1.0f);
      }
    }
  }
}

// One row of scores and of the gradient of what dropout left → the dropped probabilities and the scores' gradient.
template <class A>
static void row_backward(A* weights, A* dscores, float* e, float* d, int seen, int K, const float* kept, bool drops,
                         const DropoutRow row_drop) {
  const float top = kept[0], share = kept[1];
  const int all = whole(seen);
  float dot = 0;
  fill(e, seen, all, -INFINITY);
  fill(d, seen, all, 0);
  if (drops) {
#pragma omp simd reduction(+ : dot)
    for (int k = 0; k < all; k++) {
      const float factor = row_drop.factor(k), w = exp_fast(e[k] - top) * share;
      const float grad = d[k] * factor;
      dot += grad * w;
      d[k] = grad;
      e[k] = w;
      assign(weights[k], w * factor);
    }
  } else {
#pragma omp simd reduction(+ : dot)
    for (int k = 0; k < all; k++) {
      e[k] = exp_fast(e[k] - top) * share;
      dot += d[k] * e[k];
      assign(weights[k], e[k]);
    }
  }
#pragma omp simd
  for (int k = 0; k < all; k++) assign(dscores[k], e[k] * (d[k] - dot));
  for (int k = seen; k < K; k++) weights[k] = dscores[k] = 0;
}

// dquery, dkey, dvalue: [rows, heads*size] each, every row of a sequence is written.
template <class T>
static void attention_backward(T* dquery, T* dkey, T* dvalue, const T* gradient, const T* query, const T* key,
                               const T* value, const float* kept, const Attention s, int threads) {
  typedef typename ArithmeticOf<T>::Kind D;
  typedef typename D::A A;
  const int size = (int)s.size, size_groups = (size + D::G - 1) / D::G;
  const i64 row = s.heads * size;
#pragma omp parallel num_threads(threads)
  {
    Desk<D> desk(s.most_keys, size, true);
    const int S = (int)desk.S;
#pragma omp for schedule(dynamic)
    for (i64 unit = 0; unit < s.num * s.heads; unit++) {
      const i64 b = s.order[unit / s.heads], h = unit % s.heads;
      const int keys = (int)s.keys(b), K = whole(keys), key_groups = (keys + D::G - 1) / D::G;
      head_rows(desk.rows.data(), value + s.key_starts[b] * s.value_stride + h * size, keys, size, s.value_stride, 1.0f);
      pack_keys<D>(desk.rows.data(), size, keys, size, desk.turned_values.data());
      head_rows(desk.rows.data(), key + s.key_starts[b] * s.key_stride + h * size, keys, size, s.key_stride, 1.0f);
      pack_keys<D>(desk.rows.data(), size, keys, size, desk.turned_keys.data());
      pack_values<D>(desk.rows.data(), size, keys, size, desk.keys.data());
      std::memset(desk.dk.data(), 0, (size_t)keys * S * sizeof(float));
      std::memset(desk.dv.data(), 0, (size_t)keys * S * sizeof(float));
      for (i64 first = 0; first < s.queries(b); first += QUERIES) {
        const int rows = (int)std::min<i64>(QUERIES, s.queries(b) - first), row_groups = (rows + D::G - 1) / D::G;
        const i64 start = s.query_starts[b] + first;
        head_rows(desk.q.data(), query + start * s.query_stride + h * size, rows, size, s.query_stride, s.scale);
        head_rows(desk.g.data(), gradient + start * row + h * size, rows, size, row, 1.0f);
        product<D>(desk.scores.data(), K, desk.q.data(), size, D::G, desk.turned_keys.data(), rows, K, size_groups, false);
        product<D>(desk.dweights.data(), K, desk.g.data(), size, D::G, desk.turned_values.data(), rows, K, size_groups, false);
        for (int r = 0; r < rows; r++) {
          const int seen = s.causal ? (int)std::min<i64>(keys, first + r + 1) : keys;
          row_backward(&desk.weights[(i64)r * K], &desk.dscores[(i64)r * K], &desk.scores[(i64)r * K],
                       &desk.dweights[(i64)r * K], seen, K, kept + ((start + r) * s.heads + h) * 2, s.p > 0,
                       s.drop.row((start + r) * s.heads + h));
        }
        product<D>(desk.dq.data(), S, desk.dscores.data(), K, D::G, desk.keys.data(), rows, S, key_groups, false);
        write_rows(dquery + start * row + h * size, desk.dq.data(), S, rows, size, row, s.scale);
        pack_values<D>(desk.g.data(), size, rows, size, desk.left.data());
        pack_values<D>(desk.q.data(), size, rows, size, desk.right.data());
        interleaved<D>(desk.turned_rows.data(), desk.weights.data(), rows, K);
        product<D>(desk.dv.data(), S, desk.turned_rows.data(), D::G, (i64)K * D::G, desk.left.data(), keys, S, row_groups, true);
        interleaved<D>(desk.turned_rows.data(), desk.dscores.data(), rows, K);
        product<D>(desk.dk.data(), S, desk.turned_rows.data(), D::G, (i64)K * D::G, desk.right.data(), keys, S, row_groups, true);
      }
      write_rows(dkey + s.key_starts[b] * row + h * size, desk.dk.data(), S, keys, size, row, 1.0f);
      write_rows(dvalue + s.key_starts[b] * row + h * size, desk.dv.data(), S, keys, size, row, 1.0f);
    }
  }
}
