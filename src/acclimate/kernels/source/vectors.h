// Vectors of fp32 as wide as the processor's registers, through the compiler's vector extension, so that the same lines
// serve x86, ARM and whatever else; and the elementary functions an encoder needs on them.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

typedef int64_t i64;

#if defined(__AVX512F__)
static const int LANES = 16;  // of 32 registers
#elif defined(__AVX__)
static const int LANES = 8;  // of 16 registers
#else
static const int LANES = 4;
#endif

typedef float Vf __attribute__((vector_size(LANES * 4)));
typedef int32_t Vi __attribute__((vector_size(LANES * 4)));

static inline Vf load(const float* x) {
  Vf v;
  std::memcpy(&v, x, sizeof v);
  return v;
}
static inline void store(float* to, Vf v) { std::memcpy(to, &v, sizeof v); }
static inline Vf all(float x) { return x - Vf{}; }
static inline Vi floats_bits(Vf v) { return (Vi)v; }
static inline Vf smaller(Vf a, Vf b) { return a < b ? a : b; }
static inline Vf larger(Vf a, Vf b) { return a > b ? a : b; }
static inline Vf clamped(Vf x, float low, float high) { return smaller(larger(x, all(low)), all(high)); }

// The first n lanes of v, zero in the others.
static inline Vf first_lanes(Vf v, int n) {
  Vi lane;
  for (int i = 0; i < LANES; i++) lane[i] = i;
  return lane < n ? v : Vf{};
}
static inline float sum_of(Vf v) {
  float part[LANES];
  store(part, v);
  for (int width = LANES / 2; width; width /= 2)
    for (int i = 0; i < width; i++) part[i] += part[i + width];
  return part[0];
}
static inline float largest_of(Vf v) {
  float part[LANES];
  store(part, v);
  float top = part[0];
  for (int i = 1; i < LANES; i++) top = part[i] > top ? part[i] : top;
  return top;
}

// e^x to 2 units in the last place (Cephes' polynomial); below -87.3 it gives 1.2e-38 and not 0.
static inline Vf exponential(Vf x) {
  x = clamped(x, -87.3f, 88.3f);
  const Vf shifted = x * 1.44269504088896341f + 12582912.0f;  // 1.5 * 2^23: rounds to a whole number
  const Vf n = shifted - 12582912.0f;
  Vf r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  Vf p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + (r + 1.0f);
  return (Vf)((Vi)p + ((Vi)shifted << 23));
}

// The error function by a rational function of degree 13 over 8 (as in Eigen), to 3e-7.
static inline Vf error_function(Vf x) {
  x = clamped(x, -4.0f, 4.0f);
  const Vf s = x * x;
  Vf p = s * -2.72614225801306e-10f + 2.77068142495902e-08f;
  p = p * s - 2.10102402082508e-06f;
  p = p * s - 5.69250639462346e-05f;
  p = p * s - 7.34990630326855e-04f;
  p = p * s - 2.95459980854025e-03f;
  p = p * s - 1.60960333262415e-02f;
  Vf q = s * -1.45660718464996e-05f - 2.13374055278905e-04f;
  q = q * s - 1.68282697438203e-03f;
  q = q * s - 7.37332916720468e-03f;
  q = q * s - 1.42647390514189e-02f;
  return x * p / q;
}
static inline Vf gelu(Vf x) { return 0.5f * x * (1.0f + error_function(x * 0.70710678118654752f)); }
static inline Vf tanh_of(Vf x) {
  const Vf e = exponential(2.0f * clamped(x, -15.0f, 15.0f));
  return (e - 1.0f) / (e + 1.0f);
}
