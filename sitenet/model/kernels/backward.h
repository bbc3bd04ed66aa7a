// The three networks, backward, over one part's evaluations: computes them again, tile by tile.
#pragma once

#include "mixing.h"

template <class T>
struct NetworkInputs {
  const T *saved, *grad_fresh;               // as forward gave the one, and of its new interactions
  const EvaluationGradients<T>& gradients;   // of logits and values, all evaluations
};

template <class F>
struct NetworksBackward {
  using T = typename F::Sum;
  using V = Vec<T>;
  const Problem<F>& problem;
  const Layout<T>& layout;
  NetworkInputs<T> in;
  T* grad_interactions;  // for evaluations that have each their own
  Part part;
  Tile<T> tile;
  Products<F> products;
  Buffer<T> grad_own, grad_other;    // [row - first of the part's rows, columns][vector]
  Buffer<T> grad_sources;            // [source - first of the part's sources][input]
  Buffer<T> grad_weight;             // [vector][padded input][lane]
  Buffer<T> grad_scale, grad_shift;  // [padded channel], value and interaction networks
  Buffer<T> grad_logit;  // [head][hidden channel]: sum of (gradient of logit) * normalised hidden
  TileNormBackward<T> norm;
  Buffer<T> saved, logit_gradient;  // [quantity][pair], [head][pair]
  alignas(64) T by_mean[tile_pairs], by_normal[tile_pairs];

  NetworksBackward(const Problem<F>& p, const Part& own_part, const NetworkInputs<T>& inputs,
                   T* out_interactions)
      : problem(p),
        layout(p.layout),
        in(inputs),
        grad_interactions(out_interactions),
        part(own_part),
        tile(p.layout),
        products(p.layout),
        norm(std::max({int64_t(1), layout.vectors[1], layout.vectors[2]})) {
    const int64_t Cp = layout.padded_channels(), H = layout.heads, L = layout.L;
    grad_own = Buffer<T>(part.rows.size() * Cp);
    grad_other = Buffer<T>(part.columns.size() * Cp);
    grad_sources = Buffer<T>(part.sources.size() * layout.inputs);
    grad_weight = Buffer<T>(Cp * layout.padded_inputs());
    grad_scale = Buffer<T>(Cp);
    grad_shift = Buffer<T>(Cp);
    grad_logit = Buffer<T>(H * layout.vectors[0] * L);
    saved = Buffer<T>(problem.saved_quantities() * tile_pairs);
    logit_gradient = Buffer<T>(H * tile_pairs);
  }

  void run() {
    prepare();
    const int64_t end = part.evaluations.last;
    for (int64_t start = part.evaluations.first; start < end; start += tile_pairs) {
      tile.fill(start, end, problem.interactions, problem.of);
      problem.project(tile, products);
      restore_saved();
      values();
      if (layout.widths[2]) interactions();
      logits();
      for (int64_t v = 0; v < layout.vectors[0]; ++v) hidden(v);
      const auto* weight = problem.weights.backward.get();
      if (problem.of.source)
        products.template inputs_gradient<true>(tile, weight, of_sources());
      else
        products.template inputs_gradient<false>(tile, weight, grad_interactions);
      products.weight_gradient(tile, grad_weight.vectors());
      scatter();
    }
  }

  // Where the gradient of interactions row 0 would be in this part's own sums.
  T* of_sources() const { return grad_sources.get() - part.sources.first * layout.inputs; }

 private:
  // Zeroes the sums.
  void prepare() {
    const int64_t Cp = layout.padded_channels();
    std::fill_n(grad_own.get(), part.rows.size() * Cp, T(0));
    std::fill_n(grad_other.get(), part.columns.size() * Cp, T(0));
    std::fill_n(grad_sources.get(), part.sources.size() * layout.inputs, T(0));
    std::fill_n(grad_weight.get(), Cp * layout.padded_inputs(), T(0));
    std::fill_n(grad_scale.get(), Cp, T(0));
    std::fill_n(grad_shift.get(), Cp, T(0));
    std::fill_n(grad_logit.get(), layout.heads * layout.vectors[0] * layout.L, T(0));
  }

  // What forward kept of the tile; zeros past its end, where nothing may be added.
  void restore_saved() {
    for (int64_t q = 0; q < problem.saved_quantities(); ++q)
      take(saved.get() + q * tile_pairs, in.saved + q * layout.evaluations);
    for (int64_t h = 0; h < layout.heads; ++h)
      take(logit_gradient.get() + h * tile_pairs, in.gradients.of_logits(h));
  }

  // The tile's part of numbers of all evaluations.
  void take(T* to, const T* from) {
    copy(to, from + tile.begin, tile.count);
    std::fill(to + tile.count, to + tile_pairs, T(0));
  }

  const T* kept(int64_t quantity) const { return saved.get() + quantity * tile_pairs; }

  void values() {
    const int64_t vectors = layout.vectors[1];
    const V* gradient = in.gradients.of_values(layout) + tile.begin * vectors;
    for (int64_t v = 0; v < vectors; ++v) {
      V* panel = norm.gradient(v);
      for (int p = 0; p < tile.height; ++p)
        panel[p] = p < tile.count ? gradient[p * vectors + v] : V{};
    }
    norm_gradient(1);
  }

  void interactions() {
    const int64_t width = layout.widths[2], L = layout.L;
    for (int64_t v = 0; v < layout.vectors[2]; ++v) {
      V* panel = norm.gradient(v);
      std::fill_n(panel, tile_pairs, V{});
      for (int p = 0; p < tile.count; ++p)
        copy(reinterpret_cast<T*>(panel + p), in.grad_fresh + (tile.begin + p) * width + v * L,
             std::min(L, width - v * L));
    }
    norm_gradient(2);
  }

  // From the gradient of the output of network n, in `norm`, to that of its pre-activations.
  void norm_gradient(int n) {
    const int64_t first = layout.first[n];
    norm.run({tile.panel(first), layout.widths[n]}, kept(2 * n), kept(2 * n + 1),
             problem.weights.scale.vectors() + first, grad_scale.vectors() + first,
             grad_shift.vectors() + first, tile.height);
  }

  // The gradients of the logits, summed as the norm of the hidden network needs them.
  void logits() {
    std::fill_n(by_mean, tile_pairs, T(0));
    std::fill_n(by_normal, tile_pairs, T(0));
    for (int64_t h = 0; h < layout.heads; ++h) {
      const T *gradient = logit_gradient.get() + h * tile_pairs, *logit = kept(6 + h);
      const T mean = problem.weights.logit_mean[h];
      for (int p = 0; p < tile.height; ++p) {
        by_mean[p] += gradient[p] * mean;
        by_normal[p] += gradient[p] * logit[p] / T(layout.widths[0]);
      }
    }
  }

  // The hidden network: its incoming gradient is the heads' sum of logit gradient * logit weight.
  void hidden(int64_t v) {
    V *z = tile.panel(v), slope[tile_pairs], to[tile_pairs];
    norm.restore(z, slope, kept(0), kept(1), tile.height);
    for (int p = 0; p < tile.height; ++p) to[p] = -(z[p] * by_normal[p] + by_mean[p]);
    in_blocks<4>(layout.heads, [&]<int H>(int64_t h) {
      V weight[H], sum[H] = {};
      const T* gradient = logit_gradient.get() + h * tile_pairs;
      EACH(H) weight[i] = problem.weights.logit.vectors()[(h + i) * layout.vectors[0] + v];
      for (int p = 0; p < tile.height; ++p) {
        V towards = to[p];
        EACH(H) sum[i] += gradient[i * tile_pairs + p] * z[p];
        EACH(H) towards += gradient[i * tile_pairs + p] * weight[i];
        to[p] = towards;
      }
      EACH(H) grad_logit.vectors()[(h + i) * layout.vectors[0] + v] += sum[i];
    });
    for (int p = 0; p < tile.height; ++p) z[p] = slope[p] * to[p];
  }

  // Adds the gradient of the pre-activations to both sites.
  void scatter() {
    const int64_t N = layout.total;
    for (int p = 0; p < tile.count;) {
      int end = p + 1;
      while (end < tile.count && tile.row[end] == tile.row[p]) ++end;
      V* to = grad_own.vectors() + (tile.row[p] - part.rows.first) * N;
      for (int64_t v = 0; v < N; ++v) {
        V sum = {};
        for (int i = p; i < end; ++i) sum += tile.panel(v)[i];
        to[v] += sum;
      }
      p = end;
    }
    for (int p = 0; p < tile.count; ++p) {
      V* to = grad_other.vectors() + (tile.column[p] - part.columns.first) * N;
      for (int64_t v = 0; v < N; ++v) to[v] += tile.panel(v)[p];
    }
  }
};
