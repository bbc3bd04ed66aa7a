// The pairwise attention block of sitenet/model/pair_block.py and its gradient, on CPU.
//
// The networks are evaluated for each pair, or once for all pairs of a type, in tiles that stay in
// cache; nothing of size evaluations x channels is ever stored. Forward keeps of each evaluation
// the values, the norms' means and inverse deviations and the raw logits, and the attention of each
// pair; the backward pass computes the rest again. Work is cut into contiguous runs, one per
// thread, whose sums are added in a fixed order: results do not change from run to run.
#pragma once

#include "backward.h"
#include "forward.h"

struct Indices {
  Evaluations of;
  PairList pairs;
};

inline bool valid(const Sizes& sizes, const Indices& index) {
  return valid(sizes, index.of) && valid(sizes, index.pairs);
}

enum Status { done = 0, bad_pairs = 1, out_of_memory = 2 };

// `values` and `saved` are what the backward pass needs besides.
template <class T>
struct Results {
  T *mixed, *fresh, *attention, *values, *saved;
};

// Gradients; those of the site parts are padded.
template <class T>
struct PairGradients {
  T *own, *other, *interactions;
  NetworkTensors<T> networks;
};

template <class F, class T = typename F::Sum>
void pair_forward(const Problem<F>& problem, const PairList& pairs, const T* log_count,
                  const Results<T>& out, int threads) {
  const NetworkResults<T> networks{out.values, out.fresh, out.saved};
  std::vector<Networks<F>> parts;
  parts.reserve(threads);
  for (int t = 0; t < threads; ++t) parts.emplace_back(problem, networks);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int t = 0; t < threads; ++t) parts[t].run(problem.parts[t].evaluations);
  const std::vector<RowPart> rows = cut_rows(problem.layout, pairs, threads);
  const T* logits = out.saved + 6 * problem.layout.evaluations;
  std::vector<Mixing<T>> mixers;
  mixers.reserve(threads);
  for (const RowPart& part : rows)
    mixers.emplace_back(problem.layout, pairs, part.rows, log_count, logits, out.values,
                        MixingResults<T>{out.mixed, out.attention});
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int t = 0; t < threads; ++t) mixers[t].run(rows[t].rows);
}

// Sums the parts in their order.
template <class F, class T = typename F::Sum>
void collect_weights(const Problem<F>& problem, const std::vector<NetworksBackward<F>>& parts,
                     const NetworkTensors<const T>& in, const NetworkTensors<T>& out) {
  const Layout<T>& l = problem.layout;
  const int64_t L = l.L, hidden = l.widths[0];
  std::vector<const T*> weights;
  for (const auto& part : parts) weights.push_back(part.grad_weight.get());
  l.unpack(out.weight, weights);
  for (int n = 0; n < 3; ++n)
    for (int64_t i = 0; i < l.widths[n]; ++i) {
      const int64_t channel = l.first[n] * L + i;
      T scale = 0, shift = 0;
      for (const auto& part : parts) {
        scale += part.grad_scale.get()[channel];
        shift += part.grad_shift.get()[channel];
      }
      for (int64_t h = 0; n == 0 && h < l.heads; ++h) {
        T sum = 0;
        for (const auto& part : parts) sum += part.grad_logit.get()[h * l.vectors[0] * L + i];
        out.logit_weight[h * hidden + i] = sum * in.scale.of[0][i];
        scale += sum * in.logit_weight[h * hidden + i];
      }
      out.scale.of[n][i] = scale;
      out.shift.of[n][i] = shift;  // zero for the hidden network: it shifts all logits of a row alike
    }
}

// The sums of all parts for row r of own or other sites, padded.
template <class F, class T = typename F::Sum>
void collect_row(const Layout<T>& l, const std::vector<NetworksBackward<F>>& parts,
                 Buffer<T> NetworksBackward<F>::*buffer, Span Part::*rows, int64_t r, T* out) {
  Vec<T>* sum = reinterpret_cast<Vec<T>*>(out) + r * l.total;
  std::fill_n(sum, l.total, Vec<T>{});
  for (const auto& part : parts) {
    const Span& span = part.part.*rows;
    if (r < span.first || r >= span.last) continue;
    const Vec<T>* from = (part.*buffer).vectors() + (r - span.first) * l.total;
    for (int64_t v = 0; v < l.total; ++v) sum[v] += from[v];
  }
}

template <class F, class T = typename F::Sum>
void collect_sites(const Layout<T>& l, const std::vector<NetworksBackward<F>>& parts,
                   T* own, T* other) {
  using Networks = NetworksBackward<F>;
#pragma omp parallel for num_threads(int(parts.size())) schedule(static)
  for (int64_t r = 0; r < l.rows; ++r) {
    collect_row(l, parts, &Networks::grad_own, &Part::rows, r, own);
    collect_row(l, parts, &Networks::grad_other, &Part::columns, r, other);
  }
}

template <class F, class T = typename F::Sum>
void collect_sources(const Sizes& s, const std::vector<NetworksBackward<F>>& parts, T* out) {
  std::fill_n(out, s.sources * s.inputs, T(0));
  for (const auto& part : parts)
    for (int64_t i = part.part.sources.first * s.inputs; i < part.part.sources.last * s.inputs; ++i)
      out[i] += part.of_sources()[i];
}

template <class T>
void add_up(const Layout<T>& l, const std::vector<EvaluationGradients<T>>& sums, int threads,
            const EvaluationGradients<T>& all) {
  const int64_t vectors = l.vectors[1];
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t e = 0; e < l.evaluations; ++e) {
    Vec<T>* values = all.of_values(l) + e * vectors;
    std::fill_n(values, vectors, Vec<T>{});
    for (int64_t h = 0; h < l.heads; ++h) all.of_logits(h)[e] = 0;
    for (const auto& part : sums) {
      if (e < part.evaluations.first || e >= part.evaluations.last) continue;
      for (int64_t v = 0; v < vectors; ++v) values[v] += part.of_values(l)[e * vectors + v];
      for (int64_t h = 0; h < l.heads; ++h) all.of_logits(h)[e] += part.of_logits(h)[e];
    }
  }
}

// Gradients of logits and values of all evaluations. Where pairs share evaluations, each part has
// sums of its own, which are added; else each pair is in one part, which writes where it belongs.
template <class T>
EvaluationGradients<T> mixing_gradients(const Layout<T>& l, const PairList& pairs, int threads,
                                        const MixingInputs<T>& inputs) {
  const std::vector<RowPart> rows = cut_rows(l, pairs, threads);
  EvaluationGradients<T> all(l, {0, l.evaluations});
  std::vector<EvaluationGradients<T>> sums;
  for (int t = 0; pairs.of_pair && t < threads; ++t) sums.emplace_back(l, rows[t].evaluations);
  std::vector<MixingBackward<T>> parts;
  parts.reserve(threads);
  for (int t = 0; t < threads; ++t)
    parts.emplace_back(l, pairs, inputs, pairs.of_pair ? sums[t] : all);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int t = 0; t < threads; ++t) parts[t].run(rows[t]);
  if (pairs.of_pair && threads == 1 && sums[0].evaluations.size() == l.evaluations)
    return std::move(sums[0]);
  if (pairs.of_pair) add_up(l, sums, threads, all);
  return all;
}

template <class F, class T = typename F::Sum>
void pair_backward(const Problem<F>& problem, const NetworkTensors<const T>& in,
                   const PairList& pairs, const Results<const T>& kept, const T* grad_mixed,
                   const T* grad_fresh, const PairGradients<T>& out, int threads) {
  const MixingInputs<T> mixing{kept.mixed, kept.attention, kept.values, grad_mixed};
  const auto gradients = mixing_gradients<T>(problem.layout, pairs, threads, mixing);
  const NetworkInputs<T> inputs{kept.saved, grad_fresh, gradients};
  std::vector<NetworksBackward<F>> parts;
  parts.reserve(threads);
  for (const Part& part : problem.parts)
    parts.emplace_back(problem, part, inputs, out.interactions);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int t = 0; t < threads; ++t) parts[t].run();
  collect_weights(problem, parts, in, out.networks);
  collect_sites(problem.layout, parts, out.own, out.other);
  if (problem.of.source) collect_sources(problem.layout, parts, out.interactions);
}
