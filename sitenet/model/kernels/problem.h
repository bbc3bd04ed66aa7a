// One call: packed weights, packed site parts, and the rows cut into parts, one per thread.
#pragma once

#include <vector>

#include "tiles.h"

constexpr double norm_epsilon = 1e-5;

template <class T>
struct Weights {
  Buffer<T> forward;       // [vector][padded input][lane]
  Buffer<T> backward;      // [padded channel][padded input]
  Buffer<T> scale, shift;  // [padded channel], zero in the padding
  Buffer<T> logit;         // [head][padded hidden channel], times the norm's scale
  std::vector<T> logit_mean;
  typename Real<T>::Bits inside[3];  // -1 where the last vector of a network holds a channel, or 0

  Weights(const Layout<T>& l, const T* weight, const T* norm_weight, const T* norm_bias,
          const T* logit_weight)
      : forward(l.padded_channels() * l.padded_inputs()),
        backward(l.padded_channels() * l.padded_inputs()),
        scale(l.padded_channels()),
        shift(l.padded_channels()),
        logit(l.heads * l.vectors[0] * l.L),
        logit_mean(l.heads) {
    l.pad(scale.get(), norm_weight);
    l.pad(shift.get(), norm_bias);
    pack(l, weight);
    const int64_t hidden = l.widths[0], padded = l.vectors[0] * l.L;
    for (int64_t h = 0; h < l.heads; ++h) {
      double sum = 0;
      for (int64_t c = 0; c < padded; ++c) {
        const T value = c < hidden ? logit_weight[h * hidden + c] * norm_weight[c] : T(0);
        logit.get()[h * padded + c] = value;
        sum += value;
      }
      logit_mean[h] = T(sum / hidden);
    }
    for (int n = 0; n < 3; ++n)
      for (int64_t lane = 0; lane < l.L; ++lane)
        inside[n][lane] = (l.vectors[n] - 1) * l.L + lane < l.widths[n] ? -1 : 0;
  }

 private:
  void pack(const Layout<T>& l, const T* weight) {
    const int64_t K = l.inputs, Kp = l.padded_inputs();
    std::fill_n(backward.get(), l.padded_channels() * Kp, T(0));
    for (int n = 0; n < 3; ++n)
      for (int64_t c = 0; c < l.widths[n]; ++c, weight += K)
        std::copy_n(weight, K, backward.get() + (l.first[n] * l.L + c) * Kp);
    for (int64_t c = 0; c < l.padded_channels(); ++c)
      for (int64_t k = 0; k < Kp; ++k)
        forward.get()[(c / l.L * Kp + k) * l.L + c % l.L] = backward.get()[c * Kp + k];
  }
};

// A contiguous run of rows, and the columns and sources its pairs name.
struct Part {
  int64_t first_row, last_row, first_column, last_column, first_source, last_source;
};

// The range [first, last) that the values of [begin, end) lie in; empty if there are none.
inline std::pair<int64_t, int64_t> span(const int64_t* begin, const int64_t* end) {
  if (begin == end) return {0, 0};
  const auto [low, high] = std::minmax_element(begin, end);
  return {*low, *high + 1};
}

// `sources` is null where each pair has its own inputs.
inline std::vector<Part> cut(const Sizes& s, const int64_t* offsets, const int64_t* columns,
                             const int64_t* sources, int count) {
  std::vector<Part> parts(count);
  int64_t row = 0;
  for (int t = 0; t < count; ++t) {
    const int64_t target = s.pairs * (t + 1) / count;
    const int64_t end =
        t + 1 == count ? s.rows
                       : std::lower_bound(offsets + row, offsets + s.rows, target) - offsets;
    const int64_t first = offsets[row], last = offsets[end];
    const auto named = span(columns + first, columns + last);
    const auto read = sources ? span(sources + first, sources + last) : span(sources, sources);
    parts[t] = {row, end, named.first, named.second, read.first, read.second};
    row = end;
  }
  return parts;
}

inline bool valid(const Sizes& s, const int64_t* offsets, const int64_t* columns,
                  const int64_t* sources) {
  bool good = offsets[0] == 0 && offsets[s.rows] == s.pairs;
  for (int64_t r = 0; r < s.rows; ++r) good &= offsets[r] <= offsets[r + 1];
  for (int64_t p = 0; p < s.pairs; ++p) good &= uint64_t(columns[p]) < uint64_t(s.rows);
  if (!sources) return good && s.sources == s.pairs;
  for (int64_t p = 0; p < s.pairs; ++p) good &= uint64_t(sources[p]) < uint64_t(s.sources);
  return good;
}

template <class T>
struct Problem {
  Layout<T> layout;
  Weights<T> weights;
  Buffer<T> own, other;  // [row][padded channel]
  const T* interactions;
  const int64_t *offsets, *columns, *sources;
  std::vector<Part> parts;

  Problem(const Sizes& sizes, int threads, const T* project_i, const T* project_j,
          const T* pair_inputs, const T* weight, const T* norm_weight, const T* norm_bias,
          const T* logit_weight, const int64_t* row_offsets, const int64_t* column,
          const int64_t* source)
      : layout(sizes),
        weights(layout, weight, norm_weight, norm_bias, logit_weight),
        own(sizes.rows * layout.padded_channels()),
        other(sizes.rows * layout.padded_channels()),
        interactions(pair_inputs),
        offsets(row_offsets),
        columns(column),
        sources(source),
        parts(cut(sizes, row_offsets, column, source, threads)) {
    const int64_t C = layout.channels(), Cp = layout.padded_channels();
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t r = 0; r < layout.rows; ++r) {
      layout.pad(own.get() + r * Cp, project_i + r * C);
      layout.pad(other.get() + r * Cp, project_j + r * C);
    }
  }
  int64_t saved_quantities() const { return 6 + layout.heads; }
};
