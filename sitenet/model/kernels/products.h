// The matrix products of a tile with packed weights, one lane a channel.
#pragma once

#include "factors.h"
#include "tiles.h"

// With factors of kind F; holds those of one tile's inputs.
template <class F>
class Products {
  using T = typename F::Sum;
  using V = Vec<T>;
  using Factor = typename F::Factor;
  using Factors = typename F::Factors;
  static constexpr int64_t L = lanes<T>;

  const Layout<T>& layout_;
  Buffer<Factors> inputs_;  // none where factors are the numbers themselves

 public:
  explicit Products(const Layout<T>& layout) : layout_(layout) {
    if (F::terms > 1) inputs_ = Buffer<Factors>(tile_pairs / F::terms * layout.input_vectors);
  }

  // z = start(entry, vector)[0, ...] + weight * inputs, for this vector and those that follow it;
  // weight [vector][input][lane], the inputs `across`.
  template <class Start>
  void project(const Tile<T>& tile, const Factors* weight, const Start& start) const {
    const Factor* x = F::along(tile.inputs.vectors(), tile.height * layout_.input_vectors,
                               reinterpret_cast<Factor*>(inputs_.get()));
    in_blocks<block_vectors>(layout_.total, [&]<int B>(int64_t v) {
      project_block<B>(tile, x, weight, start, v);
    });
  }

  // out[source][input] = sum over channels of z * weight, or += that; weight [channel][padded
  // input], the channels `across`.
  template <bool add>
  void inputs_gradient(const Tile<T>& tile, const Factors* weight, T* out) const {
    in_blocks<block_vectors>(layout_.input_vectors, [&]<int B>(int64_t j) {
      inputs_gradient_block<B, add>(tile, weight, out, j);
    });
  }

  // sum[vector][input][lane] += z * inputs over the pairs of the tile.
  void weight_gradient(const Tile<T>& tile, V* sums) const {
    const Factors* x = F::across(tile.inputs.vectors(), tile.height, layout_.input_vectors,
                                 inputs_.get());
    in_blocks<block_vectors>(layout_.total, [&]<int B>(int64_t v) {
      weight_gradient_block<B>(tile, reinterpret_cast<const Factor*>(x), sums, v);
    });
  }

 private:
  template <int B, class Start>
  void project_block(const Tile<T>& tile, const Factor* inputs, const Factors* weight,
                     const Start& start, int64_t v) const {
    const int64_t steps = (layout_.inputs + F::terms - 1) / F::terms;
    const int64_t padded = layout_.padded_inputs() / F::terms;
    const Factors* w = weight + v * padded;
    for (int p = 0; p < tile.height; p += block_rows) {
      V sum[block_rows][B];
#pragma GCC unroll 8
      for (int i = 0; i < block_rows; ++i) {
        const auto first = start(p + i, v);
#pragma GCC unroll 8
        for (int b = 0; b < B; ++b) sum[i][b] = first[b];
      }
      const Factor* x = inputs + p * padded;
      V* z = tile.panel(v) + p;
      for (int64_t k = 0; k < steps; ++k) {
        Factors column[B];
#pragma GCC unroll 8
        for (int b = 0; b < B; ++b) column[b] = w[b * padded + k];
#pragma GCC unroll 8
        for (int i = 0; i < block_rows; ++i)
#pragma GCC unroll 8
          for (int b = 0; b < B; ++b) F::add(sum[i][b], x[i * padded + k], column[b]);
      }
#pragma GCC unroll 8
      for (int i = 0; i < block_rows; ++i)
#pragma GCC unroll 8
        for (int b = 0; b < B; ++b) z[b * tile_pairs + i] = sum[i][b];
    }
  }

  template <int B, bool add>
  void inputs_gradient_block(const Tile<T>& tile, const Factors* weight, T* out, int64_t j) const {
    constexpr int64_t steps = L / F::terms;
    const int64_t Kv = layout_.input_vectors;
    for (int p = 0; p < tile.height; p += block_rows) {
      V sum[block_rows][B] = {};
      for (int64_t v = 0; v < layout_.total; ++v) {
        alignas(64) Factor room[block_rows * steps];
        const Factor* z = F::along(tile.panel(v) + p, block_rows, room);
        const Factors* w = weight + v * steps * Kv + j;
        for (int64_t step = 0; step < steps; ++step, ++z, w += Kv) {
#pragma GCC unroll 8
          for (int i = 0; i < block_rows; ++i)
#pragma GCC unroll 8
            for (int b = 0; b < B; ++b) F::add(sum[i][b], z[i * steps], w[b]);
        }
      }
      const int64_t K = layout_.inputs, first = j * L;
      const int64_t width = std::min<int64_t>(B * L, K - first);
#pragma GCC unroll 8
      for (int i = 0; i < block_rows; ++i)
        if (p + i < tile.count)
          put<add>(out + tile.source[p + i] * K + first, reinterpret_cast<const T*>(sum[i]), width);
    }
  }

  template <int B>
  void weight_gradient_block(const Tile<T>& tile, const Factor* inputs, V* sums, int64_t v) const {
    constexpr int rows = block_rows < L ? block_rows : L;
    const int64_t Kp = layout_.padded_inputs();
    Factors room[B][tile_pairs / F::terms];
    const Factors* z[B];
    for (int b = 0; b < B; ++b) z[b] = F::across(tile.panel(v + b), tile.height, 1, room[b]);
    for (int64_t k = 0; k < Kp; k += rows) {
      V sum[rows][B] = {};
      const Factor* x = inputs + k;
      for (int step = 0; step < tile.height / F::terms; ++step, x += Kp) {
        Factors column[B];
#pragma GCC unroll 8
        for (int b = 0; b < B; ++b) column[b] = z[b][step];
#pragma GCC unroll 8
        for (int i = 0; i < rows; ++i)
#pragma GCC unroll 8
          for (int b = 0; b < B; ++b) F::add(sum[i][b], x[i], column[b]);
      }
#pragma GCC unroll 8
      for (int i = 0; i < rows; ++i)
#pragma GCC unroll 8
        for (int b = 0; b < B; ++b) sums[(v + b) * Kp + k + i] += sum[i][b];
    }
  }

  // Adds the first n entries of x to those of `to`, or overwrites these.
  template <bool add>
  static INLINE void put(T* to, const T* x, int64_t n) {
    if constexpr (!add) return copy(to, x, n);
    for (int64_t i = 0; i < n; ++i) to[i] += x[i];
  }
};
