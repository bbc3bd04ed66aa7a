// Vectors of the machine's width, with exp and Mish on them, and aligned buffers.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr bool many_registers = true;  // 32 vector registers, else 16
#else
constexpr bool many_registers = false;
#endif

#define INLINE inline __attribute__((always_inline))

template <class T>
struct Real;

template <>
struct Real<float> {
  typedef float Vec __attribute__((vector_size(vector_bytes)));
  typedef int32_t Bits __attribute__((vector_size(vector_bytes)));
  static constexpr int mantissa = 23;
  static constexpr float round = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  static constexpr float lowest = -87.0f, saturated = 20.0f;
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  // exp(r) = 1 + r + r^2 (c0 + c1 r + ...), relative error 2e-9 on |r| <= ln(2) / 2
  static constexpr float series[] = {
      0.49999993f, 0.16666520f, 0.041668391f, 0.0083687457f, 0.0013814535f};
};

template <>
struct Real<double> {
  typedef double Vec __attribute__((vector_size(vector_bytes)));
  typedef int64_t Bits __attribute__((vector_size(vector_bytes)));
  static constexpr int mantissa = 52;
  static constexpr double round = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double lowest = -700.0, saturated = 40.0;
  static constexpr double ln2_high = 6.93147180369123816490e-01;
  static constexpr double ln2_low = 1.90821492927058770002e-10;
  // Taylor: relative error 4e-18 on |r| <= ln(2) / 2
  static constexpr double series[] = {
      1.0 / 2,      1.0 / 6,       1.0 / 24,       1.0 / 120,       1.0 / 720,       1.0 / 5040,
      1.0 / 40320,  1.0 / 362880,  1.0 / 3628800,  1.0 / 39916800,  1.0 / 479001600, 1.0 / 6227020800.0};
};

template <class T>
using Vec = typename Real<T>::Vec;

template <class T>
constexpr int lanes = vector_bytes / sizeof(T);

template <class T>
INLINE Vec<T> splat(T value) {
  return value - Vec<T>{};
}

template <class T>
INLINE Vec<T> at_least(Vec<T> x, T bound) {
  return x < bound ? splat<T>(bound) : x;
}

template <class T>
INLINE Vec<T> at_most(Vec<T> x, T bound) {
  return x > bound ? splat<T>(bound) : x;
}

// exp(x) for lowest <= x <= 88; error below 2 units in the last place.
template <class T>
INLINE Vec<T> exponential(Vec<T> x) {
  using R = Real<T>;
  constexpr int terms = sizeof(R::series) / sizeof(T);
  const Vec<T> shifted = x * T(1.44269504088896340736) + R::round;
  const Vec<T> whole = shifted - R::round;
  const Vec<T> r = (x - whole * R::ln2_high) - whole * R::ln2_low;
  Vec<T> p = splat<T>(R::series[terms - 1]);
#pragma GCC unroll 16
  for (int i = terms - 2; i >= 0; --i) p = p * r + R::series[i];
  p = (p * r + T(1)) * r + T(1);
  using Bits = typename R::Bits;
  return (Vec<T>)((Bits)p + ((Bits)shifted << R::mantissa));
}

INLINE Vec<double> reciprocal(Vec<double> x) { return 1.0 / x; }

INLINE Vec<float> reciprocal(Vec<float> x) {
#if defined(__AVX512F__)
  const Vec<float> guess = (Vec<float>)_mm512_rcp14_ps((__m512)x);  // then one Newton step
  return guess * (2.0f - x * guess);
#else
  return 1.0f / x;
#endif
}

// Mish, x tanh(ln(1 + e^x)) = x n / (n + 2) with n = e^x (e^x + 2), and its slope.
template <class T>
struct Mish {
  Vec<T> value, slope;

  static INLINE Mish of(Vec<T> x) {
    const Vec<T> e =
        exponential<T>(at_most<T>(at_least<T>(x, Real<T>::lowest), Real<T>::saturated));
    const Vec<T> n = e * (e + T(2));
    const Vec<T> inverse = reciprocal(n + T(2));
    const Vec<T> value = x * (n * inverse);
    const Vec<T> slope = n * inverse + (T(4) * x * inverse) * ((n - e) * inverse);
    return {value, slope};
  }
};

template <class T, int step>
INLINE Vec<T> swapped(Vec<T> x) {
  typename Real<T>::Bits index;
  for (int i = 0; i < lanes<T>; ++i) index[i] = i ^ step;
#if defined(__clang__)
  Vec<T> out;
  for (int i = 0; i < lanes<T>; ++i) out[i] = x[index[i]];
  return out;
#else
  return __builtin_shuffle(x, index);
#endif
}

// Sum over the lanes.
template <class T>
INLINE T total(Vec<T> x) {
  if constexpr (lanes<T> > 8) x += swapped<T, 8>(x);
  if constexpr (lanes<T> > 4) x += swapped<T, 4>(x);
  if constexpr (lanes<T> > 2) x += swapped<T, 2>(x);
  x += swapped<T, 1>(x);
  return x[0];
}

// Uninitialised memory on a cache-line border.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t count) : data_(allocate(count)) {}
  Buffer(Buffer&& other) noexcept : data_(other.data_) { other.data_ = nullptr; }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  ~Buffer() { std::free(data_); }
  T* get() const { return data_; }
  Vec<T>* vectors() const { return reinterpret_cast<Vec<T>*>(data_); }

 private:
  static T* allocate(int64_t count) {
    const int64_t bytes = (count * int64_t(sizeof(T)) / 64 + 1) * 64;
    void* memory = std::aligned_alloc(64, bytes);
    if (!memory) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  T* data_ = nullptr;
};
