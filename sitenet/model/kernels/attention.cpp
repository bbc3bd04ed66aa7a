// One attention block in one call: site parts of the pre-activations, pair block, new sites; and
// its gradient. The weights of the networks are taken from where they are, side by side or not.
#include "networks.h"
#include "pair_block.h"

namespace {

// The structure that Python passes, of pointers to contiguous tensors that have a gradient, or to
// the gradients: inputs, the networks of the pairs, the logits and the network of the sites.
template <class T>
struct Inputs {
  T *sites, *interactions;
  Network<T> pairs[3];
  T* logit_weight;
  Network<T> next;

  // Of the pair networks: their weights from input `first` on, and their vectors.
  Rows<T> weight(int64_t first, int64_t stride) const {
    const auto from = [&](int n) { return pairs[n].weight ? pairs[n].weight + first : nullptr; };
    return {{from(0), from(1), from(2)}, stride};
  }
  Rows<T> vectors(T* Network<T>::*vector) const {
    return {{pairs[0].*vector, pairs[1].*vector, pairs[2].*vector}, 1};
  }
};

// What forward gives and the backward pass needs; `own` and `other` are [row][padded channel].
template <class T>
struct Kept {
  Results<T> pairs;
  T *own, *other, *norm, *sites;
};

// The shapes of the layers, and their tensors: S channels of a site, `inputs` of an interaction.
template <class T>
struct Shapes {
  Sizes sizes;
  int64_t S;

  int64_t stride() const { return 2 * S + sizes.inputs; }
  Layout<T> projection() const {
    const int64_t R = sizes.rows, *w = sizes.widths;
    return Layout<T>({R, R, R, R, S, 0, {w[0], w[1], w[2]}});
  }
  Layout<T> next(int64_t channels) const {
    const int64_t R = sizes.rows;
    return Layout<T>({R, R, R, R, sizes.widths[1] * sizes.heads, 0, {channels, 0, 0}});
  }
  template <class U>
  LayerTensors<U> own(const Inputs<U>& in) const {
    return {in.weight(0, stride()), in.vectors(&Network<U>::bias), {}, {}};
  }
  template <class U>
  LayerTensors<U> other(const Inputs<U>& in) const {
    return {in.weight(S, stride()), {}, {}, {}};
  }
  template <class U>
  NetworkTensors<U> networks(const Inputs<U>& in) const {
    return {in.weight(2 * S, stride()), in.vectors(&Network<U>::scale),
            in.vectors(&Network<U>::shift), in.logit_weight};
  }
  template <class U>
  LayerTensors<U> next(const Inputs<U>& in) const {
    return in.next.layer(sizes.widths[1] * sizes.heads);
  }
};

// channels: of a site as it comes and as it goes.
template <class F, class T = typename F::Sum>
int forward(const Sizes& sizes, const int64_t (&channels)[2], const Inputs<const T>& in,
            const Indices& index, const T* log_count, const Kept<T>& out, int threads) try {
  if (!valid(sizes, index)) return bad_pairs;
  const Shapes<T> shapes{sizes, channels[0]};
  using L = Layer<T>;
  L(shapes.projection(), in.sites, shapes.own(in), Use::forward)
      .template forward<true>(out.own, nullptr, threads);
  L(shapes.projection(), in.sites, shapes.other(in), Use::forward)
      .template forward<true>(out.other, nullptr, threads);
  const Problem<F> problem(sizes, threads, out.own, out.other, in.interactions,
                           shapes.networks(in), index.of, Use::forward);
  pair_forward(problem, index.pairs, log_count, out.pairs, threads);
  L(shapes.next(channels[1]), out.pairs.mixed, shapes.next(in), Use::forward)
      .template forward<false>(out.sites, out.norm, threads);
  return done;
} catch (const std::bad_alloc&) {
  return out_of_memory;
}

// `given.pairs.fresh` and `given.sites` are the gradients of what forward gave as these.
template <class F, class T = typename F::Sum>
int backward(const Sizes& sizes, const int64_t (&channels)[2], const Inputs<const T>& in,
             const Indices& index, const Kept<const T>& given, const Inputs<T>& out,
             int threads) try {
  if (!valid(sizes, index)) return bad_pairs;
  const Shapes<T> shapes{sizes, channels[0]};
  const Layout<T> projection = shapes.projection();
  using L = Layer<T>;
  Buffer<T> of_mixed(sizes.rows * sizes.widths[1] * sizes.heads);
  L(shapes.next(channels[1]), given.pairs.mixed, shapes.next(in), Use::all_gradients)
      .template backward<false, false>(given.norm, given.sites, shapes.next(out), of_mixed.get(),
                                       threads);
  const NetworkTensors<const T> networks = shapes.networks(in);
  const Problem<F> problem(sizes, threads, given.own, given.other, in.interactions, networks,
                           index.of, Use::all_gradients);
  const int64_t padded = sizes.rows * projection.padded_channels();
  Buffer<T> own(padded), other(padded);
  pair_backward(problem, networks, index.pairs, given.pairs, of_mixed.get(), given.pairs.fresh,
                {own.get(), other.get(), out.interactions, shapes.networks(out)}, threads);
  L(projection, in.sites, shapes.own(in), Use::all_gradients)
      .template backward<true, false>(nullptr, own.get(), shapes.own(out), out.sites, threads);
  L(projection, in.sites, shapes.other(in), Use::all_gradients)
      .template backward<true, true>(nullptr, other.get(), shapes.other(out), out.sites, threads);
  return done;
} catch (const std::bad_alloc&) {
  return out_of_memory;
}

}  // namespace

#define EXPORT(F, T, NAME)                                                                        \
  extern "C" int attention_forward_##NAME(const Sizes* sizes, const int64_t (*channels)[2],       \
                                          const Inputs<const T>* in, const Indices* index,        \
                                          const T* log_count, const Kept<T>* out, int threads) {  \
    return forward<F>(*sizes, *channels, *in, *index, log_count, *out, threads);                  \
  }                                                                                               \
  extern "C" int attention_backward_##NAME(const Sizes* sizes, const int64_t (*channels)[2],      \
                                           const Inputs<const T>* in, const Indices* index,       \
                                           const Kept<const T>* given, const Inputs<T>* out,      \
                                           int threads) {                                         \
    return backward<F>(*sizes, *channels, *in, *index, *given, *out, threads);                    \
  }

EXPORT(Exact<float>, float, float32)
EXPORT(Exact<double>, double, float64)
#ifdef BFLOAT16_PRODUCTS
EXPORT(Bfloat16, float, bfloat16)
#endif
