// A head's keys and values packed as the weights of products.h, for attention in training and for answers.
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
