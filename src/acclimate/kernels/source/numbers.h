// Number formats, vectorisable elementary functions and counter-based random bits that all kernels share.
//
// Arithmetic is fp32 whatever the storage. Loops are written so that the compiler vectorises them; sums inside a row
// are reassociated only where `omp simd reduction` says so, and never across threads.
#pragma once
#include <cstdint>
#include <cstring>
#include <cmath>
#include <algorithm>

typedef int64_t i64;
struct bf16 { uint16_t bits; };

static inline float to_float(float x) { return x; }
static inline float to_float(bf16 x) { return __builtin_bit_cast(float, (uint32_t)x.bits << 16); }
template <class T> static inline T from_float(float x);
template <> inline float from_float<float>(float x) { return x; }
template <> inline bf16 from_float<bf16>(float x) {  // to nearest, ties to even; NaN stays NaN
  uint32_t b = __builtin_bit_cast(uint32_t, x);
  uint32_t rounded = (b + 0x7fffu + ((b >> 16) & 1u)) >> 16;
  return bf16{(uint16_t)((b & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded)};
}

// e^x to 2 units in the last place (Cephes' polynomial); below -87.3 it gives 1.2e-38 and not 0.
static inline float exp_fast(float x) {
  x = x < -87.3f ? -87.3f : x;
  x = x > 88.3f ? 88.3f : x;
  float n = __builtin_floorf(x * 1.44269504088896341f + 0.5f);
  float r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * __builtin_bit_cast(float, ((int32_t)n + 127) << 23);
}

// Random bits as a function of (key, row, column): the same whatever the threads, and again in the backward pass.
static inline uint64_t mix64(uint64_t x) {  // splitmix64's finaliser
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}
static inline uint32_t mix32(uint32_t x) {  // lowbias32 (Wellons 2018)
  x ^= x >> 16; x *= 0x7feb352du;
  x ^= x >> 15; x *= 0x846ca68bu;
  return x ^ (x >> 16);
}
struct DropoutRow {  // one row's bits; a local copy, so that the compiler keeps it in registers
  uint32_t low, high, below;
  float scale;
  float factor(i64 column) const {  // what the element is multiplied by
    const uint32_t bits = mix32((uint32_t)column * 0x9E3779B1u + low) ^ high;
    return bits < below ? 0.0f : scale;
  }
};
struct Dropout {
  uint64_t seed;
  uint32_t below;  // bits below this are dropped
  float scale;     // 1 / (1 - p); 0 for p = 1
  Dropout(uint64_t seed_, double p)
      : seed(seed_), below((uint32_t)std::min(p * 4294967296.0, 4294967295.0)), scale(p < 1 ? (float)(1.0 / (1.0 - p)) : 0.0f) {}
  DropoutRow row(i64 r) const {
    const uint64_t key = mix64(seed + (uint64_t)(r + 1) * 0x9E3779B97F4A7C15ull);
    return DropoutRow{(uint32_t)key, (uint32_t)(key >> 32), below, scale};
  }
};

// Rows are cut into this many pieces for sums over rows, whatever the threads: the sums' order never changes.
static const i64 PIECES = 32;
static inline i64 piece_start(i64 rows, i64 piece) { return rows * piece / PIECES; }
