// Tiles of pairs, and the layout of the networks' channels and weights.
//
// The channels of the three networks are padded, each to whole vectors. A tile holds its channels
// as z[vector][pair], so that every loop below runs over contiguous memory.
#pragma once

#include <algorithm>
#include <vector>

#include "vectors.h"

constexpr int tile_pairs = 48;

// Accumulators of a register block: rows (pairs or inputs) times vectors of channels.
constexpr int block_rows = many_registers ? 8 : 4;
constexpr int block_vectors = 3;
constexpr int mish_block = many_registers ? 4 : 2;  // vectors whose Mish is computed side by side
static_assert(tile_pairs % block_rows == 0 && tile_pairs % mish_block == 0);
static_assert(tile_pairs % lanes<float> == 0);
constexpr int height_step = std::max(block_rows, lanes<float>);  // of rows that are computed

// Whether all values are from 0 to limit - 1.
inline bool within(const int64_t* values, int64_t count, int64_t limit) {
  bool good = true;
  for (int64_t i = 0; i < count; ++i) good &= uint64_t(values[i]) < uint64_t(limit);
  return good;
}

// What weights are packed for.
enum class Use { forward, weight_gradients, all_gradients };

struct Sizes {
  // evaluations: of the networks, for a pair or for all pairs of a type; sources: rows of inputs
  int64_t rows, pairs, evaluations, sources, inputs, heads, widths[3];
};

// The sites of each evaluation of the networks, and its row of inputs (null: each its own).
struct Evaluations {
  const int64_t *row, *column, *source;
};

// Numbers for each channel of the three networks, `stride` from one channel to the next; null for
// networks without.
template <class T>
struct Rows {
  T* of[3];
  int64_t stride;
};

template <class T>
struct Layout : Sizes {
  static constexpr int64_t L = lanes<T>;
  int64_t vectors[3], first[3], total, input_vectors;

  explicit Layout(const Sizes& sizes) : Sizes(sizes), total(0) {
    for (int n = 0; n < 3; ++n) {
      vectors[n] = (widths[n] + L - 1) / L;
      first[n] = total;
      total += vectors[n];
    }
    input_vectors = (inputs + L - 1) / L;
  }
  int64_t channels() const { return widths[0] + widths[1] + widths[2]; }
  int64_t padded_inputs() const { return input_vectors * L; }
  int64_t padded_channels() const { return total * L; }
  // Vectors from one evaluation's values to the next: of 16 numbers at least, on every machine.
  int64_t value_stride() const { return (widths[1] + 15) / 16 * 16 / L; }

  // The networks' parts of one piece of memory, channel after channel.
  template <class U>
  Rows<U> by_channel(U* whole, int64_t stride) const {
    return {{whole, whole + widths[0] * stride, whole + (widths[0] + widths[1]) * stride}, stride};
  }

  // One row of channels to whole vectors, zero in the padding, and back.
  void pad(T* out, const Rows<const T>& in) const {
    std::fill(out, out + padded_channels(), T(0));
    for (int n = 0; n < 3; ++n) std::copy_n(in.of[n], widths[n], out + first[n] * L);
  }
  void pad(T* out, const T* in) const { pad(out, by_channel(in, 1)); }
  void unpad(T* out, const T* in) const {
    for (int n = 0; n < 3; out += widths[n++])
      std::copy_n(in + first[n] * L, widths[n], out);
  }

  // Rows of inputs for each channel as [vector][padded input][lane] and [padded channel][padded
  // input], zero in the padding; what is null is left out.
  void pack(T* forward, T* backward, const Rows<const T>& weight) const {
    const int64_t Kp = padded_inputs();
    if (backward) std::fill_n(backward, padded_channels() * Kp, T(0));
    for (int n = 0; n < 3; ++n)
      for (int64_t v = 0; v < vectors[n]; ++v) {
        const int64_t filled = std::min(L, widths[n] - v * L), start = (first[n] + v) * L * Kp;
        const T* from = weight.of[n] + v * L * weight.stride;
        for (int64_t lane = 0; backward && lane < filled; ++lane)
          copy(backward + start + lane * Kp, from + lane * weight.stride, inputs);
        for (int64_t k = 0; forward && k < Kp; k += L) {
          Vec<T> square[L] = {};
          for (int64_t lane = 0; lane < filled; ++lane)
            copy(reinterpret_cast<T*>(square + lane), from + lane * weight.stride + k,
                 std::min(L, inputs - k));
          transpose<T>(square);
          std::copy_n(square, L, reinterpret_cast<Vec<T>*>(forward + start + k * L));
        }
      }
  }

  // The sum of the parts, each as [vector][padded input][lane], as rows of inputs for each channel.
  void unpack(const Rows<T>& weight, const std::vector<const T*>& parts) const {
    for (int n = 0; n < 3; ++n)
      for (int64_t v = 0; v < vectors[n]; ++v) {
        const int64_t filled = std::min(L, widths[n] - v * L);
        const int64_t start = (first[n] + v) * padded_inputs();
        for (int64_t k = 0; k < inputs; k += L) {
          Vec<T> square[L] = {};
          for (const T* part : parts)
            for (int64_t i = 0; i < L; ++i)
              square[i] += reinterpret_cast<const Vec<T>*>(part)[start + k + i];
          transpose<T>(square);
          for (int64_t lane = 0; lane < filled; ++lane)
            copy(weight.of[n] + (v * L + lane) * weight.stride + k,
                 reinterpret_cast<const T*>(square + lane), std::min(L, inputs - k));
        }
      }
  }
};

template <class T>
struct Tile {
  const Layout<T>& layout;
  int64_t begin = 0;
  int count = 0, height = tile_pairs;  // rows taken, and those that are computed: a multiple
  Buffer<T> inputs;                 // [pair][padded input], zero past `count`
  Buffer<T> z;                      // [vector][pair][lane]
  int64_t row[tile_pairs], column[tile_pairs];  // past `count` those of the first one
  int64_t source[tile_pairs];                   // of the inputs, up to `count`

  explicit Tile(const Layout<T>& l)
      : layout(l),
        inputs(tile_pairs * l.padded_inputs()),
        z(tile_pairs * l.padded_channels()) {
    std::fill(inputs.get(), inputs.get() + tile_pairs * l.padded_inputs(), T(0));
  }

  Vec<T>* panel(int64_t vector) const { return z.vectors() + vector * tile_pairs; }

  // Takes rows of inputs from `start` on.
  void fill(int64_t start, int64_t end, const T* rows) {
    const int64_t K = layout.inputs, Kp = layout.padded_inputs();
    begin = start;
    count = int(std::min<int64_t>(tile_pairs, end - start));
    height = (count + height_step - 1) / height_step * height_step;
    for (int p = 0; p < count; ++p) {
      source[p] = begin + p;
      copy(inputs.get() + p * Kp, rows + source[p] * K, K);
    }
    std::fill(inputs.get() + count * Kp, inputs.get() + height * Kp, T(0));
  }

  // Takes evaluations from `start` on.
  void fill(int64_t start, int64_t end, const T* interactions, const Evaluations& of) {
    const int64_t K = layout.inputs, Kp = layout.padded_inputs();
    begin = start;
    count = int(std::min<int64_t>(tile_pairs, end - start));
    height = (count + height_step - 1) / height_step * height_step;
    for (int p = 0; p < count; ++p) {
      row[p] = of.row[begin + p];
      column[p] = of.column[begin + p];
      source[p] = of.source ? of.source[begin + p] : begin + p;
      copy(inputs.get() + p * Kp, interactions + source[p] * K, K);
    }
    const int64_t next = begin + count, last = std::min<int64_t>(end, next + tile_pairs);
    for (int64_t e = next; e < last; ++e)
      prefetch(interactions + (of.source ? of.source[e] : e) * K, K);
    for (int p = count; p < height; ++p) {
      row[p] = row[0];
      column[p] = column[0];
      std::fill(inputs.get() + p * Kp, inputs.get() + (p + 1) * Kp, T(0));
    }
  }
};

// Calls f.operator()<n>() with n = 1 .. limit for each run of `count` things.
template <int limit, class F>
INLINE void in_blocks(int64_t count, F&& f) {
  int64_t start = 0;
  for (; start + limit <= count; start += limit) f.template operator()<limit>(start);
  if constexpr (limit > 3)
    if (count - start == 3) f.template operator()<3>(start);
  if constexpr (limit > 2)
    if (count - start == 2) f.template operator()<2>(start);
  if constexpr (limit > 1)
    if (count - start == 1) f.template operator()<1>(start);
}
