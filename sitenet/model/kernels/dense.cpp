// A linear layer of rows, alone or with Mish and layer norm, and the gradient, on CPU.
#include "networks.h"

namespace {

struct Shape {
  int64_t rows, inputs, channels;
};

// The structure that Python passes, of pointers to contiguous tensors; see `Network`.
template <class T>
struct Inputs {
  T* x;
  Network<T> network;
};

// One network of the three that a layout has room for.
template <class T>
Layout<T> layout_of(const Shape& s) {
  return Layout<T>({s.rows, s.rows, s.rows, s.rows, s.inputs, 0, {s.channels, 0, 0}});
}

template <class T>
int forward(const Shape& s, const Inputs<const T>& in, T* y, T* saved, int threads) try {
  const Layer<T> layer(layout_of<T>(s), in.x, in.network.layer(s.inputs), Use::forward);
  layer.template forward<false>(y, saved, threads);
  return 0;
} catch (const std::bad_alloc&) {
  return 2;
}

// Gradients of `out` that are null are not stored.
template <class T>
int backward(const Shape& s, const Inputs<const T>& in, const T* saved, const T* gradient,
             const Inputs<T>& out, int threads) try {
  const Use use = out.x ? Use::all_gradients : Use::weight_gradients;
  const Layer<T> layer(layout_of<T>(s), in.x, in.network.layer(s.inputs), use);
  layer.template backward<false, false>(saved, gradient, out.network.layer(s.inputs), out.x, threads);
  return 0;
} catch (const std::bad_alloc&) {
  return 2;
}

}  // namespace

#define EXPORT(T, NAME)                                                                           \
  extern "C" int dense_forward_##NAME(const Shape* shape, const Inputs<const T>* in, T* y,        \
                                      T* saved, int threads) {                                    \
    return forward<T>(*shape, *in, y, saved, threads);                                            \
  }                                                                                               \
  extern "C" int dense_backward_##NAME(const Shape* shape, const Inputs<const T>* in,             \
                                       const T* saved, const T* gradient, const Inputs<T>* out,   \
                                       int threads) {                                             \
    return backward<T>(*shape, *in, saved, gradient, *out, threads);                              \
  }

EXPORT(float, float32)
EXPORT(double, float64)
