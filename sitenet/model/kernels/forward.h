// The three networks, forward, over one part's evaluations.
#pragma once

#include <cmath>

#include "problem.h"

template <class T>
struct NetworkResults {
  T *values;  // [evaluation][value_stride vectors], zero in the padding
  T *fresh;   // new interactions, [evaluation][interaction channel]
  T *saved;   // [quantity][evaluation]: mean and inverse deviation of each network, logits by head
};

template <class T>
struct Networks {
  using V = Vec<T>;
  const Problem<T>& problem;
  const Layout<T>& layout;
  NetworkResults<T> out;
  Tile<T> tile;
  alignas(64) T mean[tile_pairs], inverse[tile_pairs], reduced[tile_pairs];

  Networks(const Problem<T>& p, const NetworkResults<T>& results)
      : problem(p), layout(p.layout), out(results), tile(p.layout) {}

  void run(const Span& evaluations) {
    const int64_t width = layout.widths[2], stride = layout.value_stride();
    V* values = reinterpret_cast<V*>(out.values);
    for (int64_t start = evaluations.first; start < evaluations.last; start += tile_pairs) {
      tile.fill(start, evaluations.last, problem.interactions, problem.of);
      project(tile, problem.weights.forward.vectors(), problem.own.vectors(),
              problem.other.vectors());
      hidden();
      normalise(1, [&](int p, int64_t v, V y) { values[(tile.begin + p) * stride + v] = y; });
      for (int p = 0; p < tile.count; ++p)
        for (int64_t v = layout.vectors[1]; v < stride; ++v)
          values[(tile.begin + p) * stride + v] = V{};
      normalise(2, [&](int p, int64_t v, V y) {
        copy(out.fresh + (tile.begin + p) * width + v * layout.L, reinterpret_cast<const T*>(&y),
             std::min(layout.L, width - v * layout.L));
      });
    }
  }

 private:
  // Mish in place and the mean over the channels of network n; padding takes the mean, so that
  // it adds nothing to the variance.
  void activate(int n) {
    V sum[tile_pairs] = {};
    for (int64_t v = 0; v < layout.vectors[n]; ++v) {
      V* z = tile.panel(layout.first[n] + v);
      for (int p = 0; p < tile_pairs; p += mish_block) {
        V x[mish_block], none[mish_block];
        EACH(mish_block) x[i] = z[p + i];
        mish<T, mish_block, false>(x, none);
        EACH(mish_block) sum[p + i] += z[p + i] = x[i];
      }
    }
    reduce(sum, mean);
    for (int p = 0; p < tile_pairs; ++p) mean[p] /= T(layout.widths[n]);
    V* z = tile.panel(layout.first[n] + layout.vectors[n] - 1);
    for (int p = 0; p < tile_pairs; ++p)
      z[p] = problem.weights.inside[n] ? z[p] : splat<T>(mean[p]);
    keep(2 * n, mean);
  }

  static void reduce(const V* sum, T* to) {
    for (int p = 0; p < tile_pairs; p += lanes<T>)
      *reinterpret_cast<V*>(to + p) = totals<T>(sum + p);
  }

  void keep(int64_t quantity, const T* values_of_tile) {
    std::copy_n(values_of_tile, tile.count, out.saved + quantity * layout.evaluations + tile.begin);
  }

  // Sums over the channels of network n: squares of the centred activations, and their products
  // with H vectors of weights.
  template <int H>
  void centred_sums(int n, const V* weight, V* square, V (*product)[tile_pairs]) {
    constexpr int block = many_registers ? 4 : 2;
    const int64_t vectors = layout.vectors[n];
    for (int p = 0; p < tile_pairs; p += block) {
      const V* z = tile.panel(layout.first[n]) + p;
      V squares[block] = {}, products[H + 1][block] = {};
      for (int64_t v = 0; v < vectors; ++v, z += tile_pairs) {
        V centred[block];
        EACH(block) centred[i] = z[i] - mean[p + i];
        EACH(block) squares[i] += centred[i] * centred[i];
#pragma GCC unroll 4
        for (int h = 0; h < H; ++h) EACH(block) products[h][i] += centred[i] * weight[h * vectors + v];
      }
      EACH(block) square[p + i] = squares[i];
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h) EACH(block) product[h][p + i] = products[h][i];
    }
  }

  void deviate(int n, const V* square) {
    reduce(square, inverse);
    const T width = T(layout.widths[n]);
    for (int p = 0; p < tile_pairs; ++p)
      inverse[p] = T(1) / std::sqrt(inverse[p] / width + T(norm_epsilon));
    keep(2 * n + 1, inverse);
  }

  void hidden() {
    activate(0);
    in_blocks<3>(layout.heads, [&]<int H>(int64_t h) {
      V square[tile_pairs], product[H][tile_pairs];
      centred_sums<H>(0, problem.weights.logit.vectors() + h * layout.vectors[0], square, product);
      if (h == 0) deviate(0, square);
      for (int i = 0; i < H; ++i) {
        reduce(product[i], reduced);
        for (int p = 0; p < tile_pairs; ++p) reduced[p] *= inverse[p];
        keep(6 + h + i, reduced);
      }
    });
  }

  template <class Store>
  INLINE void normalise(int n, Store&& store) {
    if (!layout.widths[n]) return;
    V square[tile_pairs];
    activate(n);
    centred_sums<0>(n, nullptr, square, nullptr);
    deviate(n, square);
    for (int64_t v = 0; v < layout.vectors[n]; ++v) {
      const V* z = tile.panel(layout.first[n] + v);
      const V scale = problem.weights.scale.vectors()[layout.first[n] + v];
      const V shift = problem.weights.shift.vectors()[layout.first[n] + v];
      for (int p = 0; p < tile.count; ++p)
        store(p, v, (z[p] - mean[p]) * inverse[p] * scale + shift);
    }
  }
};
