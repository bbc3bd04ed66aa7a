// Dot products of chosen rows of two tables, and their gradient, on CPU: no row is copied.
#include <algorithm>
#include <cstdint>

namespace {

enum Status { done = 0, bad_rows = 1 };

struct Chosen {
  int64_t count, own_rows, other_rows, channels;
  const int64_t *own, *other;
  bool valid() const {
    bool good = true;
    for (int64_t i = 0; i < count; ++i)
      good &= uint64_t(own[i]) < uint64_t(own_rows) && uint64_t(other[i]) < uint64_t(other_rows);
    return good;
  }
};

template <class T>
int forward(const Chosen& s, int threads, const T* own, const T* other, T* out) {
  if (!s.valid()) return bad_rows;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t i = 0; i < s.count; ++i) {
    const T *x = own + s.own[i] * s.channels, *y = other + s.other[i] * s.channels;
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < s.channels; ++c) sum += x[c] * y[c];
    out[i] = sum;
  }
  return done;
}

// Each thread takes some channels of all rows, so that the order of the sums is always the same.
template <class T>
int backward(const Chosen& s, int threads, const T* own, const T* other, const T* gradient,
             T* grad_own, T* grad_other) {
  if (!s.valid()) return bad_rows;
  const int64_t C = s.channels;
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int t = 0; t < threads; ++t) {
    const int64_t first = C * t / threads, last = C * (t + 1) / threads;
    for (int64_t r = 0; r < s.own_rows; ++r)
      std::fill(grad_own + r * C + first, grad_own + r * C + last, T(0));
    for (int64_t r = 0; r < s.other_rows; ++r)
      std::fill(grad_other + r * C + first, grad_other + r * C + last, T(0));
    for (int64_t i = 0; i < s.count; ++i) {
      const T g = gradient[i];
      const T *x = own + s.own[i] * C, *y = other + s.other[i] * C;
      T *to_x = grad_own + s.own[i] * C, *to_y = grad_other + s.other[i] * C;
#pragma omp simd
      for (int64_t c = first; c < last; ++c) {
        to_x[c] += g * y[c];
        to_y[c] += g * x[c];
      }
    }
  }
  return done;
}

}  // namespace

#define EXPORT(T, NAME)                                                                    \
  extern "C" int pair_scores_forward_##NAME(const Chosen* s, const T* own, const T* other, \
                                            T* out, int threads) {                         \
    return forward<T>(*s, threads, own, other, out);                                       \
  }                                                                                        \
  extern "C" int pair_scores_backward_##NAME(const Chosen* s, const T* own,                \
                                             const T* other, const T* gradient,            \
                                             T* grad_own, T* grad_other, int threads) {    \
    return backward<T>(*s, threads, own, other, gradient, grad_own, grad_other);           \
  }

EXPORT(float, float32)
EXPORT(double, float64)
