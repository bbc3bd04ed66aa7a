// Factors of the matrix products: numbers as they are, or rounded to bfloat16 and two at a time.
//
// A step of a product adds factor * factors to a vector of sums. Both kinds bring numbers into this
// form: `along`, as factors, those of one row side by side; `across`, in vectors, those of rows one
// below the other.
#pragma once

#include "vectors.h"

template <class T>
struct Exact {
  using Sum = T;
  using Factor = T;
  using Factors = Vec<T>;
  static constexpr int terms = 1;  // that a step adds to each sum

  static INLINE void add(Vec<T>& sum, T x, const Vec<T>& y) { sum += x * y; }
  static const T* along(const Vec<T>* from, int64_t, T*) {
    return reinterpret_cast<const T*>(from);
  }
  static const Vec<T>* across(const Vec<T>* from, int64_t, int64_t, Vec<T>*) { return from; }
};

#if defined(__AVX512BF16__) && defined(__AVX512BW__)
#define BFLOAT16_PRODUCTS

// Products of bfloat16 are exact in float32, and so are their sums but for rounding.
struct Bfloat16 {
  using Sum = float;
  using Factor = int32_t;  // two numbers, the first in the low half
  using Factors = Real<float>::Bits;
  static constexpr int terms = 2;

  static INLINE void add(Vec<float>& sum, Factor x, const Factors& y) {
    sum = (Vec<float>)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32(x), (__m512bh)y);
  }

  // `count` vectors, an even number.
  static INLINE const Factor* along(const Vec<float>* from, int64_t count, Factor* to) {
    for (int64_t i = 0; i < count; i += 2)
      *reinterpret_cast<Factors*>(to + i * lanes<float> / 2) = rounded(from[i], from[i + 1]);
    return to;
  }

  // An even number of rows, each of `width` vectors.
  static INLINE const Factors* across(const Vec<float>* from, int64_t rows, int64_t width,
                                      Factors* to) {
    alignas(64) int16_t order[32];
    for (int16_t i = 0; i < 32; ++i) order[i] = i % 2 * 16 + i / 2;
    const __m512i by_lane = _mm512_load_si512(order);
    for (int64_t row = 0; row < rows; row += 2)
      for (int64_t v = 0; v < width; ++v) {
        const Factors both = rounded(from[row * width + v], from[(row + 1) * width + v]);
        to[row / 2 * width + v] = (Factors)_mm512_permutexvar_epi16(by_lane, (__m512i)both);
      }
    return to;
  }

 private:
  // To the nearest, ties to even; the first vector in the low half.
  static INLINE Factors rounded(const Vec<float>& first, const Vec<float>& second) {
    return (Factors)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
  }
};
#endif
