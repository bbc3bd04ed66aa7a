// A linear layer of rows, alone or with Mish and layer norm, and its gradient: a tile of rows at a
// time, whose activations never leave the cache and are computed again in the backward pass. Each
// thread takes a run of tiles; their sums are added in a fixed order.
#pragma once

#include <vector>

#include "norms.h"

// Tensors of a layer by channel, or their gradients. `bias` may be null, `scale` and `shift` are
// null for a layer without Mish and norm.
template <class T>
struct LayerTensors {
  Rows<T> weight, bias, scale, shift;
};

// Rows in memory: `padded` as whole vectors of the layout, else channel after channel of a layer
// that is one network.
template <class T, bool padded>
INLINE void put_vector(const Layout<std::remove_const_t<T>>& l, T* rows, int64_t row, int64_t v,
                       const Vec<T>& result) {
  if constexpr (padded)
    reinterpret_cast<Vec<T>*>(rows)[row * l.total + v] = result;
  else
    copy(rows + row * l.channels() + v * l.L, reinterpret_cast<const T*>(&result),
         std::min(l.L, l.channels() - v * l.L));
}

template <class T>
struct LayerSums {
  Buffer<T> weight, bias, scale, shift;

  explicit LayerSums(const Layout<T>& l)
      : weight(zeros(l.padded_channels() * l.padded_inputs())),
        bias(zeros(l.padded_channels())),
        scale(zeros(l.padded_channels())),
        shift(zeros(l.padded_channels())) {}

 private:
  static Buffer<T> zeros(int64_t count) {
    Buffer<T> made(count);
    std::fill_n(made.get(), count, T(0));
    return made;
  }
};

template <class T>
struct Layer {
  using V = Vec<T>;
  Layout<T> layout;
  const T* x;
  Buffer<T> forward_weight, backward_weight, bias, scale, shift;
  bool normed;

  // `use`: what for the weights are packed.
  Layer(const Layout<T>& l, const T* inputs, const LayerTensors<const T>& in, Use use)
      : layout(l),
        x(inputs),
        bias(l.padded_channels()),
        scale(l.padded_channels()),
        shift(l.padded_channels()),
        normed(in.scale.of[0]) {
    const int64_t size = l.padded_channels() * l.padded_inputs();
    if (use == Use::forward || normed) forward_weight = Buffer<T>(size);
    if (use == Use::all_gradients) backward_weight = Buffer<T>(size);
    l.pack(forward_weight.get(), backward_weight.get(), in.weight);
    std::fill_n(bias.get(), l.padded_channels(), T(0));
    if (in.bias.of[0]) l.pad(bias.get(), in.bias);
    if (!normed) return;
    l.pad(scale.get(), in.scale);
    l.pad(shift.get(), in.shift);
  }

  // Keeps of each row the mean and the inverse deviation in `saved`, if there is a norm.
  template <bool padded>
  void forward(T* y, T* saved, int threads) const {
    std::vector<Tile<T>> tiles;
    tiles.reserve(threads);
    for (int t = 0; t < threads; ++t) tiles.emplace_back(layout);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int t = 0; t < threads; ++t) {
      Tile<T>& tile = tiles[t];
      TileNorm<T> norm;
      const int64_t end = border(t + 1, threads);
      for (int64_t start = border(t, threads); start < end; start += tile_pairs) {
        fill(tile, start, end);
        const auto store = [&](int p, int64_t v, const V& result) {
          put_vector<T, padded>(layout, y, start + p, v, result);
        };
        if (!normed) {
          for (int64_t v = 0; v < layout.total; ++v)
            for (int p = 0; p < tile.count; ++p) store(p, v, tile.panel(v)[p]);
          continue;
        }
        norm.run({tile.z.vectors(), layout.channels()}, scale.vectors(), shift.vectors(), tile.count,
                 tile.height, store);
        copy(saved + start, norm.mean, tile.count);
        copy(saved + layout.rows + start, norm.inverse, tile.count);
      }
    }
  }

  // Gradients of `out` that are null are not stored; that of the inputs, where it is asked for,
  // is added to what is there or overwrites it.
  template <bool padded, bool add>
  void backward(const T* saved, const T* gradient, const LayerTensors<T>& out, T* of_inputs,
                int threads) const {
    std::vector<Tile<T>> tiles;
    std::vector<TileNormBackward<T>> norms;
    std::vector<LayerSums<T>> sums;
    tiles.reserve(threads);
    for (int t = 0; t < threads; ++t) {
      tiles.emplace_back(layout);
      norms.emplace_back(normed ? layout.total : 0);
      sums.emplace_back(layout);
    }
    const Products<Exact<T>> products(layout);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int t = 0; t < threads; ++t) {
      const int64_t end = border(t + 1, threads);
      for (int64_t start = border(t, threads); start < end; start += tile_pairs) {
        differentiate<padded>(tiles[t], norms[t], sums[t], start, end, saved, gradient);
        products.weight_gradient(tiles[t], sums[t].weight.vectors());
        if (of_inputs)
          products.template inputs_gradient<add>(tiles[t], backward_weight.vectors(), of_inputs);
      }
    }
    collect(sums, out);
  }

 private:
  // Tiles cut evenly into one run of rows per thread.
  int64_t border(int64_t part, int64_t parts) const {
    const int64_t tiles = (layout.rows + tile_pairs - 1) / tile_pairs;
    return std::min(layout.rows, tiles * part / parts * tile_pairs);
  }

  // The pre-activations of the tile from row `start` on.
  void fill(Tile<T>& tile, int64_t start, int64_t end) const {
    tile.fill(start, end, x);
    const V* first = bias.vectors();
    Products<Exact<T>>(layout).project(tile, forward_weight.vectors(),
                                       [&](int, int64_t v) { return first + v; });
  }

  // The gradient of the pre-activations of a tile, and the sums of those of the vectors.
  template <bool padded>
  void differentiate(Tile<T>& tile, TileNormBackward<T>& norm, LayerSums<T>& sum, int64_t start,
                     int64_t end, const T* saved, const T* gradient) const {
    if (normed)
      fill(tile, start, end);
    else
      tile.fill(start, end, x);
    for (int64_t v = 0; v < layout.total; ++v) {
      V* panel = normed ? norm.gradient(v) : tile.panel(v);
      std::fill_n(panel + tile.count, tile.height - tile.count, V{});
      for (int p = 0; p < tile.count; ++p) panel[p] = vector<padded>(gradient, start + p, v);
    }
    if (normed) {
      alignas(64) T mean[tile_pairs] = {}, inverse[tile_pairs] = {};
      copy(mean, saved + start, tile.count);
      copy(inverse, saved + layout.rows + start, tile.count);
      norm.run({tile.z.vectors(), layout.channels()}, mean, inverse, scale.vectors(),
               sum.scale.vectors(), sum.shift.vectors(), tile.height);
    }
    for (int64_t v = 0; v < layout.total; ++v) {
      V bias_sum = {};
      for (int p = 0; p < tile.count; ++p) bias_sum += tile.panel(v)[p];
      sum.bias.vectors()[v] += bias_sum;
    }
  }

  template <bool padded>
  INLINE V vector(const T* rows, int64_t row, int64_t v) const {
    if constexpr (padded) return reinterpret_cast<const V*>(rows)[row * layout.total + v];
    V found = {};
    copy(reinterpret_cast<T*>(&found), rows + row * layout.channels() + v * layout.L,
         std::min(layout.L, layout.channels() - v * layout.L));
    return found;
  }

  void collect(const std::vector<LayerSums<T>>& parts, const LayerTensors<T>& out) const {
    std::vector<const T*> weights;
    for (const auto& part : parts) weights.push_back(part.weight.get());
    layout.unpack(out.weight, weights);
    collect(parts, &LayerSums<T>::bias, out.bias);
    collect(parts, &LayerSums<T>::scale, out.scale);
    collect(parts, &LayerSums<T>::shift, out.shift);
  }

  void collect(const std::vector<LayerSums<T>>& parts, Buffer<T> LayerSums<T>::*vector,
               const Rows<T>& out) const {
    if (!out.of[0]) return;
    for (int n = 0; n < 3; ++n)
      for (int64_t i = 0; i < layout.widths[n]; ++i) {
        T sum = 0;
        for (const auto& part : parts) sum += (part.*vector).get()[layout.first[n] * layout.L + i];
        out.of[n][i] = sum;
      }
  }
};
