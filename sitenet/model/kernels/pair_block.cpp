// The pair block for site parts that were computed elsewhere.
#include "pair_block.h"

namespace {

// The structures that Python passes, of pointers to contiguous tensors: `Inputs<const T>` the
// tensors that have a gradient, `Inputs<T>` their gradients.
template <class T>
struct Inputs {
  T *project_i, *project_j, *interactions, *weight, *norm_weight, *norm_bias, *logit_weight;

  NetworkTensors<T> networks(const Sizes& sizes) const {
    using Real = std::remove_const_t<T>;
    const Layout<Real> l(sizes);
    return {l.by_channel(weight, sizes.inputs), l.by_channel(norm_weight, 1), l.by_channel(norm_bias, 1),
            logit_weight};
  }
};

// Site parts with padded channels.
template <class T>
struct PaddedSites {
  Buffer<T> own, other;

  explicit PaddedSites(const Layout<T>& l)
      : own(l.rows * l.padded_channels()), other(l.rows * l.padded_channels()) {}

  PaddedSites(const Layout<T>& l, const Inputs<const T>& in) : PaddedSites(l) {
    const int64_t C = l.channels(), Cp = l.padded_channels();
    for (int64_t r = 0; r < l.rows; ++r) {
      l.pad(own.get() + r * Cp, in.project_i + r * C);
      l.pad(other.get() + r * Cp, in.project_j + r * C);
    }
  }

  void unpad(const Layout<T>& l, const Inputs<T>& out) const {
    const int64_t C = l.channels(), Cp = l.padded_channels();
    for (int64_t r = 0; r < l.rows; ++r) {
      l.unpad(out.project_i + r * C, own.get() + r * Cp);
      l.unpad(out.project_j + r * C, other.get() + r * Cp);
    }
  }
};

template <class F, class T = typename F::Sum>
int forward(const Sizes& sizes, const Inputs<const T>& in, const Indices& index,
            const T* log_count, const Results<T>& out, int threads) try {
  if (!valid(sizes, index)) return bad_pairs;
  const PaddedSites<T> sites(Layout<T>(sizes), in);
  const Problem<F> problem(sizes, threads, sites.own.get(), sites.other.get(), in.interactions,
                           in.networks(sizes), index.of, Use::forward);
  pair_forward(problem, index.pairs, log_count, out, threads);
  return done;
} catch (const std::bad_alloc&) {
  return out_of_memory;
}

template <class F, class T = typename F::Sum>
int backward(const Sizes& sizes, const Inputs<const T>& in, const Indices& index,
             const Results<const T>& kept, const T* grad_mixed, const T* grad_fresh,
             const Inputs<T>& out, int threads) try {
  if (!valid(sizes, index)) return bad_pairs;
  const Layout<T> layout(sizes);
  const PaddedSites<T> sites(layout, in), gradients(layout);
  const NetworkTensors<const T> networks = in.networks(sizes);
  const Problem<F> problem(sizes, threads, sites.own.get(), sites.other.get(), in.interactions,
                           networks, index.of, Use::all_gradients);
  pair_backward(problem, networks, index.pairs, kept, grad_mixed, grad_fresh,
                {gradients.own.get(), gradients.other.get(), out.interactions,
                 out.networks(sizes)},
                threads);
  gradients.unpad(layout, out);
  return done;
} catch (const std::bad_alloc&) {
  return out_of_memory;
}

}  // namespace

#define EXPORT(F, T, NAME)                                                                        \
  extern "C" int pair_block_forward_##NAME(const Sizes* sizes, const Inputs<const T>* in,         \
                                           const Indices* index, const T* log_count,              \
                                           const Results<T>* out, int threads) {                  \
    return forward<F>(*sizes, *in, *index, log_count, *out, threads);                             \
  }                                                                                               \
  extern "C" int pair_block_backward_##NAME(                                                      \
      const Sizes* sizes, const Inputs<const T>* in, const Indices* index,                        \
      const Results<const T>* kept, const T* grad_mixed, const T* grad_fresh,                     \
      const Inputs<T>* out, int threads) {                                                        \
    return backward<F>(*sizes, *in, *index, *kept, grad_mixed, grad_fresh, *out, threads);        \
  }

EXPORT(Exact<float>, float, float32)
EXPORT(Exact<double>, double, float64)
#ifdef BFLOAT16_PRODUCTS
EXPORT(Bfloat16, float, bfloat16)
#endif
