// The first sites and interactions of a network in one call, from elements, oxidation states and
// distances, with the features of sitenet/model/input_features.py; and the gradient.
#include <cmath>

#include "networks.h"

namespace {

constexpr double bohr = 0.529177210544 / 1.00001495;  // as in input_features.py

// Of R site classes: numbers, oxidation states; of M evaluations: site classes and distances, that
// of evaluation m is distance[first[m]]. `elements` rows of properties; `kinds` 1: the distance, 2:
// and ln Coulomb.
template <class T>
struct Given {
  int64_t rows, evaluations, elements, properties, embedded, kinds;
  const int64_t *numbers, *row, *column, *first;
  const T *oxidation, *distance, *property, *shift, *factor;

  int64_t site_features() const { return embedded + properties + 1; }
  bool valid(int64_t pairs) const {
    return within(numbers, rows, elements) && within(row, evaluations, rows) &&
           within(column, evaluations, rows) && within(first, evaluations, pairs);
  }
};

// Shortens rows of the table that are used and longer than 1, as nn.Embedding(max_norm=1) does.
template <class T>
void shorten(const Given<T>& in, T* table) {
  std::vector<char> seen(in.elements);
  for (int64_t r = 0; r < in.rows; ++r) {
    if (std::exchange(seen[in.numbers[r]], 1)) continue;
    T* row = table + in.numbers[r] * in.embedded;
    double square = 0;
    for (int64_t c = 0; c < in.embedded; ++c) square += double(row[c]) * row[c];
    const T norm = T(std::sqrt(square));
    if (norm > T(1))
      for (int64_t c = 0; c < in.embedded; ++c) row[c] *= T(1.0 / (double(norm) + 1e-7));
  }
}

template <class T>
void describe_sites(const Given<T>& in, const T* table, T* out) {
  const int64_t P = in.properties;
  for (int64_t r = 0; r < in.rows; ++r, out += in.site_features()) {
    std::copy_n(table + in.numbers[r] * in.embedded, in.embedded, out);
    T* known = out + in.embedded;
    std::copy_n(in.property + in.numbers[r] * P, P, known);
    known[P] = in.oxidation[r];
    for (int64_t c = 0; c <= P; ++c) known[c] = (known[c] - in.shift[c]) * in.factor[c];
  }
}

template <class T>
void describe_pairs(const Given<T>& in, T* out) {
  for (int64_t m = 0; m < in.evaluations; ++m, out += in.kinds) {
    const T d = in.distance[in.first[m]];
    out[0] = d;
    if (in.kinds == 1) continue;
    const T own = T(in.numbers[in.row[m]]), other = T(in.numbers[in.column[m]]);
    const T coulomb = d == 0 ? T(0.5) * std::pow(own, T(2.4)) : own * other / (d / T(bohr));
    out[1] = std::min(std::max(std::log(coulomb + T(1e-8)), T(-10)), T(10));
  }
}

// `table`: of the embedding, [element][channel]; channels: of a site, of an interaction.
template <class T>
struct Networks {
  T* table;
  Network<T> sites, interactions;
};

// What forward gives and the backward pass needs, besides the results.
template <class T>
struct Kept {
  T *sites, *interactions, *site_features, *pair_features, *site_norm, *pair_norm;
};

template <class T>
Layout<T> layout(int64_t rows, int64_t inputs, int64_t channels) {
  return Layout<T>({rows, rows, rows, rows, inputs, 0, {channels, 0, 0}});
}

template <class T>
int forward(const Given<T>& in, const int64_t (&channels)[2], int64_t pairs, bool shortens,
            const Networks<T>& networks, const Kept<T>& out, int threads) try {
  if (!in.valid(pairs)) return 1;
  if (shortens) shorten(in, networks.table);
  describe_sites(in, networks.table, out.site_features);
  describe_pairs(in, out.pair_features);
  const auto layer = [](const Network<T>& n, int64_t inputs) {
    const Network<const T> given{n.weight, n.bias, n.scale, n.shift};
    return given.layer(inputs);
  };
  Layer<T>(layout<T>(in.rows, in.site_features(), channels[0]), out.site_features,
           layer(networks.sites, in.site_features()), Use::forward)
      .template forward<false>(out.sites, out.site_norm, threads);
  Layer<T>(layout<T>(in.evaluations, in.kinds, channels[1]), out.pair_features,
           layer(networks.interactions, in.kinds), Use::forward)
      .template forward<false>(out.interactions, out.pair_norm, threads);
  return 0;
} catch (const std::bad_alloc&) {
  return 2;
}

// `kept.sites`, `kept.interactions`: the gradients of these results.
template <class T>
int backward(const Given<T>& in, const int64_t (&channels)[2],
             const Networks<const T>& networks, const Kept<const T>& kept,
             const Networks<T>& out, int threads) try {
  const int64_t features = in.site_features();
  Buffer<T> of_features(in.rows * features);
  Layer<T>(layout<T>(in.rows, features, channels[0]), kept.site_features,
           networks.sites.layer(features), Use::all_gradients)
      .template backward<false, false>(kept.site_norm, kept.sites, out.sites.layer(features),
                                       of_features.get(), threads);
  Layer<T>(layout<T>(in.evaluations, in.kinds, channels[1]), kept.pair_features,
           networks.interactions.layer(in.kinds), Use::weight_gradients)
      .template backward<false, false>(kept.pair_norm, kept.interactions,
                                       out.interactions.layer(in.kinds), nullptr, threads);
  for (int64_t r = 0; r < in.rows && in.embedded; ++r)
    for (int64_t c = 0; c < in.embedded; ++c)
      out.table[in.numbers[r] * in.embedded + c] += of_features.get()[r * features + c];
  return 0;
} catch (const std::bad_alloc&) {
  return 2;
}

}  // namespace

#define EXPORT(T, NAME)                                                                            \
  extern "C" int inputs_forward_##NAME(const Given<T>* in, const int64_t (*channels)[2],           \
                                       int64_t pairs, int64_t shortens,                            \
                                       const Networks<T>* networks, const Kept<T>* out,            \
                                       int threads) {                                              \
    return forward<T>(*in, *channels, pairs, shortens, *networks, *out, threads);                  \
  }                                                                                                \
  extern "C" int inputs_backward_##NAME(const Given<T>* in, const int64_t (*channels)[2],          \
                                        const Networks<const T>* networks,                         \
                                        const Kept<const T>* kept, const Networks<T>* out,         \
                                        int threads) {                                             \
    return backward<T>(*in, *channels, *networks, *kept, *out, threads);                           \
  }

EXPORT(float, float32)
EXPORT(double, float64)
