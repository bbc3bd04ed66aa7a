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
  static constexpr float ln2_high = 0.69314718f, ln2_low = 0;
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

// NaN stays NaN.
template <class T>
INLINE Vec<T> at_least(Vec<T> x, T bound) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm512_max_ps((__m512)splat<T>(bound), (__m512)x);
#endif
  return x < bound ? splat<T>(bound) : x;
}

template <class T>
INLINE Vec<T> at_most(Vec<T> x, T bound) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm512_min_ps((__m512)splat<T>(bound), (__m512)x);
#endif
  return x > bound ? splat<T>(bound) : x;
}

#define EACH(n) _Pragma("GCC unroll 8") for (int i = 0; i < n; ++i)

INLINE Vec<double> reciprocal(Vec<double> x) { return 1.0 / x; }

INLINE Vec<float> reciprocal(Vec<float> x) {
#if defined(__AVX512F__)
  const Vec<float> guess = (Vec<float>)_mm512_rcp14_ps((__m512)x);  // then one Newton step
  return guess * (2.0f - x * guess);
#else
  return 1.0f / x;
#endif
}

// exp of n vectors with lowest <= x <= 88; error below 2 units in the last place. The vectors go
// side by side, step by step, because one alone waits for its own results most of the time.
template <class T, int n>
INLINE void exponentials(Vec<T> (&x)[n]) {
  using R = Real<T>;
  using Bits = typename R::Bits;
  constexpr int terms = sizeof(R::series) / sizeof(T);
  Vec<T> shifted[n], r[n], p[n];
  EACH(n) shifted[i] = x[i] * T(1.44269504088896340736) + R::round;
  EACH(n) r[i] = x[i] - (shifted[i] - R::round) * R::ln2_high;
  if constexpr (R::ln2_low != 0) EACH(n) r[i] -= (shifted[i] - R::round) * R::ln2_low;
  EACH(n) p[i] = R::series[terms - 2] + r[i] * R::series[terms - 1];
#pragma GCC unroll 16
  for (int term = terms - 3; term >= 0; --term) EACH(n) p[i] = p[i] * r[i] + R::series[term];
  EACH(n) p[i] = p[i] * r[i] + T(1);
  EACH(n) p[i] = p[i] * r[i] + T(1);
  EACH(n) x[i] = (Vec<T>)((Bits)p[i] + ((Bits)shifted[i] << R::mantissa));
}

// Mish, x tanh(ln(1 + e^x)) = x m / (m + 2) with m = e^x (e^x + 2), of n vectors in place, and,
// if asked for, its slope.
template <class T, int n, bool slopes>
INLINE void mish(Vec<T> (&x)[n], Vec<T> (&slope)[n]) {
  Vec<T> e[n], m[n], inverse[n];
  EACH(n) e[i] = at_most<T>(at_least<T>(x[i], Real<T>::lowest), Real<T>::saturated);
  exponentials<T, n>(e);
  EACH(n) m[i] = e[i] * (e[i] + T(2));
  EACH(n) inverse[i] = reciprocal(m[i] + T(2));
  if constexpr (slopes) {
    EACH(n) slope[i] = (T(4) * x[i] * inverse[i]) * ((m[i] - e[i]) * inverse[i]);
    EACH(n) slope[i] += m[i] * inverse[i];
  }
  EACH(n) x[i] *= m[i] * inverse[i];
}

// Adds to each lane the one `step` away, of a where the lane number has no bit `step` and of b
// where it has.
template <class T, int step>
INLINE Vec<T> folded(Vec<T> a, Vec<T> b) {
  constexpr int L = lanes<T>;
#if defined(__clang__)
  Vec<T> out;
  for (int i = 0; i < L; ++i) out[i] = i & step ? b[i ^ step] + b[i] : a[i] + a[i ^ step];
  return out;
#else
  typename Real<T>::Bits own, other;
  for (int i = 0; i < L; ++i) {
    own[i] = i & step ? L + i : i;
    other[i] = own[i] ^ step;
  }
  return __builtin_shuffle(a, b, own) + __builtin_shuffle(a, b, other);
#endif
}

// The vector whose lane i is the sum over the lanes of x[i]; n halves from lanes<T> to 1.
template <class T, int n = lanes<T>>
INLINE Vec<T> totals(const Vec<T>* x) {
  if constexpr (n == 1)
    return x[0];
  else
    return folded<T, n / 2>(totals<T, n / 2>(x), totals<T, n / 2>(x + n / 2));
}

// Lane j of x[i] and lane i of x[j] change places.
template <class T, int step = lanes<T> / 2>
INLINE void transpose(Vec<T>* x) {
  constexpr int L = lanes<T>;
  typename Real<T>::Bits low, high;
  for (int i = 0; i < L; ++i) {
    low[i] = i & step ? L + (i ^ step) : i;
    high[i] = i & step ? L + i : i ^ step;
  }
#pragma GCC unroll 16
  for (int i = 0; i < L; ++i) {
    if (i & step) continue;
    const Vec<T> a = x[i], b = x[i | step];
#if defined(__clang__)
    for (int lane = 0; lane < L; ++lane) {
      x[i][lane] = lane & step ? b[lane ^ step] : a[lane];
      x[i | step][lane] = lane & step ? b[lane] : a[lane ^ step];
    }
#else
    x[i] = __builtin_shuffle(a, b, low);
    x[i | step] = __builtin_shuffle(a, b, high);
#endif
  }
  if constexpr (step > 1) transpose<T, step / 2>(x);
}

template <class T>
INLINE T total(Vec<T> x) {
  T sum = 0;
  for (int i = 0; i < lanes<T>; ++i) sum += x[i];
  return sum;
}

// Copies n values, in whole vectors as long as there are any.
template <class T>
INLINE void copy(T* to, const T* from, int64_t n) {
  for (; n >= lanes<T>; n -= lanes<T>, to += lanes<T>, from += lanes<T>)
    std::memcpy(to, from, vector_bytes);
  for (int64_t i = 0; i < n; ++i) to[i] = from[i];
}

// Asks for n values to be brought into the cache.
template <class T>
INLINE void prefetch(const T* from, int64_t n) {
  for (int64_t i = 0; i < n; i += 64 / int64_t(sizeof(T))) __builtin_prefetch(from + i);
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
  auto* vectors() const { return reinterpret_cast<Vec<T>*>(data_); }

 private:
  static T* allocate(int64_t count) {
    const int64_t bytes = (count * int64_t(sizeof(T)) / 64 + 1) * 64;
    void* memory = std::aligned_alloc(64, bytes);
    if (!memory) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  T* data_ = nullptr;
};
