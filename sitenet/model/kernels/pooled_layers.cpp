// Layers one after the other in one call, with the mean over the rows of each group in between; and
// the gradient.
#include "networks.h"

namespace {

// `layers` networks of `widths` (layers + 1) channels; before layer `pooled` (or after the last)
// rows become groups: the sum of weight * row, over `total`. group [row] from 0 to groups - 1.
template <class T>
struct Chain {
  int64_t rows, groups, layers, pooled;
  const int64_t *widths, *group;
  const T *weight, *total;

  Layout<T> layout(int64_t layer) const {
    const int64_t R = layer < pooled ? rows : groups;
    return Layout<T>({R, R, R, R, widths[layer], 0, {widths[layer + 1], 0, 0}});
  }
  int64_t channels() const { return widths[pooled]; }

  void mean(const T* x, T* out) const {
    const int64_t C = channels();
    std::fill_n(out, groups * C, T(0));
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < C; ++c) out[group[r] * C + c] += weight[r] * x[r * C + c];
    for (int64_t g = 0; g < groups; ++g)
      for (int64_t c = 0; c < C; ++c) out[g * C + c] /= total[g];
  }

  void mean_gradient(const T* of_mean, T* out) const {
    const int64_t C = channels();
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < C; ++c)
        out[r * C + c] = of_mean[group[r] * C + c] / total[group[r]] * weight[r];
  }
};

// Of each layer the result and what its norm keeps; last the means.
template <class T>
struct Kept {
  T *result, *norm;
};

// The tensors that a step reads: x, results of layers, or the means.
template <class T>
const T* input_of(const Chain<T>& chain, int64_t layer, const T* x, const Kept<T>* kept) {
  if (layer == chain.pooled) return kept[chain.layers].result;
  return layer ? kept[layer - 1].result : x;
}

template <class T>
int forward(const Chain<T>& chain, const T* x, const Network<const T>* networks,
            const Kept<T>* out, int threads) try {
  if (!within(chain.group, chain.rows, chain.groups)) return 1;
  const T* last = x;
  for (int64_t i = 0; i <= chain.layers; ++i) {
    if (i == chain.pooled) chain.mean(last, out[chain.layers].result);
    if (i == chain.layers) break;
    const Layout<T> layout = chain.layout(i);
    const Layer<T> layer(layout, input_of(chain, i, x, out),
                         networks[i].layer(chain.widths[i]), Use::forward);
    layer.template forward<false>(out[i].result, out[i].norm, threads);
    last = out[i].result;
  }
  return 0;
} catch (const std::bad_alloc&) {
  return 2;
}

template <class T>
int backward(const Chain<T>& chain, const T* x, const Network<const T>* networks,
             const Kept<T>* kept, const T* gradient, const Network<T>* out, T* of_x,
             int threads) try {
  Buffer<T> now, next;  // gradients of a step's result and of what it reads
  const T* given = gradient;
  for (int64_t i = chain.layers; i >= 0; --i) {
    if (i < chain.layers) {
      const Layout<T> layout = chain.layout(i);
      next = Buffer<T>(layout.rows * layout.inputs);
      const Layer<T> layer(layout, input_of(chain, i, x, kept),
                           networks[i].layer(chain.widths[i]), Use::all_gradients);
      T* to = i == 0 && chain.pooled > 0 ? of_x : next.get();
      layer.template backward<false, false>(kept[i].norm, given, out[i].layer(chain.widths[i]), to,
                                            threads);
      std::swap(now, next);
      given = to;
    }
    if (i == chain.pooled) {
      next = Buffer<T>(chain.rows * chain.channels());
      T* to = i == 0 ? of_x : next.get();
      chain.mean_gradient(given, to);
      std::swap(now, next);
      given = to;
    }
  }
  return 0;
} catch (const std::bad_alloc&) {
  return 2;
}

}  // namespace

#define EXPORT(T, NAME)                                                                           \
  extern "C" int pooled_layers_forward_##NAME(const Chain<T>* chain, const T* x,                         \
                                       const Network<const T>* networks, const Kept<T>* out,      \
                                       int threads) {                                             \
    return forward<T>(*chain, x, networks, out, threads);                                         \
  }                                                                                               \
  extern "C" int pooled_layers_backward_##NAME(                                                          \
      const Chain<T>* chain, const T* x, const Network<const T>* networks, const Kept<T>* kept,   \
      const T* gradient, const Network<T>* out, T* of_x, int threads) {                           \
    return backward<T>(*chain, x, networks, kept, gradient, out, of_x, threads);                  \
  }

EXPORT(float, float32)
EXPORT(double, float64)
