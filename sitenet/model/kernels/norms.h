// Mish and layer norm over the channels of one network in a tile, and the gradient.
#pragma once

#include <cmath>

#include "products.h"

constexpr double norm_epsilon = 1e-5;

// The channels of one norm: panels of a tile from `z` on. `inside` is -1 in the lanes of the last
// panel that hold a channel, else 0.
template <class T>
struct Channels {
  Vec<T>* z;
  int64_t vectors, width;
  typename Real<T>::Bits inside;

  Channels(Vec<T>* panels, int64_t channels)
      : z(panels), vectors((channels + lanes<T> - 1) / lanes<T>), width(channels) {
    for (int64_t lane = 0; lane < lanes<T>; ++lane)
      inside[lane] = (vectors - 1) * lanes<T> + lane < width ? -1 : 0;
  }
  Vec<T>* panel(int64_t vector) const { return z + vector * tile_pairs; }
};

// to[p] = the sum over the lanes of from[p], for the first `height` rows of a tile.
template <class T>
void sum_lanes(const Vec<T>* from, T* to, int height) {
  for (int p = 0; p < height; p += lanes<T>)
    *reinterpret_cast<Vec<T>*>(to + p) = totals<T>(from + p);
}

template <class T>
struct TileNorm {
  using V = Vec<T>;
  alignas(64) T mean[tile_pairs], inverse[tile_pairs];  // inverse standard deviation

  // Mish in place and the means; padding takes the mean, so that it adds nothing to the variance.
  void activate(const Channels<T>& c, int height) {
    V sum[tile_pairs] = {};
    for (int64_t v = 0; v < c.vectors; ++v) {
      V* z = c.panel(v);
      for (int p = 0; p < height; p += mish_block) {
        V x[mish_block], none[mish_block];
        EACH(mish_block) x[i] = z[p + i];
        mish<T, mish_block, false>(x, none);
        EACH(mish_block) sum[p + i] += z[p + i] = x[i];
      }
    }
    sum_lanes(sum, mean, height);
    const T share = T(1) / T(c.width);
    for (int p = 0; p < height; ++p) mean[p] *= share;
    V* z = c.panel(c.vectors - 1);
    for (int p = 0; p < height; ++p) z[p] = c.inside ? z[p] : splat<T>(mean[p]);
  }

  // After `activate`: the inverse deviations, and product[h] = the sum over the channels of the
  // centred activations times weight[h] (vectors apart), for H heads.
  template <int H>
  void deviate(const Channels<T>& c, const V* weight, V (*product)[tile_pairs], int height) {
    constexpr int block = many_registers ? 4 : 2;
    V square[tile_pairs];
    for (int p = 0; p < height; p += block) {
      const V* z = c.z + p;
      V squares[block] = {}, products[H + 1][block] = {};
      for (int64_t v = 0; v < c.vectors; ++v, z += tile_pairs) {
        V centred[block];
        EACH(block) centred[i] = z[i] - mean[p + i];
        EACH(block) squares[i] += centred[i] * centred[i];
#pragma GCC unroll 4
        for (int h = 0; h < H; ++h)
          EACH(block) products[h][i] += centred[i] * weight[h * c.vectors + v];
      }
      EACH(block) square[p + i] = squares[i];
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h) EACH(block) product[h][p + i] = products[h][i];
    }
    sum_lanes(square, inverse, height);
    for (int p = 0; p < height; ++p)
      inverse[p] = T(1) / std::sqrt(inverse[p] / T(c.width) + T(norm_epsilon));
  }

  // Mish and norm of the first `count` entries: store(entry, vector, result).
  template <class Store>
  INLINE void run(const Channels<T>& c, const V* scale, const V* shift, int count, int height,
                  Store&& store) {
    activate(c, height);
    deviate<0>(c, nullptr, nullptr, height);
    for (int64_t v = 0; v < c.vectors; ++v) {
      const V *z = c.panel(v), by = scale[v], to = shift[v];
      for (int p = 0; p < count; ++p) store(p, v, (z[p] - mean[p]) * inverse[p] * by + to);
    }
  }
};

template <class T>
struct TileNormBackward {
  using V = Vec<T>;
  Buffer<T> slopes, incoming;  // [vector][pair][lane]

  explicit TileNormBackward(int64_t most_vectors)
      : slopes(most_vectors * tile_pairs * lanes<T>),
        incoming(most_vectors * tile_pairs * lanes<T>) {}

  Vec<T>* gradient(int64_t vector) const { return incoming.vectors() + vector * tile_pairs; }

  // z becomes the normalised activation, without scale and shift; `slope` its derivative.
  static INLINE void restore(V* z, V* slope, const T* mean, const T* inverse, int height) {
    for (int p = 0; p < height; p += mish_block) {
      V x[mish_block], s[mish_block];
      EACH(mish_block) x[i] = z[p + i];
      mish<T, mish_block, true>(x, s);
      EACH(mish_block) z[p + i] = (x[i] - mean[p + i]) * inverse[p + i];
      EACH(mish_block) slope[p + i] = s[i] * inverse[p + i];
    }
  }

  // From the pre-activations in z and the gradient of the norm's output in `incoming`, zero past
  // the tile's end, to the gradient of the pre-activations, in z. `mean` and `inverse` are those
  // of the forward pass; the gradients of scale and shift are added to of_scale and of_shift.
  void run(const Channels<T>& c, const T* mean, const T* inverse, const V* scale, V* of_scale,
           V* of_shift, int height) {
    V sum[tile_pairs] = {}, dot[tile_pairs] = {};
    alignas(64) T level[tile_pairs], along[tile_pairs];
    for (int64_t v = 0; v < c.vectors; ++v) {
      V *x = c.panel(v), *g = gradient(v);
      restore(x, slopes.vectors() + v * tile_pairs, mean, inverse, height);
      const V by = scale[v];
      V scales = {}, shifts = {};
      for (int p = 0; p < height; ++p) {
        scales += g[p] * x[p];
        shifts += g[p];
        g[p] *= by;
        sum[p] += g[p];
        dot[p] += g[p] * x[p];
      }
      of_scale[v] += scales;
      of_shift[v] += shifts;
    }
    sum_lanes(sum, level, height);
    sum_lanes(dot, along, height);
    const T share = T(1) / T(c.width);
    for (int p = 0; p < height; ++p) {
      level[p] *= share;
      along[p] *= share;
    }
    for (int64_t v = 0; v < c.vectors; ++v) {
      V* z = c.panel(v);
      const V *g = gradient(v), *slope = slopes.vectors() + v * tile_pairs;
      for (int p = 0; p < height; ++p) z[p] = slope[p] * (g[p] - level[p] - z[p] * along[p]);
    }
  }
};
