// The forward pass over one part's rows.
#pragma once

#include <cmath>
#include <limits>

#include "problem.h"

template <class T>
struct ForwardResults {
  T *mixed;      // [row][value channel][head]
  T *fresh;      // new interactions, [pair][interaction channel]
  T *attention;  // [pair][head]
  T *saved;      // [quantity][pair]: mean and inverse deviation of each network, logit of each head
};

template <class T>
struct ForwardPart {
  using V = Vec<T>;
  const Problem<T>& problem;
  const Layout<T>& layout;
  const T* log_count;
  ForwardResults<T> out;
  Tile<T> tile;
  int64_t capacity, row, base;  // `row`: first that is not finished, `base`: its first pair
  Buffer<T> logits, values;     // [head][pair - base], [pair - base][value channel]
  Buffer<T> softmax, sums;      // one row: [pair], [value channel]
  alignas(64) T mean[tile_pairs], inverse[tile_pairs], reduced[tile_pairs];

  ForwardPart(const Problem<T>& p, const Part& part, const T* log_counts,
              const ForwardResults<T>& results)
      : problem(p),
        layout(p.layout),
        log_count(log_counts),
        out(results),
        tile(p.layout),
        row(part.first_row),
        base(p.offsets[part.first_row]) {
    int64_t longest = 0;
    for (int64_t r = part.first_row; r < part.last_row; ++r)
      longest = std::max(longest, p.offsets[r + 1] - p.offsets[r]);
    capacity = longest + tile_pairs;
    logits = Buffer<T>(layout.heads * capacity);
    values = Buffer<T>(capacity * layout.vectors[1] * layout.L);
    softmax = Buffer<T>(capacity + layout.L);
    sums = Buffer<T>(layout.vectors[1] * layout.L);
  }

  void run(const Part& part) {
    const int64_t end = problem.offsets[part.last_row];
    int64_t current = part.first_row;
    finish_rows(part.last_row, base);
    for (int64_t start = base; start < end; start += tile_pairs) {
      tile.fill(start, end, problem.interactions, problem.sources, problem.offsets,
                problem.columns, current);
      project(tile, problem.weights.forward.vectors(), problem.own.vectors(),
              problem.other.vectors());
      hidden();
      const int64_t vectors = layout.vectors[1];
      normalise(1, [&](int p, int64_t v, V y) {
        values.vectors()[(tile.begin + p - base) * vectors + v] = y;
      });
      const int64_t width = layout.widths[2];
      normalise(2, [&](int p, int64_t v, V y) {
        copy(out.fresh + (tile.begin + p) * width + v * layout.L, reinterpret_cast<const T*>(&y),
             std::min(layout.L, width - v * layout.L));
      });
      finish_rows(part.last_row, start + tile.count);
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
    std::copy_n(values_of_tile, tile.count, out.saved + quantity * layout.pairs + tile.begin);
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
        T* logit = logits.get() + (h + i) * capacity + tile.begin - base;
        for (int p = 0; p < tile.count; ++p) logit[p] = reduced[p] + log_count[tile.begin + p];
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

  // Finishes the rows whose pairs all come before `end`; keeps the pairs that are left.
  void finish_rows(int64_t last_row, int64_t end) {
    const int64_t old = base;
    while (row < last_row && problem.offsets[row + 1] <= end) finish(row++, old);
    base = problem.offsets[row];
    const int64_t left = end - base, moved = base - old, width = layout.vectors[1] * layout.L;
    if (!moved || left <= 0) return;
    for (int64_t h = 0; h < layout.heads; ++h) {
      T* head = logits.get() + h * capacity;
      std::copy(head + moved, head + moved + left, head);
    }
    std::copy(values.get() + moved * width, values.get() + (moved + left) * width, values.get());
  }

  void finish(int64_t r, int64_t start) {
    const int64_t begin = problem.offsets[r], count = problem.offsets[r + 1] - begin;
    const int64_t H = layout.heads, width = layout.widths[1], vectors = layout.vectors[1];
    const V* value = values.vectors() + (begin - start) * vectors;
    for (int64_t h = 0; h < H; ++h) {
      weigh(logits.get() + h * capacity + begin - start, count);
      const T* weight = softmax.get();
      for (int64_t p = 0; p < count; ++p) out.attention[(begin + p) * H + h] = weight[p];
      for (int64_t v = 0; v < vectors; ++v) {
        V even = {}, odd = {};
        int64_t p = 0;
        for (; p + 1 < count; p += 2) {
          even += weight[p] * value[p * vectors + v];
          odd += weight[p + 1] * value[(p + 1) * vectors + v];
        }
        if (p < count) even += weight[p] * value[p * vectors + v];
        sums.vectors()[v] = even + odd;
      }
      for (int64_t e = 0; e < width; ++e) out.mixed[(r * width + e) * H + h] = sums.get()[e];
    }
  }

  // Softmax of `count` logits. A row with nothing but masked pairs gives NaN (0 / 0).
  void weigh(const T* logit, int64_t count) {
    const int64_t vectors = (count + layout.L - 1) / layout.L;
    V* weight = softmax.vectors();
    constexpr T infinity = std::numeric_limits<T>::infinity();
    copy(softmax.get(), logit, count);
    std::fill(softmax.get() + count, softmax.get() + vectors * layout.L, -infinity);
    V top = splat<T>(-infinity);
    for (int64_t v = 0; v < vectors; ++v) top = weight[v] > top ? weight[v] : top;
    T highest = -infinity;
    for (int64_t lane = 0; lane < layout.L; ++lane) highest = std::max(highest, top[lane]);
    if (highest == -infinity) highest = 0;
    V sum = {};
    for (int64_t v = 0; v < vectors; ++v) {
      const V x = weight[v] - highest;
      V e[1] = {at_least<T>(x, Real<T>::lowest)};
      exponentials<T, 1>(e);
      sum += weight[v] = x < Real<T>::lowest ? V{} : e[0];
    }
    const T inverse_sum = T(1) / total<T>(sum);
    for (int64_t v = 0; v < vectors; ++v) weight[v] *= inverse_sum;
  }
};
