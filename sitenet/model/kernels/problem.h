// One call: packed weights, packed site parts, and the work cut into parts, one per thread.
#pragma once

#include <vector>

#include "norms.h"

// The weights of the networks that have a gradient, or their gradients: those on I_ij, of the norms
// (scale and shift) and of the logits.
template <class T>
struct NetworkTensors {
  Rows<T> weight, scale, shift;
  T* logit_weight;
};

// The weights as the products with factors of kind F read them.
template <class F>
struct Weights {
  using T = typename F::Sum;
  Buffer<typename F::Factors> forward, backward;  // see `Products`; backward: for gradients
  Buffer<T> scale, shift;                         // [padded channel], zero in the padding
  Buffer<T> logit;  // [head][padded hidden channel], times the norm's scale
  std::vector<T> logit_mean;

  Weights(const Layout<T>& l, const NetworkTensors<const T>& in, Use use)
      : forward(l.total * l.padded_inputs() / F::terms),
        scale(l.padded_channels()),
        shift(l.padded_channels()),
        logit(l.heads * l.vectors[0] * l.L),
        logit_mean(l.heads) {
    l.pad(scale.get(), in.scale);
    l.pad(shift.get(), in.shift);
    if (use == Use::all_gradients)
      backward = Buffer<typename F::Factors>(l.padded_channels() * l.input_vectors / F::terms);
    pack(l, in.weight);
    const int64_t hidden = l.widths[0], padded = l.vectors[0] * l.L;
    for (int64_t h = 0; h < l.heads; ++h) {
      double sum = 0;
      for (int64_t c = 0; c < padded; ++c) {
        const T value = c < hidden ? in.logit_weight[h * hidden + c] * in.scale.of[0][c] : T(0);
        logit.get()[h * padded + c] = value;
        sum += value;
      }
      logit_mean[h] = T(sum / hidden);
    }
  }

 private:
  void pack(const Layout<T>& l, const Rows<const T>& weight) {
    if constexpr (F::terms == 1)
      return l.pack(reinterpret_cast<T*>(forward.get()), reinterpret_cast<T*>(backward.get()), weight);
    const Buffer<T> whole(l.padded_channels() * l.padded_inputs());
    l.pack(whole.get(), nullptr, weight);
    F::across(whole.vectors(), l.total * l.padded_inputs(), 1, forward.get());
    if (!backward.get()) return;
    l.pack(nullptr, whole.get(), weight);
    F::across(whole.vectors(), l.padded_channels(), l.input_vectors, backward.get());
  }
};

struct Span {
  int64_t first = 0, last = 0;
  int64_t size() const { return last - first; }
};

// The span that the values of [begin, end) lie in; empty if there are none.
inline Span span(const int64_t* begin, const int64_t* end) {
  if (begin == end) return {};
  const auto [low, high] = std::minmax_element(begin, end);
  return {*low, *high + 1};
}

// A contiguous run of evaluations, and the rows, columns and sources they name.
struct Part {
  Span evaluations, rows, columns, sources;
};

inline std::vector<Part> cut(const Sizes& s, const Evaluations& of, int count) {
  std::vector<Part> parts(count);
  for (int t = 0; t < count; ++t) {
    const int64_t first = s.evaluations * t / count, last = s.evaluations * (t + 1) / count;
    parts[t] = {{first, last},
                span(of.row + first, of.row + last),
                span(of.column + first, of.column + last),
                of.source ? span(of.source + first, of.source + last) : Span{}};
  }
  return parts;
}

inline bool valid(const Sizes& s, const Evaluations& of) {
  return within(of.row, s.evaluations, s.rows) && within(of.column, s.evaluations, s.rows) &&
         (of.source ? within(of.source, s.evaluations, s.sources) : s.sources == s.evaluations);
}

template <class T>
struct SumOf {
  const Vec<T> *first, *second;
  INLINE Vec<T> operator[](int64_t v) const { return first[v] + second[v]; }
};

// `own` and `other` are the site parts of the pre-activations, [row][padded channel].
template <class F>
struct Problem {
  using T = typename F::Sum;
  Layout<T> layout;
  Weights<F> weights;
  const T *own, *other, *interactions;
  Evaluations of;
  std::vector<Part> parts;

  Problem(const Sizes& sizes, int threads, const T* own_sites, const T* other_sites,
          const T* pair_inputs, const NetworkTensors<const T>& networks,
          const Evaluations& evaluations, Use use)
      : layout(sizes),
        weights(layout, networks, use),
        own(own_sites),
        other(other_sites),
        interactions(pair_inputs),
        of(evaluations),
        parts(cut(sizes, evaluations, threads)) {}

  // The pre-activations of the evaluations in the tile.
  void project(const Tile<T>& tile, const Products<F>& products) const {
    const int64_t N = layout.total;
    const Vec<T>* of_row = reinterpret_cast<const Vec<T>*>(own);
    const Vec<T>* of_column = reinterpret_cast<const Vec<T>*>(other);
    products.project(tile, weights.forward.get(), [&](int p, int64_t v) {
      return SumOf<T>{of_row + tile.row[p] * N + v, of_column + tile.column[p] * N + v};
    });
  }
  int64_t saved_quantities() const { return 6 + layout.heads; }
};
