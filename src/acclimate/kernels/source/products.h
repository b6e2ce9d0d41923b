// Matrix products of a few rows with weights that were laid out for it once, in three arithmetics.
//
// Legend: M rows of activations, N outputs, K inputs, G inputs that one instruction takes at once (1, 2 or 4 in 32 bits).
//
// Weights [N, K] lie in panels of WIDTH outputs: [N / WIDTH][K / G][WIDTH][G], the last panel only as wide as needed.
// The innermost product holds TALL x WIDTH sums in registers, reads weights straight through and spreads activations.
// Every sum is taken over K in order, whatever the other rows are: a row's result does not depend on its company.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <new>
#include <vector>

#include "vectors.h"

#if defined(__AVX512F__)
static const int TALL = 6, VECTORS = 4;
#elif defined(__AVX__)
static const int TALL = 6, VECTORS = 2;
#else
static const int TALL = 4, VECTORS = 4;
#endif
static const int WIDTH = VECTORS * LANES;

static inline int rounded_up(int n, int unit) { return (n + unit - 1) / unit * unit; }

// Memory on a cache line's border, zero at first, grown and never shrunk.
class Memory {
  void* place = nullptr;
  size_t size = 0;

 public:
  Memory() = default;
  Memory(const Memory&) = delete;
  Memory(Memory&& other) noexcept : place(other.place), size(other.size) { other.place = nullptr, other.size = 0; }
  ~Memory() { std::free(place); }
  char* at_least(size_t bytes) {
    if (bytes > size) {
      std::free(place);
      size = (bytes + 4095) / 4096 * 4096;
      place = std::aligned_alloc(4096, size);
      if (!place) {
        size = 0;
        throw std::bad_alloc();
      }
      std::memset(place, 0, size);
    }
    return (char*)place;
  }
  char* get() const { return (char*)place; }
};

// How a row of activations was rounded to 8 bits: x = scale * (q - zero).
struct Rounding {
  float scale;
  int32_t zero;
};

struct F32 {
  typedef float A;       // an activation as the products take it
  typedef Vf Sum;        // sums of products
  typedef Vf Spread;
  static constexpr int G = 1;
  static constexpr bool ROUNDED = false;  // activations need a scale of their own for each row
  static Vf spread(const A* a) { return all(*a); }
  static Sum dot(Sum sum, Spread a, Vf b) { return sum + a * b; }
  static A weight(float x) { return x; }
  static float read(const A* a) { return *a; }
  static void put(A* to, Vf v) { store(to, v); }
};

#if defined(__AVX512BF16__)
#define HAS_BF16 1
struct BF16 {
  typedef uint16_t A;
  typedef Vf Sum;
  typedef __m512i Spread;
  static constexpr int G = 2;
  static constexpr bool ROUNDED = false;
  static Spread spread(const A* a) {
    int32_t two;
    std::memcpy(&two, a, 4);
    return _mm512_set1_epi32(two);
  }
  static Sum dot(Sum sum, Spread a, Vf b) {
    return (Vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)b, (__m512bh)a);
  }
  static A weight(float x) {  // to nearest, ties to even
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    return (A)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
  }
  static void put(A* to, Vf v) {
    const __m256bh narrow = _mm512_cvtneps_pbh((__m512)v);
    std::memcpy(to, &narrow, sizeof narrow);
  }
};
#endif

#if defined(__AVX512VNNI__)
#define HAS_INT8 1
struct I8 {
  typedef uint8_t A;
  typedef Vi Sum;
  typedef __m512i Spread;
  static constexpr int G = 4;
  static constexpr bool ROUNDED = true;
  static Spread spread(const A* a) {
    int32_t four;
    std::memcpy(&four, a, 4);
    return _mm512_set1_epi32(four);
  }
  static Sum dot(Sum sum, Spread a, Vf b) { return (Vi)_mm512_dpbusd_epi32((__m512i)sum, a, (__m512i)b); }
};
#endif

// TALL or fewer rows times one panel of V vectors. lda: activations from row to row; step: from one group to the next.
template <class D, int M, int V>
static void tile(const typename D::A* a, i64 lda, const char* b, int groups, typename D::Sum* out, i64 step) {
  typename D::Sum sums[M][V] = {};
  for (int k = 0; k < groups; k++, a += step, b += V * sizeof(Vf)) {
    Vf weights[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) weights[v] = load((const float*)b + v * LANES);
#pragma GCC unroll 6
    for (int m = 0; m < M; m++) {
      const typename D::Spread x = D::spread(a + m * lda);
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) sums[m][v] = D::dot(sums[m][v], x, weights[v]);
    }
  }
#pragma GCC unroll 6
  for (int m = 0; m < M; m++)
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) out[m * V + v] = sums[m][v];
}

template <class D, int M>
static inline void tile_of(int vectors, const typename D::A* a, i64 lda, const char* b, int groups, typename D::Sum* out,
                           i64 step) {
  if constexpr (VECTORS > 2) {
    if (vectors == 4) return tile<D, M, 4>(a, lda, b, groups, out, step);
    if (vectors == 3) return tile<D, M, 3>(a, lda, b, groups, out, step);
  }
  if (vectors == 2) return tile<D, M, 2>(a, lda, b, groups, out, step);
  tile<D, M, 1>(a, lda, b, groups, out, step);
}

template <class D>
static void tile_of(int rows, int vectors, const typename D::A* a, i64 lda, const char* b, int groups,
                    typename D::Sum* out, i64 step = D::G) {
  switch (rows) {
    case 1: return tile_of<D, 1>(vectors, a, lda, b, groups, out, step);
    case 2: return tile_of<D, 2>(vectors, a, lda, b, groups, out, step);
    case 3: return tile_of<D, 3>(vectors, a, lda, b, groups, out, step);
    case 4: return tile_of<D, 4>(vectors, a, lda, b, groups, out, step);
    case 5: if constexpr (TALL > 4) return tile_of<D, 5>(vectors, a, lda, b, groups, out, step); break;
    case 6: if constexpr (TALL > 5) return tile_of<D, 6>(vectors, a, lda, b, groups, out, step); break;
  }
}

// Rows first to last in tiles of nearly equal height, each not above TALL: each(row, number).
template <class Each>
static inline void in_tiles(int first, int last, Each each) {
  const int tiles = (last - first + TALL - 1) / TALL;
  for (int t = 0, row = first; t < tiles; t++) {
    const int number = (last - row + tiles - t - 1) / (tiles - t);
    each(row, number);
    row += number;
  }
}

// Activations [M, stride] as the products take them.
template <class D>
struct Rows {
  const typename D::A* data;
  i64 stride;
  const Rounding* rounding;  // [M] for 8 bits, else null
};

// y = x W^T + b
template <class D>
class Linear {
  Memory packed;
  std::vector<float> bias, scale;  // [N] padded with zeros
  std::vector<int32_t> sums;       // of each output's rounded weights
  int groups = 0;

  void pack_row(int row, const float* weights, int k) {
    const int panel = row / WIDTH, lane = row % WIDTH, width = vectors(panel) * LANES;
    char* to = packed.get() + (size_t)panel * WIDTH * groups * 4;
    if constexpr (D::ROUNDED) {
      float top = 0;
      for (int i = 0; i < k; i++) top = std::max(top, std::fabs(weights[i]));
      scale[row] = top / 127.0f;
      const float inverse = top > 0 ? 127.0f / top : 0.0f;
      for (int i = 0; i < k; i++) {
        const int8_t q = (int8_t)std::nearbyint(weights[i] * inverse);
        sums[row] += q;
        to[((size_t)(i / 4) * width + lane) * 4 + i % 4] = (char)q;
      }
    } else {
      typename D::A* place = (typename D::A*)to;
      for (int i = 0; i < k; i++)
        place[((size_t)(i / D::G) * width + lane) * D::G + i % D::G] = D::weight(weights[i]);
    }
  }
  Vf finished(typename D::Sum sum, int column, const Rounding* rounding) const {
    if constexpr (D::ROUNDED) {
      Vi correction;
      std::memcpy(&correction, &sums[column], sizeof correction);
      const Vf whole = __builtin_convertvector(sum - rounding->zero * correction, Vf);
      return whole * (load(&scale[column]) * rounding->scale) + load(&bias[column]);
    } else {
      return sum + load(&bias[column]);
    }
  }

 public:
  int n = 0, panels = 0;

  // Several weights [n, k] of equal k, one below the other; a bias may be null.
  Linear(std::initializer_list<const float*> weights, std::initializer_list<const float*> biases, int each, int k) {
    n = each * (int)weights.size();
    const int padded = rounded_up(n, LANES);
    panels = (padded + WIDTH - 1) / WIDTH;
    groups = (k + D::G - 1) / D::G;
    packed.at_least((size_t)padded * groups * 4);
    bias.resize(padded);
    if (D::ROUNDED) scale.resize(padded), sums.resize(padded);
    int row = 0;
    for (size_t part = 0; part < weights.size(); part++)
      for (int i = 0; i < each; i++, row++) {
        pack_row(row, weights.begin()[part] + (size_t)i * k, k);
        const float* b = biases.begin()[part];
        bias[row] = b ? b[i] : 0.0f;
      }
  }
  int vectors(int panel) const { return std::min(VECTORS, (rounded_up(n, LANES) - panel * WIDTH) / LANES); }

  // One panel's outputs for rows first to last: sink(row, column, vector of LANES outputs).
  template <class Sink>
  void run(int panel, const Rows<D>& x, int first, int last, Sink sink) const {
    alignas(64) typename D::Sum sums_of[TALL * VECTORS];
    const int wide = vectors(panel);
    const char* b = packed.get() + (size_t)panel * WIDTH * groups * 4;
    in_tiles(first, last, [&](int row, int number) {
      tile_of<D>(number, wide, x.data + row * x.stride, x.stride, b, groups, sums_of);
      for (int m = 0; m < number; m++)
        for (int v = 0; v < wide; v++) {
          const int column = panel * WIDTH + v * LANES;
          const Rounding* rounding = D::ROUNDED ? x.rounding + row + m : nullptr;
          sink(row + m, column, finished(sums_of[m * wide + v], column, rounding));
        }
    });
  }
};
