// Mish, then layer norm, of each row, and the gradient, on CPU: one pass over the data instead of
// PyTorch's several, and no activations stored.
#include <algorithm>
#include <vector>

#include "vectors.h"

namespace {

constexpr double norm_epsilon = 1e-5;

// A row of channels in whole vectors; the last one is filled up with zeros, whose Mish is zero.
template <class T>
struct Row {
  int64_t channels, vectors;
  typename Real<T>::Bits inside;  // of the last vector: -1 where it holds a channel, or 0

  explicit Row(int64_t channels)
      : channels(channels), vectors((channels + lanes<T> - 1) / lanes<T>) {
    for (int64_t i = 0; i < lanes<T>; ++i)
      inside[i] = (vectors - 1) * lanes<T> + i < channels ? -1 : 0;
  }

  void load(Vec<T>* to, const T* from) const {
    to[vectors - 1] = Vec<T>{};
    copy(reinterpret_cast<T*>(to), from, channels);
  }

  void store(T* to, const Vec<T>* from) const {
    copy(to, reinterpret_cast<const T*>(from), channels);
  }

  Vec<T> masked(int64_t v, Vec<T> x) const {
    return v == vectors - 1 ? (inside ? x : Vec<T>{}) : x;
  }

  template <bool slopes>
  void activate(Vec<T>* x, Vec<T>* slope) const {
    int64_t v = 0;
    for (; v + 4 <= vectors; v += 4) part<4, slopes>(x + v, slope + v);
    for (; v < vectors; ++v) part<1, slopes>(x + v, slope + v);
  }

 private:
  template <int n, bool slopes>
  static INLINE void part(Vec<T>* x, Vec<T>* slope) {
    Vec<T> value[n], rise[n];
    std::copy_n(x, n, value);
    mish<T, n, slopes>(value, rise);
    std::copy_n(value, n, x);
    if constexpr (slopes) std::copy_n(rise, n, slope);
  }
};

// Rows cut evenly into one run per thread.
template <class Work>
void in_parts(int64_t rows, int threads, const Work& work) {
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int t = 0; t < threads; ++t) work(t, rows * t / threads, rows * (t + 1) / threads);
}

template <class T>
void forward(int64_t rows, int64_t channels, int threads, const T* x, const T* scale,
             const T* shift, T* y, T* saved) {
  const Row<T> row(channels);
  Buffer<T> factors(2 * row.vectors * lanes<T>);
  row.load(factors.vectors(), scale);
  row.load(factors.vectors() + row.vectors, shift);
  std::vector<Buffer<T>> buffers;
  for (int t = 0; t < threads; ++t) buffers.emplace_back(row.vectors * lanes<T>);
  in_parts(rows, threads, [&](int t, int64_t first, int64_t last) {
    Vec<T>* a = buffers[t].vectors();
    for (int64_t r = first; r < last; ++r) {
      row.load(a, x + r * channels);
      row.template activate<false>(a, a);
      Vec<T> sum{}, squares{};
      for (int64_t v = 0; v < row.vectors; ++v) sum += a[v];
      const T mean = total<T>(sum) / channels;
      for (int64_t v = 0; v < row.vectors; ++v) {
        const Vec<T> apart = row.masked(v, a[v] - mean);
        squares += apart * apart;
      }
      const T inverse = T(1 / __builtin_sqrt(double(total<T>(squares) / channels) + norm_epsilon));
      for (int64_t v = 0; v < row.vectors; ++v)
        a[v] = (a[v] - mean) * inverse * factors.vectors()[v] + factors.vectors()[row.vectors + v];
      row.store(y + r * channels, a);
      saved[2 * r] = mean;
      saved[2 * r + 1] = inverse;
    }
  });
}

// With n = (a - mean) inverse, g = grad_y scale: grad_a = inverse (g - <g> - n <g n>).
template <class T>
void backward(int64_t rows, int64_t channels, int threads, const T* x, const T* scale,
              const T* saved, const T* grad_y, T* grad_x, T* grad_scale, T* grad_shift) {
  const Row<T> row(channels);
  const int64_t V = row.vectors, L = lanes<T>;
  Buffer<T> factor(V * L);
  row.load(factor.vectors(), scale);
  std::vector<Buffer<T>> buffers, sums;
  for (int t = 0; t < threads; ++t) {
    buffers.emplace_back(3 * V * L);
    sums.emplace_back(2 * V * L);
    std::fill_n(sums[t].get(), 2 * V * L, T(0));
  }
  in_parts(rows, threads, [&](int t, int64_t first, int64_t last) {
    Vec<T>*n = buffers[t].vectors(), *slope = n + V, *g = slope + V;
    Vec<T>*of_scale = sums[t].vectors(), *of_shift = of_scale + V;
    for (int64_t r = first; r < last; ++r) {
      row.load(n, x + r * channels);
      row.load(g, grad_y + r * channels);
      row.template activate<true>(n, slope);
      const T mean = saved[2 * r], inverse = saved[2 * r + 1];
      Vec<T> sum{}, product{};
      for (int64_t v = 0; v < V; ++v) {
        n[v] = (n[v] - mean) * inverse;
        of_scale[v] += g[v] * n[v];
        of_shift[v] += g[v];
        g[v] *= factor.vectors()[v];  // zero in the padding
        sum += g[v];
        product += g[v] * n[v];
      }
      const T level = total<T>(sum) / channels, tilt = total<T>(product) / channels;
      for (int64_t v = 0; v < V; ++v) g[v] = (g[v] - level - n[v] * tilt) * inverse * slope[v];
      row.store(grad_x + r * channels, g);
    }
  });
  for (int64_t v = 0; v < V; ++v) {
    Vec<T> of_scale{}, of_shift{};
    for (const auto& part : sums) {
      of_scale += part.vectors()[v];
      of_shift += part.vectors()[V + v];
    }
    for (int64_t i = 0; i < L && v * L + i < channels; ++i) {
      grad_scale[v * L + i] = of_scale[i];
      grad_shift[v * L + i] = of_shift[i];
    }
  }
}

}  // namespace

#define EXPORT(T, NAME)                                                                        \
  extern "C" int mish_norm_forward_##NAME(int64_t rows, int64_t channels, const T* x,          \
                                          const T* scale, const T* shift, T* y, T* saved,      \
                                          int threads) try {                                   \
    forward<T>(rows, channels, threads, x, scale, shift, y, saved);                            \
    return 0;                                                                                  \
  } catch (const std::bad_alloc&) {                                                            \
    return 2;                                                                                  \
  }                                                                                            \
  extern "C" int mish_norm_backward_##NAME(int64_t rows, int64_t channels, const T* x,         \
                                           const T* scale, const T* saved, const T* grad_y,    \
                                           T* grad_x, T* grad_scale, T* grad_shift,            \
                                           int threads) try {                                  \
    backward<T>(rows, channels, threads, x, scale, saved, grad_y, grad_x, grad_scale,          \
                grad_shift);                                                                   \
    return 0;                                                                                  \
  } catch (const std::bad_alloc&) {                                                            \
    return 2;                                                                                  \
  }

EXPORT(float, float32)
EXPORT(double, float64)
