// The three networks, forward, over one part's evaluations.
#pragma once

#include "problem.h"

template <class T>
struct NetworkResults {
  T *values;  // [evaluation][value_stride vectors], zero in the padding
  T *fresh;   // new interactions, [evaluation][interaction channel]
  T *saved;   // [quantity][evaluation]: mean and inverse deviation of each network, logits by head
};

template <class F>
struct Networks {
  using T = typename F::Sum;
  using V = Vec<T>;
  const Problem<F>& problem;
  const Layout<T>& layout;
  NetworkResults<T> out;
  Tile<T> tile;
  Products<F> products;
  TileNorm<T> norm;
  alignas(64) T reduced[tile_pairs];

  Networks(const Problem<F>& p, const NetworkResults<T>& results)
      : problem(p), layout(p.layout), out(results), tile(p.layout), products(p.layout) {}

  void run(const Span& evaluations) {
    const int64_t width = layout.widths[2], stride = layout.value_stride();
    V* values = reinterpret_cast<V*>(out.values);
    for (int64_t start = evaluations.first; start < evaluations.last; start += tile_pairs) {
      tile.fill(start, evaluations.last, problem.interactions, problem.of);
      problem.project(tile, products);
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
  Channels<T> channels(int n) const {
    return {tile.panel(layout.first[n]), layout.widths[n]};
  }

  void keep(int64_t quantity, const T* of_tile) {
    std::copy_n(of_tile, tile.count, out.saved + quantity * layout.evaluations + tile.begin);
  }

  void keep_norm(int n) {
    keep(2 * n, norm.mean);
    keep(2 * n + 1, norm.inverse);
  }

  void hidden() {
    const Channels<T> c = channels(0);
    norm.activate(c, tile.height);
    in_blocks<3>(layout.heads, [&]<int H>(int64_t h) {
      V product[H][tile_pairs];
      norm.template deviate<H>(c, problem.weights.logit.vectors() + h * c.vectors, product,
                               tile.height);
      for (int i = 0; i < H; ++i) {
        sum_lanes(product[i], reduced, tile.height);
        for (int p = 0; p < tile.height; ++p) reduced[p] *= norm.inverse[p];
        keep(6 + h + i, reduced);
      }
    });
    keep_norm(0);
  }

  template <class Store>
  INLINE void normalise(int n, Store&& store) {
    if (!layout.widths[n]) return;
    const Weights<F>& w = problem.weights;
    const int64_t first = layout.first[n];
    norm.run(channels(n), w.scale.vectors() + first, w.shift.vectors() + first, tile.count,
             tile.height, store);
    keep_norm(n);
  }
};
