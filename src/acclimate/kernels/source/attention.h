// Attention of packed sequences, forward and backward, one sequence and head at a time in the cache.
//
// No padding and no stored probabilities: the forward pass keeps each softmax's largest score and its sum, and the
// backward pass makes the probabilities again from them (after Dao et al. 2022, whose sum's logarithm loses digits where
// scores are large). Products run on tiles of registers; softmax is fp32. A query sees one stretch of keys: all, those
// up to its own place or to the end of a prefix, those less than a window away.
#pragma once
#include "packed_heads.h"
#include "numbers.h"

static const int QUERIES = 48;  // rows of scores at once: eight tiles

struct Attention {
  const i64 *query_starts, *key_starts;  // [num+1] where sequences begin in the rows of queries and of keys
  const i64* order;                      // [num] sequences, the largest first, so that threads end together
  const i64* prefixes;                   // [num] where causal, how many first keys all queries see besides; null: 0
  const float* bias;                     // [heads, 2*reach+1] added to scores by key's place - query's place; null: none
  i64 num, heads, size;                  // sequences, heads, elements of a head
  i64 query_stride, key_stride, value_stride, most_keys;
  float scale;
  int causal;
  i64 window, reach;  // keys and queries are seen less than `window` places apart; 0: any distance
  double p;
  Dropout drop;
  i64 queries(i64 b) const { return query_starts[b + 1] - query_starts[b]; }
  i64 keys(i64 b) const { return key_starts[b + 1] - key_starts[b]; }
  struct Seen { int first, last; };  // keys of one query, `last` excluded
  Seen seen(i64 b, i64 query) const {
    i64 first = 0, last = keys(b);
    if (causal) last = std::min(last, std::max(query + 1, prefixes ? prefixes[b] : 0));
    if (window) first = std::max<i64>(0, query - window + 1), last = std::min(last, query + window);
    return {(int)first, (int)last};
  }
  struct Span { int from, to, keys; };  // columns of scores, whole panels, and how many of them are keys
  Span span(i64 b, i64 first, int rows) const {  // all that these queries see
    const int low = seen(b, first).first / WIDTH * WIDTH;
    const int high = std::min(rounded_up((int)keys(b), 16), rounded_up(seen(b, first + rows - 1).last, WIDTH));
    return {low, high, std::min((int)keys(b), high) - low};
  }
  const float* bias_of(i64 head, i64 query) const {  // by the key's place
    return bias ? bias + head * (2 * reach + 1) + reach - query : nullptr;
  }
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

// c [rows, ldc] = (or += with `add`) a · packed; a's element (row, group) lies at row * lda + group * step. Of the
// `whole` groups that were packed (0: just these) it takes those from `skip` on.
template <class D>
static void product(float* c, i64 ldc, const typename D::A* a, i64 lda, i64 step, const uint32_t* packed, int rows, int n,
                    int groups, bool add, int whole = 0, int skip = 0) {
  alignas(64) typename D::Sum sums[TALL * VECTORS];
  for (int first = 0; first < n; first += WIDTH) {
    const int wide = std::min(WIDTH, n - first) / LANES;
    const char* panel = (const char*)(packed + (size_t)first * std::max(whole, groups) + (size_t)skip * wide * LANES);
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
static void interleaved(typename D::A* to, const typename D::A* x, int rows, int cols, int first, int last) {
  for (int r = 0; r < rounded_up(rows, D::G); r += D::G)
    for (int g = 0; g < D::G; g++) {
      const typename D::A* from = x + (i64)(r + g) * cols;
      typename D::A* out = to + (i64)r * cols + g;
      const bool there = r + g < rows;
#pragma omp simd
      for (int c = first; c < last; c++) out[c * D::G] = there ? from[c] : 0;
    }
}

// Rows of scores are as long as whole vectors of any width, so that no rest has to be done one by one.
static inline int whole(int n) { return (n + 15) & ~15; }
static inline void fill(float* x, int from, int to, float value) {
  for (int k = from; k < to; k++) x[k] = value;
}

static inline void add_bias(float* e, const float* bias, int from, int to) {
  if (!bias) return;
#pragma omp simd
  for (int k = from; k < to; k++) e[k] += bias[k];
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
  const int size = (int)s.size, size_groups = (size + D::G - 1) / D::G;
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
        const auto at = s.span(b, first, rows);
        product<D>(&desk.scores[at.from], K, desk.q.data(), size, D::G,
                   &desk.turned_keys[(size_t)at.from * size_groups], rows, at.to - at.from, size_groups, false);
        for (int r = 0; r < rows; r++) {
          float* e = desk.scores.data() + (i64)r * K;
          A* w = desk.weights.data() + (i64)r * K;
          const auto seen = s.seen(b, first + r);
          const int all = whole(seen.last);
          float top = -INFINITY, sum = 0;
          add_bias(e, s.bias_of(h, first + r), seen.first, seen.last);
          fill(e, at.from, seen.first, -INFINITY);
          fill(e, seen.last, all, -INFINITY);
#pragma omp simd reduction(max : top)
          for (int k = at.from; k < all; k++) top = std::max(top, e[k]);
#pragma omp simd reduction(+ : sum)
          for (int k = at.from; k < all; k++) sum += e[k] = exp_fast(e[k] - top);
          const float share = 1.0f / sum;
          kept[((start + r) * s.heads + h) * 2] = top;
          kept[((start + r) * s.heads + h) * 2 + 1] = share;
          if (s.p > 0) {
            const DropoutRow row_drop = s.drop.row((start + r) * s.heads + h);
#pragma omp simd
            for (int k = at.from; k < all; k++) assign(w[k], e[k] * share * row_drop.factor(k));
          } else {
#pragma omp simd
            for (int k = at.from; k < all; k++) assign(w[k], e[k] * share);
          }
          for (int k = at.from; k < seen.first; k++) w[k] = 0;
          for (int k = seen.last; k < at.to; k++) w[k] = 0;
        }
        product<D>(desk.dq.data(), desk.S, &desk.weights[at.from], K, D::G, desk.keys.data(), rows, (int)desk.S,
                   (at.keys + D::G - 1) / D::G, false, (keys + D::G - 1) / D::G, at.from / D::G);
        write_rows(out + (start * s.heads + h) * size, desk.dq.data(), desk.S, rows, size, s.heads * size, 1.0f);
      }
    }
  }
}

// One row of scores and of the gradient of what dropout left → the dropped probabilities and the scores' gradient.
template <class A>
static void row_backward(A* weights, A* dscores, float* e, float* d, Attention::Seen seen, Attention::Span at,
                         const float* kept, bool drops, const DropoutRow row_drop, float* dbias) {
  const float top = kept[0], share = kept[1];
  const int all = whole(seen.last);
  float dot = 0;
  fill(e, at.from, seen.first, -INFINITY);
  fill(d, at.from, seen.first, 0);
  fill(e, seen.last, all, -INFINITY);
  fill(d, seen.last, all, 0);
  if (drops) {
#pragma omp simd reduction(+ : dot)
    for (int k = at.from; k < all; k++) {
      const float factor = row_drop.factor(k), w = exp_fast(e[k] - top) * share;
      const float grad = d[k] * factor;
      dot += grad * w;
      d[k] = grad;
      e[k] = w;
      assign(weights[k], w * factor);
    }
  } else {
#pragma omp simd reduction(+ : dot)
    for (int k = at.from; k < all; k++) {
      e[k] = exp_fast(e[k] - top) * share;
      dot += d[k] * e[k];
      assign(weights[k], e[k]);
    }
  }
#pragma omp simd
  for (int k = at.from; k < all; k++) assign(dscores[k], e[k] * (d[k] - dot));
  for (int k = at.from; k < seen.first; k++) weights[k] = dscores[k] = 0;
  for (int k = seen.last; k < at.to; k++) weights[k] = dscores[k] = 0;
  if (!dbias) return;
#pragma omp simd
  for (int k = seen.first; k < seen.last; k++) dbias[k] += e[k] * (d[k] - dot);
}

// dquery, dkey, dvalue: [rows, heads*size] each, every row of a sequence is written.
// dbias: [num, heads, 2*reach+1] each sequence's own, zero before; or null.
template <class T>
static void attention_backward(T* dquery, T* dkey, T* dvalue, float* dbias, const T* gradient, const T* query,
                               const T* key, const T* value, const float* kept, const Attention s, int threads) {
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
        const auto at = s.span(b, first, rows);
        const size_t panels = (size_t)at.from * size_groups;
        product<D>(&desk.scores[at.from], K, desk.q.data(), size, D::G, &desk.turned_keys[panels], rows, at.to - at.from,
                   size_groups, false);
        product<D>(&desk.dweights[at.from], K, desk.g.data(), size, D::G, &desk.turned_values[panels], rows, at.to - at.from,
                   size_groups, false);
        for (int r = 0; r < rows; r++) {
          const auto seen = s.seen(b, first + r);
          float* own = dbias ? dbias + (b * s.heads + h) * (2 * s.reach + 1) + s.reach - (first + r) : nullptr;
          add_bias(&desk.scores[(i64)r * K], s.bias_of(h, first + r), seen.first, seen.last);
          row_backward(&desk.weights[(i64)r * K], &desk.dscores[(i64)r * K], &desk.scores[(i64)r * K],
                       &desk.dweights[(i64)r * K], seen, at, kept + ((start + r) * s.heads + h) * 2, s.p > 0,
                       s.drop.row((start + r) * s.heads + h), own);
        }
        product<D>(desk.dq.data(), S, &desk.dscores[at.from], K, D::G, desk.keys.data(), rows, S,
                   (at.keys + D::G - 1) / D::G, false, key_groups, at.from / D::G);
        write_rows(dquery + start * row + h * size, desk.dq.data(), S, rows, size, row, s.scale);
        pack_values<D>(desk.g.data(), size, rows, size, desk.left.data());
        pack_values<D>(desk.q.data(), size, rows, size, desk.right.data());
        interleaved<D>(desk.turned_rows.data(), desk.weights.data(), rows, K, at.from, at.to);
        product<D>(&desk.dv[(size_t)at.from * S], S, &desk.turned_rows[(size_t)at.from * D::G], D::G, (i64)K * D::G,
                   desk.left.data(), at.keys, S, row_groups, true);
        interleaved<D>(desk.turned_rows.data(), desk.dscores.data(), rows, K, at.from, at.to);
        product<D>(&desk.dk[(size_t)at.from * S], S, &desk.turned_rows[(size_t)at.from * D::G], D::G, (i64)K * D::G,
                   desk.right.data(), at.keys, S, row_groups, true);
      }
      write_rows(dkey + s.key_starts[b] * row + h * size, desk.dk.data(), S, keys, size, row, 1.0f);
      write_rows(dvalue + s.key_starts[b] * row + h * size, desk.dv.data(), S, keys, size, row, 1.0f);
    }
  }
}
