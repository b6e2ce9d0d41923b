// Attention of one sequence's queries to its keys in one head, for inference: products as in products.h, softmax in fp32.
#pragma once
#include "products.h"

template <class D>
static inline uint32_t word_of(const typename D::A* x, int number) {  // G activations, zero where there are fewer
  uint32_t word = 0;
  std::memcpy(&word, x, std::min(number, D::G) * sizeof(typename D::A));
  return word;
}

// Keys [L, size] as weights with L outputs and `size` inputs.
template <class D>
static void pack_keys(const typename D::A* k, i64 stride, int length, int size, uint32_t* to) {
  const int groups = (size + D::G - 1) / D::G, padded = rounded_up(length, LANES);
  for (int first = 0; first < padded; first += WIDTH) {
    const int width = std::min(WIDTH, padded - first);
    uint32_t* panel = to + (size_t)first * groups;
    for (int lane = 0; lane < width; lane++) {
      const int key = first + lane;
      if (key >= length) {
        for (int g = 0; g < groups; g++) panel[(size_t)g * width + lane] = 0;
        continue;
      }
      const typename D::A* row = k + key * stride;
      const int whole = size / D::G;
      for (int g = 0; g < whole; g++) panel[(size_t)g * width + lane] = word_of<D>(row + g * D::G, D::G);
      if (whole < groups) panel[(size_t)whole * width + lane] = word_of<D>(row + whole * D::G, size - whole * D::G);
    }
  }
}

// Values [L, size] as weights with `size` outputs and L inputs.
template <class D>
static void pack_values(const typename D::A* v, i64 stride, int length, int size, uint32_t* to) {
  const int groups = (length + D::G - 1) / D::G, padded = rounded_up(size, LANES);
  for (int first = 0; first < padded; first += WIDTH) {
    const int width = std::min(WIDTH, padded - first), real = std::min(width, size - first);
    uint32_t* panel = to + (size_t)first * groups;
    for (int g = 0; g < groups; g++, panel += width) {
      const typename D::A* row = v + (i64)g * D::G * stride + first;
      if constexpr (D::G == 1) {
        std::memcpy(panel, row, real * sizeof(uint32_t));
      } else {
        const bool pair = g * 2 + 1 < length;
        const typename D::A* below = pair ? row + stride : row;
        const uint32_t kept = pair ? 0xffffffffu : 0x0000ffffu;
        for (int d = 0; d < real; d++) panel[d] = ((uint32_t)row[d] | (uint32_t)below[d] << 16) & kept;
      }
      for (int d = real; d < width; d++) panel[d] = 0;
    }
  }
}

// Products of rows [number, inputs] with packed weights of n outputs (already rounded up to LANES).
template <class D, class Sink>
static void products(const typename D::A* a, i64 lda, int number, const uint32_t* packed, int n, int groups, Sink sink) {
  alignas(64) typename D::Sum sums[TALL * VECTORS];
  for (int first = 0; first < n; first += WIDTH) {
    const int wide = std::min(WIDTH, n - first) / LANES;
    tile_of<D>(number, wide, a, lda, (const char*)(packed + (size_t)first * groups), groups, sums);
    for (int m = 0; m < number; m++)
      for (int v = 0; v < wide; v++) sink(m, first + v * LANES, sums[m * wide + v]);
  }
}

// e^(scale (x - top)) of a row of scores as activations; returns one over their sum.
template <class D>
static float softened(const float* scores, int padded, float scale, typename D::A* out) {
  Vf tops = load(scores);
  for (int i = LANES; i < padded; i += LANES) tops = larger(tops, load(scores + i));
  const float top = largest_of(tops);
  Vf sum = {};
  for (int i = 0; i < padded; i += LANES) {
    const Vf e = exponential((load(scores + i) - top) * scale);
    sum += e;
    D::put(out + i, e);
  }
  return 1.0f / sum_of(sum);
}

// What `attend` needs for keys of this length.
static inline size_t attention_bytes(int length, int size) {
  const size_t keys = rounded_up(length, LANES), dims = rounded_up(size, LANES);
  return (keys * (size + 1) + dims * (length + 1) + TALL * keys * 2) * 4;
}

// q [Q, size] on k, v [L, size] → put(row, column, values). Pad lanes of the last column block are zero.
template <class D, class Put>
static void attend(const typename D::A* q, i64 q_stride, int queries, const typename D::A* k, const typename D::A* v,
                   i64 kv_stride, int length, int size, float scale, Memory& memory, Put put) {
  const int keys = rounded_up(length, LANES), dims = rounded_up(size, LANES);
  const int key_groups = (size + D::G - 1) / D::G, value_groups = (length + D::G - 1) / D::G;
  const size_t key_words = (size_t)keys * key_groups, value_words = (size_t)dims * value_groups;
  char* place = memory.at_least(attention_bytes(length, size));
  uint32_t *packed_k = (uint32_t*)place, *packed_v = packed_k + key_words;
  float* scores = (float*)(packed_v + value_words);
  typename D::A* weights = (typename D::A*)(scores + (size_t)TALL * keys);
  pack_keys<D>(k, kv_stride, length, size, packed_k);
  pack_values<D>(v, kv_stride, length, size, packed_v);
  in_tiles(0, queries, [&](int row, int number) {
    float inverse[TALL];
    products<D>(q + row * q_stride, q_stride, number, packed_k, keys, key_groups,
                [&](int m, int column, Vf sum) { store(scores + (size_t)m * keys + column, sum); });
    for (int m = 0; m < number; m++) {
      float* own = scores + (size_t)m * keys;
      for (int i = length; i < keys; i++) own[i] = -1e30f;
      inverse[m] = softened<D>(own, keys, scale, weights + (size_t)m * keys);
    }
    products<D>(weights, keys, number, packed_v, dims, value_groups,
                [&](int m, int column, Vf sum) { put(row + m, column, sum * inverse[m]); });
  });
}
