// Attention of one sequence's queries to its keys in one head, for inference: products as in products.h, softmax in fp32.
#pragma once
#include "packed_heads.h"

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
